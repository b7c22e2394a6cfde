"""Where an organisation wants to be told of what happens in it (contract 4.10)."""

from __future__ import annotations

import datetime
import re
from base64 import b64encode, urlsafe_b64encode
from functools import lru_cache
from secrets import token_bytes
from typing import Any

from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings
from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from agents.models import Agent, Organisation, Recorded
from agents.models.recorded import BOOKKEEPING
from rdv.api.messages import BLANK, INVALID, TAKEN, invalid

# What may be subscribed to (contract 5.5); of those whose objects are not kept here nothing is ever told.
SUBSCRIPTIONS = (
    *("rdv", "absence", "plage_ouverture", "user", "user_profile", "organisation", "motif", "lieu", "agent"),
    *("agent_role", "referent_assignation"),
)
DEFAULT_SUBSCRIPTIONS = ("rdv", "absence", "plage_ouverture")
WRONG_SUBSCRIPTIONS = _("la liste des abonnements choisis contient une ou plusieurs valeurs incorrectes")
LONGEST_URL = 2000  # characters, all of ASCII: as many bytes as PostgreSQL's index holds
LONGEST_SECRET = 500
PREFIX = "whsec_"  # before the base64 of a key, as Standard Webhooks writes a secret
_ASCII = re.compile(r"[!-~]+")


def model_of(subscription: str) -> str:
    """The class whose objects it is of, as events have it: `agent_role`, "AgentRole"."""
    return "".join(part.capitalize() for part in subscription.split("_"))


def default_subscriptions() -> list[str]:
    return list(DEFAULT_SUBSCRIPTIONS)


def new_secret() -> str:
    """A secret of our own making, as Standard Webhooks writes them."""
    return PREFIX + b64encode(token_bytes(32)).decode()


_REFUSED = {
    "scheme": _("doit commencer par https://"),
    "port": _("nomme un port auquel rien n'est envoyé"),
    "userinfo": _("contient un nom ou un mot de passe, que d'autres liraient : le secret est fait pour cela"),
    "private_address": _("mène dans un réseau privé"),
}


def validate_target_url(value: str) -> None:
    """An address that may be called, as far as its text tells; where its name leads is looked at when it is."""
    from webhooks.guard import Refused, target_of  # a client of HTTP, which nobody else needs

    if not _ASCII.fullmatch(value):
        raise invalid(value)
    try:
        target_of(value)
    except Refused as refused:
        raise invalid(value, _REFUSED.get(refused.code, INVALID)) from None


class WebhookEndpointQuerySet(models.QuerySet["WebhookEndpoint"]):
    def visible_to(self, agent: Agent) -> WebhookEndpointQuerySet:
        """Those of the organisations where `agent` has any role (contract 3.3), and of the territories that they
        administer, where they may make some.
        """
        return self.filter(organisation__among=agent.reach.named)

    def managed_by(self, agent: Agent) -> WebhookEndpointQuerySet:
        """Those of the territories that `agent` administers: who may change them (contract 3.3), and read what was
        sent to them.
        """
        return self.filter(organisation__among=agent.reach.territorial)

    def for_wire(self) -> WebhookEndpointQuerySet:
        return self.order_by("pk")


class WebhookEndpoint(Recorded):
    """An address, what it is told of, and the secret that signs what it is told.

    `active` false: nothing is sent; what happens meanwhile is kept as cancelled deliveries, which enabling it offers.
    `disabled_at`, `disabled_why` (a code: `gone`, `failing`, or `manual`) say since when and why. `failing_since`: the
    first failure after the last success, kept by the worker with `QuerySet.update`, so that `version` stays. `owner`:
    who made it, the one to mail (if they are still there: `usable`).
    """

    recorded_as = "webhook_endpoint"
    not_recorded = BOOKKEEPING | {"version", "failing_since"}
    secrets = frozenset({"secret", "former_secret"})

    class Why(models.TextChoices):
        GONE = "gone", _("l'adresse répond qu'elle n'existe plus (410)")
        FAILING = "failing", _("les envois échouent depuis trop longtemps")
        MANUAL = "manual", _("désactivé par quelqu'un")

    organisation = models.ForeignKey(
        Organisation, on_delete=models.CASCADE, related_name="webhook_endpoints", verbose_name=_("organisation")
    )
    target_url = models.CharField(
        _("adresse"),
        max_length=LONGEST_URL,
        validators=[validate_target_url],
        error_messages={"null": BLANK, "blank": BLANK},
    )
    # Encrypted: `give_secret` writes them, `signing_secrets` reads them.
    secret = models.TextField(_("secret"), editable=False, error_messages={"null": BLANK, "blank": BLANK})
    former_secret = models.TextField(blank=True, editable=False)
    former_secret_until = models.DateTimeField(_("ancien secret valable jusqu'au"), null=True, editable=False)
    subscriptions = models.JSONField(_("abonnements"), default=default_subscriptions, blank=True)
    active = models.BooleanField(_("actif"), default=True)
    disabled_at = models.DateTimeField(_("désactivé le"), null=True, blank=True, editable=False)
    disabled_why = models.CharField(_("pourquoi"), max_length=10, choices=Why.choices, blank=True, editable=False)
    failing_since = models.DateTimeField(_("en échec depuis"), null=True, blank=True, editable=False)
    owner = models.ForeignKey(
        Agent, on_delete=models.SET_NULL, null=True, blank=True, related_name="+", verbose_name=_("responsable")
    )
    version = models.PositiveIntegerField(_("version"), default=1, editable=False)
    created_at = models.DateTimeField(_("créé le"), default=timezone.now, editable=False)
    updated_at = models.DateTimeField(_("modifié le"), default=timezone.now, editable=False)

    objects = WebhookEndpointQuerySet.as_manager()

    class Meta:
        verbose_name = _("webhook")
        verbose_name_plural = _("webhooks")
        ordering = ("pk",)
        constraints = (
            models.UniqueConstraint(
                fields=("organisation", "target_url"),
                name="webhook_target_once_in_organisation",
                violation_error_code="taken",
                violation_error_message=TAKEN,
            ),
        )

    def __str__(self) -> str:
        return self.target_url

    def concerns(self) -> tuple[int | None, int | None]:
        return None, self.organisation_id

    def save(self, **kwargs: Any) -> None:
        """Each change makes the version grow. Who moves to another organisation leaves behind what was sent of the
        former one, or still was to be: it is not for those of the new one to read, nor to have sent elsewhere. What is
        not subscribed to any more is not sent, unless it is subscribed to again and offered then.
        """
        moved, given_up = False, []
        if not self._state.adding:
            self.version += 1
            self.updated_at = timezone.now()
            moved = self.remembered.get("organisation_id", self.organisation_id) != self.organisation_id
            given_up = [one for one in self.remembered.get("subscriptions", ()) if one not in self.subscriptions]
        super().save(**kwargs)
        if moved:
            self.deliveries.all().delete()  # type: ignore[attr-defined]
            self._meta.get_field("backfill").related_model.objects.filter(pk=self.pk).delete()
        elif given_up:
            waiting = self.deliveries.filter(state="pending", event__model__in=map(model_of, given_up))  # type: ignore[attr-defined]
            waiting.update(state="cancelled")

    @property
    def unwanted(self) -> list[str]:
        """The models whose objects it is not told of."""
        return [model_of(one) for one in SUBSCRIPTIONS if one not in self.subscriptions]

    def clean(self) -> None:
        """The rule of contract 1.10 that concerns no attribute by itself."""
        known = isinstance(self.subscriptions, list) and all(one in SUBSCRIPTIONS for one in self.subscriptions)
        if not known:
            params = {"parameter": "subscriptions", "problem": "wrong_subscriptions"}
            raise ValidationError({NON_FIELD_ERRORS: [ValidationError(WRONG_SUBSCRIPTIONS, params=params)]})

    def switch_off(self, why: str) -> None:
        """Nothing is sent any more. Not saved."""
        self.active, self.disabled_at, self.disabled_why = False, timezone.now(), str(why)

    def switch_on(self) -> None:
        """What happens from now on is sent. Not saved."""
        self.active, self.disabled_at, self.disabled_why, self.failing_since = True, None, "", None

    def give_secret(self, secret: str, overlap: datetime.timedelta | None = None) -> None:
        """What signs from now on; with `overlap`, what signed until now signs too for so long."""
        if overlap:
            self.former_secret, self.former_secret_until = self.secret, timezone.now() + overlap
        else:
            self.former_secret, self.former_secret_until = "", None
        self.secret = _safe(settings.SECRET_KEY).encrypt(secret.encode()).decode()

    def signing_secrets(self) -> list[str]:
        """What signs now, as it was given: the secret, then the former one during the overlap. A text of the form
        `whsec_` + base64 stands for those bytes in `webhook-signature`, any other for its own; `X-Lapin-Signature` is
        of the text, whatever its form. Empty when `RDV_SECRET_KEY` does not open them any more.
        """
        kept = [self.secret]
        if self.former_secret_until and timezone.now() < self.former_secret_until:
            kept.append(self.former_secret)
        opened = []
        for one in kept:
            try:
                opened.append(_safe(settings.SECRET_KEY).decrypt(one).decode())
            except InvalidToken:
                continue
        return opened


@lru_cache(maxsize=8)
def _safe(key: str) -> Fernet:
    derived = HKDF(hashes.SHA256(), 32, salt=None, info=b"rdv secrets of webhooks").derive(key.encode())
    return Fernet(urlsafe_b64encode(derived))
