"""`GET events`: what webhooks told, again and in the order of the commits, for who missed some of it (row I9)."""

from __future__ import annotations

import re
from typing import Any

import orjson
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from rdv.api.committed import BEGINNING, Place, horizon
from rdv.api.errors import Invalid, WireError
from rdv.api.messages import invalid, not_among
from rdv.api.pagination import size_asked
from rdv.api.parsers import names_in
from rdv.api.registry import Answer, Described, Example, Group, Parameter
from rdv.api.schema import Shape, array, choice, flag, integer, nullable, obj, text
from rdv.api.views import WireView

from .models import SUBSCRIPTIONS, Event
from .sources import SOURCES

_NAME = re.compile(r"evt_[0-9A-HJKMNP-TV-Z]{26}")
_MODELS = {source.subscription: source.name for source in SOURCES}
_SUBSCRIPTIONS = {source.name: source.subscription for source in SOURCES}

SHAPE = Shape(
    "Event",
    _("Un changement, tel que les webhooks l'ont dit."),
    {
        "id": text(_("Son identifiant, que l'en-tête `webhook-id` porte à chaque envoi.")),
        "body": {
            "type": "object",
            "description": _("Ce qui a été envoyé, octet pour octet : `data` et `meta`."),
            "additionalProperties": True,
            "required": ["data", "meta"],
        },
        "object_id": integer(_("L'identifiant de ce qui a changé.")),
        "object_version": nullable(integer(_("Sa version, quand il en a une."))),
        "sequence": integer(_("Grandit à chaque événement d'un même objet ; l'en-tête `webhook-sequence`.")),
        "subscription": choice(*_MODELS, about=_("L'abonnement dont il relève.")),
    },
)
SAMPLE_NAME = "evt_01JCT5V5G0ZQ7M3N9R8B2K4D6E"
SAMPLE = {
    "id": SAMPLE_NAME,
    "body": {
        "data": {"id": 31},
        "meta": {
            "model": "Absence",
            "event": "destroyed",
            "webhook_reason": None,
            "timestamp": "2026-11-16 10:00:00 +0100",
        },
    },
    "object_id": 31,
    "object_version": 4,
    "sequence": 1207,
    "subscription": "absence",
}


class EventsGone(WireError):
    """410: the event after which one wants to read on is not kept any more."""

    status_code = status.HTTP_410_GONE
    code = "events_gone"

    def sentence(self) -> str:
        return _now("Cet événement n'est plus gardé. Relisez tout ce que vous suivez, puis les événements sans after.")


class Events(WireView):
    """Parameters: `after`, `subscription`, `per`."""

    group = Group("events", _("Événements"), _("Ce que les webhooks ont dit, à relire."))
    operations = {
        "get": Described(
            _("Relire les événements"),
            _(
                "Ce qui a été dit aux webhooks des organisations que l'on administre, dans l'ordre où cela a été "
                "validé, avec les mêmes identifiants et les mêmes corps : rien n'y manque, et rien n'y est deux fois. "
                "Seul ce à quoi un webhook était abonné est gardé. 410 quand `after` n'est plus gardé."
            ),
            _("Un administrateur de l'organisation, ou de son territoire."),
            name="list",
            parameters=(
                Parameter(
                    "after",
                    _("Le `meta.last` de la réponse d'avant, ou le `webhook-id` d'un envoi ; rien : depuis le début."),
                    text(example=SAMPLE_NAME, pattern=f"^({_NAME.pattern})?$"),
                ),
                Parameter(
                    "subscription", _("Un ou plusieurs abonnements, avec des virgules."), text(example="absence")
                ),
                Parameter(
                    "per",
                    _("Combien par page : 100 au plus, et quand rien n'est dit."),
                    {"type": ["integer", "string"], "example": 20},
                ),
            ),
            answers={
                200: Answer(
                    _("Une page d'événements."),
                    obj(
                        events=array(SHAPE),
                        meta=obj(
                            has_more=flag(_("S'il y a déjà une suite.")),
                            last=nullable(text(_("À renvoyer dans `after` la prochaine fois."))),
                        ),
                    ),
                    lambda: {"events": [SAMPLE], "meta": {"has_more": False, "last": SAMPLE_NAME}},
                )
            },
            errors=(
                EventsGone(),
                Invalid({"after": [invalid("?")], "subscription": [not_among("?", SUBSCRIPTIONS)]}),
            ),
            limits=_("100 par page ; gardés 30 jours."),
            examples=(Example(_("Depuis le début"), {}), Example(_("Des absences"), {"subscription": "absence"})),
        )
    }
    resource = "webhooks"

    def get(self, request: Request) -> Response:
        after, models = self._asked()
        seen = horizon(Event)
        size = size_asked(self.params)
        rows = Event.objects.committed(self._place(after), seen).readable_by(request.user)
        if models is not None:
            rows = rows.filter(model__in=models)
        events = list(rows[: size + 1])
        page, more = events[:size], len(events) > size
        last = page[-1].name if page else after
        return Response({"events": list(map(_shown, page)), "meta": {"has_more": more, "last": last}})

    def _asked(self) -> tuple[str | None, list[str] | None]:
        """What is read on from, and the models of the subscriptions asked for. Raises Invalid (422)."""
        failures = {}
        after = self.params.get("after")
        if after in (None, ""):
            after = None
        elif not isinstance(after, str) or not _NAME.fullmatch(after):
            failures["after"] = [invalid(after)]
        asked = self.params.get("subscription")
        names = [] if asked in (None, "") else names_in(asked)
        if unknown := [name for name in names if name not in SUBSCRIPTIONS]:
            failures["subscription"] = [not_among(unknown[0], SUBSCRIPTIONS)]
        if failures:
            raise Invalid(failures)
        return after, [_MODELS[name] for name in names if name in _MODELS] if names else None

    def _place(self, after: str | None) -> Place:
        """Where to begin. Raises EventsGone (410)."""
        if after is None:
            return BEGINNING
        for place in Event.objects.filter(name=after).values_list("transaction", "id"):
            return Place(*place)
        raise EventsGone


def _shown(event: Event) -> dict[str, Any]:
    return {
        "id": event.name,
        "body": orjson.Fragment(event.body),  # as it was sent
        "object_id": event.object_id,
        "object_version": event.object_version,
        "sequence": event.pk,
        "subscription": _SUBSCRIPTIONS[event.model],
    }
