"""What the database keeps beside absences by itself.

`TALLIES`: how many each agent has; the count of a list would otherwise grow with what is visible.

`CHANGES`: the last that happened to each, with its place in the order of commits (`AbsenceChange`); so every write
counts, also one in bulk, or of another program. What an absence shows of its agent and of
organisations is a part of it.
"""

from __future__ import annotations

from collections.abc import Sequence

from rdv.api.derived import Derived

_ADD = "ON CONFLICT (agent_id) DO UPDATE SET count = absences_absencetally.count + excluded.count"
_FUNCTION = (
    "CREATE OR REPLACE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body}; RETURN NULL; END $$"
)
# In the order of the agents, so that two writers of the same agents wait for each other instead of locking up.
_INSERTED = f"""
    INSERT INTO absences_absencetally (agent_id, count)
    SELECT agent_id, count(*) FROM moved GROUP BY agent_id ORDER BY agent_id {_ADD}
"""
_DELETED = """
    UPDATE absences_absencetally AS tally SET count = tally.count - gone.count
    FROM (SELECT agent_id, count(*) AS count FROM moved GROUP BY agent_id ORDER BY agent_id) AS gone
    WHERE tally.agent_id = gone.agent_id
"""
_MINUS_ONE = "UPDATE absences_absencetally SET count = count - 1 WHERE agent_id = OLD.agent_id"
_PLUS_ONE = f"INSERT INTO absences_absencetally (agent_id, count) VALUES (NEW.agent_id, 1) {_ADD}"
_MOVED = "AFTER UPDATE OF agent_id ON absences_absence FOR EACH ROW WHEN (OLD.agent_id <> NEW.agent_id)"

_ON_POSTGRESQL = [
    _FUNCTION.format(name="absences_tally_add", body=_INSERTED),
    _FUNCTION.format(name="absences_tally_take", body=_DELETED),
    _FUNCTION.format(name="absences_tally_move", body=f"{_MINUS_ONE}; {_PLUS_ONE}"),
    """
    CREATE OR REPLACE TRIGGER absences_tally_inserted AFTER INSERT ON absences_absence
    REFERENCING NEW TABLE AS moved FOR EACH STATEMENT EXECUTE FUNCTION absences_tally_add()
    """,
    """
    CREATE OR REPLACE TRIGGER absences_tally_deleted AFTER DELETE ON absences_absence
    REFERENCING OLD TABLE AS moved FOR EACH STATEMENT EXECUTE FUNCTION absences_tally_take()
    """,
    f"CREATE OR REPLACE TRIGGER absences_tally_moved {_MOVED} EXECUTE FUNCTION absences_tally_move()",
]
_ON_SQLITE = [
    f"CREATE TRIGGER IF NOT EXISTS {name} {event} BEGIN {body}; END"
    for name, event, body in (
        ("absences_tally_inserted", "AFTER INSERT ON absences_absence", _PLUS_ONE),
        ("absences_tally_deleted", "AFTER DELETE ON absences_absence", _MINUS_ONE),
        ("absences_tally_moved", _MOVED, f"{_MINUS_ONE}; {_PLUS_ONE}"),
    )
]

TALLIES = Derived(
    table="absences_absencetally",
    triggers=["absences_tally_inserted", "absences_tally_deleted", "absences_tally_moved"],
    create={"postgresql": _ON_POSTGRESQL, "sqlite": _ON_SQLITE},
    refresh=[
        "DELETE FROM absences_absencetally",
        """
        INSERT INTO absences_absencetally (agent_id, count)
        SELECT agent_id, count(*) FROM absences_absence GROUP BY agent_id
        """,
    ],
)


# The last that happened to each absence. `{last}`: absence, agent, whether it was deleted, version, when. A row that is
# there goes to the end; the place of its creation stays, unless it comes back from the dead.
_LAST = """
    INSERT INTO absences_absencechange (absence_id, agent_id, deleted, version, at) {last}
    ON CONFLICT (absence_id, agent_id) DO UPDATE SET
        id = excluded.id, "transaction" = excluded."transaction", deleted = excluded.deleted,
        version = excluded.version, at = excluded.at,
        born_transaction = CASE WHEN absences_absencechange.deleted AND NOT excluded.deleted THEN NULL
            ELSE coalesce(absences_absencechange.born_transaction, absences_absencechange."transaction") END,
        born = CASE WHEN absences_absencechange.deleted AND NOT excluded.deleted THEN NULL
            ELSE coalesce(absences_absencechange.born, absences_absencechange.id) END
"""
# In the order of the absences, so that two writers of the same ones wait for each other instead of locking up.
_TAKEN = """
    SELECT id, former.agent_id, true, moved.version, {now} FROM former JOIN moved USING (id)
    WHERE former.agent_id <> moved.agent_id ORDER BY id
"""
_PUT = "SELECT id, agent_id, false, version, {now} FROM moved ORDER BY id"
_OF_A_STATEMENT = {
    "put": ("INSERT", "NEW TABLE AS moved", [_PUT]),
    "changed": ("UPDATE", "OLD TABLE AS former NEW TABLE AS moved", [_TAKEN, _PUT]),
    "gone": ("DELETE", "OLD TABLE AS moved", ["SELECT id, agent_id, true, version + 1, {now} FROM moved ORDER BY id"]),
}
# "WHERE true": SQLite would take the ON of the conflict for that of a join.
_OF_A_ROW = {
    "put": ("INSERT", ["SELECT NEW.id, NEW.agent_id, false, NEW.version, {now} WHERE true"]),
    "changed": (
        "UPDATE",
        [
            "SELECT OLD.id, OLD.agent_id, true, NEW.version, {now} WHERE OLD.agent_id <> NEW.agent_id",
            "SELECT NEW.id, NEW.agent_id, false, NEW.version, {now} WHERE true",
        ],
    ),
    "gone": ("DELETE", ["SELECT OLD.id, OLD.agent_id, true, OLD.version + 1, {now} WHERE true"]),
}
# What an absence shows of others: of which table, when it changes, and whose absences show it.
_SHOWN = {
    "agent": (
        "agents_agent",
        "UPDATE",
        ("email", "first_name", "last_name", "inclusion_connect_open_id_sub"),
        "agent_id = NEW.id",
    ),
    "organisation": (
        "agents_organisation",
        "UPDATE",
        ("name", "email", "phone_number", "verticale"),
        """(agent_id IN (SELECT agent_id FROM agents_shownorganisation WHERE organisation_id = NEW.id)
        OR absence_id IN (SELECT id FROM absences_absence WHERE organisation_id = NEW.id))""",
    ),
    "place": ("agents_shownorganisation", "INSERT", (), "agent_id = NEW.agent_id"),
    "other_place": ("agents_shownorganisation", "UPDATE", ("organisation_id", "by_mairie"), "agent_id = NEW.agent_id"),
    "no_place": ("agents_shownorganisation", "DELETE", (), "agent_id = OLD.agent_id"),
}
_SHOWN_ANEW = (
    "SELECT absence_id, agent_id, false, version, {now} FROM absences_absencechange"
    " WHERE NOT deleted AND {which} ORDER BY absence_id"
)
_NOW = "CURRENT_TIMESTAMP"


def _last(*rows: str, **words: str) -> str:
    return ";".join(_LAST.format(last=one.format(now=_NOW, **words)) for one in rows)


def _when(columns: Sequence[str], other: str) -> str:
    return " OR ".join(f"NEW.{column} {other} OLD.{column}" for column in columns) or "true"


_CHANGES_ON_POSTGRESQL = [
    *(
        statement
        for name, (event, tables, rows) in _OF_A_STATEMENT.items()
        for statement in (
            _FUNCTION.format(name=f"absences_change_{name}", body=_last(*rows)),
            f"""
            CREATE OR REPLACE TRIGGER absences_change_{name} AFTER {event} ON absences_absence
            REFERENCING {tables} FOR EACH STATEMENT EXECUTE FUNCTION absences_change_{name}()
            """,
        )
    ),
    *(
        statement
        for name, (table, event, columns, which) in _SHOWN.items()
        for statement in (
            _FUNCTION.format(name=f"absences_shown_{name}", body=_last(_SHOWN_ANEW, which=which)),
            f"""
            CREATE OR REPLACE TRIGGER absences_shown_{name} AFTER {event} ON {table}
            FOR EACH ROW WHEN ({_when(columns, "IS DISTINCT FROM")}) EXECUTE FUNCTION absences_shown_{name}()
            """,
        )
    ),
]
_CHANGES_ON_SQLITE = [
    *(
        f"CREATE TRIGGER IF NOT EXISTS absences_change_{name} AFTER {event} ON absences_absence"
        f" BEGIN {_last(*rows)}; END"
        for name, (event, rows) in _OF_A_ROW.items()
    ),
    *(
        f"CREATE TRIGGER IF NOT EXISTS absences_shown_{name} AFTER {event} ON {table}"
        f" FOR EACH ROW WHEN {_when(columns, 'IS NOT')} BEGIN {_last(_SHOWN_ANEW, which=which)}; END"
        for name, (table, event, columns, which) in _SHOWN.items()
    ),
]

CHANGES = Derived(
    table="absences_absencechange",
    triggers=[*(f"absences_change_{name}" for name in _OF_A_ROW), *(f"absences_shown_{name}" for name in _SHOWN)],
    create={"postgresql": _CHANGES_ON_POSTGRESQL, "sqlite": _CHANGES_ON_SQLITE},
    # Nobody knows what happened meanwhile: what is not there any more is gone, all that is there is told once more.
    refresh=[
        _last(
            """
            SELECT absence_id, agent_id, true, version + 1, {now} FROM absences_absencechange AS known WHERE NOT deleted
            AND NOT EXISTS (SELECT 1 FROM absences_absence a WHERE a.id = absence_id AND a.agent_id = known.agent_id)
            """
        ),
        _last("SELECT id, agent_id, false, version, {now} FROM absences_absence WHERE true ORDER BY id"),
    ],
)
