"""How an endpoint looks on the wire, and how one is written (contract 4.1, 4.10)."""

from __future__ import annotations

import datetime
from hmac import compare_digest
from typing import Any

from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.utils.translation import gettext_lazy as _
from rest_framework import serializers

from agents.models import Agent
from rdv.api.errors import Invalid
from rdv.api.fields import TextField
from rdv.api.messages import TOO_LONG, blank
from rdv.api.renderers import Representation
from rdv.api.schema import INSTANT, Shape, any_of, array, choice, flag, integer, nullable, text
from rdv.api.serializers import WireSerializer
from rdv.api.times import wire_datetime

from .models import SUBSCRIPTIONS, WebhookEndpoint
from .models.endpoint import LONGEST_SECRET, default_subscriptions

COLUMNS = (
    *("id", "active", "created_at", "disabled_at", "disabled_why", "failing_since", "former_secret_until"),
    *("organisation_id", "subscriptions", "target_url", "updated_at", "version"),
)


def _instant(moment: datetime.datetime | None) -> str | None:
    return None if moment is None else wire_datetime(moment)


def render_endpoint(
    id: int,
    active: bool,
    created_at: datetime.datetime,
    disabled_at: datetime.datetime | None,
    disabled_why: str,
    failing_since: datetime.datetime | None,
    former_secret_until: datetime.datetime | None,
    organisation_id: int,
    subscriptions: list[str],
    target_url: str,
    updated_at: datetime.datetime,
    version: int,
) -> dict[str, Any]:
    """The WebhookEndpoint object; the arguments are `COLUMNS`. Its secret is nowhere.

    All but `id`, `organisation_id`, `subscriptions` and `target_url` is ours, beside the keys of the contract.
    """
    return {
        "id": id,
        "active": active,
        "created_at": _instant(created_at),
        "disabled_at": _instant(disabled_at),
        "disabled_why": disabled_why or None,
        "failing_since": _instant(failing_since),
        "former_secret_until": _instant(former_secret_until),
        "organisation_id": organisation_id,
        "subscriptions": subscriptions,
        "target_url": target_url,
        "updated_at": _instant(updated_at),
        "version": version,
    }


SHAPE = Shape(
    "WebhookEndpoint",
    _("Une adresse à laquelle une organisation fait dire ce qui change. Son secret n'est jamais montré."),
    {
        "id": integer(_("Son identifiant.")),
        "active": flag(_("Si on lui envoie quelque chose.")),
        "created_at": INSTANT,
        "disabled_at": nullable(INSTANT),
        "disabled_why": nullable(
            choice(
                *WebhookEndpoint.Why.values,
                about=_("Pourquoi rien ne lui est envoyé : elle a répondu 410, elle échoue, ou quelqu'un l'a voulu."),
            )
        ),
        "failing_since": nullable(INSTANT),
        "former_secret_until": nullable(INSTANT),
        "organisation_id": integer(_("Son organisation.")),
        "subscriptions": array(text(), _("Ce qui lui est dit.")),
        "target_url": text(_("L'adresse.")),
        "updated_at": INSTANT,
        "version": integer(_("Grandit à chaque changement.")),
        "secret": text(_("Le nouveau secret, une seule fois, quand le serveur l'a tiré.")),
    },
    optional=("secret",),
)
SAMPLE = (
    *(6, True, datetime.datetime(2026, 11, 16, 9, tzinfo=datetime.UTC), None, "", None, None),
    *(1, ["rdv", "absence"], "https://partenaire.example/hooks"),
    *(datetime.datetime(2026, 11, 16, 9, tzinfo=datetime.UTC), 1),
)
WEBHOOK_ENDPOINT = Representation(
    "webhook_endpoint", "webhook_endpoints", COLUMNS, lambda base, *row: render_endpoint(*row), SHAPE, SAMPLE
)


# What a boolean attribute reads as false; all else is true (contract 1.4).
FALSE = ("0", "f", "F", "false", "FALSE", "off", "OFF")


class BooleanField(serializers.Field):
    """A boolean attribute, read leniently (contract 1.4)."""

    schema = any_of(flag(), integer(), text())

    def to_internal_value(self, data: Any) -> bool:
        return not (data is False or data == 0 or (isinstance(data, str) and data.strip() in FALSE))


class SubscriptionsField(serializers.Field):
    """A list of texts; one alone will do. The model knows which there are."""

    schema = any_of(array(choice(*SUBSCRIPTIONS)), choice(*SUBSCRIPTIONS))

    def to_internal_value(self, data: Any) -> list[Any]:
        values = data if isinstance(data, list) else [data]
        texts = all(isinstance(one, str) for one in values)
        return list(dict.fromkeys(values)) if texts else values


# In the order in which failures are shown (contract 1.10).
_ORDER = ("target_url", NON_FIELD_ERRORS, "secret")


class WebhookEndpointSerializer(WireSerializer):
    """The parameters of contract 4.10. The organisation is that of the address."""

    model = WebhookEndpoint
    needed = ("target_url", "secret")
    changing_only = ("active",)

    target_url = TextField(help_text=_("L'adresse, en https ; une seule fois par organisation."))
    secret = TextField(
        help_text=_("Ce qui signe chaque envoi : un texte, ou whsec_ suivi de base64 (Standard Webhooks).")
    )
    subscriptions = SubscriptionsField(
        help_text=_("Ce qui doit être dit ; rdv, absence et plage_ouverture quand rien n'est demandé.")
    )
    trigger = BooleanField(
        help_text=_("false : ne pas envoyer, comme si cela venait d'être créé, tout ce qui est déjà là.")
    )
    active = BooleanField(help_text=_("false : ne plus rien lui envoyer ; true : de nouveau."))

    trigger_all = True

    def assign(self, row: WebhookEndpoint, values: dict[str, Any], failures: dict[str, list[ValidationError]]) -> None:
        trigger = values.pop("trigger", None)
        self.trigger_all = trigger is not False
        active = values.pop("active", None)
        secret = values.pop("secret", self)
        if values.get("subscriptions", self) is None:
            values["subscriptions"] = default_subscriptions() if self.instance is None else row.subscriptions
        row.organisation_id = self.context["organisation"]
        if self.instance is None:
            caller = self.context["request"].user
            row.owner = caller if isinstance(caller, Agent) else None
        super().assign(row, values, failures)
        if not secret or (secret is self and self.instance is None):
            failures.setdefault("secret", [blank()])
        elif secret is not self:
            if len(secret) > LONGEST_SECRET:
                failures["secret"] = [ValidationError(TOO_LONG, code="too_long", params={"count": LONGEST_SECRET})]
            elif not any(compare_digest(known.encode(), secret.encode()) for known in row.signing_secrets()[:1]):
                row.give_secret(secret)
        if active is not None and self.instance is not None and active != row.active:
            if active:
                row.switch_on()
            else:
                row.switch_off(WebhookEndpoint.Why.MANUAL)

    def _check(self, row: WebhookEndpoint, failures: dict[str, list[ValidationError]]) -> None:
        try:
            super()._check(row, failures)
        except Invalid as invalid:
            known = {name: invalid.failures[name] for name in _ORDER if name in invalid.failures}
            raise Invalid(known | dict(invalid.failures)) from None
