"""How an absence recurs: the rules that we read (of RFC 5545 section 3.3.10) and the days that they mean (contract 5.1,
5.2). Pure: civil days in, instants out, no database.

The days are counted by arithmetic, from the window that is asked for and not from the first day: python-dateutil,
which makes an object of each day since the first, takes many times as long (`make bench-recurrence`). It is the oracle
of the tests.

Civil time across clock changes, one rule: a time that does not exist is read with the offset before the change, so
that 02:30 on the short night is 03:30; a time that comes twice is the first; an end that is thereby not after its start
is moved to the start plus the civil length.
"""

from __future__ import annotations

import calendar
import datetime
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from heapq import merge
from itertools import islice
from typing import Any
from zoneinfo import ZoneInfo

from django.core.exceptions import ValidationError
from django.utils.functional import lazy
from django.utils.translation import gettext_lazy as _

from rdv.api.messages import TOO_LONG, invalid, not_among

PARIS = "Europe/Paris"
LONGEST = 500  # characters
GREATEST_INTERVAL = 999
GREATEST_COUNT = 9999
# Beyond this no calendar is asked for anything, and no offset leads out of what Python counts.
LAST_DAY = datetime.date(9990, 12, 31)

FREQUENCIES = ("DAILY", "WEEKLY", "MONTHLY", "YEARLY")
WEEKDAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
PARTS = ("FREQ", "INTERVAL", "BYDAY", "BYMONTHDAY", "COUNT", "UNTIL")
# Read as well, and written otherwise: Outlook's way to say the second Wednesday, the month of a yearly day, the first
# day of the week.
READ = (*PARTS, "BYMONTH", "BYSETPOS", "WKST")
_OF_FREQUENCY = {
    "DAILY": {"BYDAY"},
    "WEEKLY": {"BYDAY", "WKST"},
    "MONTHLY": {"BYDAY", "BYMONTHDAY", "BYSETPOS"},
    "YEARLY": {"BYMONTH", "BYMONTHDAY"},
}

EXAMPLE = "FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,WE;UNTIL=20261231"
WRONG_START = _("Le début de la récurrence ne correspond pas au premier jour.")
WRONG_END = _("La fin de la récurrence doit être après le premier jour.")
_UNREADABLE = _("n'est pas une règle de récurrence (format attendu : %(format)s)")
_UNREADABLE_PART = _("a %(part)s qui ne convient pas (format attendu : %(format)s)")
_OUT_OF_PLACE = _("ne peut pas avoir %(part)s quand FREQ=%(frequency)s")
_EITHER = _("a %(part)s et %(other)s : gardez l'un des deux")
_TWICE = _("a %(part)s deux fois")
_WEEKS = _("a WKST=%(day)s : les semaines commencent le lundi (WKST=MO)")

_DAY = re.compile(r"([+-]?[0-9]{1,2})?(MO|TU|WE|TH|FR|SA|SU)")
_NUMBER = re.compile(r"[+-]?[0-9]{1,9}")
_UNTIL = re.compile(r"([0-9]{4})([0-9]{2})([0-9]{2})(?:T([0-9]{2})([0-9]{2})([0-9]{2})(Z)?)?")


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule of recurrence. `interval`: None when it was not said, which is 1. `byday`: (nth, weekday), nth 0 where
    there is none, Monday 0, in the order in which they were chosen. `until`: the last day, inclusive (contract 5.1).
    """

    freq: str
    interval: int | None = None
    byday: tuple[tuple[int, int], ...] = ()
    bymonthday: tuple[int, ...] = ()
    count: int | None = None
    until: datetime.date | None = None

    @property
    def text(self) -> str:
        """As it is kept: in the order of contract 5.2, without the `;` that ends it on the wire."""
        parts = dict(self._parts())
        return ";".join(f"{name}={parts[name]}" for name in PARTS if name in parts)

    @property
    def ical(self) -> str:
        """As a RRULE of contract 5.3, where the end comes second."""
        parts = dict(self._parts())
        order = ("FREQ", "UNTIL", "COUNT", "INTERVAL", "BYDAY", "BYMONTHDAY")
        return ";".join(f"{name}={parts[name]}" for name in order if name in parts)

    def _parts(self) -> Iterator[tuple[str, str]]:
        yield "FREQ", self.freq
        if self.interval is not None:
            yield "INTERVAL", str(self.interval)
        if self.byday:
            yield "BYDAY", ",".join(f"{nth or ''}{WEEKDAYS[weekday]}" for nth, weekday in self.byday)
        if self.bymonthday:
            yield "BYMONTHDAY", ",".join(map(str, self.bymonthday))
        if self.count is not None:
            yield "COUNT", str(self.count)
        if self.until is not None:
            yield "UNTIL", self.until.isoformat().replace("-", "") + "T000000"  # years of four digits

    def days(
        self, first_day: datetime.date, low: datetime.date | None = None, high: datetime.date = LAST_DAY
    ) -> Iterator[datetime.date]:
        """Its days from `low` to `high`, both included, of a series that begins on `first_day`."""
        end = last_day(self, first_day)
        high = min(high, end or LAST_DAY)
        return self._counted(first_day, max(low or first_day, first_day), high)

    def _counted(self, first: datetime.date, low: datetime.date, high: datetime.date) -> Iterator[datetime.date]:
        """Its days from `low` to `high`, whatever COUNT and UNTIL say; `low` is not before `first`."""
        return _COUNTED[self.freq](self, self.interval or 1, first, low, high)


def _daily(
    rule: Rule, interval: int, first: datetime.date, low: datetime.date, high: datetime.date
) -> Iterator[datetime.date]:
    weekdays = {weekday for _nth, weekday in rule.byday} or range(7)
    start = low.toordinal() + (first - low).days % interval
    for number in range(start, high.toordinal() + 1, interval):
        if (number - 1) % 7 in weekdays:  # the first day of the calendar is a Monday
            yield datetime.date.fromordinal(number)


def _weekly(
    rule: Rule, interval: int, first: datetime.date, low: datetime.date, high: datetime.date
) -> Iterator[datetime.date]:
    weekdays = sorted({weekday for _nth, weekday in rule.byday} or {first.weekday()})
    monday, start, end, step = first.toordinal() - first.weekday(), low.toordinal(), high.toordinal(), 7 * interval
    for week in range(monday + (start - monday) // step * step, end + 1, step):
        for weekday in weekdays:
            if start <= week + weekday <= end:
                yield datetime.date.fromordinal(week + weekday)


def _monthly(
    rule: Rule, interval: int, first: datetime.date, low: datetime.date, high: datetime.date
) -> Iterator[datetime.date]:
    monthdays = rule.bymonthday or (() if rule.byday else (first.day,))
    begin, start, end = (day.year * 12 + day.month - 1 for day in (first, low, high))
    for number in range(begin + (start - begin) // interval * interval, end + 1, interval):
        year, month = number // 12, number % 12 + 1
        opening, length = calendar.monthrange(year, month)
        found = {day if day > 0 else length + 1 + day for day in monthdays}
        for nth, weekday in rule.byday:
            if nth > 0:
                found.add(1 + (weekday - opening) % 7 + 7 * (nth - 1))
            else:
                found.add(length - (opening + length - 1 - weekday) % 7 + 7 * (nth + 1))
        for day in sorted(found):
            if 1 <= day <= length and low <= (one := datetime.date(year, month, day)) <= high:
                yield one


def _yearly(
    rule: Rule, interval: int, first: datetime.date, low: datetime.date, high: datetime.date
) -> Iterator[datetime.date]:
    leap_day = (first.month, first.day) == (2, 29)
    for year in range(first.year + (low.year - first.year) // interval * interval, high.year + 1, interval):
        if (not leap_day or calendar.isleap(year)) and low <= (one := first.replace(year=year)) <= high:
            yield one


_COUNTED: dict[str, Callable[..., Iterator[datetime.date]]] = {
    "DAILY": _daily,
    "WEEKLY": _weekly,
    "MONTHLY": _monthly,
    "YEARLY": _yearly,
}


@lru_cache(maxsize=4096)
def last_day(rule: Rule, first_day: datetime.date) -> datetime.date | None:
    """The day after which `rule` has none: that of UNTIL, or the last that COUNT counts; None when it is endless."""
    if rule.count is None:
        return rule.until
    return max(islice(rule._counted(first_day, first_day, LAST_DAY), rule.count), default=first_day)


@lru_cache(maxsize=4096)
def read(text: str, zone: str = PARIS) -> tuple[Rule, Mapping[str, tuple[int, ...]]]:
    """What `text` says, whatever the first day; with the month and the day of a yearly rule, which are the first
    day's. `zone`: where an UNTIL in UTC is a civil day. Raises ValidationError.

    As calendars write it: with or without `RRULE:`, a final `;`, lower case; UNTIL as a day, a time or an instant.
    """
    if len(text) > LONGEST:
        raise ValidationError(TOO_LONG, code="too_long", params={"count": LONGEST})
    given: dict[str, str] = {}
    for piece in text.strip().upper().removeprefix("RRULE:").removesuffix(";").split(";"):
        name, equals, value = piece.partition("=")
        if not equals or not name.isascii() or not value:
            raise invalid(text, _UNREADABLE, format=EXAMPLE)
        if name not in READ:
            raise not_among(name, READ)
        if name in given:
            raise _refused(text, _TWICE, part=name)
        given[name] = value
    frequency = given.get("FREQ")
    if frequency not in FREQUENCIES:
        raise _wrong(text, "FREQ", "FREQ=" + "|".join(FREQUENCIES))
    for name in given:
        if name not in ("FREQ", "INTERVAL", "COUNT", "UNTIL", "WKST") and name not in _OF_FREQUENCY[frequency]:
            raise _refused(text, _OUT_OF_PLACE, part=name, frequency=frequency)
    for part, other in (("COUNT", "UNTIL"), ("BYDAY", "BYMONTHDAY")):
        if part in given and other in given:
            raise _refused(text, _EITHER, part=part, other=other)

    def numbers(name: str, least: int, greatest: int, *, negative: bool = False) -> tuple[int, ...]:
        span = f"{least}..{greatest}"
        return _numbers(text, given, name, span, lambda one: least <= (abs(one) if negative else one) <= greatest)

    (interval,) = numbers("INTERVAL", 1, GREATEST_INTERVAL)[:1] or (None,)
    (count,) = numbers("COUNT", 1, GREATEST_COUNT)[:1] or (None,)
    byday = _weekdays(text, given, frequency)
    rule = Rule(
        frequency,
        interval,
        byday,
        numbers("BYMONTHDAY", 1, 31, negative=True) if frequency == "MONTHLY" else (),
        count,
        _until(text, given["UNTIL"], zone) if "UNTIL" in given else None,
    )
    week = given.get("WKST", "MO")
    if week not in WEEKDAYS:
        raise _wrong(text, "WKST", "WKST=MO")
    if week != "MO" and frequency == "WEEKLY" and (interval or 1) > 1 and len(byday) > 1:
        # Elsewhere the first day of the week changes nothing.
        raise _refused(text, _WEEKS, day=week)
    yearly = {
        "month": numbers("BYMONTH", 1, 12),
        "day": numbers("BYMONTHDAY", 1, 31, negative=True) if frequency == "YEARLY" else (),
    }
    return rule, yearly


def _wrong(text: str, part: str, expected: str) -> ValidationError:
    return _refused(text, _UNREADABLE_PART, expected, part=part)


def _refused(text: str, sentence: Any, expected: str = EXAMPLE, **words: str) -> ValidationError:
    # Said when it is read, in whatever language; of the words the wire has no keys.
    message = lazy(lambda: str(sentence) % {**words, "format": expected}, str)()
    return invalid(text, message, format=expected)


def _numbers(
    text: str, given: Mapping[str, str], name: str, span: str, allowed: Callable[[int], bool]
) -> tuple[int, ...]:
    if name not in given:
        return ()
    pieces = given[name].split(",")
    alone = name in ("INTERVAL", "COUNT")
    if (alone and len(pieces) > 1) or not all(_NUMBER.fullmatch(piece) and allowed(int(piece)) for piece in pieces):
        raise _wrong(text, name, f"{name}={span}")
    return tuple(dict.fromkeys(map(int, pieces)))


def _weekdays(text: str, given: Mapping[str, str], frequency: str) -> tuple[tuple[int, int], ...]:
    """BYDAY: of a month the nth such day, from 1 to 5 or from -1 to -5; else bare."""
    if "BYDAY" not in given:
        if "BYSETPOS" in given:
            raise _refused(text, _OUT_OF_PLACE, part="BYSETPOS", frequency=frequency)
        return ()
    if "BYSETPOS" in given and given["BYDAY"] in WEEKDAYS:
        places = _numbers(text, given, "BYSETPOS", "1..5", lambda one: 1 <= abs(one) <= 5)
        return tuple((nth, WEEKDAYS.index(given["BYDAY"])) for nth in places)
    found = []
    for piece in given["BYDAY"].split(","):
        match = _DAY.fullmatch(piece)
        nth = int(match[1] or 0) if match else 0
        right = 1 <= abs(nth) <= 5 if frequency == "MONTHLY" else match and not match[1]
        if not match or not right or "BYSETPOS" in given:
            raise _wrong(text, "BYDAY", "BYDAY=2WE,-1FR" if frequency == "MONTHLY" else "BYDAY=MO,WE")
        found.append((nth, WEEKDAYS.index(match[2])))
    return tuple(dict.fromkeys(found))


def _until(text: str, value: str, zone: str) -> datetime.date:
    match = _UNTIL.fullmatch(value)
    try:
        if match:
            *numbers, utc = match.groups(default="0")
            year, month, day, hour, minute, second = map(int, numbers)
            moment = datetime.datetime(year, month, day, hour, minute, second, tzinfo=datetime.UTC)
            return (moment.astimezone(ZoneInfo(zone)) if utc == "Z" else moment).date()
    except (ValueError, OverflowError):  # a day or an hour that no calendar has
        pass
    raise _wrong(text, "UNTIL", "UNTIL=YYYYMMDD[THHMMSS[Z]]")


def parse(text: Any, first_day: datetime.date | None, zone: str = PARIS) -> Rule:
    """The rule that `text` says, for a series that begins on `first_day` (None: not known). Raises ValidationError:
    what cannot be read; and, shown as `base`, rows 4 and 5 of contract 1.10.
    """
    if not isinstance(text, str):
        raise invalid(text, _UNREADABLE, format=EXAMPLE)
    rule, failures = judge(text, first_day, zone)
    if failures:
        raise ValidationError(failures)
    return rule


def judge(text: str, first_day: datetime.date | None, zone: str = PARIS) -> tuple[Rule, list[ValidationError]]:
    """The same, with what keeps it from beginning on `first_day`. Raises ValidationError for what cannot be read."""
    rule, yearly = read(text, zone)
    failures = list(unfit(rule, first_day)) if first_day else []
    if first_day and not failures:
        begins = {"month": (first_day.month,), "day": (first_day.day,)}
        if any(asked and asked != begins[name] for name, asked in yearly.items()):
            failures = [of_base(WRONG_START)]
    return rule, failures


def unfit(rule: Rule, first_day: datetime.date) -> Iterator[ValidationError]:
    """What keeps `rule` from beginning on `first_day` (contract 1.10, rows 4 and 5)."""
    if first_day not in rule._counted(first_day, first_day, first_day):
        yield of_base(WRONG_START)
    if rule.until is not None and rule.until <= first_day:
        yield of_base(WRONG_END)


def of_base(message: Any) -> ValidationError:
    """A failure that the wire shows as `base`."""
    params = {
        "attribute": "base",
        "problem": "recurrence_starts_elsewhere" if message is WRONG_START else "recurrence_ends_too_early",
    }
    return ValidationError(message, params=params)


@dataclass(frozen=True, slots=True)
class Change:
    """What one occurrence has of its own; None: as the series has it. An end day that is not said follows the first."""

    first_day: datetime.date | None = None
    start_time: datetime.time | None = None
    end_day: datetime.date | None = None
    end_time: datetime.time | None = None
    title: str | None = None

    @classmethod
    def of(cls, kept: Mapping[str, str]) -> Change:
        """From what a row keeps: texts in ISO form."""
        day, time = datetime.date.fromisoformat, datetime.time.fromisoformat
        return cls(
            day(kept["first_day"]) if "first_day" in kept else None,
            time(kept["start_time"]) if "start_time" in kept else None,
            day(kept["end_day"]) if "end_day" in kept else None,
            time(kept["end_time"]) if "end_time" in kept else None,
            kept.get("title"),
        )

    def kept(self) -> dict[str, str]:
        """As a row keeps it."""
        values = ((name, getattr(self, name)) for name in ("first_day", "start_time", "end_day", "end_time", "title"))
        return {name: value if name == "title" else value.isoformat() for name, value in values if value is not None}


@dataclass(frozen=True, slots=True)
class Occurrence:
    """One time that a series is: from `starts` to `ends`, aware, in the zone of the series. `day`: its original first
    day, which names it (RECURRENCE-ID); `changed`: whether it has something of its own.
    """

    day: datetime.date
    starts: datetime.datetime
    ends: datetime.datetime
    title: str
    changed: bool


@dataclass(frozen=True, slots=True)
class Series:
    """An absence in time, recurring or not: civil values in `zone`."""

    first_day: datetime.date
    start_time: datetime.time
    end_day: datetime.date
    end_time: datetime.time
    rule: Rule | None = None
    exdates: frozenset[datetime.date] = frozenset()
    overrides: Mapping[datetime.date, Change] = field(default_factory=dict)
    zone: str = PARIS
    title: str = ""

    @classmethod
    def of(
        cls,
        first_day: datetime.date,
        start_time: datetime.time,
        end_day: datetime.date,
        end_time: datetime.time,
        rrule: str = "",
        exdates: Iterable[str] | None = None,
        overrides: Mapping[str, Mapping[str, str]] | None = None,
        zone: str = PARIS,
        title: str = "",
    ) -> Series:
        """From the columns of a row, as they are kept."""
        return cls(
            first_day,
            start_time,
            end_day,
            end_time,
            read(rrule)[0] if rrule else None,
            frozenset(map(datetime.date.fromisoformat, exdates or ())),
            {datetime.date.fromisoformat(day): Change.of(kept) for day, kept in (overrides or {}).items()},
            zone,
            title,
        )

    @property
    def recurs(self) -> bool:
        return self.rule is not None

    @property
    def endless(self) -> bool:
        return self.rule is not None and self.rule.count is None and self.rule.until is None

    def days(self, low: datetime.date | None = None, high: datetime.date = LAST_DAY) -> Iterator[datetime.date]:
        """The original first days of its occurrences from `low` to `high`, those taken out left out."""
        if self.rule is None:
            whole: Iterator[datetime.date] = iter([self.first_day] if (low or self.first_day) <= self.first_day else [])
        else:
            whole = self.rule.days(self.first_day, low, high)
        return (day for day in whole if day not in self.exdates and day <= high)

    def on(self, day: datetime.date) -> Occurrence | None:
        """Its occurrence that `day` names; None when there is none."""
        return self._occurrence(day) if day in self.days(day, day) else None

    def civil(self, day: datetime.date) -> tuple[datetime.date, datetime.time, datetime.date, datetime.time, str]:
        """First day, start time, end day, end time and title of the occurrence that `day` names."""
        own = self.overrides.get(day) or _UNCHANGED
        first = own.first_day or day
        return (
            first,
            own.start_time or self.start_time,
            own.end_day or first + (self.end_day - self.first_day),
            own.end_time or self.end_time,
            self.title if own.title is None else own.title,
        )

    @property
    def ends_on(self) -> datetime.date | None:
        """The end day of its last occurrence, changed ones included; None when it is endless, or has none."""
        if self.endless:
            return None
        return max((self.civil(day)[2] for day in self.days()), default=None)

    def _occurrence(self, day: datetime.date) -> Occurrence:
        first, start, last, end, title = self.civil(day)
        starts, ends = instants(first, start, last, end, ZoneInfo(self.zone))
        return Occurrence(day, starts, ends, title, day in self.overrides)


_UNCHANGED = Change()


def instants(
    first_day: datetime.date, start: datetime.time, end_day: datetime.date, end: datetime.time, zone: ZoneInfo
) -> tuple[datetime.datetime, datetime.datetime]:
    """When a civil span begins and ends, by the one rule for clock changes (see above)."""
    begin, finish = datetime.datetime.combine(first_day, start), datetime.datetime.combine(end_day, end)
    starts, ends = (one.replace(tzinfo=zone).astimezone(datetime.UTC) for one in (begin, finish))
    if ends <= starts < starts + (finish - begin):
        ends = starts + (finish - begin)
    return starts.astimezone(zone), ends.astimezone(zone)


@lru_cache(maxsize=1024)
def clock_changes(zone: ZoneInfo, year: int) -> frozenset[datetime.date]:
    """The days of `year` within which the offset of `zone` is not always the same."""
    opening = datetime.datetime(year, 1, 1, tzinfo=zone)
    midnights = [opening + datetime.timedelta(days=number) for number in range(367)]
    offsets = [midnight.utcoffset() for midnight in midnights]
    return frozenset(midnights[number].date() for number in range(366) if offsets[number] != offsets[number + 1])


def occurrences(
    series: Series,
    start: datetime.datetime | None = None,
    end: datetime.datetime | None = None,
    limit: int | None = None,
) -> Iterator[Occurrence]:
    """The occurrences of `series` that overlap the window from `start` to `end`, earliest first; touching is not
    overlapping. Moments are instants, or civil times of the series' zone; None: no bound.

    As lazy as its reader: an endless series never ends by itself. `limit`: give no more than these; ask for one more
    than is wanted to know whether there are more.
    """
    zone = ZoneInfo(series.zone)
    begins, finishes = _instant(start, zone), _instant(end, zone)

    def within(one: Occurrence) -> bool:
        return (finishes is None or one.starts < finishes) and (begins is None or one.ends > begins)

    if series.rule is None:
        found: Iterator[Occurrence] = filter(within, [series._occurrence(day) for day in series.days()])
    else:
        found = _regular(series, zone, begins, finishes, within)
        own = [series._occurrence(day) for day in series.overrides if any(series.days(day, day))]
        if own:
            found = merge(found, sorted(filter(within, own), key=_starts), key=_starts)
    return islice(found, limit)


def _starts(one: Occurrence) -> datetime.datetime:
    return one.starts


def _instant(moment: datetime.datetime | None, zone: ZoneInfo) -> datetime.datetime | None:
    """`moment` in UTC; the first or last one there is, for those that only their offset leads out of the calendar."""
    if moment is None:
        return None
    try:
        return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).astimezone(datetime.UTC)
    except OverflowError:
        return _BEGINNING if moment.year == 1 else _END


_BEGINNING = datetime.datetime.min.replace(tzinfo=datetime.UTC)
_END = datetime.datetime.max.replace(tzinfo=datetime.UTC)
_MARGIN = 2  # days, more than any offset and any clock change make


def _regular(
    series: Series,
    zone: ZoneInfo,
    begins: datetime.datetime | None,
    finishes: datetime.datetime | None,
    within: Callable[[Occurrence], bool],
) -> Iterator[Occurrence]:
    """Those that are as the series has them. By far the most of what is asked of this module: where no clock changes
    and no edge of the window is near, a civil time is its instant and nothing is compared.
    """
    span = series.end_day - series.first_day
    # Ordinals: a window may begin and end with the calendar itself.
    reach = _MARGIN + span.days
    low = max(begins.toordinal() - reach, series.first_day.toordinal()) if begins else series.first_day.toordinal()
    high = min(finishes.toordinal() + _MARGIN, LAST_DAY.toordinal()) if finishes else LAST_DAY.toordinal()
    if low > high:
        return
    first, last = datetime.date.fromordinal(low), datetime.date.fromordinal(high)
    inner_first = datetime.date.fromordinal(low + reach + _MARGIN) if begins else datetime.date.min
    inner_last = datetime.date.fromordinal(max(high - 2 * _MARGIN, 1)) if finishes else datetime.date.max
    combine, start, end, title = datetime.datetime.combine, series.start_time, series.end_time, series.title
    exdates, overrides, year, changes = series.exdates, series.overrides, 0, frozenset[datetime.date]()
    for day in series.rule.days(series.first_day, first, last):  # type: ignore[union-attr]
        if day in exdates or day in overrides:
            continue
        if day.year != year:
            year, changes = day.year, clock_changes(zone, day.year)
        if span:
            starts, ends = instants(day, start, day + span, end, zone)
        elif day in changes:
            starts, ends = instants(day, start, day, end, zone)
        else:
            starts, ends = combine(day, start, zone), combine(day, end, zone)
        one = Occurrence(day, starts, ends, title, False)
        if inner_first <= day <= inner_last or within(one):
            yield one


def bounded(rule: Rule, until: datetime.date) -> Rule:
    """`rule` with its end on `until`."""
    return replace(rule, count=None, until=until)
