"""The public holidays of France, each territory's own included. Pure: a département and days in, days out.

Which days, since when, and where, is what the library `holidays` knows (code du travail L3133-1 and L3422-2, local
law of Alsace-Moselle, customs overseas); ours is which département is which of its places.
"""

from __future__ import annotations

import datetime
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

# What a département, as `Territory.departement_number` has it, is for the library; any other has the common days alone.
PLACES = {
    "57": "57",
    "67": "6AE",
    "68": "6AE",
    "971": "971",
    "972": "972",
    "973": "973",
    "974": "974",
    "975": "PM",
    "976": "976",
    "977": "BL",
    "978": "MF",
    "984": "TF",
    "986": "WF",
    "987": "PF",
    "988": "NC",
}


@dataclass(frozen=True, slots=True, order=True)
class Holiday:
    """A day, and what it is called in French. Two may fall on one day: Ascension and 1 May."""

    day: datetime.date
    name: str


@lru_cache
def _library() -> Any:
    """Its France, whose own end is 2100. It reads every country of the world: not at the start of each process."""
    from holidays.countries.france import France

    class Always(France):
        end_year = datetime.MAXYEAR

    return Always


@lru_cache(maxsize=1024)
def _of_year(place: str | None, year: int) -> tuple[Holiday, ...]:
    known = _library()(subdiv=place, years=year, language="fr")
    return tuple(sorted(Holiday(day, name) for day in known for name in known.get_list(day)))


def public_holidays(
    departement_number: str, from_: datetime.date, to: datetime.date, excluded: Collection[str] = ()
) -> list[Holiday]:
    """Those from `from_` to `to`, both included, in their order, but for those whose name is `excluded`."""
    place = PLACES.get(departement_number)
    years: Iterator[tuple[Holiday, ...]] = (_of_year(place, year) for year in range(from_.year, to.year + 1))
    return [one for year in years for one in year if from_ <= one.day <= to and one.name not in excluded]


@lru_cache
def names() -> tuple[str, ...]:
    """Every name that a holiday has somewhere nowadays, in the order of a year: what may be excluded."""
    everywhere: dict[str, datetime.date] = {}
    for place in (None, *dict.fromkeys(PLACES.values())):
        for holiday in _of_year(place, 2026):
            everywhere.setdefault(holiday.name, holiday.day)
    return tuple(sorted(everywhere, key=lambda name: (everywhere[name], name)))
