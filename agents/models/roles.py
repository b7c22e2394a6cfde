"""What an agent is in an organisation or a territory (contract 3.1).

Roles are per organisation: admin here, basic there.
"""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from rdv.api.messages import TAKEN


class AccessLevel(models.TextChoices):
    BASIC = "basic", _("agent")
    ADMIN = "admin", _("administrateur")
    INTERVENANT = "intervenant", _("intervenant")


class AgentRole(models.Model):
    """One agent in one organisation, at one access level."""

    agent = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="roles", verbose_name=_("agent")
    )
    organisation = models.ForeignKey(
        "agents.Organisation", on_delete=models.CASCADE, related_name="roles", verbose_name=_("organisation")
    )
    access_level = models.CharField(
        _("niveau d'accès"), max_length=11, choices=AccessLevel.choices, default=AccessLevel.BASIC
    )

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


class AgentTerritorialRole(models.Model):
    """A territorial admin: sees and manages the agents of every organisation of the territory."""

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
