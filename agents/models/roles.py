"""What an agent is in an organisation or a territory (contract 3.1).

Roles are per organisation: admin here, basic there.
"""

from __future__ import annotations

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Exists, OuterRef
from django.utils.translation import gettext_lazy as _

from rdv.api.messages import TAKEN

from .recorded import Recorded, names_of

LAST_ADMIN = _("Une organisation garde toujours un administrateur : nommez-en d'abord un autre dans %(organisations)s.")


class AccessLevel(models.TextChoices):
    BASIC = "basic", _("agent")
    ADMIN = "admin", _("administrateur")
    INTERVENANT = "intervenant", _("intervenant")


class AgentRoleQuerySet(models.QuerySet["AgentRole"]):
    def last_admins(self) -> AgentRoleQuerySet:
        """Those of these roles, taken together, without which an organisation would have no admin: it always keeps
        one (contract 3.1). Whoever takes roles away asks first.
        """
        admins = self.filter(access_level=AccessLevel.ADMIN)
        others = AgentRole.objects.filter(organisation=OuterRef("organisation"), access_level=AccessLevel.ADMIN)
        return admins.filter(~Exists(others.exclude(pk__in=self.values("pk"))))

    def keep_last_admins(self) -> None:
        """Raises ValidationError, naming the organisations, when one would lose its last admin with these roles."""
        organisations = self.last_admins().order_by("organisation__name").values_list("organisation__name", flat=True)
        if names := ", ".join(organisations):
            raise ValidationError(LAST_ADMIN, code="last_admin", params={"organisations": names})


class AgentRole(Recorded):
    """One agent in one organisation, at one access level."""

    recorded_as = "role"

    agent = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="roles", verbose_name=_("agent")
    )
    organisation = models.ForeignKey(
        "agents.Organisation", on_delete=models.CASCADE, related_name="roles", verbose_name=_("organisation")
    )
    access_level = models.CharField(
        _("niveau d'accès"), max_length=11, choices=AccessLevel.choices, default=AccessLevel.BASIC
    )

    objects = AgentRoleQuerySet.as_manager()

    class Meta:
        verbose_name = _("rôle")
        verbose_name_plural = _("rôles")
        constraints = (
            models.UniqueConstraint(
                fields=("agent", "organisation"),
                name="role_once_per_organisation",
                violation_error_code="taken",
                violation_error_message=TAKEN,
            ),
            models.CheckConstraint(
                condition=models.Q(access_level__in=AccessLevel.values), name="role_access_level_known"
            ),
        )
        # Who is in an organisation, without a look at the table.
        indexes = (models.Index(fields=("organisation", "agent"), name="role_organisation_agent"),)

    def __str__(self) -> str:
        return f"{self.agent} : {self.get_access_level_display()}, {self.organisation}"

    @property
    def recorded_name(self) -> str:
        return names_of(self, "agent", "organisation")

    def concerns(self) -> tuple[int | None, int | None]:
        return self.agent_id, self.organisation_id

    def clean(self) -> None:
        """A change must not take away an organisation's last admin: by another level, or by another organisation."""
        stored = AgentRole.objects.filter(pk=self.pk)
        if self.access_level == AccessLevel.ADMIN:
            stored = stored.exclude(organisation=self.organisation_id)
        stored.keep_last_admins()


class AgentTerritorialRole(Recorded):
    """A territorial admin: sees and manages the agents of every organisation of the territory."""

    recorded_as = "territorial_role"

    agent = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="territorial_roles", verbose_name=_("agent")
    )
    territory = models.ForeignKey(
        "agents.Territory", on_delete=models.CASCADE, related_name="territorial_roles", verbose_name=_("territoire")
    )

    class Meta:
        verbose_name = _("rôle territorial")
        verbose_name_plural = _("rôles territoriaux")
        constraints = (
            models.UniqueConstraint(
                fields=("agent", "territory"),
                name="territorial_role_once",
                violation_error_code="taken",
                violation_error_message=TAKEN,
            ),
        )

    def __str__(self) -> str:
        return f"{self.agent} : {self.territory}"

    @property
    def recorded_name(self) -> str:
        return names_of(self, "agent")  # the territory's is not for everybody who may read this

    def concerns(self) -> tuple[int | None, int | None]:
        return self.agent_id, None


class ShownOrganisation(models.Model):
    """What an agent's absences show when they are kept for no organisation: derived from the roles by the database
    itself (`agents/derived.py`), never written from here. An agent without a role has none.
    """

    agent = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, primary_key=True, related_name="shown"
    )
    organisation = models.ForeignKey("agents.Organisation", on_delete=models.DO_NOTHING, related_name="+")
    by_mairie = models.BooleanField()

    def __str__(self) -> str:
        return f"{self.agent} : {self.organisation}"
