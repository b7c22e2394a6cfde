"""Who waits for a turn, in what order, and who is turned away when more come than can be served.

A worker serves one request at a time; the others stand in line. A crowd that comes at once, or a program with many
connections, is only a long line: everybody is served. When more keep coming than can be served, waiting helps nobody:
each would be served too late. Then the newest is served, who has waited least, and the others are told at once to come
back (Maurer, "Fail at Scale", ACM Queue 13(8), 2015; the two states are CoDel's, RFC 8289).

No threads and no clock here: every method is told the time, in seconds.
"""

from __future__ import annotations

from collections import deque
from typing import Generic, NamedTuple, TypeVar

Who = TypeVar("Who")

ROOM = 200  # whom a calm line holds: a crowd that comes at once
FAIR = 64  # up to here a line may last: programs that wait for each answer never make a longer one
SHORT = 16  # up to here, first come, first served; in a longer one, the newest,
LATE = 0.3  # but for who has waited so long
LONG = 1.0  # how long a calm line may be longer than `FAIR`, and still be one crowd
STRICT = 3.0  # how long the line is strict after it was last full,
PATIENCE = 0.025  # and how long one waits then: a few requests' time
WARY = 1.0  # how long after that it must not be full, before it is calm again


class _Waiting(NamedTuple, Generic[Who]):
    since: float
    who: Who


class Line(Generic[Who]):
    """*Calm*, until it is full: `ROOM` are waiting, or more than `FAIR` for longer than `LONG`. Then *strict*: the
    newest first, and whoever has waited longer than `PATIENCE` is turned away. Then *wary*, is it over?: still the
    newest first, but nobody is turned away, unless more than `FAIR` are waiting: then it is not. It is when nobody is.
    """

    def __init__(self) -> None:
        self._waiting: deque[_Waiting[Who]] = deque()
        self._strict_until = self._wary_until = float("-inf")
        self._last_short = float("-inf")

    def __len__(self) -> int:
        return len(self._waiting)

    def join(self, who: Who, now: float) -> list[Who]:
        """`who` stands in line. Returns those who are turned away for it, the longest waiting first."""
        away = []
        if len(self._waiting) < FAIR:
            self._last_short = now
        crowd = now >= self._wary_until and now - self._last_short < LONG
        if len(self._waiting) >= (ROOM if crowd else FAIR):
            self._strict_until = now + STRICT
            self._wary_until = self._strict_until + WARY
            away = [self._waiting.popleft().who, *self._too_late(now)]
        self._waiting.append(_Waiting(now, who))
        return away

    def next(self, now: float) -> tuple[Who | None, list[Who]]:
        """Whose turn it is (None: nobody waits), and those who are turned away."""
        if len(self._waiting) <= FAIR:
            self._last_short = now
        if len(self._waiting) <= 1 and now >= self._strict_until:
            self._wary_until = now
        if not self._waiting:
            return None, []
        served = self._waiting.popleft() if self._in_order(now) else self._waiting.pop()
        return served.who, self._too_late(now) if now < self._strict_until else []

    def _in_order(self, now: float) -> bool:
        if now < self._wary_until or len(self._waiting) > FAIR:
            return False
        return len(self._waiting) <= SHORT or now - self._waiting[0].since > LATE

    def _too_late(self, now: float) -> list[Who]:
        away = []
        while self._waiting and now - self._waiting[0].since > PATIENCE:
            away.append(self._waiting.popleft().who)
        return away
