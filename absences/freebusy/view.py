"""`GET freebusy`: when agents are not to be had, in JSON or as a calendar (row C7)."""

from __future__ import annotations

import datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.http import HttpResponse
from django.utils.cache import patch_vary_headers
from django.utils.translation import gettext_lazy
from rest_framework.request import Request
from rest_framework.response import Response

from rdv.api.accept import prefers
from rdv.api.errors import Invalid
from rdv.api.messages import blank, invalid
from rdv.api.parsers import leading_integer, names_in
from rdv.api.registry import Answer, Described, Example, Group, Parameter
from rdv.api.schema import INSTANT, Shape, array, choice, integer, named, nullable, obj, text
from rdv.api.times import MOMENT, read_moment, wire_datetime
from rdv.api.views import WireView

from .busy import Span
from .calendar import vfreebusy
from .reading import FORBIDDEN, NOT_FOUND, Member, instant, members

MOST_AGENTS = 50
LONG_AGO = datetime.datetime.fromisoformat("1970-01-01")  # earlier, offsets are no whole minutes
LONGEST = datetime.timedelta(days=60)
CALENDAR = "text/calendar"

TOO_MANY = gettext_lazy("nomment plus de %(count)s agents")
TOO_LONG = gettext_lazy("est à plus de %(count)s jours du début")
AFTER_START = gettext_lazy("doit être après le début.")
SENTENCES = {
    FORBIDDEN: gettext_lazy("Vous n'avez pas le droit de voir cet agent."),
    NOT_FOUND: gettext_lazy("Cet agent n'existe pas."),
}

MEMBER = Shape(
    "FreeBusy",
    gettext_lazy("Quand un agent n'est pas disponible."),
    {
        "id": nullable(integer(gettext_lazy("L'agent ; null si on l'a nommé par une adresse dont rien n'est à dire."))),
        "busy": nullable(
            array(
                obj(starts_at=INSTANT, ends_at=INSTANT),
                gettext_lazy("Dans l'ordre, ce qui se chevauche ou se touche réuni ; null quand rien n'est à dire."),
            )
        ),
        "email": nullable(text(gettext_lazy("Son adresse."))),
        "error": nullable(
            obj(
                code=choice(FORBIDDEN, NOT_FOUND),
                message=text(gettext_lazy("La même chose en une phrase.")),
            )
        ),
    },
)
SAMPLE = {
    "freebusy": {
        "from": "2026-12-01 00:00:00 +0100",
        "to": "2026-12-31 00:00:00 +0100",
        "agents": [
            {
                "id": 1,
                "busy": [{"starts_at": "2026-12-10 09:00:00 +0100", "ends_at": "2026-12-10 12:30:00 +0100"}],
                "email": "martine@demo.rdv-solidarites.fr",
                "error": None,
            }
        ],
    }
}


def _sample_calendar() -> str:
    day = datetime.datetime(2026, 12, 1, tzinfo=datetime.UTC)
    hours = Span(day.replace(day=10, hour=8), day.replace(day=10, hour=11, minute=30))
    martine = Member(1, "martine@demo.rdv-solidarites.fr", [hours], changed=day)
    return vfreebusy([martine], Span(day, day.replace(day=31)))


_MOMENT = text(example="2026-12-01", pattern=rf"^({MOMENT.pattern})$")


class FreeBusy(WireView):
    """Parameters: `agent_ids` and `emails`, several of each; `from` and `to`, as in the filters of a list."""

    group = Group("freebusy", gettext_lazy("Disponibilités"), gettext_lazy("Quand des agents ne sont pas disponibles."))
    operations = {
        "get": Described(
            gettext_lazy("Dire quand des agents ne sont pas disponibles"),
            gettext_lazy(
                "Absences et jours fériés chômés, réunis, sans dire de quoi il s'agit. L'agent que l'on ne voit pas est"
                " refusé à son nom, les autres ont leur réponse. En JSON, ou en calendrier (VFREEBUSY, RFC 5545) avec "
                "`Accept: text/calendar` ou `.ics` à la fin de l'adresse."
            ),
            gettext_lazy("Qui voit un agent sait quand il n'est pas disponible."),
            name="show",
            parameters=(
                Parameter(
                    "agent_ids",
                    gettext_lazy("Les agents, par leurs identifiants, avec des virgules ; ou `agent_ids[]` répété."),
                    text(example="1,2"),
                ),
                Parameter("emails", gettext_lazy("Les agents, par leurs adresses exactes ; de même."), text()),
                Parameter("from", gettext_lazy("Le début, un jour ou un moment."), _MOMENT, required=True),
                Parameter("to", gettext_lazy("La fin ; un jour : ce jour compris."), _MOMENT, required=True),
            ),
            answers={
                200: Answer(
                    gettext_lazy("Chacun de ceux que l'on a nommés, une fois."),
                    named({"freebusy": named({"from": INSTANT, "to": INSTANT, "agents": array(MEMBER)})}),
                    lambda: SAMPLE,
                    also={CALENDAR: _sample_calendar},
                )
            },
            errors=(
                Invalid({"from": [blank()]}),
                Invalid({"agent_ids": [ValidationError(TOO_MANY, code="too_many", params={"count": MOST_AGENTS})]}),
                Invalid({"to": [ValidationError(TOO_LONG, code="period_too_long", params={"count": LONGEST.days})]}),
            ),
            limits=gettext_lazy("50 agents et 60 jours."),
            examples=(
                Example(
                    gettext_lazy("Deux agents en décembre"),
                    {"agent_ids": "1,2", "from": "2026-12-01", "to": "2026-12-31"},
                ),
            ),
        )
    }
    resource = "absences"

    def get(self, request: Request) -> Any:
        ids, emails, window = self._asked()
        found = members(request.user, ids, emails, window)
        as_calendar = request.path.removesuffix("/").endswith(".ics") or prefers(
            request.META.get("HTTP_ACCEPT", ""), CALENDAR
        )
        answer: Any
        if as_calendar:
            answer = HttpResponse(vfreebusy(found, window), content_type=f"{CALENDAR}; charset=utf-8")
        else:
            answer = Response({"freebusy": _shown(found, window)})
        patch_vary_headers(answer, ("Accept",))
        return answer

    def _asked(self) -> tuple[list[int], list[str], Span]:
        """Who, and from when to when. Raises Invalid (422) with all that is wrong."""
        failures: dict[str, list[ValidationError]] = {}
        ids = list(dict.fromkeys(map(leading_integer, names_in(self.params.get("agent_ids")))))
        emails = names_in(self.params.get("emails"))
        if not ids and not emails:
            failures["agent_ids"] = [blank()]
        elif len(ids) + len(emails) > MOST_AGENTS:
            failures["agent_ids"] = [ValidationError(TOO_MANY, code="too_many", params={"count": MOST_AGENTS})]
        bounds = {}
        for name in ("from", "to"):
            value = self.params.get(name)
            if value in (None, ""):
                failures[name] = [blank()]
                continue
            try:
                civil = read_moment(value if isinstance(value, str) else str(value), end_of_day=name == "to")
                if civil < LONG_AGO:
                    raise invalid(value)
                bounds[name] = civil, instant(civil)
            except ValidationError as error:
                failures[name] = [error]
        if len(bounds) == 2:
            (first, starts), (last, ends) = bounds["from"], bounds["to"]
            if starts >= ends:
                failures["to"] = [invalid(self.params["to"], AFTER_START)]
            elif last - first > LONGEST:
                params = {"count": LONGEST.days}
                failures["to"] = [ValidationError(TOO_LONG, code="period_too_long", params=params)]
        if failures:
            raise Invalid(failures)
        return ids, emails, Span(bounds["from"][1], bounds["to"][1])


def _shown(found: list[Member], window: Span) -> dict[str, Any]:
    return {
        "from": wire_datetime(window.starts),
        "to": wire_datetime(window.ends),
        "agents": [
            {
                "id": one.id,
                "busy": None
                if one.busy is None
                else [
                    {"starts_at": wire_datetime(span.starts), "ends_at": wire_datetime(span.ends)} for span in one.busy
                ],
                "email": one.email,
                "error": {"code": one.error, "message": str(SENTENCES[one.error])} if one.error else None,
            }
            for one in found
        ],
    }
