"""What the caller's own systems call things (row I12): a name is a system and its id. One name, in a territory, is one
thing's alone.

A territory, because the systems of one know nothing of those of another: whoever takes a name takes it from nobody
else.

`AgentExternalId`: what they call an agent, such as a number of the staff. Who works in several territories has names in
each. They are personal: a name is for the agent, and for who is informed (ADM, ORGT) through an organisation of its
territory where the agent has a role. To anybody else it is as if nobody had it, so that nobody guesses.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Exists, F, OuterRef, Q
from django.utils.translation import gettext_lazy as _

from rdv.api.messages import TAKEN, invalid

from .directory import Organisation, Territory
from .recorded import Recorded, names_of
from .roles import AgentRole

if TYPE_CHECKING:
    from .agent import Agent

LONGEST_SYSTEM, LONGEST_ID, MOST = 40, 255, 20
SYSTEM = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,38}[a-z0-9])?")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")

NOT_IDS = _('n\'est pas un objet de la forme {"système": "identifiant"}')
NO_SYSTEM = _("nomme un système en minuscules, chiffres, points et tirets, 40 au plus : %(value)s")
NO_ID = _("donne un identifiant de 1 à 255 caractères, sans caractère de contrôle : %(value)s")
TOO_MANY = _("a trop d'identifiants (pas plus de %(count)s)")


def read_ids(value: Any) -> dict[str, str]:
    """`{"system": "id"}` as it was sent. Raises ValidationError."""
    if not isinstance(value, dict):
        raise invalid(value if isinstance(value, str | int | float) else None, NOT_IDS)
    if len(value) > MOST:
        raise ValidationError(TOO_MANY, code="too_many", params={"count": MOST})
    return {read_system(system): read_id(one) for system, one in value.items() if one not in (None, "")}


def read_system(value: str) -> str:
    if not SYSTEM.fullmatch(value):
        raise invalid(value[:100], NO_SYSTEM)
    return value


def read_id(value: Any) -> str:
    text = str(value).strip() if isinstance(value, str | int) and not isinstance(value, bool) else ""
    if not 0 < len(text) <= LONGEST_ID or _CONTROL.search(text):
        raise invalid(text[:100], NO_ID)
    return text


def split_name(text: str) -> tuple[str, str]:
    """The system and the id of `system:id`; the id may hold colons."""
    system, _colon, value = text.partition(":")
    return system, value


def is_name(system: str, value: str) -> bool:
    """Whether anything may be called so."""
    return bool(SYSTEM.fullmatch(system)) and 0 < len(value) <= LONGEST_ID and not _CONTROL.search(value)


def name_taken(system: str, value: str) -> ValidationError:
    return ValidationError(TAKEN, code="taken", params={"value": f"{system}:{value}"[:100]})


class ExternalName(models.Model):
    """A name that a system gave; of what is said by the model."""

    territory = models.ForeignKey(Territory, on_delete=models.CASCADE, related_name="+", verbose_name=_("territoire"))
    system = models.CharField(_("système"), max_length=LONGEST_SYSTEM)
    value = models.CharField(_("identifiant"), max_length=LONGEST_ID)

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return f"{self.system}:{self.value}"

    @staticmethod
    def once_in_territory(name: str) -> models.UniqueConstraint:
        return models.UniqueConstraint(
            fields=("territory", "system", "value"),
            name=name,
            violation_error_code="taken",
            violation_error_message=TAKEN,
        )


class AgentExternalIdQuerySet(models.QuerySet["AgentExternalId"]):
    def known_by(self, caller: Any) -> AgentExternalIdQuerySet:
        """Those that `caller` may read: their own, and those of whom they are informed, in the same territory. By a key
        for some organisations, their own too in the territories of these alone.
        """
        roles = AgentRole.objects.filter(
            agent=OuterRef("agent"),
            organisation__territory=OuterRef("territory"),
            organisation__among=caller.reach.informed,
        )
        here = Organisation.objects.filter(territory=OuterRef("territory"), pk__among=caller.reach.named)
        own = Q(agent_id__among=caller.reach.person) | Q(Exists(here), agent_id__among=caller.reach.own)
        return self.filter(own | Q(Exists(roles)))

    def ids(self) -> dict[str, str]:
        """Of one agent's, by system; where territories do not agree, as in that of the organisation that they show,
        else of the lowest number.
        """
        shown = models.Case(
            models.When(territory=F("agent__shown__organisation__territory"), then=0),
            default=1,
            output_field=models.IntegerField(),
        )
        rows = self.order_by("system", shown.desc(), "-territory")
        return dict(rows.values_list("system", "value"))

    def called(self, names: Collection[str]) -> dict[str, set[int]]:
        """The agents who are called so, by the name as it was given: `system:id`."""
        wanted = {split_name(name): name for name in names if is_name(*split_name(name))}
        found: dict[str, set[int]] = {}
        if wanted:
            systems, values = {system for system, _value in wanted}, {value for _system, value in wanted}
            rows = self.filter(system__in=systems, value__in=values, agent__deleted_at=None).order_by()
            for system, value, agent in rows.values_list("system", "value", "agent"):
                if (system, value) in wanted:
                    found.setdefault(wanted[system, value], set()).add(agent)
        return found


class AgentExternalId(Recorded, ExternalName):
    """What a system calls an agent, in a territory."""

    recorded_as = "external_id"
    # The record tells who changed it, and when; the number is not everybody's who reads of the agent there.
    secrets = frozenset({"value"})

    agent = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="external_names", verbose_name=_("agent")
    )

    objects = AgentExternalIdQuerySet.as_manager()

    class Meta:
        verbose_name = _("identifiant externe")
        verbose_name_plural = _("identifiants externes")
        default_permissions = ()
        constraints = (
            ExternalName.once_in_territory("agent_external_id_once_in_territory"),
            models.UniqueConstraint(
                fields=("agent", "territory", "system"),
                name="agent_external_id_one_per_system",
                violation_error_code="taken",
                violation_error_message=TAKEN,
            ),
        )
        # Whom systems call so, in whatever territory.
        indexes = (models.Index(fields=("value", "system"), name="agent_external_id_value"),)

    @property
    def recorded_name(self) -> str:
        return f"{names_of(self, 'agent')} : {self.system}".removeprefix(" : ")

    def concerns(self) -> tuple[int | None, int | None]:
        return self.agent_id, None

    def clean(self) -> None:
        failures = {}
        for name, read in (("system", read_system), ("value", read_id)):
            try:
                setattr(self, name, read(getattr(self, name) or ""))
            except ValidationError as failure:
                failures[name] = failure
        if failures:
            raise ValidationError(failures)


def places_of(agent: int, caller: Any) -> list[int]:
    """The territories where `caller` gives names to an agent: of the organisations where the agent has a role and
    whose agents' private matters are for `caller` to know (ADM, ORGT).
    """
    roles = AgentRole.objects.filter(agent=agent, organisation__among=caller.reach.informed)
    return sorted(set(roles.values_list("organisation__territory", flat=True)))


def held_by_others(agent: Agent, territories: Collection[int], ids: Mapping[str, str]) -> list[tuple[str, str]]:
    """Of these names, those that somebody else has in one of the territories."""
    found = AgentExternalId.objects.filter(
        territory__in=territories, system__in=ids, value__in=set(ids.values())
    ).exclude(agent=agent)
    rows = set(found.order_by().values_list("system", "value")) if ids and territories else set()
    return sorted(rows & set(ids.items()))


def give(agent: Agent, territories: Collection[int], ids: Mapping[str, str]) -> None:
    """Let `agent` be called exactly so in each of the territories; nothing is written where they are already. Raises
    IntegrityError when somebody else took a name meanwhile.
    """
    had = {
        (name.territory_id, name.system): name
        for name in AgentExternalId.objects.filter(agent=agent, territory__in=territories).order_by("pk")
    }
    for (_territory, system), name in had.items():
        if system not in ids:
            name.delete()
    for territory in territories:
        for system, value in ids.items():
            name = had.get((territory, system)) or AgentExternalId(
                agent=agent, territory_id=territory, system=system, value=""
            )
            if name.value != value:
                name.value = value
                name.save()
