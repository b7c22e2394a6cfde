"""The record: who did what, for whom, with which credential, from where and why, and what was there before (P22)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from rdv.api.statements import EpochSeconds, SavedAlike

from .privacy import HIDDEN, UNAVAILABLE
from .roles import AgentRole

if TYPE_CHECKING:
    from .agent import Agent

MAX_REASON = 1000
MAX_NAME = 255


class Action(models.TextChoices):
    CREATED = "created", _("création")
    UPDATED = "updated", _("modification")
    DELETED = "deleted", _("suppression")
    REVOKED = "revoked", _("révocation")
    SIGNED_IN = "signed_in", _("connexion")
    SIGNED_OUT = "signed_out", _("déconnexion")
    SIGN_IN_FAILED = "sign_in_failed", _("échec de connexion")
    REFUSED = "refused", _("refus")
    PURGED = "purged", _("purge")


class ActorKind(models.TextChoices):
    AGENT = "agent", _("agent")
    API_ACCOUNT = "api_account", _("compte d'API")
    SYSTEM = "system", _("système")
    ANONYMOUS = "anonymous", _("inconnu")


class RecordQuerySet(models.QuerySet["RecordEntry"]):
    def visible_to(self, agent: Agent) -> RecordQuerySet:
        """What `agent` did, or was done for them or to them; and what concerns the organisations that they administer
        and the agents there. What an agent of theirs did elsewhere is not among it: it is the matter of others.
        """
        reach = agent.reach
        own = (
            Q(agent_id__among=reach.person)
            | Q(acting_for_id__among=reach.person)
            | Q(actor_kind=ActorKind.AGENT, actor_id__among=reach.person)
        )
        theirs = AgentRole.objects.filter(organisation__among=reach.administered, agent__deleted_at=None)
        of_theirs = Q(organisation_id=None, agent_id__among_rows=theirs.values("agent"))
        return self.filter(own | Q(organisation_id__among=reach.administered) | of_theirs)

    def for_wire(self) -> RecordQuerySet:
        """Newest first, with the instant in seconds."""
        return self.annotate(seconds=EpochSeconds("at")).order_by("-pk")


def concealed(changes: Mapping[str, Any]) -> dict[str, Any]:
    """Which columns changed, and not from what to what."""
    return {name: [value and HIDDEN for value in values] for name, values in changes.items()}


class RecordEntry(SavedAlike):
    """One thing that was done, or refused. Names and numbers, no links: who leaves stays in the record. It is never
    changed, and leaves by the purge alone (`agents/record/kept.py`).
    """

    at = models.DateTimeField(_("quand"), default=timezone.now)
    action = models.CharField(_("action"), max_length=20, choices=Action.choices)
    # Of a refusal: why, as the wire says it.
    code = models.CharField(_("code"), max_length=50, blank=True)
    # Refusals like this one that were left out since the one before (`agents/record/refusals.py`).
    repeated = models.PositiveIntegerField(_("répétée"), default=0)
    resource = models.CharField(_("ressource"), max_length=30)
    object_id = models.BigIntegerField(_("identifiant"), null=True)
    object_name = models.CharField(_("objet"), max_length=MAX_NAME, blank=True)
    changes = models.JSONField(_("changements"), default=dict, encoder=DjangoJSONEncoder)
    reason = models.CharField(_("motif"), max_length=MAX_REASON, blank=True)

    actor_kind = models.CharField(_("auteur"), max_length=11, choices=ActorKind.choices)
    actor_id = models.BigIntegerField(null=True)
    actor_name = models.CharField(_("auteur"), max_length=MAX_NAME, blank=True)
    acting_for_id = models.BigIntegerField(null=True)
    acting_for_name = models.CharField(_("pour"), max_length=MAX_NAME, blank=True)
    credential_kind = models.CharField(_("moyen"), max_length=20, blank=True)
    credential_id = models.BigIntegerField(null=True)
    credential_name = models.CharField(_("clé"), max_length=MAX_NAME, blank=True)

    address = models.CharField(_("adresse IP"), max_length=45, blank=True)
    request_id = models.CharField(_("requête"), max_length=36, blank=True)
    method = models.CharField(_("méthode"), max_length=10, blank=True)
    route = models.CharField(_("route"), max_length=100, blank=True)

    # Whether what it tells is private: for the agent and their admins alone, whoever did it (`Recorded.confidential`).
    confidential = models.BooleanField(default=False, db_default=False, editable=False)

    # Whose matter it is (`Recorded.concerns`).
    agent_id = models.BigIntegerField(null=True)
    organisation_id = models.BigIntegerField(null=True)

    objects = RecordQuerySet.as_manager()

    class Meta:
        verbose_name = _("entrée du journal")
        verbose_name_plural = _("journal")
        ordering = ("-pk",)
        default_permissions = ("view",)
        # In the order of the list, newest first, for each way to see an entry.
        indexes = (
            models.Index(fields=("agent_id", "id"), name="record_agent"),
            models.Index(fields=("actor_id", "id"), name="record_actor"),
            # Not the resource first: it would pass for a way to a list that is narrowed by it alone.
            models.Index(fields=("object_id", "resource", "id"), name="record_object"),
            models.Index(fields=("at",), name="record_at"),
            models.Index(
                fields=("acting_for_id", "id"), name="record_acting_for", condition=Q(acting_for_id__isnull=False)
            ),
            models.Index(
                fields=("organisation_id", "id"), name="record_organisation", condition=Q(organisation_id__isnull=False)
            ),
        )

    def __str__(self) -> str:
        return f"{self.get_action_display()} : {self.resource} {self.object_name or self.object_id or ''}".rstrip()

    def conceal(self) -> None:
        """Leave, of what is private, that it was done."""
        if self.confidential:
            self.object_name, self.changes = UNAVAILABLE, concealed(self.changes)

    def save(self, **kwargs: Any) -> None:
        """Written once."""
        super().save(**kwargs | {"force_insert": True})


class RecordPurge(models.Model):
    """While it is there, what is older than `before` may be deleted: written by the purge, and gone with it."""

    before = models.DateTimeField()

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"< {self.before}"
