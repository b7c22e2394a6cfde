"""How a feed looks on the wire, and how one is written. Its address is told but once."""

from __future__ import annotations

import datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _
from rest_framework import serializers

from absences.models import Feed, Kind, Privacy
from absences.models.feed import DAYS_AHEAD, DAYS_BACK, MOST_DAYS
from agents.models import Agent, Organisation, Service
from agents.serializers import FlagField, ListField
from rdv.api.fields import ChoiceField, IdentifierField, TextField
from rdv.api.messages import inclusion, invalid
from rdv.api.renderers import Representation
from rdv.api.schema import INSTANT, Shape, array, choice, flag, integer, nullable, text
from rdv.api.serializers import WireSerializer
from rdv.api.times import wire_datetime

COLUMNS = (
    *("id", "agent_id", "created", "days_ahead", "days_back", "holidays", "kinds", "last_read", "name"),
    *("organisation_id", "privacy", "revoked", "service_id", "updated"),
)
TARGETS = {"agent_id": Agent, "service_id": Service, "organisation_id": Organisation}


def _instant(seconds: int | None) -> str | None:
    return None if seconds is None else wire_datetime(datetime.datetime.fromtimestamp(seconds, datetime.UTC))


def render_feed(
    id: int,
    agent_id: int | None,
    created: int,
    days_ahead: int,
    days_back: int,
    holidays: bool,
    kinds: list[str] | None,
    last_read: int | None,
    name: str,
    organisation_id: int | None,
    privacy: str,
    revoked: int | None,
    service_id: int | None,
    updated: int,
) -> dict[str, Any]:
    """A feed without its address; the arguments are `COLUMNS`, instants in seconds since 1970."""
    return {
        "id": id,
        "agent_id": agent_id,
        "created_at": _instant(created),
        "days_ahead": days_ahead,
        "days_back": days_back,
        "holidays": holidays,
        "kinds": kinds,
        "last_read_at": _instant(last_read),
        "name": name,
        "organisation_id": organisation_id,
        "privacy": privacy,
        "revoked_at": _instant(revoked),
        "service_id": service_id,
        "state": "active" if revoked is None else "revoked",
        "updated_at": _instant(updated),
    }


SHAPE = Shape(
    "Feed",
    _("Un calendrier à suivre. Son adresse n'est montrée qu'à sa création et à son renouvellement."),
    {
        "id": integer(_("Son identifiant.")),
        "agent_id": nullable(integer(_("L'agent dont il montre les absences."))),
        "created_at": INSTANT,
        "days_ahead": integer(_("Combien de jours à venir il montre.")),
        "days_back": integer(_("Combien de jours passés il montre.")),
        "holidays": flag(_("Si les jours fériés y sont.")),
        "kinds": nullable(array(choice(*Kind.values), _("Les genres d'absence qu'il montre ; null : tous."))),
        "last_read_at": nullable(INSTANT),
        "name": text(_("Le nom que le calendrier a dans les logiciels.")),
        "organisation_id": nullable(integer(_("L'organisation dont il montre les absences."))),
        "privacy": choice(*Privacy.values, about=_("Ce qu'il dit : occupé, les titres, ou tout.")),
        "revoked_at": nullable(INSTANT),
        "service_id": nullable(integer(_("Le service dont il montre les absences."))),
        "state": choice("active", "revoked", about=_("Si son adresse mène quelque part.")),
        "updated_at": INSTANT,
        "ics_address": text(_("L'adresse secrète, une seule fois."), format="uri"),
        "webcal_address": text(_("La même, pour les logiciels qui s'y abonnent d'un clic."), format="uri"),
    },
    optional=("ics_address", "webcal_address"),
)
FEED = Representation(
    "feed",
    "feeds",
    COLUMNS,
    lambda base, *row: render_feed(*row),
    SHAPE,
    (1, 1, 1795000000, DAYS_AHEAD, DAYS_BACK, False, None, None, "Mes absences", None, "busy", None, None, 1795000000),
)


class DaysField(serializers.Field):
    """So many days, none included."""

    schema = {"type": ["integer", "string"], "minimum": 0, "maximum": MOST_DAYS, "pattern": "^[0-9]{1,4}$"}

    def to_internal_value(self, data: Any) -> int:
        written = str(data).strip() if isinstance(data, int | str) and not isinstance(data, bool) else ""
        if not (written.isascii() and written.isdecimal() and len(written) <= 4 and int(written) <= MOST_DAYS):
            raise invalid(
                data, _("n'est pas un nombre de jours (format attendu : %(format)s)"), format=f"0..{MOST_DAYS}"
            )
        return int(written)


class FeedSerializer(WireSerializer):
    """A feed: of what it is when it is made, all the rest at any time. Without a target it is of its owner's own
    absences.
    """

    model = Feed
    needed = ("name",)
    creating_only = ("agent_id", "service_id", "organisation_id")
    changing_only = ("active",)

    name = TextField(help_text=_("Le nom que le calendrier aura dans les logiciels."))
    agent_id = IdentifierField(help_text=_("De cet agent ; de soi-même quand rien n'est dit."))
    service_id = IdentifierField(help_text=_("Ou des agents de ce service que l'on voit."))
    organisation_id = IdentifierField(help_text=_("Ou des agents de cette organisation que l'on voit."))
    privacy = ChoiceField(
        Privacy.values,
        help_text=_("busy : occupé, sans nom ni titre (quand rien n'est dit) ; titles : les titres ; full : tout."),
    )
    days_back = DaysField(help_text=_("Combien de jours passés ; 30 quand rien n'est dit."))
    days_ahead = DaysField(help_text=_("Combien de jours à venir ; 365 quand rien n'est dit."))
    kinds = ListField(str, Kind.values, help_text=_("Les genres d'absence qu'il montre ; tous quand rien n'est dit."))
    holidays = FlagField(help_text=_("Si les jours fériés y sont aussi."))
    active = FlagField(help_text=_("false révoque l'adresse, aussitôt et pour de bon."))

    USUAL = {"privacy": Privacy.BUSY, "days_back": DAYS_BACK, "days_ahead": DAYS_AHEAD, "holidays": False}
    secret = ""

    def assign(self, row: Feed, values: dict[str, Any], failures: dict[str, list[ValidationError]]) -> None:
        active = values.pop("active", None)
        # What is sent empty is as usual.
        values |= {name: usual for name, usual in self.USUAL.items() if name in values and values[name] is None}
        chosen = {name: values.pop(name) for name in TARGETS if name in values}
        if self.instance is None:
            self._of_one(row, {name: pk for name, pk in chosen.items() if pk is not None}, failures)
            self.secret = row.new_address()
        else:
            for name, pk in chosen.items():
                if pk != getattr(row, name):
                    failures.setdefault(name, [_fixed()])
            if active is False and not row.revoked:
                row.revoke()
            elif active and row.revoked:
                failures["active"] = [stays_revoked()]
        super().assign(row, values, failures)

    def _of_one(self, row: Feed, chosen: dict[str, int], failures: dict[str, list[ValidationError]]) -> None:
        """Set of what the feed is. What is out of sight is refused as what is not there: nobody is told which."""
        owner: Agent = self.context["request"].user
        row.owner = owner
        if len(chosen) > 1:
            failures[list(chosen)[-1]] = [several_targets()]
            return
        if not chosen:
            row.agent = owner
        for name, pk in chosen.items():
            if (name, pk) == ("agent_id", owner.pk) or TARGETS[name].objects.visible_to(owner).filter(pk=pk).exists():
                setattr(row, name, pk)
            else:
                failures.setdefault(name, [inclusion(self.initial_data[name])])


def _fixed() -> ValidationError:
    return ValidationError(_("ne peut plus être modifié : créez un autre calendrier"), code="fixed")


def several_targets() -> ValidationError:
    message = _("ne va pas avec un autre : choisissez un agent, un service ou une organisation")
    return ValidationError(message, code="several_targets")


def stays_revoked() -> ValidationError:
    return ValidationError(_("ne se rétablit pas : renouvelez l'adresse"), code="address_revoked")
