"""When a right ends: a write under way and the end of a right that it counts on happen one after the other.

A write is judged when its caller is known, long before it is committed. So, when everything is done but the commit, it
*holds* the rights, reads its caller's again, and looks again at its row; and whoever takes rights away, when everything
is done but the commit, *ends* them: waits for the writes that hold them, and lets none hold them before the commit. A
right whose end was acknowledged therefore counts for nobody, and no write appears after the end of what it rests on.

Both are the last locks of their transaction, so that nobody waits for somebody who waits for them: what the database
would lock at the commit, for its foreign keys, is locked before. On SQLite writing transactions are one after the other
anyway, and there is nothing to do.
"""

from __future__ import annotations

from django.db import connection

# Any numbers, as long as nobody else locks with them: for everything that agents may do, for the tokens of one agent.
RIGHTS = 7_364_002
TOKENS = 7_364_003


def hold_rights(agent: int) -> None:
    """Until the transaction ends, nobody's right to anything ends, nor does a token of `agent`."""
    _lock(f"pg_advisory_xact_lock_shared({RIGHTS}), pg_advisory_xact_lock_shared({_tokens_of(agent)})")


def end_rights() -> None:
    """The transaction takes away roles, services, or access: it is committed when no write counts on them any more."""
    _lock(f"pg_advisory_xact_lock({RIGHTS})")


def end_tokens(agent: int) -> None:
    """The transaction takes away tokens of `agent`, likewise."""
    _lock(f"pg_advisory_xact_lock({_tokens_of(agent)})")


def _tokens_of(agent: int) -> str:
    return f"{TOKENS}, {agent % 2**31}"  # agents who share a number wait for each other, no more


def _lock(locks: str) -> None:
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(f"SET CONSTRAINTS ALL IMMEDIATE; SELECT {locks}")
