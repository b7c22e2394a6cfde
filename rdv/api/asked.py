"""A question to the database that many ask: one thread asks it for all of them, at most so often."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

from django.db import connections

Answer = TypeVar("Answer")


class AskedOnce(Generic[Answer]):
    """`question` is asked in a thread of its own (`name`), which keeps no connection; its answer holds for `fresh`
    seconds. `clock` is monotonic, in seconds.
    """

    def __init__(self, question: Callable[[], Answer], name: str, fresh: float, clock: Callable[[], float]) -> None:
        self._question = question
        self._fresh = fresh
        self._clock = clock
        self._lock = threading.Lock()
        self._thread = ThreadPoolExecutor(1, name)
        self._asked: Future[Answer] | None = None
        self._answered = float("-inf")

    def answer(self, patience: float) -> Answer:
        """What the question answered last, or what it raised; TimeoutError when it has not after `patience` seconds."""
        with self._lock:
            if self._asked is None or (self._asked.done() and self._clock() - self._answered >= self._fresh):
                self._asked = self._thread.submit(self._ask)
            asked = self._asked
        return asked.result(patience)

    def _ask(self) -> Answer:
        try:
            return self._question()
        finally:
            connections.close_all()
            self._answered = self._clock()
