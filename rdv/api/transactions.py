"""A write, begun anew when others get in its way."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from django.db import IntegrityError, OperationalError, transaction

Result = TypeVar("Result")

TRIES = 5
DEADLOCK = "40P01"  # as PostgreSQL calls it; it then undoes one of the two


def write(work: Callable[[], Result], *obstacles: type[Exception]) -> Result:
    """What `work` returns, done in a transaction. Undone and done anew when another writer made a constraint fail
    between its check and its write, so that the check can then say it in its own words; when the database undid it so
    that another could go on; and when it raises one of `obstacles`. Raises the last of these when that does not end.
    """
    either: tuple[type[Exception], ...] = (IntegrityError, OperationalError, *obstacles)
    for left in reversed(range(TRIES)):
        try:
            with transaction.atomic():
                return work()
        except either as error:
            if not left or (isinstance(error, OperationalError) and not is_deadlock(error)):
                raise
    raise AssertionError("the last try returns or raises")


def is_deadlock(error: BaseException) -> bool:
    """Whether PostgreSQL undid a transaction so that another one could go on."""
    return getattr(error.__cause__, "sqlstate", None) == DEADLOCK
