"""Who waits and who is turned away, with a clock of our own: a crowd is served, an overload is not waited for."""

from __future__ import annotations

import random
from collections import deque

import pytest

from rdv.api.line import FAIR, LATE, LONG, ROOM, STRICT, WARY, Line

pytestmark = pytest.mark.no_database


def simulated(arrivals, served_in, *, until=60.0):
    """What a worker that takes `served_in` seconds a request does with `arrivals`: who was served, who was not, and how
    long each of them had waited.
    """
    line, served, away = Line(), [], []
    now, free = 0.0, 0.0
    coming = deque(sorted(arrivals))
    while now < until and (coming or len(line)):
        if coming and (coming[0] <= free or not len(line)):
            now = coming.popleft()
            away += [(one, now - one) for one in line.join(now, now)]
            free = max(free, now)
        else:
            now = free
            who, refused = line.next(now)
            served.append((who, now - who))
            away += [(one, now - one) for one in refused]
            free = now + served_in
    return served, away


def test_nobody_waits_in_an_empty_line():
    assert Line().next(0.0) == (None, [])


def test_first_come_first_served():
    line = Line()
    for who in range(FAIR):
        assert line.join(who, who / 1000) == []
    assert [line.next(1.0)[0] for _ in range(FAIR)] == list(range(FAIR))


def test_a_crowd_that_comes_at_once_is_served():
    served, away = simulated([n / 1000 for n in range(ROOM)], served_in=0.02)
    assert (len(served), away) == (ROOM, [])


def test_programs_that_wait_for_each_answer_are_never_turned_away():
    line, now = Line(), 0.0
    for who in range(FAIR):
        line.join(who, now)
    waits = dict.fromkeys(range(FAIR), now)
    for _ in range(10_000):
        now += 0.01
        who, away = line.next(now)
        assert away == []
        assert now - waits[who] < FAIR * 0.01 + LATE + 0.01  # nobody is forgotten
        assert line.join(who, now) == []
        waits[who] = now


def test_four_times_what_can_be_served():
    seconds, cost = 10, 0.005
    served, away = simulated([n * cost / 4 for n in range(int(seconds / cost * 4))], cost)
    assert len(served) > 0.99 * seconds / cost  # never idle
    waits = sorted(waited for _who, waited in served)
    assert waits[int(0.5 * len(waits))] < cost
    assert waits[int(0.98 * len(waits))] < 10 * cost  # but for the first, who came before it was known
    assert max(waited for _who, waited in away) < 1.0


def took(arrivals, cost):
    """How long each of those who were served was there, in order of length."""
    served, _away = simulated(arrivals, cost)
    return sorted(waited + cost for _who, waited in served)


def at_random(rate, seconds, seed):
    dice, now, arrivals = random.Random(seed), 0.0, []
    while (now := now + dice.expovariate(rate)) < seconds:
        arrivals.append(now)
    return arrivals


@pytest.mark.parametrize("cost", [0.003, 0.006, 0.012])
def test_an_overload_at_random_wherever_it_ends_is_served_like_a_quiet_time(cost):
    quiet = took(at_random(0.2 / cost, 10, 0), cost)
    ratios = []
    for seed in range(10):
        loaded = took(at_random(4 / cost, 8 + seed / 5, seed), cost)
        ratios.append(loaded[int(0.99 * len(loaded))] / quiet[int(0.99 * len(quiet))])
    assert sorted(ratios)[5] < 2
    assert sorted(ratios)[8] < 5  # the end may find the line wary, with some who have waited


def test_who_asks_again_at_once_however_often_is_served_in_the_end():
    cost, line = 0.012, Line()
    for n in range(1000):  # an overload
        line.join("gone", n * cost / 4)
        if n % 4 == 0:
            line.next(n * cost / 4)
    now = over = 3.0
    last_refused = over
    outside = set(range(FAIR))
    while now < over + 10:
        for who in sorted(outside):
            outside |= set(line.join(who, now)) - {"gone"}
            outside.discard(who)
        now += cost
        served, away = line.next(now)
        outside |= {served, *away} - {"gone"}
        if set(away) - {"gone"}:
            last_refused = now
    assert over < last_refused < over + 5


def test_when_it_is_over_the_line_is_calm_again():
    cost = 0.005
    storm = [n * cost / 4 for n in range(1600)]  # 2 seconds
    later = [2 + STRICT + WARY + n * cost * 2 for n in range(500)]
    served, away = simulated(storm + later, cost)
    assert not {who for who, _waited in away} & set(later)
    crowd = [10.0] * ROOM
    served, away = simulated(storm + crowd, cost)
    assert [who for who, _waited in served].count(10.0) == ROOM


def test_a_long_line_that_lasts_is_no_crowd():
    line, now = Line(), 0.0
    for who in range(FAIR + 20):
        line.join(who, now)
    turned_away = []
    while now < LONG + 0.5:
        now += 0.005
        _who, away = line.next(now)
        turned_away += away + line.join(-1, now)
    assert turned_away


def test_whoever_came_last_is_served_even_when_all_waited_long():
    line = Line()
    for who in range(ROOM + 1):
        line.join(who, 0.0)
    who, away = line.next(0.5)  # one slow request went before
    assert who == ROOM
    assert len(away) == ROOM - 1
    assert len(line) == 0
