"""Is there an order of the calls that explains what each was answered? (Wing and Gong's search, with Lowe's memory.)

A call takes effect at one moment between its being sent and its answer. A history is explained when such moments can be
found, so that calls done one at a time, in that order, would have been answered the same. Python has no maintained
library for it (Go has porcupine, Clojure has knossos); the histories here are small.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Call:
    """What was asked, what was answered, and when, by one clock."""

    asked: Any
    answered: Any
    sent: float
    done: float


def recorded(asked: Any, call: Callable[[], Any]) -> Call:
    """`call()`, and what it gave."""
    sent = time.monotonic()
    answered = call()
    return Call(asked, answered, sent, time.monotonic())


# After a call in a state: the states that may follow, none when it could not have been answered so.
Step = Callable[[Any, Call], Iterable[Hashable]]


def order_of(history: Sequence[Call], state: Hashable, step: Step) -> list[Call] | None:
    """An order of `history`, from `state` on, that explains every answer; None when there is none."""
    calls = sorted(history, key=lambda call: call.sent)
    everything = (1 << len(calls)) - 1
    seen = set()
    # Each place on the way: what is done, the state, and what led there.
    places: list[tuple[int, Hashable, Any]] = [(0, state, None)]
    while places:
        done, state, path = places.pop()
        if done == everything:
            order = []
            while path:
                call, path = path
                order.append(call)
            return order[::-1]
        if (done, state) in seen:
            continue
        seen.add((done, state))
        first_answer = min(call.done for number, call in enumerate(calls) if not done >> number & 1)
        for number, call in enumerate(calls):
            if call.sent > first_answer:
                break  # it was sent when another one, not yet in its place, had been answered
            if not done >> number & 1:
                places += [(done | 1 << number, after, (call, path)) for after in step(state, call)]
    return None


def told(history: Sequence[Call]) -> str:
    """The history, for a test that fails."""
    calls = sorted(history, key=lambda call: call.sent)
    begin = calls[0].sent
    return "\n".join(
        f"{call.sent - begin:8.4f} {call.done - begin:8.4f}  {call.asked!r} -> {call.answered!r}" for call in calls
    )
