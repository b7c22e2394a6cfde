"""What becomes of a series when one of its occurrences is changed: alone, or with those that follow (row A10).

Pure of requests: rows in, rows out, which whoever asked saves in one transaction.
"""

from __future__ import annotations

import datetime
from dataclasses import replace
from itertools import islice
from typing import Any

from .models import Absence
from .recurrence import Change, Rule, Series, bounded, read

_DAY = datetime.timedelta(days=1)


def own(series: Series, day: datetime.date, alone: Absence) -> Change:
    """What of the occurrence that `day` names is other than the series has it, when it is as `alone`."""
    first, start, last, end, title = replace(series, overrides={}).civil(day)
    span = last - first
    return Change(
        alone.first_day if alone.first_day != first else None,
        alone.start_time if alone.start_time != start else None,
        alone.end_day if alone.end_day != alone.first_day + span else None,
        alone.end_time if alone.end_time != end else None,
        alone.title if alone.title != title else None,
    )


def override(row: Absence, day: datetime.date, change: Change | None) -> None:
    """Give the occurrence that `day` names what is its own; None or nothing: it is as the series has it."""
    kept = (row.overrides or {}) | {day.isoformat(): change.kept() if change else {}}
    row.overrides = {name: values for name, values in sorted(kept.items()) if values} or None


def take_out(row: Absence, day: datetime.date) -> None:
    """Leave out the occurrence that `day` names."""
    override(row, day, None)
    row.exdates = sorted({*(row.exdates or ()), day.isoformat()})


def copied(row: Absence) -> Absence:
    """A row to be, of the same agent, place and kind, in the same zone. What other systems call `row` stays with it."""
    left_out = {"id", "version", "created_at", "updated_at", "external_ids"}
    names = [field.attname for field in row._meta.concrete_fields if field.attname not in left_out]
    fresh = Absence(**{name: getattr(row, name) for name in names})
    fresh.zone_settled = True
    return fresh


def cut(row: Absence, day: datetime.date) -> None:
    """End the series before the occurrence that `day` names; one of which a single day is left does not recur."""
    rule, _yearly = read(row.rrule)
    _give(row, bounded(rule, day - _DAY), row.series, low=None, high=day - _DAY)


def rest(row: Absence, day: datetime.date) -> Absence:
    """The series from the occurrence that `day` names on, as a row to be: COUNT is reckoned, what was said of single
    occurrences moves over.
    """
    series, (rule, _yearly) = row.series, read(row.rrule)
    if rule.count is not None:
        rule = replace(rule, count=rule.count - sum(1 for _one in rule.days(series.first_day, None, day - _DAY)))
    fresh = copied(row)
    fresh.first_day, fresh.end_day = day, day + (series.end_day - series.first_day)
    _give(fresh, rule, series, low=day, high=None)
    return fresh


def _give(row: Absence, rule: Rule, series: Series, low: datetime.date | None, high: datetime.date | None) -> None:
    """Give `row` the `rule`, and of what was said of single occurrences of `series` that of the days in between."""

    def kept(day: datetime.date) -> bool:
        return (low is None or day >= low) and (high is None or day <= high)

    row.exdates = [day.isoformat() for day in sorted(series.exdates) if kept(day)] or None
    changes = {day: change for day, change in sorted(series.overrides.items()) if kept(day)}
    row.overrides = {day.isoformat(): change.kept() for day, change in changes.items()} or None
    if len(list(islice(rule.days(row.first_day), 2))) == 2:
        row.rrule = rule.text
        return
    single = replace(series, overrides=changes).civil(row.first_day)
    row.first_day, row.start_time, row.end_day, row.end_time, row.title = single
    row.rrule, row.exdates, row.overrides = "", None, None


def shift(row: Absence, by: datetime.timedelta) -> None:
    """Move what was said of single occurrences, with a series that is moved by so many days."""
    row.exdates = [_moved(day, by) for day in row.exdates or ()] or None
    row.overrides = {
        _moved(day, by): {
            name: _moved(value, by) if name in ("first_day", "end_day") else value for name, value in change.items()
        }
        for day, change in (row.overrides or {}).items()
    } or None


def _moved(day: str, by: datetime.timedelta) -> str:
    return (datetime.date.fromisoformat(day) + by).isoformat()


def forget(row: Absence, day: datetime.date, names: Any) -> None:
    """Let the occurrence that `day` names be as the series in what `names` says."""
    change = (row.overrides or {}).get(day.isoformat())
    if change:
        override(row, day, Change.of({name: value for name, value in change.items() if name not in names}))
