"""What the database keeps by itself: what absences show of organisations, and the versions of rows.

`SHOWN`: what an absence shows of its agent's organisations, kept for each agent in `ShownOrganisation`. A list of
absences would otherwise look through the roles once a row. Contract 4.1 (`organisation`) and 5.3 (organizer).

`ORGANISATION_VERSIONS`, `KEY_VERSIONS`: the `version` of an organisation or a key grows with each change of what it is,
whoever writes: the API, the pages, a file in bulk. What a writer says of `version`, of a row read before, is not heard.
"""

from __future__ import annotations

from collections.abc import Sequence

from rdv.api.derived import Derived

# For the agents among `{changed}`: the organisation of lowest id, and whether one is of a mairie and none of
# "aide numérique". Without a role, nothing.
_FOLLOW = """
    DELETE FROM agents_shownorganisation WHERE agent_id IN ({changed})
    AND NOT EXISTS (SELECT 1 FROM agents_agentrole r WHERE r.agent_id = agents_shownorganisation.agent_id);
    INSERT INTO agents_shownorganisation (agent_id, organisation_id, by_mairie)
    SELECT r.agent_id, min(r.organisation_id),
           max(CASE WHEN o.verticale = 'rdv_mairie' THEN 1 ELSE 0 END) = 1
           AND max(CASE WHEN o.verticale = 'rdv_aide_numerique' THEN 1 ELSE 0 END) = 0
    FROM agents_agentrole r JOIN agents_organisation o ON o.id = r.organisation_id
    WHERE r.agent_id IN ({changed}) GROUP BY r.agent_id ORDER BY r.agent_id
    ON CONFLICT (agent_id) DO UPDATE SET organisation_id = excluded.organisation_id, by_mairie = excluded.by_mairie
"""


def _follow(changed: str) -> str:
    return _FOLLOW.format(changed=changed)


# Whose roles were given, changed or taken; and who has one where the `verticale` changed.
_BY_ROLE = "SELECT agent_id FROM moved"
_BY_VERTICALE = (
    "SELECT r.agent_id FROM moved JOIN former USING (id) JOIN agents_agentrole r ON r.organisation_id = moved.id"
    " WHERE moved.verticale <> former.verticale"
)
_EVENTS = {"inserted": "INSERT", "updated": "UPDATE", "left": "UPDATE", "deleted": "DELETE"}
_ROWS = {"inserted": "NEW", "updated": "NEW", "left": "OLD", "deleted": "OLD"}


# PostgreSQL's transactions do not see what another has not committed. Who gives a role waits for who changes the
# organisation's `verticale`, and the reverse; and of two who change roles of one agent, the second waits for the first,
# on the row which both are to keep: made first, if it is missing. What follows is then read after that.
_IN_TURN = """
    PERFORM 1 FROM agents_organisation WHERE id IN ({organisations}) ORDER BY id FOR SHARE;
    INSERT INTO agents_shownorganisation (agent_id, organisation_id, by_mairie)
    SELECT agent_id, min(organisation_id), false FROM agents_agentrole
    WHERE agent_id IN ({changed}) GROUP BY agent_id ORDER BY agent_id ON CONFLICT DO NOTHING;
    PERFORM 1 FROM agents_shownorganisation WHERE agent_id IN ({changed}) ORDER BY agent_id FOR UPDATE;
"""


def _function(name: str, organisations: str, changed: str) -> str:
    body = _IN_TURN.format(organisations=organisations, changed=changed) + _follow(changed)
    return (
        f"CREATE OR REPLACE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body}; RETURN NULL; END $$"
    )


_ON_POSTGRESQL = [
    _function("agents_follow_roles", "SELECT organisation_id FROM moved", _BY_ROLE),
    _function("agents_follow_verticale", "SELECT id FROM moved", _BY_VERTICALE),
    *(
        f"""
        CREATE OR REPLACE TRIGGER agents_role_{name} AFTER {event} ON agents_agentrole
        REFERENCING {_ROWS[name]} TABLE AS moved FOR EACH STATEMENT EXECUTE FUNCTION agents_follow_roles()
        """
        for name, event in _EVENTS.items()
    ),
    """
    CREATE OR REPLACE TRIGGER agents_verticale_updated AFTER UPDATE ON agents_organisation
    REFERENCING NEW TABLE AS moved OLD TABLE AS former FOR EACH STATEMENT EXECUTE FUNCTION agents_follow_verticale()
    """,
]
_ON_SQLITE = [
    *(
        f"CREATE TRIGGER IF NOT EXISTS agents_role_{name} AFTER {event} ON agents_agentrole"
        f" BEGIN {_follow(f'SELECT {_ROWS[name]}.agent_id')}; END"
        for name, event in _EVENTS.items()
    ),
    "CREATE TRIGGER IF NOT EXISTS agents_verticale_updated AFTER UPDATE OF verticale ON agents_organisation BEGIN "
    + _follow("SELECT agent_id FROM agents_agentrole WHERE organisation_id = NEW.id")
    + "; END",
]

SHOWN = Derived(
    table="agents_shownorganisation",
    triggers=[*(f"agents_role_{name}" for name in _EVENTS), "agents_verticale_updated"],
    create={"postgresql": _ON_POSTGRESQL, "sqlite": _ON_SQLITE},
    refresh=_follow("SELECT id FROM agents_agent").split(";"),
)


def _versions(table: str, columns: Sequence[str]) -> Derived:
    """`version` of `table` grows by one with each update of a row in which one of `columns` becomes another."""
    name = f"{table}_version"
    new, old = (", ".join(f"{row}.{column}" for column in columns) for row in ("NEW", "OLD"))
    on_postgresql = [
        f"""
        CREATE OR REPLACE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            NEW.version := OLD.version + CASE WHEN ({new}) IS DISTINCT FROM ({old}) THEN 1 ELSE 0 END;
            RETURN NEW;
        END $$
        """,
        f"CREATE OR REPLACE TRIGGER {name} BEFORE UPDATE ON {table} FOR EACH ROW EXECUTE FUNCTION {name}()",
    ]
    # SQLite cannot change what is about to be written, so it writes once more; that sets off no trigger of this name.
    kept = f"OLD.version + (({new}) IS NOT ({old}))"
    when = f"WHEN NEW.version IS NOT {kept}"
    once_more = f"UPDATE {table} SET version = {kept} WHERE id = NEW.id"
    on_sqlite = [
        f"CREATE TRIGGER IF NOT EXISTS {name} AFTER UPDATE ON {table} FOR EACH ROW {when} BEGIN {once_more}; END"
    ]
    create = {"postgresql": on_postgresql, "sqlite": on_sqlite}
    return Derived(table=table, triggers=[name], create=create, refresh=[], column="version")


ORGANISATION_VERSIONS = _versions("agents_organisation", ("territory_id", "name", "phone_number", "email", "verticale"))
# Not `last_used_at`: a key that is used is the same key.
KEY_VERSIONS = _versions(
    "agents_accesskey",
    ("name", "note", "read_only", "resources", "organisations", "expires_at", "deactivated_at", "revoked_at"),
)
