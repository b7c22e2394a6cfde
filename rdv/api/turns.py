"""One request at a time in a worker, and hashes aside.

Python runs one thread at a time; several that want to only hinder each other. So a worker has many threads to wait in,
and its requests take turns. Slow work that needs neither Python nor the database, a password's hash, is done *aside*:
the request gives its turn back until it is done, in a thread of its own that yields the processor to everybody else.
Who must wait for another server does so *without* the turn.
"""

from __future__ import annotations

import os
import select
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as StillWaiting
from contextlib import contextmanager, nullcontext, suppress
from typing import ParamSpec, TypeVar

from django.conf import settings
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

from .errors import Busy
from .line import Line

P = ParamSpec("P")
Result = TypeVar("Result")

AWAY = 32  # for one that is served, so many are sent away: refusing must not become all that a worker does
OUTSIDE = 32  # may wait for other servers at once: threads are for those who work, too
NICE = 10  # of the thread that hashes: on a machine with work for all, some tenth of a core

_here = threading.local()  # `.turns` while this thread has its turn: those that it is of


class _Waiter:
    """A thread that waits until it is told: come in, or go away."""

    def __init__(self) -> None:
        self._told = threading.Lock()
        self._told.acquire()
        self.admitted = False

    def tell(self, admitted: bool) -> None:
        self.admitted = admitted
        self._told.release()

    def wait(self) -> bool:
        self._told.acquire()
        return self.admitted


class Turns:
    """The turns of one worker. The database connections go with them: as many are open as threads work, not wait."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._taken = False
        self._line: Line[_Waiter] = Line()
        self._returning: deque[_Waiter] = deque()  # who were let in already, and come back from aside
        self._away: deque[_Waiter] = deque()  # who are turned away, and not told yet
        self._idle: list[dict[str, BaseDatabaseWrapper]] = []  # connections, while nobody has them
        self._aside = ThreadPoolExecutor(1, "aside", _yield_the_processor)
        self._waiting_aside = 0
        self._waiting_outside = 0

    @property
    def waiting(self) -> int:
        """How many wait for their turn."""
        return len(self._line) + len(self._returning)

    @contextmanager
    def turn(self) -> Iterator[None]:
        """A turn of this thread's own. Raises Busy, at once or after waiting, when it is turned away."""
        self._take()
        try:
            yield
        finally:
            self._give()

    def aside(self, work: Callable[P, Result], *args: P.args, **kwargs: P.kwargs) -> Result:
        """What `work` returns, done while others have their turn. Raises Busy when too many wait, or too long.

        Within a transaction it is done here and now: others may wait for its locks, and would keep the turn meanwhile.
        """
        if _in_transaction():
            return work(*args, **kwargs)
        if self._waiting_aside >= settings.RDV_SIGN_IN_QUEUE:
            raise Busy
        self._waiting_aside += 1  # nobody else counts: this thread has its turn
        self._give()
        try:
            return self._result(self._aside.submit(work, *args, **kwargs))
        finally:
            self._take(returning=True)
            self._waiting_aside -= 1

    def pause(self, seconds: float) -> None:
        """Others have their turn for so long. This thread keeps its connections: they are in the midst of something."""
        self._hand_over()
        time.sleep(seconds)
        self._wait(returning=True)
        _here.turns = self

    @contextmanager
    def without(self) -> Iterator[None]:
        """While this thread waits for somebody else, others have their turn. Raises Busy when too many wait already.

        Within a transaction it keeps its turn: others may wait for its locks.
        """
        if _in_transaction():
            yield
            return
        if self._waiting_outside >= OUTSIDE:
            raise Busy
        self._waiting_outside += 1  # nobody else counts: this thread has its turn
        self._give()
        try:
            yield
        finally:
            self._take(returning=True)
            self._waiting_outside -= 1

    @staticmethod
    def _result(future: Future[Result]) -> Result:
        try:
            return future.result(settings.RDV_SIGN_IN_PATIENCE.total_seconds())
        except StillWaiting:
            if future.cancel():  # not begun
                raise Busy from None
            return future.result()

    def _take(self, *, returning: bool = False) -> None:
        self._wait(returning=returning)
        self._pick_up()
        _here.turns = self

    def _give(self) -> None:
        self._put_down()
        self._hand_over()

    def _wait(self, *, returning: bool) -> None:
        waiter = None
        with self._lock:
            if self._taken:
                waiter = _Waiter()
                if returning:
                    self._returning.append(waiter)
                else:
                    self._away.extend(self._line.join(waiter, self._clock()))
            self._taken = True
        if waiter and not waiter.wait():
            raise Busy

    def _hand_over(self) -> None:
        _here.turns = None
        with self._lock:
            if self._returning:
                waiter: _Waiter | None = self._returning.popleft()
            else:
                waiter, away = self._line.next(self._clock())
                self._away.extend(away)
            self._taken = waiter is not None
            told = [self._away.popleft() for _ in range(min(AWAY, len(self._away)) if waiter else len(self._away))]
        if waiter:
            waiter.tell(True)
        for one in told:
            one.tell(False)

    def _pick_up(self) -> None:
        """This thread has the connections that were put down last."""
        if self._idle and not _in_transaction():
            for alias, connection in self._idle.pop().items():
                if _hung_up(connection):
                    connection.close()  # made anew when it is asked
                connections[alias] = connection

    def _put_down(self) -> None:
        """This thread's connections are anybody's; unless it has begun a transaction, as a test does."""
        if _in_transaction():
            return
        mine = {connection.alias: connection for connection in connections.all(initialized_only=True)}
        for alias, connection in mine.items():
            if not connection.allow_thread_sharing:
                connection.inc_thread_sharing()  # one after the other, never at once
            del connections[alias]
        if mine:
            self._idle.append(mine)


def aside(work: Callable[P, Result], *args: P.args, **kwargs: P.kwargs) -> Result:
    """What `work` returns, done while others have their turn; where nobody takes turns (a command), simply done."""
    turns: Turns | None = getattr(_here, "turns", None)
    return turns.aside(work, *args, **kwargs) if turns else work(*args, **kwargs)


@contextmanager
def without_turn() -> Iterator[None]:
    """A wait for somebody else, such as another server, while others have their turn: nothing in it may ask the
    database, nor last without an end. Where nobody takes turns, simply a wait.
    """
    turns: Turns | None = getattr(_here, "turns", None)
    with turns.without() if turns else nullcontext():
        yield


def pause(seconds: float) -> None:
    """So many seconds pass while others have their turn, who use other connections than this thread's."""
    turns: Turns | None = getattr(_here, "turns", None)
    turns.pause(seconds) if turns else time.sleep(seconds)


def _in_transaction() -> bool:
    return any(connection.in_atomic_block for connection in connections.all(initialized_only=True))


def _hung_up(connection: BaseDatabaseWrapper) -> bool:
    """Whether PostgreSQL ended this connection while nobody used it: an idle one hears nothing else. Asks nothing."""
    if connection.vendor != "postgresql" or connection.connection is None:
        return False
    if connection.connection.closed:
        return True
    look = select.poll()
    look.register(connection.connection.fileno(), select.POLLIN)
    return bool(look.poll(0))


def _yield_the_processor() -> None:
    with suppress(AttributeError, OSError):  # Linux alone knows the priority of a thread
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICE)
