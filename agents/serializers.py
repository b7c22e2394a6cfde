"""How agents, organisations and services look on the wire, and how organisations are written (contract 4.1, 4.4)."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from rest_framework import serializers

from rdv.api.errors import Invalid
from rdv.api.fields import ChoiceField, DateField, TextField
from rdv.api.messages import inclusion, invalid
from rdv.api.renderers import Representation
from rdv.api.schema import any_of, array, choice, flag, integer, nullable, text
from rdv.api.serializers import WireSerializer
from rdv.api.times import PARIS, wire_datetime

from . import shapes
from .models import AccessKey, Agent, KeyState, Organisation, external
from .models.keys import RESOURCES

if TYPE_CHECKING:
    from .authentication import Credential

AGENT_COLUMNS = ("id", "email", "first_name", "inclusion_connect_open_id_sub", "last_name")
ORGANISATION_COLUMNS = ("id", "email", "name", "phone_number", "verticale")
TERRITORY_COLUMNS = ("id", "departement_number", "name")


def render_agent(
    id: int, email: str | None, first_name: str | None, open_id: str | None, last_name: str | None
) -> dict[str, Any]:
    """The Agent object; the arguments are `AGENT_COLUMNS`."""
    return {
        "id": id,
        "email": email,
        "first_name": first_name,
        "inclusion_connect_open_id_sub": open_id,
        "last_name": last_name,
    }


def render_organisation(
    id: int, email: str | None, name: str, phone_number: str | None, verticale: str
) -> dict[str, Any]:
    """The Organisation object; the arguments are `ORGANISATION_COLUMNS`."""
    return {"id": id, "email": email, "name": name, "phone_number": phone_number, "verticale": verticale}


def render_territory(id: int, departement_number: str, name: str) -> dict[str, Any]:
    return {"id": id, "departement_number": departement_number, "name": name}


def render_service(id: int, name: str, secretariat: bool, short_name: str) -> dict[str, Any]:
    return {"id": id, "name": name, "secretariat": secretariat, "short_name": short_name}


SAMPLE_AGENT = (1, "martine@demo.rdv-solidarites.fr", "Martine", None, "Validay")
SAMPLE_ORGANISATION = (1, "paris.nord@demo.rdv-solidarites.fr", "MDS Paris Nord", "01 40 00 00 00", "rdv_solidarites")

AGENT = Representation(
    "agent", "agents", AGENT_COLUMNS, lambda base, *row: render_agent(*row), shapes.AGENT, SAMPLE_AGENT
)
ORGANISATION = Representation(
    "organisation",
    "organisations",
    ORGANISATION_COLUMNS,
    lambda base, *row: render_organisation(*row),
    shapes.ORGANISATION,
    SAMPLE_ORGANISATION,
)
SERVICE = Representation(
    "service",
    "services",
    ("id", "name", "secretariat", "short_name"),
    lambda base, *row: render_service(*row),
    shapes.SERVICE,
    (1, "PMI (Protection Maternelle Infantile)", False, "PMI"),
)


class OrganisationSerializer(WireSerializer):
    """The writable attributes of contract 4.4, all optional."""

    model = Organisation

    name = TextField(help_text=_("Son nom, unique dans son territoire."))
    phone_number = TextField(help_text=_("Son téléphone, français ou avec son indicatif."))
    email = TextField(help_text=_("Son adresse électronique."))
    verticale = ChoiceField(Organisation.Verticale.values, help_text=_("Le service en ligne auquel elle appartient."))


def render_external_ids(id: int, external_ids: dict[str, str]) -> dict[str, Any]:
    return {"id": id, "external_ids": external_ids}


EXTERNAL_IDS = Representation(
    "agent",
    "agents",
    ("id", "external_ids"),
    lambda base, *row: render_external_ids(*row),
    shapes.EXTERNAL_IDS,
    (1, {"rh": "A-17"}),
)


def account(agent: Agent) -> dict[str, Any]:
    """The eleven keys of `sign_in` and `validate_token`, in their order (contract 2.3)."""
    return {
        "id": agent.pk,
        "deleted_at": agent.deleted_at,
        "email": agent.email,
        "provider": agent.provider,
        "service_id": agent.first_service_id,
        "role": "admin" if agent.is_admin_somewhere else "user",
        "last_name": agent.last_name,
        "first_name": agent.first_name,
        "uid": agent.uid,
        "email_original": agent.email_original,
        "allow_password_change": agent.allow_password_change,
    }


KEY_COLUMNS = (
    *("id", "name", "note", "prefix", "read_only", "resources", "organisations"),
    *("created", "expires", "last_used", "deactivated", "revoked"),
)


def _wire_seconds(seconds: int | None) -> str | None:
    return None if seconds is None else wire_datetime(datetime.datetime.fromtimestamp(seconds, datetime.UTC))


def render_key(
    id: int,
    name: str,
    note: str,
    prefix: str,
    read_only: bool,
    resources: list[str] | None,
    organisations: list[int] | None,
    created: int,
    expires: int | None,
    last_used: int | None,
    deactivated: int | None,
    revoked: int | None,
) -> dict[str, Any]:
    """A key without its secret; the arguments are `KEY_COLUMNS`, instants in seconds since 1970."""
    state = KeyState.of(
        revoked=revoked is not None,
        expired=expires is not None and expires <= timezone.now().timestamp(),
        deactivated=deactivated is not None,
    )
    return {
        "id": id,
        "name": name,
        "note": note,
        "prefix": prefix,
        "state": state.value,
        "read_only": read_only,
        "resources": resources,
        "organisations": organisations,
        "created_at": _wire_seconds(created),
        "expires_at": _wire_seconds(expires),
        "last_used_at": _wire_seconds(last_used),
    }


KEY = Representation(
    "token",
    "tokens",
    KEY_COLUMNS,
    lambda base, *row: render_key(*row),
    shapes.KEY,
    (1, "Tâche de nuit", "", "rdv_pat_Ab3", True, ["absences"], None, 1795000000, 1797592000, None, None, None),
)


class ExpiresField(serializers.Field):
    """When a key ends: 7, 30, 60 or 90 days from now, a DATE (the end of that civil day), or `never`. Gives an instant,
    or None for never.
    """

    DAYS = (7, 30, 60, 90)
    schema = any_of(integer(enum=list(DAYS)), text(enum=[*map(str, DAYS), "never"]), DateField.schema)

    def to_internal_value(self, data: Any) -> datetime.datetime | None:
        text = str(data).strip().removesuffix("d") if not isinstance(data, bool) else ""
        if text == "never":
            return None
        if text.isdecimal() and len(text) < 4:
            if int(text) not in self.DAYS:
                raise inclusion(data)
            return timezone.now() + datetime.timedelta(days=int(text))
        day = DateField().to_internal_value(data)
        try:
            return datetime.datetime.combine(day + datetime.timedelta(days=1), datetime.time(), PARIS)
        except OverflowError:
            raise invalid(data) from None


class FlagField(serializers.Field):
    """True or false, as JSON has them or as a form writes them."""

    schema = any_of(flag(), integer(enum=[0, 1]), text(enum=["true", "false", "1", "0"]))

    def to_internal_value(self, data: Any) -> bool:
        text = str(data).strip().lower()
        if text not in ("true", "false", "1", "0"):
            raise invalid(data)
        return text in ("true", "1")


class ExternalIdsField(serializers.Field):
    """`{"system": "id"}`; a system whose id is null or empty has none."""

    schema = {"type": "object", "additionalProperties": nullable(text(maxLength=external.LONGEST_ID))}

    def to_internal_value(self, data: Any) -> dict[str, str] | None:
        return external.read_ids(data) or None


class AgentExternalIdsSerializer(WireSerializer):
    """What other systems call an agent, in the `territories` where the caller says it; all of it at once."""

    model = Agent

    external_ids = ExternalIdsField(
        help_text=_(
            "Tous les identifiants de l'agent : un par système, unique dans le territoire ; null ou vide : aucun."
        )
    )

    def _check(self, row: Agent, failures: dict[str, list[ValidationError]]) -> None:
        self.territories = external.places_of(row.pk, self.context["request"].user)
        if not failures:
            taken = external.held_by_others(row, self.territories, self.ids)
            failures = {"external_ids": [external.name_taken(*name) for name in taken]} if taken else {}
        if failures:
            raise Invalid(failures)

    def assign(self, row: Agent, values: dict[str, Any], failures: dict[str, list[ValidationError]]) -> None:
        self.ids = values.get("external_ids") or {}

    def update(self, instance: Agent, validated_data: Any) -> Agent:
        if "external_ids" in validated_data:
            external.give(instance, self.territories, self.ids)
        return instance


class ListField(serializers.Field):
    """A list of texts or of whole numbers; in a form, one text with commas."""

    def __init__(self, of: type, known: Sequence[str] = (), **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.of = of
        one = {"type": "integer", "minimum": 0, "maximum": 10**18 - 1} if of is int else choice(*known)
        self.schema = any_of(array(one, minItems=1, maxItems=1000), text())

    def to_internal_value(self, data: Any) -> list[Any]:
        parts = data.split(",") if isinstance(data, str) else data
        if not isinstance(parts, list) or len(parts) > 1000:
            raise invalid(data)
        try:
            values = [self._one(part) for part in parts]
        except (ValueError, TypeError):
            raise invalid(data) from None
        return list(dict.fromkeys(values))

    def _one(self, part: Any) -> Any:
        if isinstance(part, bool | float) or not isinstance(part, str | int):
            raise TypeError
        if self.of is int and len(str(part)) > 18:
            raise ValueError
        return self.of(part.strip() if isinstance(part, str) else part)


class KeySerializer(WireSerializer):
    """A personal access token: all of it when it is made, its name, note and `active` afterwards. What it may do does
    not change: who needs another scope or end makes another key.
    """

    model = AccessKey

    needed = ("name",)
    creating_only = ("expires_at", "read_only", "resources", "organisations")

    name = TextField(help_text=_("À quoi elle sert."))
    note = TextField(help_text=_("Ce que l'on veut s'en rappeler, 2000 caractères au plus."))
    expires_at = ExpiresField(
        help_text=_("Sa fin : 7, 30, 60 ou 90 jours, une date, ou never. 30 jours quand rien n'est dit.")
    )
    read_only = FlagField(help_text=_("Si elle ne fait que lire."))
    resources = ListField(
        str,
        RESOURCES,
        help_text=_("Ce pour quoi elle vaut : absences, agents, organisations, services, audit, webhooks."),
    )
    organisations = ListField(int, help_text=_("Les organisations où elle vaut ; partout quand rien n'est dit."))
    active = FlagField(help_text=_("false la met de côté, true la remet en service."))

    CHANGEABLE = ("name", "note", "active")
    DEFAULT_DAYS = 30
    secret = ""

    def assign(self, row: AccessKey, values: dict[str, Any], failures: dict[str, list[ValidationError]]) -> None:
        if "note" in values:
            values["note"] = values["note"] or ""
        active = values.pop("active", None)
        if active is not None:
            row.deactivated_at = None if active else row.deactivated_at or timezone.now()
        if self.instance is not None:
            for name in values.keys() - set(self.CHANGEABLE):
                failures.setdefault(name, [_fixed()])
            values = {name: value for name, value in values.items() if name in self.CHANGEABLE}
        else:
            caller = self.context["request"].user
            self.secret = row.own(caller)
            if self.initial_data.get("expires_at") in (None, "") or "expires_at" in failures:
                values["expires_at"] = timezone.now() + datetime.timedelta(days=self.DEFAULT_DAYS)
            values["read_only"] = bool(values.get("read_only"))
            beyond = set(values.get("organisations") or ()) - set(caller.reach.named)
            if beyond:  # nobody is told whether it exists
                failures.setdefault("organisations", [inclusion(sorted(beyond))])
        super().assign(row, values, failures)


def _fixed() -> ValidationError:
    return ValidationError(_("ne peut plus être modifié : créez une autre clé"), code="fixed")


def describe(credential: Credential) -> dict[str, Any]:
    """What a request came with: kind, and what there is of name, scope, end and last use."""
    return {
        name: wire_datetime(value) if isinstance(value, datetime.datetime) else value
        for name, value in credential.describe().items()
    }


def render_credential(credential: Credential) -> dict[str, Any]:
    """The same, with whose it is, and for whom it acts."""
    acts = credential.caller is not credential.actor
    return describe(credential) | {
        "owner": render_caller(credential.actor),
        "acts_for": render_caller(credential.caller) if acts else None,
    }


def render_caller(caller: Any) -> dict[str, Any]:
    """An agent or an API account, in short."""
    if isinstance(caller, Agent):
        return {"kind": "agent", "id": caller.pk, "email": caller.email, "name": str(caller)}
    return {"kind": "api_account", "id": caller.pk, "name": caller.name}
