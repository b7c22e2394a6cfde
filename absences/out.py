"""Who is out on a day or in a period (row A21), and the public holidays of an organisation (row A18)."""

from __future__ import annotations

import datetime
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from rest_framework.request import Request
from rest_framework.response import Response

from agents import shapes
from agents.models import Agent, Organisation
from agents.serializers import AGENT_COLUMNS, SAMPLE_AGENT, render_agent
from rdv.api.described import LIST_HEADERS, PAGES
from rdv.api.errors import Forbidden, Invalid, RecordNotFound
from rdv.api.fields import DateField, IdentifierField
from rdv.api.messages import blank, invalid
from rdv.api.pagination import META, PAGE_SIZE, Page, Reading, paginate
from rdv.api.parsers import leading_integer
from rdv.api.registry import Answer, Described, Example, Group, Parameter
from rdv.api.schema import DAY, INSTANT, Shape, array, choice, flag, integer, named, nullable, or_nothing, text
from rdv.api.sorting import Order
from rdv.api.times import PARIS
from rdv.api.views import WireView

from .holidays import Holiday, public_holidays
from .models import Absence, AbsencePolicy, Kind, Period
from .policies import holidays_of
from .recurrence import occurrences
from .windows import COLUMNS, series_of, wire_instant

LONGEST = 62  # days of who is out
LONGEST_OF_HOLIDAYS = 5 * 366  # days
A_YEAR = datetime.timedelta(days=365)

TOO_LONG = _("est à plus de %(count)s jours du début")
BEFORE_START = _("doit être le premier jour, ou après")
ONE_OR_THE_OTHER = _("ne se donne pas avec from ou to")

_A_DAY, _AN_ID = or_nothing(DateField.schema), or_nothing(IdentifierField.schema)


def _today() -> datetime.date:
    return timezone.now().astimezone(PARIS).date()


@dataclass(frozen=True)
class Days:
    """From a day to another, both included."""

    first: datetime.date
    last: datetime.date

    @classmethod
    def asked(cls, params: Mapping[str, Any], default: Days, most: int) -> Days:
        """Those of `on`, else of `from` and `to`, else `default`. Raises Invalid (422) with all that is wrong."""
        failures: dict[str, list[ValidationError]] = {}
        days: dict[str, datetime.date] = {}
        for name in ("on", "from", "to"):
            sent = params.get(name)
            try:
                if sent not in (None, ""):
                    days[name] = DateField().to_internal_value(sent)
            except ValidationError as error:
                failures[name] = [error]
        if not failures and "on" in days:
            if len(days) > 1:
                failures["on"] = [invalid(params["on"], ONE_OR_THE_OTHER)]
            days = {"from": days["on"], "to": days["on"]}
        first = days.get("from", default.first)
        usual = (default.last - default.first).days
        last = days.get("to") or datetime.date.fromordinal(
            min(first.toordinal() + usual, datetime.date.max.toordinal())
        )
        if not failures and last < first:
            failures["to"] = [invalid(params.get("to"), BEFORE_START)]
        elif not failures and (last - first).days >= most:
            failures["to"] = [ValidationError(TOO_LONG, code="period_too_long", params={"count": most})]
        if failures:
            raise Invalid(failures)
        return cls(first, last)


def _too_long(most: int) -> Invalid:
    return Invalid({"to": [ValidationError(TOO_LONG, code="period_too_long", params={"count": most})]})


HOLIDAY = Shape(
    "Holiday",
    _("Un jour férié."),
    {"day": DAY, "name": text(_("Son nom, en français."), example="Noël")},
)


class Holidays(WireView):
    """`/holidays`: on which days an organisation does not work."""

    group = Group("holidays", _("Jours fériés"), _("Ceux de chaque département, Alsace et outre-mer compris."))
    operations = {
        "get": Described(
            _("Lister les jours fériés d'une organisation"),
            _("Ceux de son département où l'on n'y travaille pas, un an à partir d'aujourd'hui si rien n'est demandé."),
            _("Qui a un rôle dans l'organisation, ou administre son territoire."),
            name="list",
            parameters=(
                Parameter("organisation_id", _("L'organisation."), IdentifierField.schema, required=True),
                Parameter("from", _("Le premier jour."), _A_DAY),
                Parameter("to", _("Le dernier jour."), _A_DAY),
            ),
            answers={
                200: Answer(
                    _("Dans leur ordre."),
                    named({"holidays": array(HOLIDAY)}),
                    lambda: {"holidays": [{"day": "2026-12-25", "name": "Noël"}]},
                )
            },
            errors=(
                Forbidden(),
                RecordNotFound("organisation", 0),
                Invalid({"organisation_id": [blank()]}),
                _too_long(LONGEST_OF_HOLIDAYS),
            ),
            limits=_("5 ans."),
            examples=(Example(_("De la première, en 2027"), {"organisation_id": 1, "from": "2027-01-01"}),),
        )
    }
    resource = "organisations"

    def get(self, request: Request) -> Response:
        if self.params.get("organisation_id") in (None, ""):
            raise Invalid({"organisation_id": [blank()]})
        today = _today()
        days = Days.asked(self.params, Days(today, today + A_YEAR), LONGEST_OF_HOLIDAYS)
        pk = leading_integer(self.params["organisation_id"])
        caller: Any = request.user
        rows = Organisation.objects.filter(pk=pk).order_by().values_list("pk", "territory__departement_number")
        for _pk, departement in rows:
            if pk not in caller.reach.named:
                raise Forbidden
            policy = AbsencePolicy.objects.filter(organisation=pk).first() or AbsencePolicy()
            found: list[Holiday] = []
            if policy.public_holidays:
                found = public_holidays(departement, days.first, days.last, policy.excluded_holidays)
            return Response({"holidays": [{"day": one.day.isoformat(), "name": one.name} for one in found]})
        raise RecordNotFound("organisation", pk)


OUT = Shape(
    "WhoIsOut",
    _("Un agent qui n'est pas là un jour."),
    {
        "day": DAY,
        "agent": shapes.AGENT,
        "absences": array(
            Shape(
                "AbsenceOfTheDay",
                _("Une absence qui touche ce jour."),
                {
                    "id": integer(_("Son identifiant.")),
                    "ends_at": INSTANT,
                    "kind": nullable(choice(*Kind.values, about=_("Son genre ; null pour qui ne doit pas le savoir."))),
                    "period": nullable(
                        choice(*Period.values, about=_("La partie de la journée demandée au lieu d'heures."))
                    ),
                    "private": flag(_("Si seuls l'agent et les administrateurs savent ce qu'elle est.")),
                    "starts_at": INSTANT,
                    "title": text(_("Ce qu'elle est.")),
                },
            ),
            _("Celles de l'agent ce jour-là, dans leur ordre ; aucune un jour férié, peut-être."),
        ),
        "holiday": nullable(text(_("Le nom du jour férié, si c'en est un."))),
    },
)


def _sample() -> dict[str, Any]:
    absence = {
        "id": 7,
        "ends_at": "2026-12-10 12:30:00 +0100",
        "kind": "training",
        "period": "morning",
        "private": False,
        "starts_at": "2026-12-10 08:00:00 +0100",
        "title": "Formation",
    }
    row = {"day": "2026-12-10", "agent": render_agent(*SAMPLE_AGENT), "absences": [absence], "holiday": None}
    return {"whos_out": [row], "meta": Page((), 1, PAGE_SIZE, 1).meta()}


class WhosOut(WireView):
    """`/whos-out`: one row for each agent and day. Four queries, whoever is out."""

    group = Group("whos_out", _("Qui est absent"), _("Qui n'est pas là un jour, ou pendant une période."))
    operations = {
        "get": Described(
            _("Dire qui est absent"),
            _(
                "Une ligne par agent et par jour : ses absences, celles qui se répètent aussi, et le jour férié. "
                "Aujourd'hui si rien n'est demandé."
            ),
            _("Qui voit un agent sait quand il n'est pas là."),
            name="list",
            parameters=(
                Parameter("on", _("Ce jour."), _A_DAY),
                Parameter("from", _("Le premier jour."), _A_DAY),
                Parameter("to", _("Le dernier jour ; le premier quand rien n'est dit."), _A_DAY),
                Parameter("organisation_id", _("Les agents de cette organisation ; hors de portée : aucun."), _AN_ID),
                Parameter("service_id", _("Les agents de ce service."), _AN_ID),
                *PAGES[:2],
            ),
            answers={
                200: Answer(
                    _("Une page : jour après jour, les agents dans l'ordre de leurs noms."),
                    named({"whos_out": array(OUT), "meta": META}),
                    _sample,
                    LIST_HEADERS,
                    sometimes=("Link",),
                )
            },
            errors=(_too_long(LONGEST), Invalid({"on": [invalid("?")]})),
            limits=_("62 jours ; 100 lignes par page."),
            examples=(
                Example(_("Aujourd'hui"), {}),
                Example(_("La semaine de Noël"), {"from": "2026-12-21", "to": "2026-12-27"}),
            ),
        )
    }
    resource = "absences"

    def get(self, request: Request) -> Response:
        today = _today()
        days = Days.asked(self.params, Days(today, today), LONGEST)
        caller: Any = request.user
        organisation = self._named("organisation_id")
        agents = self._agents(caller, organisation)
        rows = list(_rows(caller, agents, days, None if organisation is None else [organisation]))

        def fetch(start: int, size: int, key: Sequence[Any] | None) -> tuple[int, Sequence[tuple[Any, ...]]]:
            return len(rows), rows[start : start + size]

        asked = {name: value for name, value in self.params.items() if name != "cursor"}
        page = paginate(asked, fetch, Reading(("day", "agent", "holiday", "absences"), Order(())))
        shown = [_shown(*row) for row in page.rows]
        return Response({"whos_out": shown, "meta": page.meta()}, headers=page.headers(request))

    def _named(self, name: str) -> int | None:
        sent = self.params.get(name)
        return None if sent in (None, "") else leading_integer(sent)

    def _agents(self, caller: Agent, organisation: int | None) -> dict[int, tuple[Any, ...]]:
        """Those in sight who are asked for, in the order of their names: by number, what is shown of them."""
        rows: QuerySet[Agent] = Agent.objects.visible_to(caller)
        if organisation is not None:
            reached = Organisation.objects.within_reach_of(caller).filter(pk=organisation)
            rows = rows.filter(pk__in=Agent.objects.of_organisation(reached).order_by().values("pk"))
        service = self._named("service_id")
        if service is not None:
            rows = rows.filter(pk__in=Agent.services.through.objects.filter(service=service).values("agent"))
        found = rows.order_by().values_list("folded_last_name", "folded_first_name", *AGENT_COLUMNS)
        ordered = sorted(found, key=lambda row: (row[0] or "", row[1] or "", row[2]))
        return {row[2]: tuple(row[2:]) for row in ordered}


def _rows(
    caller: Agent, agents: Mapping[int, tuple[Any, ...]], days: Days, organisations: Collection[int] | None
) -> Iterator[tuple[datetime.date, tuple[Any, ...], list[Holiday], list[tuple[Any, ...]]]]:
    """Day, agent, holidays and absences of the day; day after day."""
    out: dict[datetime.date, dict[int, list[tuple[Any, ...]]]] = {}
    for absence in _absences(caller, list(agents), days) if agents else ():
        agent, starts, ends = absence[0], absence[1], absence[2]
        first = max(starts.date(), days.first).toordinal()
        last = min((ends - datetime.timedelta(microseconds=1)).date(), days.last).toordinal()
        for day in map(datetime.date.fromordinal, range(first, last + 1)):
            out.setdefault(day, {}).setdefault(agent, []).append(absence)
    kept: dict[datetime.date, dict[int, list[Holiday]]] = {}
    for agent, holidays in (holidays_of(list(agents), days.first, days.last, organisations) if agents else {}).items():
        for holiday in holidays:
            kept.setdefault(holiday.day, {}).setdefault(agent, []).append(holiday)
    for day in sorted({*out, *kept}):
        absent, free = out.get(day, {}), kept.get(day, {})
        for pk, shown in agents.items():
            if pk in absent or pk in free:
                yield day, shown, free.get(pk, []), sorted(absent.get(pk, []), key=lambda one: (one[1], one[2], one[3]))


def _absences(caller: Agent, agents: Sequence[int], days: Days) -> Iterator[tuple[Any, ...]]:
    """Agent, start, end, id, kind, period, private, title of each occurrence in those days, as `caller` may know it."""
    once = Q(rrule="", end_day__gte=days.first)
    again = Q(rrule__gt="") & (Q(recurs_until=None) | Q(recurs_until__gte=days.first))
    # An occurrence may have been moved before the first one.
    begun = Q(first_day__lte=days.last) | Q(overrides__isnull=False)
    rows = Absence.objects.known_by(caller).filter(once | again, begun, agent__among=agents).order_by()
    start = datetime.datetime.combine(days.first, datetime.time())
    end = datetime.datetime.combine(days.last, datetime.time.max)
    for pk, agent, kind, period, private, *series in rows.values_list(
        "pk", "agent_id", "kind", "period", "private", *COLUMNS
    ):
        hidden = series[-1]
        for one in occurrences(series_of(series), start, end):
            told = (None, None) if hidden else (kind, period or None)
            yield agent, one.starts, one.ends, pk, *told, private, one.title


def _shown(
    day: datetime.date, agent: tuple[Any, ...], holidays: Sequence[Holiday], absences: Sequence[tuple[Any, ...]]
) -> dict[str, Any]:
    return {
        "day": day.isoformat(),
        "agent": render_agent(*agent),
        "absences": [
            {
                "id": pk,
                "ends_at": wire_instant(ends),
                "kind": kind,
                "period": period,
                "private": private,
                "starts_at": wire_instant(starts),
                "title": title,
            }
            for _agent, starts, ends, pk, kind, period, private, title in absences
        ],
        "holiday": ", ".join(one.name for one in holidays) or None,
    }
