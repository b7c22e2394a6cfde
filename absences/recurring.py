"""An absence that comes again, as it is written: which rule and which days taken out may be sent, and what becomes of
what was said of single occurrences when the rule changes (contract 1.10, rows 4 and 5).
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any

from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _
from rest_framework import serializers

from rdv.api.fields import DateField
from rdv.api.messages import invalid
from rdv.api.schema import DAY, array, text

from .models import Absence
from .recurrence import EXAMPLE, LONGEST, WRONG_START, Rule, judge, of_base, read

MOST_EXDATES = 1000

_NO_RULE = _("ne va qu'avec rrule")
_NOT_A_DAY = _("nomme un jour qui n'est pas de la récurrence : %(value)s")
_TOO_MANY = _("a plus de %(count)s jours")
_NOTHING_LEFT = _("ne laisse aucune occurrence")


class RuleField(serializers.Field):
    """A rule of recurrence, as `recurrence.read` reads it; kept as it was sent until the first day is known."""

    schema = text(maxLength=LONGEST, pattern="^[!-~]", example=EXAMPLE)

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            raise invalid(data)
        read(data)
        return data


class DaysField(serializers.Field):
    """Days, each once, in order: a list, or one text with commas."""

    schema = array(DAY, maxItems=MOST_EXDATES)

    def to_internal_value(self, data: Any) -> list[datetime.date]:
        given = data.split(",") if isinstance(data, str) else data
        if not isinstance(given, list):
            raise invalid(data)
        if len(given) > MOST_EXDATES:
            raise ValidationError(_TOO_MANY, code="too_long", params={"count": MOST_EXDATES})
        return sorted({DateField().to_internal_value(day) for day in given})


def recur(row: Absence, asked: Mapping[str, Any], former: datetime.date | None) -> dict[str, list[ValidationError]]:
    """Give `row` the `rrule` and the `exdates` that are `asked`, each if it is there; `former`: the first day of the
    series that it was. Returns what is wrong, by the name of the parameter.

    What was said of days that the rule does not have any more is forgotten.
    """
    failures: list[ValidationError] = []
    if "rrule" in asked:
        rule: Rule | None = None
        if asked["rrule"] is not None:
            rule, failures = judge(asked["rrule"], row.first_day, row.time_zone)
        row.rrule = rule.text if rule else ""
    elif row.rrule and former and row.first_day and row.first_day != former:
        failures = [of_base(WRONG_START)]
    if failures:
        row.rule_judged = True
        return {"rrule": failures}
    exdates = asked.get("exdates")
    if not row.rrule or not row.first_day:
        row.exdates, row.overrides = None, None
        return {"exdates": [ValidationError(_NO_RULE, code="invalid")]} if exdates and not row.rrule else {}
    if "rrule" not in asked and "exdates" not in asked:
        return {}
    rule = read(row.rrule)[0]

    def comes(day: datetime.date) -> bool:
        return any(rule.days(row.first_day, day, day))

    for day in exdates or ():
        if not comes(day):
            return {"exdates": [ValidationError(_NOT_A_DAY, code="inclusion", params={"value": day.isoformat()})]}
    if "exdates" in asked:
        out = [day.isoformat() for day in exdates or ()]
    else:
        out = [day for day in row.exdates or () if comes(datetime.date.fromisoformat(day))]
    own = {
        day: change
        for day, change in (row.overrides or {}).items()
        if day not in out and comes(datetime.date.fromisoformat(day))
    }
    row.exdates, row.overrides = out or None, own or None
    if out and not any(row.series.days()):
        return {"exdates": [ValidationError(_NOTHING_LEFT, code="invalid")]}
    return {}
