"""How many absences each agent has, kept beside them: the count of a list would otherwise grow with what is visible."""

from __future__ import annotations

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
