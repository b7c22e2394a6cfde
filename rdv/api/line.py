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
FAIR = 64  # up to here, first come, first served: programs that wait for each answer never make a longer line
PATIENCE = 0.025  # how long one waits while the line is strict: a few requests' time
WARY_PATIENCE = 0.2  # and while it is wary
STRICT = 1.0  # how long the line is strict after it was last full
LONG = 1.0  # how long a calm line may be longer than `FAIR`, and still be one crowd
WARY = 2.5  # and how long after that it must not be long, before it is calm again


class _Waiting(NamedTuple, Generic[Who]):
    since: float
    who: Who


class Line(Generic[Who]):
    """*Calm*, until `ROOM` are waiting, or more come when the line has been long for `LONG`; then *strict*: the newest
    first, and whoever has waited longer than `PATIENCE` is turned away; then *wary*, is it over?: still the newest
    first, with more patience, but `FAIR` waiting are too many and make it strict again.
    """

    def __init__(self) -> None:
        self._waiting: deque[_Waiting[Who]] = deque()
        self._strict_until = float("-inf")
        self._last_short = float("-inf")

    def __len__(self) -> int:
        return len(self._waiting)

    def join(self, who: Who, now: float) -> list[Who]:
        """`who` stands in line. Returns those who are turned away for it, the longest waiting first."""
        away = []
        if len(self._waiting) < FAIR:
            self._last_short = now
        crowd = self._calm(now) and now - self._last_short < LONG
        if len(self._waiting) >= (ROOM if crowd else FAIR):
            self._strict_until = now + STRICT
            away = [self._waiting.popleft().who, *self._too_late(now)]
        self._waiting.append(_Waiting(now, who))
        return away

    def next(self, now: float) -> tuple[Who | None, list[Who]]:
        """Whose turn it is (None: nobody waits), and those who are turned away."""
        if not self._waiting:
            return None, []
        if len(self._waiting) <= FAIR:
            self._last_short = now
            if self._calm(now):
                return self._waiting.popleft().who, []
        newest = self._waiting.pop().who
        return newest, [] if self._calm(now) else self._too_late(now)

    def _calm(self, now: float) -> bool:
        return now >= self._strict_until + WARY

    def _too_late(self, now: float) -> list[Who]:
        away, patience = [], PATIENCE if now < self._strict_until else WARY_PATIENCE
        while self._waiting and now - self._waiting[0].since > patience:
            away.append(self._waiting.popleft().who)
        return away
