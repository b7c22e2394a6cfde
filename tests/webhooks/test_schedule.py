"""When a delivery is tried again (I3, contract 5.5)."""

from __future__ import annotations

import datetime
import random

import pytest

from webhooks.delivery.schedule import ATTEMPTS, rest_asked, wait_after

pytestmark = pytest.mark.no_database

NOW = datetime.datetime(2026, 11, 16, 9, tzinfo=datetime.UTC)
DAY = datetime.timedelta(days=1)


@pytest.mark.parametrize(("attempt", "seconds"), [(1, 3), (2, 18), (3, 83), (4, 258), (19, 130_323)])
def test_it_waits_longer_each_time(attempt: int, seconds: int) -> None:
    waits = [wait_after(attempt, random.Random(seed)).total_seconds() for seed in range(200)]
    assert min(waits) >= seconds
    assert max(waits) <= seconds + 0.15 * attempt**4
    assert len(set(waits)) > 100, "not all at the same moment"


def test_in_all_it_is_tried_for_a_week() -> None:
    for seed in range(50):
        dice = random.Random(seed)
        in_all = sum((wait_after(attempt, dice) for attempt in range(1, ATTEMPTS)), datetime.timedelta(0))
        assert 6.5 * DAY < in_all < 7.6 * DAY


@pytest.mark.parametrize(
    ("status", "said", "seconds"),
    [
        (429, "120", 120),
        (503, " 7 ", 7),
        (503, "Mon, 16 Nov 2026 09:01:00 GMT", 60),
        (503, "Mon, 16 Nov 2026 09:01:00", 60),
        (503, "Mon, 16 Nov 2020 09:01:00 GMT", 0),
        (503, "999999999999999999999999", DAY.total_seconds()),
        (503, "Fri, 31 Dec 9999 23:59:59 GMT", DAY.total_seconds()),
        (503, "-5", 0),
        (503, "1.5", 0),
        (503, "²", 0),
        (503, "demain", 0),
        (503, "", 0),
        (500, "120", 0),
        (200, "120", 0),
        (None, "", 0),
    ],
)
def test_a_receiver_may_ask_for_a_rest_of_a_day_at_most(status: int | None, said: str, seconds: float) -> None:
    assert rest_asked(status, said, NOW).total_seconds() == seconds
