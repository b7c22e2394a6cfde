"""The worker: claims what is due, sends many at once, records what came of it, again and again.

One thread waits for all receivers (asyncio), another one asks the database, in short transactions between which nothing
is held. So hundreds of receivers may be slow at no cost, and SQLite's one writer is never kept waiting by a receiver.

Nobody is held up by another's receiver. Each endpoint has a *window* of deliveries that are under way at once: it grows
with each success and is halved by each failure of the receiver as a whole, down to one; and those in trouble have half
of all the room together, at most.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from django.db import DatabaseError, InterfaceError, connection
from django.utils import timezone

from webhooks.backfill import advance
from webhooks.sending import Outcome, Sender

from .claims import Done, Work, claim, record
from .endings import judge
from .schedule import rest_asked

logger = logging.getLogger(__name__)

ROOM = 256  # deliveries under way at once
WINDOW, WIDEST = 8, 64  # of one endpoint: at first, and at most
POLL = 0.2  # seconds between two looks for what is due, when there is nothing else to do
GATHER = 0.01  # seconds for which outcomes are gathered before they are recorded together
RETRY_DATABASE = 1.0
# Told to stop while the database is away, it ends after so many tries: others have what it held when its lease ends.
LAST_TRIES = 10
BACKFILLS_REST = 60.0  # seconds after one that failed
LONGEST_REST = 300.0  # seconds for which nothing at all is sent to an endpoint that asks for it


Result = TypeVar("Result")


class Windows:
    """How many deliveries may be under way to each endpoint."""

    def __init__(self) -> None:
        self._size: dict[int, int] = {}
        self._rests: dict[int, float] = {}
        self.under_way: Counter[int] = Counter()

    def learn(self, done: Done) -> None:
        endpoint, outcome = done.work.endpoint, done.outcome
        size = self._size.get(endpoint, WINDOW)
        if outcome.succeeded:
            self._size[endpoint] = min(size + 1, WIDEST)
        elif outcome.status is None or outcome.status == 429 or outcome.status >= 500:
            self._size[endpoint] = max(size // 2, 1)
        rest = rest_asked(outcome.status, outcome.retry_after, done.at).total_seconds()
        if rest > 0:
            self._rests[endpoint] = time.monotonic() + min(rest, LONGEST_REST)

    def in_trouble(self, endpoint: int) -> bool:
        return self._size.get(endpoint, WINDOW) == 1

    def room(self, total: int) -> Callable[[int], int]:
        """How many more may be sent to an endpoint, asked of one after the other."""
        now = time.monotonic()
        left = total // 2 - sum(count for endpoint, count in self.under_way.items() if self.in_trouble(endpoint))

        def room_of(endpoint: int) -> int:
            nonlocal left
            if self._rests.get(endpoint, 0) > now:
                return 0
            more = self._size.get(endpoint, WINDOW) - self.under_way[endpoint]
            if self.in_trouble(endpoint):
                more = min(more, left)
                left -= max(more, 0)
            return max(more, 0)

        return room_of


class Worker:
    """`run` until `stop`, which lets what is under way end. `sender` makes what sends."""

    def __init__(self, *, room: int = ROOM, sender: Callable[[], Sender] = Sender) -> None:
        self.name = f"{socket.gethostname()[:30]}:{os.getpid()}:{time.time_ns() % 10**9}"
        self.delivered = 0
        self._room = room
        self._sender = sender
        self._windows = Windows()
        self._done: list[Done] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._stopping = False
        self._news = asyncio.Event()
        self._last_tries = LAST_TRIES
        self._turn = 0
        self._backfills_rest = 0.0
        self._until_idle = False

    def stop(self) -> None:
        self._stopping = True
        self._news.set()

    async def run(self, *, until_idle: bool = False, signals: bool = False) -> None:
        """With `until_idle` it ends when nothing is due any more; with `signals`, at SIGTERM and SIGINT."""
        self._until_idle = until_idle
        if signals:
            for number in (signal.SIGTERM, signal.SIGINT):
                asyncio.get_running_loop().add_signal_handler(number, self.stop)
        with ThreadPoolExecutor(1, "webhooks-database") as self._database:
            try:
                async with self._sender() as sender:
                    while not self._stopping or self._tasks or self._done:
                        if not await self._round(sender) and until_idle and not self._tasks:
                            break
            finally:
                await self.in_database(_hang_up)

    async def in_database(self, work: Callable[..., Result], *args: Any) -> Result:
        """What `work` returns, done in the one thread that asks the database."""
        return await asyncio.get_running_loop().run_in_executor(self._database, work, *args)

    async def _round(self, sender: Sender) -> bool:
        """Records, claims, sends; whether there was anything to do."""
        self._news.clear()
        done, self._done = self._done, []
        room = 0 if self._stopping else self._room - len(self._tasks)
        room_of = self._windows.room(self._room)
        try:
            claimed, more = await self.in_database(self._ask, done, room, room_of)
        except (DatabaseError, InterfaceError):
            logger.exception("The database did not take what came of deliveries; trying again")
            self._done = done + self._done
            self._last_tries -= self._stopping
            if not self._last_tries:
                self._done = []
            await self.in_database(_hang_up)
            await asyncio.sleep(RETRY_DATABASE)
            return True
        for work in claimed:
            self._windows.under_way[work.endpoint] += 1
            task = asyncio.create_task(self._deliver(sender, work))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        if not claimed and not more and not self._done:
            try:
                async with asyncio.timeout(POLL):
                    await self._news.wait()
            except TimeoutError:
                return bool(done)
        await asyncio.sleep(GATHER)
        return True

    def _ask(self, done: list[Done], room: int, room_of: Callable[[int], int]) -> tuple[list[Work], bool]:
        """What was claimed, and whether there is more to make of what is sent again."""
        if done:
            record(self.name, done)
            judge(done)
        self._turn += 1
        more = not self._stopping and self._backfill()
        return claim(self.name, room, room_of, self._turn) if room > 0 else [], more

    def _backfill(self) -> bool:
        if time.monotonic() < self._backfills_rest:
            return False
        try:
            if advance(self._turn):
                return True
            if not self._until_idle:  # those that wait are looked at no oftener, however busy it is
                self._backfills_rest = time.monotonic() + POLL
            return False
        except Exception as error:
            if isinstance(error, DatabaseError | InterfaceError) and not connection.is_usable():
                raise  # it is away: the whole round is tried again
            # A row that cannot be told, by a mistake of ours, or that takes the database too long, must not keep the
            # rest from being sent.
            logger.exception("What is to be sent again could not be made")
            self._backfills_rest = time.monotonic() + BACKFILLS_REST
            return False

    async def _deliver(self, sender: Sender, work: Work) -> None:
        try:
            outcome = Outcome(None, "secret", "", 0.0)  # RDV_SECRET_KEY is another one, which does not open it
            if work.secrets:
                outcome = await sender.post(work.url, work.body, work.headers(int(time.time())))
        except Exception:  # a mistake of ours must not take the worker along, nor be tried for ever
            logger.exception("A delivery failed in a way that nobody foresaw")
            outcome = Outcome(None, "internal", "", 0.0)
        done = Done(work, outcome, timezone.now())
        self.delivered += outcome.succeeded
        self._windows.under_way[work.endpoint] -= 1
        self._windows.learn(done)
        self._done.append(done)
        self._news.set()


def _hang_up() -> None:
    connection.close()
