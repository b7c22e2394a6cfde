"""The agent: the person who signs in, works in organisations and services, and is sometimes absent."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import cache, cached_property
from typing import Any

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.hashers import check_password, make_password
from django.contrib.auth.models import PermissionsMixin
from django.core.exceptions import ValidationError
from django.db import models, transaction
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from agents.emails import normalise_email
from agents.record import gathered
from agents.signals import agent_leaving, agent_left
from rdv.api.folded import FoldedField, Folding, holding, plain_columns
from rdv.api.folding import fold, folding_pattern
from rdv.api.messages import INVALID, TAKEN
from rdv.api.statements import Parameter, Statement

from .directory import Organisation, Service, Territory
from .reach import Reach, reach_columns
from .record import Action
from .recorded import BOOKKEEPING, Recorded
from .roles import AccessLevel, AgentRole

DELETED_EMAIL = "agent_{id}@deleted.rdv-solidarites.fr"


class AgentQuerySet(models.QuerySet["Agent"]):
    def caller(self, **named: Any) -> Agent | None:
        """The agent of that `pk` or `email`, with what a request reads of its caller: their reach is not in it."""
        ((column, value),) = named.items()
        row = next(iter(_callers(column).run(value=value)), None)
        return None if row is None else self.model.from_db("default", CALLER, row)

    def visible_to(self, agent: Agent) -> AgentQuerySet:
        """Everyone with a role in an organisation wholly open to `agent`, and, where `agent` is basic, those who share
        a service with them. Nobody else: not even oneself without a role (contract 3.3).
        """
        reach = agent.reach
        memberships = self.model.services.through.objects
        colleagues = Exists(memberships.filter(agent=OuterRef("agent"), service__among=reach.services))
        reached = AgentRole.objects.filter(
            Q(organisation__among=reach.whole) | Q(organisation__among=reach.basic) & colleagues
        )
        return self.filter(deleted_at=None, pk__in=reached.values("agent"))

    def of_organisation(self, organisations: models.QuerySet[Organisation]) -> AgentQuerySet:
        """Those with any role in one of `organisations`."""
        return self.filter(pk__in=AgentRole.objects.filter(organisation__in=organisations).values("agent"))

    def time_zones(self, pks: Collection[int | None]) -> dict[int, str]:
        """By agent, the zone of the territory of the organisation that they show; not of those who show none."""
        zones = self.filter(pk__among=[pk for pk in pks if pk is not None]).order_by().values_list("pk", Agent.ZONE)
        return {pk: zone for pk, zone in zones if zone is not None}

    def matching(self, text: str) -> AgentQuerySet:
        """Those with each word of `text` in a name or the email, accents and case aside: for people who search.

        Reads the whole table, some 20 ms for 10,000 agents on SQLite.
        """
        found = self
        for word in text.split():
            pattern = folding_pattern(word)
            names = Q(last_name__iregex=pattern) | Q(first_name__iregex=pattern)
            found = found.filter(Q(email__contains=fold(word)) | names)
        return found

    def searched(self, words: Collection[str]) -> AgentQuerySet:
        """Those with each of `words`, which are folded, in a name or the email."""
        return holding(self, words, "folded_last_name", "folded_first_name", "folded_email")

    def for_wire(self) -> AgentQuerySet:
        return self.order_by("created_at", "pk")


class AgentManager(BaseUserManager["Agent"].from_queryset(AgentQuerySet)):  # type: ignore[misc]
    def get_by_natural_key(self, username: str | None) -> Agent:
        return self.get(email=normalise_email(username or ""), provider="email")

    def create_user(self, email: str, password: str | None = None, **fields: Any) -> Agent:
        """A saved agent; without password they cannot sign in with one."""
        agent = self.model(email=normalise_email(email), **fields)
        agent.set_password(password)
        agent.save()
        return agent

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> Agent:
        """An administrator of the server: may open the administration pages. Has no right by API without a role."""
        return self.create_user(email, password, is_staff=True, is_superuser=True, **fields)


class Agent(Recorded, Folding, AbstractBaseUser, PermissionsMixin):
    """A person of the directory. `email` is also the `uid` of the wire; an intervenant may have none.

    Deleting an agent is soft: see `leave`. `is_active` false: invited and not yet there, or put aside; still visible
    to others and still with absences, but without sign-in.
    """

    # From an agent to the name of their zone; null of those without a role.
    ZONE = "shown__organisation__territory__time_zone"

    recorded_as = "agent"
    not_recorded = BOOKKEEPING | {"last_login", "allow_password_change"}
    secrets = frozenset({"password"})

    email = models.EmailField(_("e-mail"), unique=True, null=True, blank=True, error_messages={"unique": TAKEN})
    email_original = models.EmailField(_("ancien e-mail"), null=True, blank=True, editable=False)
    first_name = models.CharField(_("prénom"), max_length=255, null=True, blank=True)
    last_name = models.CharField(_("nom"), max_length=255, null=True, blank=True)
    folded_email = FoldedField(of="email", null=True)
    folded_first_name = FoldedField(of="first_name", null=True)
    folded_last_name = FoldedField(of="last_name", null=True)
    provider = models.CharField(max_length=20, default="email", editable=False)
    inclusion_connect_open_id_sub = models.CharField(
        _("identifiant Inclusion Connect"), max_length=255, unique=True, null=True, blank=True
    )
    services = models.ManyToManyField(Service, related_name="agents", blank=True, verbose_name=_("services"))
    organisations = models.ManyToManyField(
        Organisation, through=AgentRole, related_name="agents", verbose_name=_("organisations")
    )
    territories = models.ManyToManyField(
        Territory, through="agents.AgentTerritorialRole", related_name="admins", verbose_name=_("territoires")
    )
    allow_password_change = models.BooleanField(default=False, editable=False)
    is_active = models.BooleanField(
        _("actif"), default=True, help_text=_("Décoché : ne peut plus se connecter ; ses jetons sont refusés aussitôt.")
    )
    is_staff = models.BooleanField(_("accède à l'administration"), default=False)
    deleted_at = models.DateTimeField(_("supprimé le"), null=True, blank=True, editable=False)
    created_at = models.DateTimeField(_("créé le"), default=timezone.now, editable=False)
    updated_at = models.DateTimeField(_("modifié le"), auto_now=True)

    objects = AgentManager()

    USERNAME_FIELD = "email"

    class Meta:
        verbose_name = _("agent")
        verbose_name_plural = _("agents")
        ordering = ("last_name", "first_name", "pk")
        constraints = (
            models.CheckConstraint(
                condition=Q(email=None) | Q(email=models.functions.Lower("email")),
                name="agent_email_lower_case",
                violation_error_code="invalid",
                violation_error_message=INVALID,
            ),
        )
        indexes = (
            models.Index(fields=("created_at", "id"), name="agent_created"),
            models.Index(fields=("last_name", "first_name"), name="agent_names"),
        )

    def __str__(self) -> str:
        return self.get_full_name() or self.email or f"agent {self.pk}"

    def concerns(self) -> tuple[int | None, int | None]:
        return self.pk, None

    def recorded_action(self, changes: Mapping[str, Any]) -> str:
        return Action.DELETED if changes.get("deleted_at", [None, None])[1] else Action.UPDATED

    def clean(self) -> None:
        self.email = normalise_email(self.email) if self.email else None
        for name in ("first_name", "last_name", "inclusion_connect_open_id_sub"):
            setattr(self, name, (getattr(self, name) or "").strip() or None)
        if self.is_staff and not self.email:
            raise ValidationError({"email": _("doit être rempli pour accéder à l'administration")})

    def get_full_name(self) -> str:
        return " ".join(filter(None, (self.first_name, self.last_name)))

    def check_password(self, raw_password: str) -> bool:
        """As Django's, which renews an older hash: only while it is the stored one. The password may have changed
        while it was being checked.
        """

        def renew(password: str) -> None:
            former = self.password
            self.password = make_password(password)
            Agent.objects.filter(pk=self.pk, password=former).update(password=self.password)

        return check_password(raw_password, self.password, renew)

    @property
    def uid(self) -> str:
        """How the wire names the agent in its credential (contract 2.4): the email."""
        return self.email or ""

    @cached_property
    def reach(self) -> Reach:
        """What their roles open. A credential brings it along; else it costs a query."""
        row = next(iter(_REACH.run(agent=self.pk)), (None, None, None))
        return Reach.of(*row, own=self.pk)

    @classmethod
    def to_come(cls) -> Agent:
        """Stands for a caller in a statement that is compiled before they are known: `reach.values()` fills it in."""
        agent = cls()
        agent.reach = Reach.to_come()
        return agent

    @property
    def usable(self) -> bool:
        """Whether a credential of this agent may be accepted at all."""
        return self.is_active and self.deleted_at is None

    @property
    def may_come_in(self) -> bool:
        """Whether a key of theirs lets them in, or an account that acts for them: not without an email, as they could
        not sign in either (contract 2.9).
        """
        return self.usable and bool(self.email)

    def get_session_auth_hash(self) -> str:
        """Another while the agent is not usable: their sessions end at the next request."""
        return super().get_session_auth_hash() if self.usable else ""

    def leave(self) -> None:
        """Delete softly (contract 2.9): the row stays, its names on the wire change, its links and absences go."""
        with transaction.atomic(), gathered():
            agent_leaving.send(sender=type(self), agent=self)
            self.email_original = self.email
            self.email = DELETED_EMAIL.format(id=self.pk)
            self.deleted_at = timezone.now()
            self.is_staff = self.is_superuser = False
            self.set_unusable_password()
            self.save()
            self.services.clear()
            self.roles.all().delete()
            self.territorial_roles.all().delete()
            self.tokens.all().delete()
            self.keys.all().delete()
            self.grants.all().delete()
            self.external_names.all().delete()
            agent_left.send(sender=type(self), agent=self)

    @property
    def first_service_id(self) -> int | None:
        """The lowest id among the agent's services: what `service_id` shows since agents have several."""
        return self.services.order_by("pk").values_list("pk", flat=True).first()

    @property
    def is_admin_somewhere(self) -> bool:
        """Whether the agent is admin of at least one organisation: what `role` shows since roles have a place."""
        return self.roles.filter(access_level=AccessLevel.ADMIN).exists()


# What a request reads of its caller. The password's hash stays where it is.
CALLER = plain_columns(Agent, "password")


@cache
def _callers(column: str) -> Statement:
    value = Parameter("value", models.BigIntegerField() if column == "pk" else models.CharField())
    return Statement(lambda: Agent.objects.filter(**{column: value}).order_by().values_list(*CALLER))


def _reach() -> models.QuerySet[Any, Any]:
    columns = reach_columns("pk")
    agents = Agent.objects.filter(pk=Parameter("agent", models.BigIntegerField()))
    return agents.annotate(**columns).order_by().values_list(*columns)


_REACH = Statement(_reach)
