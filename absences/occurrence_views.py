"""The occurrences of one absence: those of a window, and what is changed or taken out at one of them (rows A9, A10)."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from itertools import islice
from typing import Any, ClassVar

from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _
from rest_framework.request import Request
from rest_framework.response import Response

from rdv.api.errors import Invalid, NotFound
from rdv.api.fields import DateField
from rdv.api.messages import invalid, not_among
from rdv.api.parsers import leading_integer
from rdv.api.registry import Answer, Described, Example, Parameter
from rdv.api.schema import DAY, array, choice, named, text
from rdv.api.serializers import WireSerializer

from . import kinds, splitting
from .models import Absence
from .recurring import MOST_EXDATES
from .serializers import ABSENCE, AbsenceSerializer
from .views import TIMES, WHO, Absences
from .windows import COLUMNS, META, OCCURRENCE, Window, render, series_of

SCOPES = ("this", "following", "all")
MOST_CHANGED = 400

_OF_THE_SERIES = _("ne se change que de toutes les occurrences (scope=all) ou des suivantes (scope=following)")
_TOO_MANY_OUT = _("a déjà %(count)s jours : supprimez les suivantes, ou changez la règle")
_TOO_MANY_CHANGED = _("a déjà %(count)s occurrences modifiées : changez les suivantes ensemble (scope=following)")

_FROM = Parameter(
    "from", _("Celles qui ne sont pas finies alors : une date, ou une date et une heure."), text(example="2026-12-01")
)
_TO = Parameter("to", _("Celles qui commencent avant, ce jour compris."), text(example="2026-12-31"))
_DAY_IN_PATH = Parameter(
    "day",
    _("L'occurrence : son premier jour d'après la règle (day), même si elle a été déplacée."),
    DAY | {"example": "2026-12-10"},
    place="path",
    required=True,
)
_SCOPE = Parameter(
    "scope",
    _("this : elle seule ; following : elle et les suivantes, qui deviennent une absence à part ; all : toutes."),
    choice(*SCOPES, "", example="this"),
)


class OccurrenceSerializer(WireSerializer):
    """What one occurrence may have of its own. An occurrence that moves keeps its length in days."""

    model = Absence

    first_day = AbsenceSerializer._declared_fields["first_day"]
    start_time = AbsenceSerializer._declared_fields["start_time"]
    end_time = AbsenceSerializer._declared_fields["end_time"]
    title = AbsenceSerializer._declared_fields["title"]
    end_day = AbsenceSerializer._declared_fields["end_day"]

    def assign(self, row: Absence, values: dict[str, Any], failures: dict[str, list[ValidationError]]) -> None:
        span = row.end_day - row.first_day
        super().assign(row, values, failures)
        if values.get("first_day") and "end_day" not in values and "end_day" not in failures:
            row.end_day = _later(values["first_day"], span)


def _later(day: datetime.date, by: datetime.timedelta) -> datetime.date:
    """`day` and so much; where no calendar leads, `day`, which is far beyond what is taken."""
    try:
        return day + by
    except OverflowError:
        return day


class Occurrences(Absences):
    operations: ClassVar[dict[str, Described]] = {
        "occurrences": Described(
            _("Les occurrences d'une absence"),
            _(
                "Chaque fois qu'elle a lieu dans la période, à l'heure de son fuseau, déplacements et suppressions "
                "compris. Une absence qui ne se répète pas n'en a qu'une."
            ),
            WHO,
            name="occurrences",
            parameters=(_FROM, _TO),
            answers={
                200: Answer(
                    _("Celles de la période, dans l'ordre."),
                    named({"occurrences": array(OCCURRENCE), "meta": META}),
                    lambda: _example(),
                )
            },
            errors=(NotFound("absence"), Invalid({"from": [invalid("?")]})),
            limits=_("1000 par réponse ; meta.next_from dit où reprendre."),
            examples=(Example(_("Celles de décembre"), {"id": 1, "from": "2026-12-01", "to": "2026-12-31"}),),
        ),
        "update": Described(
            _("Modifier une occurrence, les suivantes ou toutes"),
            _(
                "Ce qui n'est pas envoyé reste tel quel. Une occurrence seule peut avoir son titre, ses jours et ses "
                "heures ; les suivantes et toutes, ce que peut avoir une absence. first_day et end_day sont ceux de "
                "l'occurrence : toutes sont déplacées d'autant de jours."
            ),
            WHO,
            name="change_occurrence",
            parameters=(_DAY_IN_PATH, _SCOPE),
            answers={
                200: Answer(
                    _("L'absence ; l'occurrence, ou l'absence des suivantes."),
                    {
                        "type": "object",
                        "properties": {
                            "absence": ABSENCE.shape.in_part,
                            "occurrence": OCCURRENCE,
                            "following": ABSENCE.shape.in_part,
                        },
                        "required": ["absence"],
                    },
                    lambda: {"absence": ABSENCE.example(), "occurrence": _example()["occurrences"][0]},
                )
            },
            errors=(NotFound("occurrence"), Invalid({"scope": [not_among("?", SCOPES)]})),
            examples=(
                Example(_("La finir plus tôt"), {"id": 1, "day": "2026-12-10", "scope": "this", "end_time": "11:00"}),
            ),
        ),
        "destroy": Described(
            _("Supprimer une occurrence, les suivantes ou toutes"),
            _("Sans occurrence, il n'y a plus d'absence : supprimer la dernière la supprime."),
            WHO,
            name="delete_occurrence",
            parameters=(_DAY_IN_PATH, _SCOPE),
            errors=(NotFound("occurrence"), Invalid({"scope": [not_among("?", SCOPES)]})),
            examples=(Example(_("Elle seule"), {"id": 1, "day": "2026-12-10", "scope": "this"}),),
        ),
    }

    def occurrences(self, request: Request, pk: str) -> Response:
        window = Window.asked(self.params)
        values = self._values(self._row(leading_integer(pk)))
        return Response(window.body(series_of(values), self.params))

    def update(self, request: Request, pk: str, day: str) -> Response:  # type: ignore[override]
        self.params.refuse_unread_body()
        self._ask_of_one()
        self._hold_agent = not TIMES.isdisjoint(self.params)

        def change() -> Response:
            row = self._instance(pk)
            return self._told_of_overlaps(lambda: self._change(row, day), lambda: row)

        return self._once(change)

    partial_update = update

    def destroy(self, request: Request, pk: str, day: str) -> Response:  # type: ignore[override]
        return self._once(lambda: self._take_out(self._instance(pk), day))

    @staticmethod
    def _values(row: tuple[Any, ...]) -> list[Any]:
        return [row[ABSENCE.columns.index(name)] for name in COLUMNS]

    def _found(self, row: Absence, text: str) -> datetime.date:
        """The day that names an occurrence of `row`. Raises NotFound."""
        try:
            day = DateField().to_internal_value(text)
        except ValidationError:
            raise NotFound("occurrence") from None
        if row.series.on(day) is None:
            raise NotFound("occurrence")
        return day

    def _scope(self, row: Absence, day: datetime.date) -> str:
        """What is meant; all, where that is the same. Raises Invalid (422)."""
        scope = self.params.get("scope") or "this"
        if scope not in SCOPES:
            raise Invalid({"scope": [not_among(scope, SCOPES)]})
        series = row.series
        if series.rule is None or (scope == "following" and day == next(series.days())):
            return "all"
        return str(scope)

    def _change(self, row: Absence, text: str) -> Response:
        day = self._found(row, text)
        scope = self._scope(row, day)
        sent = {name: value for name, value in self.params.items() if name not in ("pk", "day", "scope")}
        if scope == "all":
            return self._save(self._of_all(row, day, sent))
        if scope == "this":
            return self._change_one(row, day, sent)
        following = splitting.rest(row, day)
        splitting.forget(following, day, sent)
        serializer = self._of_all(following, day, sent)
        serializer.is_valid(raise_exception=True)
        splitting.cut(row, day)
        row.save()
        following.save()
        row.noticed, row.warnings = [*row.noticed, *following.noticed], [*row.warnings, *following.warnings]
        self.written = row
        self._hold_rights()
        shown = self._shown([self._row(following.pk)])[0]
        answer = self._answer(self._row(row.pk))
        answer.data["following"] = shown
        return answer

    def _of_all(self, row: Absence, day: datetime.date, sent: Mapping[str, Any]) -> AbsenceSerializer:
        """The change of a whole series. What is sent of days is of the occurrence that `day` names: the first one, and
        what was said of single ones, move by as much.
        """
        data = dict(sent)
        first, _start, last, _end, _title = row.series.civil(day)
        days = {name: _day_in(sent, name) for name in ("first_day", "end_day") if name in sent}
        moved, ends = days.get("first_day", first), days.get("end_day")
        if days and moved:  # what cannot be read is refused as it was sent
            try:
                by = moved - first
                data["first_day"] = (row.first_day + by).isoformat()
                if ends or "end_day" not in days:
                    data["end_day"] = (row.first_day + by + ((ends or moved + (last - first)) - moved)).isoformat()
                if by and row.rrule and "rrule" not in sent:
                    splitting.shift(row, by)
                    data["rrule"] = row.rrule
            except OverflowError:
                data = dict(sent)  # no calendar has it
        return AbsenceSerializer(row, data=data, context={"request": self.request})

    def _change_one(self, row: Absence, day: datetime.date, sent: Mapping[str, Any]) -> Response:
        others = AbsenceSerializer._declared_fields.keys() - OccurrenceSerializer._declared_fields.keys() - {"agent"}
        misplaced = [name for name in AbsenceSerializer._declared_fields if name in others and name in sent]
        if misplaced:
            raise Invalid({name: [ValidationError(_OF_THE_SERIES, code="invalid")] for name in misplaced})
        if row.private:
            hidden, unread = kinds.as_it_was(row, sent, self.request.user)
            if hidden and (theirs := kinds.not_theirs(sent, unread)):
                raise Invalid(theirs)
            sent = {name: value for name, value in sent.items() if name not in unread}
        series = row.series
        first, start, last, end, title = series.civil(day)
        alone = Absence(
            agent_id=row.agent_id, first_day=first, start_time=start, end_day=last, end_time=end, title=title
        )
        OccurrenceSerializer(alone, data=dict(sent)).is_valid(raise_exception=True)
        before = row.overrides
        splitting.override(row, day, splitting.own(series, day, alone))
        if len(row.overrides or ()) > MOST_CHANGED:
            params = {"count": MOST_CHANGED}
            raise Invalid({"day": [ValidationError(_TOO_MANY_CHANGED, code="too_long", params=params)]})
        if row.overrides != before:
            row.save()
        self.written = row
        self._hold_rights()
        shown = self._row(row.pk)
        answer = self._answer(shown)
        occurrence = series_of(self._values(shown)).on(day)
        answer.data["occurrence"] = render(occurrence) if occurrence else None
        return answer

    def _take_out(self, row: Absence, text: str) -> Response:
        day = self._found(row, text)
        scope = self._scope(row, day)
        if scope == "all" or (scope == "this" and list(islice(row.series.days(), 2)) == [day]):
            return self._delete(row)
        if scope == "this":
            splitting.take_out(row, day)
        else:
            splitting.cut(row, day)
        if len(row.exdates or ()) > MOST_EXDATES:
            params = {"count": MOST_EXDATES}
            raise Invalid({"exdates": [ValidationError(_TOO_MANY_OUT, code="too_long", params=params)]})
        row.save()
        self.written = row
        self._hold_rights()
        self._row(row.pk)
        return Response(status=204)


def _day_in(sent: Mapping[str, Any], name: str) -> datetime.date | None:
    """The day that is sent under `name`; None when there is none, or none that can be read."""
    try:
        return DateField().to_internal_value(sent[name]) if sent.get(name) else None
    except ValidationError:
        return None


def _example() -> dict[str, Any]:
    """An answer, of the sample absence."""
    values = [ABSENCE.sample[ABSENCE.columns.index(name)] for name in COLUMNS]
    return Window().body(series_of(values), {})
