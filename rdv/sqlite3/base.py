"""SQLite, with writers who wait for each other without holding up those who only read (docs/house.md, "Turns")."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import chain, repeat
from typing import Any

from django.db.backends.sqlite3 import base

from rdv.api.turns import pause

AT_ONCE = 50  # milliseconds for which SQLite itself waits: as long as most writes take
STEPS = (0.005, 0.01, 0.02, 0.05)  # seconds between two tries, the last one again and again


class DatabaseWrapper(base.DatabaseWrapper):
    """Of the seconds that a writer may wait for the lock (`patience`), all but the first moments pass without the turn:
    others of the worker read meanwhile. Within a transaction the lock is held already.
    """

    patience = 5.0

    def get_connection_params(self) -> dict[str, Any]:
        parameters = super().get_connection_params()
        self.patience = parameters.get("timeout", self.patience)
        return parameters

    def init_connection_state(self) -> None:
        super().init_connection_state()
        self._wait_at_most(AT_ONCE)

    @contextmanager
    def waiting_at_most(self, milliseconds: int) -> Iterator[None]:
        self._wait_at_most(milliseconds)
        try:
            yield
        finally:
            self._wait_at_most(AT_ONCE)

    def _wait_at_most(self, milliseconds: int) -> None:
        self.connection.execute(f"PRAGMA busy_timeout = {milliseconds}")

    def create_cursor(self, name: str | None = None) -> Any:
        cursor = self.connection.cursor(factory=PatientCursor)
        cursor.database = self
        return cursor


class PatientCursor(base.SQLiteCursorWrapper):
    database: DatabaseWrapper

    def execute(self, *args: Any) -> Any:
        return self._patiently(super().execute, *args)

    def executemany(self, *args: Any) -> Any:
        return self._patiently(super().executemany, *args)

    def _patiently(self, run: Callable[..., Any], *args: Any) -> Any:
        until = time.monotonic() + self.database.patience
        try:
            return run(*args)
        except sqlite3.OperationalError as error:
            if not self._may_wait(error):
                raise
        # From now on SQLite is only asked: while it waits nobody else has the turn.
        with self.database.waiting_at_most(0):
            for step in chain(STEPS, repeat(STEPS[-1])):
                pause(step)
                try:
                    return run(*args)
                except sqlite3.OperationalError as error:
                    if not self._may_wait(error) or time.monotonic() >= until:
                        raise
        raise AssertionError("a try returns or raises")

    def _may_wait(self, error: sqlite3.OperationalError) -> bool:
        busy = error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY  # without what the code tells besides
        return busy and not self.database.in_atomic_block
