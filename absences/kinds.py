"""Kind, privacy and part of the day, as they are asked for when an absence is written (rows A11, A12)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

from django.core.exceptions import ValidationError
from django.utils.text import format_lazy
from django.utils.translation import gettext as translated
from django.utils.translation import gettext_lazy as _

from agents.models.privacy import UNAVAILABLE, told_of
from rdv.api.messages import not_among

from .models import Absence, Kind, OnHoliday, Period
from .models.overlaps import is_strict
from .models.warnings import Warned
from .policies import Rules

FIELDS = ("kind", "private", "period")
HALVES = (Period.MORNING, Period.AFTERNOON)

GIVEN_WITH_PERIOD = _("ne se donne pas avec period : l'un ou l'autre")
ONE_DAY = _("doit être le premier jour : une demi-journée n'en dure qu'un")
NOT_YOURS = _("ne peut être levé que par l'agent ou un administrateur")
NOT_YOURS_TO_CHANGE = _("ne peut être changé que par l'agent ou un administrateur")
ON_HOLIDAY = _("est un jour férié ({holiday})")

Failures = dict[str, list[ValidationError]]


def as_it_was(row: Absence, sent: Mapping[str, Any], caller: Any) -> tuple[bool, set[str]]:
    """Whether `caller` may not know what the stored `row` is; and which of the values that they sent are but what they
    were shown instead: who reads an absence and writes it back changes nothing of what they could not read.
    """
    if not row.private or row.agent_id in told_of(caller, [row.agent_id]):
        return False, set()
    shown = {"title": (UNAVAILABLE,), "kind": (None, ""), "period": (None, ""), "external_ids": ({}, None, "")}
    return True, {name for name, values in shown.items() if name in sent and sent[name] in values}


def not_theirs(sent: Mapping[str, Any], unread: Collection[str]) -> Failures:
    """What somebody sent who may not know what it is of a private absence: refused, whatever it is, so that nobody
    learns by trying what is right, nor loses what they could not read.
    """
    failure = [ValidationError(NOT_YOURS_TO_CHANGE, code="not_yours")]
    return {name: failure for name in ("title", "kind") if name in sent and name not in unread}


def settle(
    row: Absence, values: Mapping[str, Any], sent: Mapping[str, Any], rules: Callable[[], Rules], *, hidden: bool
) -> tuple[Failures, list[Warned]]:
    """Give `row` what was read in `values`, of FIELDS; `sent`: all that was sent. `rules`: those of its agent, read
    when they are needed. Returns what is wrong, and what is to be told.
    """
    failures: Failures = {}
    if "private" in values:
        if hidden and not values["private"]:
            failures["private"] = [ValidationError(NOT_YOURS, code="not_yours")]
        else:
            row.private = bool(values["private"])
    if "kind" in values:
        row.kind = values["kind"] or Kind.OTHER
        if row.kind not in Kind.values:
            failures["kind"] = [not_among(row.kind, Kind.values)]
    judged = row._state.adding or not {"kind", "private"}.isdisjoint(values)
    if judged and not row.private and not failures:
        row.private = rules().private(row.kind)
    if "period" in values or row.period:
        failures |= _part_of_day(row, values.get("period", row.period), "period" in values, sent, rules)
    warnings = []
    moved = row._state.adding or not {"period", "first_day"}.isdisjoint(sent)
    if row.period in HALVES and row.first_day and moved and not failures:
        decision, holiday = rules().on_holiday(row.first_day)
        if decision == OnHoliday.REFUSE or (decision == OnHoliday.WARN and is_strict()):
            sentence = format_lazy(ON_HOLIDAY, holiday=holiday.name if holiday else "")
            failures["first_day"] = [ValidationError(sentence, code="on_holiday")]
        elif decision == OnHoliday.WARN:
            warnings.append(Warned("on_holiday", _sentence(row, holiday and holiday.name)))
    return failures, warnings


def _part_of_day(
    row: Absence, period: str | None, asked: bool, sent: Mapping[str, Any], rules: Callable[[], Rules]
) -> Failures:
    """The times that `period` stands for, where it is asked for. Times that are sent later are no part of a day."""
    times = {name for name in ("start_time", "end_time") if sent.get(name) not in (None, "")}
    if not asked:
        # Sent back as they were, times change nothing.
        former = row.remembered
        if any(getattr(row, name) != former.get(name) for name in times):
            row.period = ""
        return {}
    row.period = period or ""
    if not row.period:
        return {}
    if row.period not in Period.values:
        row.period = ""
        return {"period": [not_among(period, Period.values)]}
    starts, ends = rules().times(row.period, row.organisation_id)
    meant = {"start_time": starts, "end_time": ends}
    failures: Failures = {}
    for name in sorted(times):
        if getattr(row, name) != meant[name]:
            failures[name] = [ValidationError(GIVEN_WITH_PERIOD, code="given_with_period")]
    row.start_time, row.end_time = starts, ends
    if row.period in HALVES and row.end_day not in (None, row.first_day):
        failures["end_day"] = [ValidationError(ONE_DAY, code="half_of_one_day")]
    return failures


def _sentence(row: Absence, holiday: str | None) -> Any:
    return translated("Le %(day)s est un jour férié : %(holiday)s.") % {
        "day": row.first_day.isoformat(),
        "holiday": holiday,
    }
