"""API accounts: programs that come in their own name, and may act for agents who were named to them (row T11)."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Case, OuterRef, Subquery, When
from django.db.models.functions import JSONArray
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from rdv.api.messages import BLANK, TAKEN

from .agent import Agent
from .directory import Organisation, Service
from .reach import JSONList, Reach
from .recorded import Recorded, names_of
from .roles import AccessLevel


class ApiAccount(Recorded):
    """A caller who is no person: no password, no session, no absences, and on no list of agents. It comes with keys of
    its own, has roles as agents have, and may act for an agent where a grant says so.
    """

    recorded_as = "api_account"

    name = models.CharField(_("nom"), max_length=255, unique=True, error_messages={"blank": BLANK, "unique": TAKEN})
    note = models.TextField(_("note"), blank=True)
    is_active = models.BooleanField(
        _("actif"), default=True, help_text=_("Décoché : toutes ses clés sont refusées aussitôt.")
    )
    services = models.ManyToManyField(Service, related_name="api_accounts", blank=True, verbose_name=_("services"))
    organisations = models.ManyToManyField(
        Organisation, through="agents.AccountRole", related_name="api_accounts", verbose_name=_("organisations")
    )
    created_at = models.DateTimeField(_("créé le"), default=timezone.now, editable=False)
    updated_at = models.DateTimeField(_("modifié le"), auto_now=True)

    is_authenticated = True
    is_anonymous = False
    uid = ""

    class Meta:
        verbose_name = _("compte d'API")
        verbose_name_plural = _("comptes d'API")
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name

    @property
    def may_come_in(self) -> bool:
        """Whether a key of this account may be accepted at all."""
        return self.is_active

    @cached_property
    def reach(self) -> Reach:
        """What its roles open. A key brings it along; else it costs a query."""
        columns = account_reach_columns("pk")
        row = ApiAccount.objects.filter(pk=self.pk).annotate(**columns).values_list(*columns).first()
        return Reach.of(*(row or (None, None)), None)

    @classmethod
    def to_come(cls) -> Agent:
        """As an agent's: what a statement needs of a caller is their reach."""
        return Agent.to_come()


class AccountRole(Recorded):
    """One account in one organisation, at one access level: what an agent of that level may, it may."""

    recorded_as = "account_role"

    account = models.ForeignKey(ApiAccount, on_delete=models.CASCADE, related_name="roles", verbose_name=_("compte"))
    organisation = models.ForeignKey(
        Organisation, on_delete=models.CASCADE, related_name="account_roles", verbose_name=_("organisation")
    )
    access_level = models.CharField(
        _("niveau d'accès"), max_length=11, choices=AccessLevel.choices, default=AccessLevel.BASIC
    )

    class Meta:
        verbose_name = _("rôle d'un compte")
        verbose_name_plural = _("rôles du compte")
        constraints = (
            models.UniqueConstraint(
                fields=("account", "organisation"),
                name="account_role_once_per_organisation",
                violation_error_code="taken",
                violation_error_message=TAKEN,
            ),
            models.CheckConstraint(
                condition=models.Q(access_level__in=AccessLevel.values), name="account_role_access_level_known"
            ),
        )

    def __str__(self) -> str:
        return f"{self.account} : {self.get_access_level_display()}, {self.organisation}"

    @property
    def recorded_name(self) -> str:
        return names_of(self, "account", "organisation")

    def concerns(self) -> tuple[int | None, int | None]:
        return None, self.organisation_id


class Grant(Recorded):
    """That an account may act for an agent: with the agent's rights, and in the agent's name beside its own."""

    recorded_as = "grant"

    account = models.ForeignKey(ApiAccount, on_delete=models.CASCADE, related_name="grants", verbose_name=_("compte"))
    agent = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="grants", verbose_name=_("agent")
    )
    created_at = models.DateTimeField(_("accordé le"), default=timezone.now, editable=False)

    class Meta:
        verbose_name = _("autorisation d'agir pour un agent")
        verbose_name_plural = _("autorisations d'agir pour un agent")
        constraints = (
            models.UniqueConstraint(
                fields=("account", "agent"),
                name="grant_once",
                violation_error_code="taken",
                violation_error_message=TAKEN,
            ),
        )

    def __str__(self) -> str:
        return f"{self.account} → {self.agent}"

    @property
    def recorded_name(self) -> str:
        return names_of(self, "account", "agent")

    def concerns(self) -> tuple[int | None, int | None]:
        return self.agent_id, None


def account_reach_columns(account: str) -> dict[str, Any]:
    """The first two arguments of `Reach.of` as columns of a queryset whose `account` names the account's id."""
    roles = AccountRole.objects.filter(account=OuterRef(account)).values("account")
    memberships = ApiAccount.services.through.objects.filter(apiaccount=OuterRef(account)).values("apiaccount")
    secretariat = Case(When(service__secretariat=True, then=1), default=0)
    return {
        "reach_roles": Subquery(roles.annotate(all=JSONList(JSONArray("organisation", "access_level"))).values("all")),
        "reach_services": Subquery(memberships.annotate(all=JSONList(JSONArray("service", secretariat))).values("all")),
    }
