"""What the database itself refuses: a change of the record, and a deletion that is not the purge's (`purge_record`)."""

from __future__ import annotations

from rdv.api.derived import Derived

TABLE = "agents_recordentry"
_PURGED = "EXISTS (SELECT 1 FROM agents_recordpurge WHERE OLD.at < before)"
_REFUSED = "the record is never changed"

_ON_POSTGRESQL = [
    f"""
    CREATE OR REPLACE FUNCTION agents_record_keep() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        IF TG_OP = 'DELETE' AND TG_LEVEL = 'ROW' THEN
            IF {_PURGED} THEN RETURN OLD; END IF;
        END IF;
        RAISE EXCEPTION '{_REFUSED}' USING ERRCODE = 'restrict_violation';
    END $$
    """,
    *(
        f"""
        CREATE OR REPLACE TRIGGER agents_record_{name} BEFORE {event} ON {TABLE}
        FOR EACH {each} EXECUTE FUNCTION agents_record_keep()
        """
        for name, event, each in (
            ("updated", "UPDATE", "ROW"),
            ("deleted", "DELETE", "ROW"),
            ("truncated", "TRUNCATE", "STATEMENT"),
        )
    ),
]
_ON_SQLITE = [
    f"""
    CREATE TRIGGER IF NOT EXISTS agents_record_updated BEFORE UPDATE ON {TABLE}
    BEGIN SELECT RAISE(ABORT, '{_REFUSED}'); END
    """,
    f"""
    CREATE TRIGGER IF NOT EXISTS agents_record_deleted BEFORE DELETE ON {TABLE} WHEN NOT {_PURGED}
    BEGIN SELECT RAISE(ABORT, '{_REFUSED}'); END
    """,
]

KEPT = Derived(
    table=TABLE,
    triggers=["agents_record_updated", "agents_record_deleted"],
    create={"postgresql": _ON_POSTGRESQL, "sqlite": _ON_SQLITE},
    refresh=[],
)
