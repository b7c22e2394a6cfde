"""The search for an order finds one where there is one, and none where there is none."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import permutations
from typing import Any

from .callers import chance
from .order import Call, order_of


def register(state: Any, call: Call) -> Iterator[Any]:
    """A value that is set and read."""
    if call.asked == "read":
        if call.answered == state:
            yield state
    else:
        yield call.asked


def explained(*calls: tuple[Any, Any, float, float]) -> bool:
    return order_of([Call(*call) for call in calls], 0, register) is not None


def test_calls_one_after_the_other() -> None:
    assert explained((1, None, 0, 1), ("read", 1, 2, 3))
    assert not explained((1, None, 0, 1), ("read", 0, 2, 3))


def test_calls_at_once_have_any_order() -> None:
    assert explained((1, None, 0, 3), ("read", 0, 1, 2))
    assert explained((1, None, 0, 3), ("read", 1, 1, 2))
    assert not explained((1, None, 0, 3), ("read", 2, 1, 2))


def test_what_one_has_seen_nobody_unsees() -> None:
    assert explained((1, None, 0, 9), ("read", 0, 1, 2), ("read", 1, 3, 4))
    assert not explained((1, None, 0, 9), ("read", 1, 1, 2), ("read", 0, 3, 4))


def test_agrees_with_a_look_at_every_order() -> None:
    found = {True: 0, False: 0}
    for number in range(300):
        luck = chance("order", number)
        calls = []
        for _call in range(5):
            sent = luck.random()
            asked: Any = luck.choice(["read", "read", 1, 2])
            calls.append(Call(asked, luck.randrange(3) if asked == "read" else None, sent, sent + luck.random()))
        assert (order_of(calls, 0, register) is not None) == any(map(plausible, permutations(calls)))
        found[any(map(plausible, permutations(calls)))] += 1
    assert min(found.values()) > 30


def plausible(calls: tuple[Call, ...]) -> bool:
    state: Any = 0
    for place, call in enumerate(calls):
        states = list(register(state, call))
        if not states or any(later.done < call.sent for later in calls[place + 1 :]):
            return False
        state = states[0]
    return True
