"""What it costs to know the occurrences of a year: `make bench-recurrence`.

A thousand recurring absences, each with its own rule, first day and hours, some with days taken out; their occurrences
of one year, with both ends as instants of their zone. Beside it the bare loop of python-dateutil over the same rules,
which makes the naive beginnings alone. The two take turns, so that the machine's drift cancels; what counts is the best
turn of each.
"""

from __future__ import annotations

import argparse
import datetime
import random
import time
from collections.abc import Callable, Sequence
from typing import Any

from dateutil.rrule import rrulestr

from absences.recurrence import Series, occurrences, parse

ABSENCES = 1000
BEGINS, ENDS = (datetime.datetime(year, 1, 1) for year in (2026, 2027))  # noqa: DTZ001 - civil time
ZONES = ("Europe/Paris", "Europe/Paris", "Europe/Paris", "Indian/Reunion", "America/Martinique")
# As agents are out: mostly some days of the week.
RULES = (
    *("FREQ=WEEKLY", "FREQ=WEEKLY;BYDAY={day}", "FREQ=WEEKLY;INTERVAL=2;BYDAY={day}", "FREQ=WEEKLY;BYDAY={day},SA"),
    *("FREQ=DAILY", "FREQ=DAILY;BYDAY=MO,TU,WE,TH,FR", "FREQ=MONTHLY;BYDAY={nth}{day}", "FREQ=MONTHLY", "FREQ=YEARLY"),
)
WEIGHTS = (20, 30, 12, 10, 3, 5, 10, 7, 3)
DAYS = ("MO", "TU", "WE", "TH", "FR")


def absences(number: int, years: int) -> list[Series]:
    """So many series, the same on any machine, that began within `years` before the year that is asked for."""
    chance = random.Random("rdv")
    found = []
    for _ in range(number):
        first = BEGINS.date() - datetime.timedelta(days=chance.randint(0, 365 * years))
        first += datetime.timedelta(days=(7 - first.weekday()) % 7 + chance.randint(0, 4))
        rule = chance.choices(RULES, WEIGHTS)[0].format(day=DAYS[first.weekday()], nth=(first.day + 6) // 7)
        hour = chance.randint(7, 17)
        taken_out = frozenset(
            day for day in parse(rule, first).days(first, None, ENDS.date()) if chance.random() < 0.02
        )
        times = (datetime.time(hour), first, datetime.time(hour + 2, 30))
        found.append(Series(first, *times, parse(rule, first), taken_out, zone=chance.choice(ZONES), title="RTT"))
    return found


def ours(series: Sequence[Series]) -> int:
    return sum(1 for one in series for _occurrence in occurrences(one, BEGINS, ENDS))


def bare(rules: Sequence[tuple[str, datetime.datetime]]) -> int:
    return sum(len(rrulestr(text, dtstart=begins).between(BEGINS, ENDS)) for text, begins in rules)


def best(turns: int, *works: Callable[[], Any]) -> list[float]:
    """Of each of `works`, the seconds of processor that its best turn took."""
    found = [float("inf")] * len(works)
    for _ in range(turns):
        for place, work in enumerate(works):
            begun = time.process_time()
            work()
            found[place] = min(found[place], time.process_time() - begun)
    return found


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--absences", type=int, default=ABSENCES)
    arguments.add_argument("--turns", type=int, default=5)
    asked = arguments.parse_args()
    for years in (0, 3):
        series = absences(asked.absences, years)
        rules = [
            (one.rule.text, datetime.datetime.combine(one.first_day, one.start_time)) for one in series if one.rule
        ]
        mine, theirs = best(asked.turns, lambda: ours(series), lambda: bare(rules))  # noqa: B023 - done before the next
        print(
            f"{len(series)} absences that began within {years} years before, {ours(series)} occurrences of a year: "
            f"{mine * 1000:.0f} ms; python-dateutil {theirs * 1000:.0f} ms; {mine / theirs:.2f} times"
        )


if __name__ == "__main__":
    main()
