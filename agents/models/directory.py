"""Territories, organisations and services (contract 3.1)."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

import phonenumbers
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Exists, OuterRef, Q
from django.db.models.functions import Lower
from django.utils.translation import gettext_lazy as _

from rdv.api.folded import FoldedField, Folding, holding
from rdv.api.messages import BLANK, INVALID, TAKEN
from rdv.api.times import PARIS, validate_time_zone

from .recorded import BOOKKEEPING, Recorded
from .roles import AgentRole

if TYPE_CHECKING:
    from .agent import Agent

# Numbers may be written as in mainland France or in an overseas département (contract 4.1).
PHONE_REGIONS = ("FR", "GP", "GF", "MQ", "RE", "YT")


def validate_phone_number(value: str) -> None:
    """A number that some region can dial, or a short number of exactly 4 digits (contract 4.4)."""
    if len(value) == 4 and value.isascii() and value.isdigit():
        return
    for region in PHONE_REGIONS:
        try:
            if phonenumbers.is_valid_number(phonenumbers.parse(value, region)):
                return
        except phonenumbers.NumberParseException:
            pass
    raise ValidationError(INVALID, code="invalid")


class TerritoryQuerySet(models.QuerySet["Territory"]):
    def visible_to(self, agent: Agent) -> TerritoryQuerySet:
        """Those that `agent` administers, and those of the organisations where they have a role."""
        named = Organisation.objects.filter(territory=OuterRef("pk"), pk__among=agent.reach.named)
        return self.filter(Exists(named))


class Territory(Recorded):
    """A département, or an area like one; its number is its name in the directory file."""

    recorded_as = "territory"

    name = models.CharField(_("nom"), max_length=255)
    departement_number = models.CharField(_("numéro de département"), max_length=3, blank=True)
    time_zone = models.CharField(
        _("fuseau horaire"),
        max_length=64,
        default=PARIS.key,
        db_default=PARIS.key,
        validators=[validate_time_zone],
        help_text=_("Celui des absences que l'on y saisira, par son nom : Europe/Paris, Indian/Reunion…"),
    )

    objects = TerritoryQuerySet.as_manager()

    class Meta:
        verbose_name = _("territoire")
        verbose_name_plural = _("territoires")
        ordering = ("departement_number", "name")
        constraints = (
            models.UniqueConstraint(
                fields=("departement_number",),
                condition=~Q(departement_number=""),
                name="territory_departement_number_once",
                violation_error_code="taken",
                violation_error_message=TAKEN,
            ),
        )

    def __str__(self) -> str:
        return f"{self.name} ({self.departement_number})" if self.departement_number else self.name


class OrganisationQuerySet(models.QuerySet["Organisation"]):
    def visible_to(self, agent: Agent) -> OrganisationQuerySet:
        """Those where `agent` has any role. A territorial role alone shows none (contract 3.3)."""
        return self.filter(pk__among=agent.reach.organisations)

    def updatable_by(self, agent: Agent) -> OrganisationQuerySet:
        """Those where `agent` is admin (contract 3.3)."""
        return self.filter(pk__among=agent.reach.administered)

    def within_reach_of(self, agent: Agent) -> OrganisationQuerySet:
        """Those that `agent` may name in a filter: where they have a role, and those of their territories."""
        return self.filter(pk__among=agent.reach.named)

    def searched(self, words: Collection[str]) -> OrganisationQuerySet:
        """Those with each of `words`, which are folded, in the name or the email."""
        return holding(self, words, "folded_name", "folded_email")

    def for_wire(self) -> OrganisationQuerySet:
        return self.order_by("pk")


class Organisation(Recorded, Folding):
    """A place of a territory where agents work; its name is unique there."""

    recorded_as = "organisation"
    not_recorded = BOOKKEEPING | {"version"}

    class Verticale(models.TextChoices):
        RDV_INSERTION = "rdv_insertion", "RDV-Insertion"
        RDV_SOLIDARITES = "rdv_solidarites", "RDV-Solidarités"
        RDV_AIDE_NUMERIQUE = "rdv_aide_numerique", "RDV Aide Numérique"
        RDV_MAIRIE = "rdv_mairie", "RDV Mairie"

    territory = models.ForeignKey(
        Territory, on_delete=models.PROTECT, related_name="organisations", verbose_name=_("territoire")
    )
    name = models.CharField(_("nom"), max_length=255, error_messages={"null": BLANK, "blank": BLANK})
    phone_number = models.CharField(
        _("téléphone"), max_length=50, null=True, blank=True, validators=[validate_phone_number]
    )
    email = models.EmailField(_("e-mail"), null=True, blank=True, error_messages={"invalid": INVALID})
    verticale = models.CharField(
        max_length=20,
        choices=Verticale.choices,
        default=Verticale.RDV_SOLIDARITES,
        error_messages={"null": BLANK, "blank": BLANK},
    )
    # Grows with each change, by itself: `agents/derived.py`.
    version = models.PositiveIntegerField(default=1, db_default=1, editable=False)
    folded_name = FoldedField(of="name", null=True)
    folded_email = FoldedField(of="email", null=True)
    created_at = models.DateTimeField(_("créée le"), auto_now_add=True)
    updated_at = models.DateTimeField(_("modifiée le"), auto_now=True)

    objects = OrganisationQuerySet.as_manager()

    class Meta:
        verbose_name = _("organisation")
        verbose_name_plural = _("organisations")
        ordering = ("name",)
        constraints = (
            models.UniqueConstraint(
                fields=("territory", "name"),
                name="organisation_name_once_in_territory",
                violation_error_code="taken",
                violation_error_message=TAKEN,
            ),
        )

    def __str__(self) -> str:
        return self.name

    def concerns(self) -> tuple[int | None, int | None]:
        return None, self.pk


class ServiceQuerySet(models.QuerySet["Service"]):
    def visible_to(self, agent: Agent) -> ServiceQuerySet:
        """One's own services where one is a basic agent, and those at work in every organisation wholly open to one."""
        at_work = AgentRole.objects.filter(
            agent__services=OuterRef("pk"), agent__deleted_at=None, organisation__among=agent.reach.whole
        )
        basic = Exists(Organisation.objects.filter(pk__among=agent.reach.basic))
        return self.filter(Exists(at_work) | Q(basic, pk__among=agent.reach.services))

    def searched(self, words: Collection[str]) -> ServiceQuerySet:
        """Those with each of `words`, which are folded, in one of the names."""
        return holding(self, words, "folded_name", "folded_short_name")

    def for_wire(self) -> ServiceQuerySet:
        return self.order_by("pk")


class Service(Recorded, Folding):
    """A trade, the same list for all organisations. A secretariat's agents see the diaries of the other services."""

    recorded_as = "service"

    name = models.CharField(_("nom"), max_length=255, error_messages={"null": BLANK, "blank": BLANK})
    short_name = models.CharField(_("nom court"), max_length=255, error_messages={"null": BLANK, "blank": BLANK})
    secretariat = models.BooleanField(
        _("secrétariat"),
        default=False,
        help_text=_("Ses agents voient les agendas des autres services de leurs organisations."),
    )
    folded_name = FoldedField(of="name", null=True)
    folded_short_name = FoldedField(of="short_name", null=True)

    objects = ServiceQuerySet.as_manager()

    class Meta:
        verbose_name = _("service")
        verbose_name_plural = _("services")
        ordering = ("name",)
        constraints = (
            models.UniqueConstraint(
                Lower("name"), name="service_name_once", violation_error_code="taken", violation_error_message=TAKEN
            ),
            models.UniqueConstraint(
                Lower("short_name"),
                name="service_short_name_once",
                violation_error_code="taken",
                violation_error_message=TAKEN,
            ),
        )

    def __str__(self) -> str:
        return self.name
