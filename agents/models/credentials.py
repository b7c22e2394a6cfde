"""The token of one client ("device") of an agent: issue, accept, rotate, revoke (contract 2.4 and 2.5)."""

from __future__ import annotations

import datetime
from enum import StrEnum

from django.conf import settings
from django.db import models, transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from agents import tokens
from agents.record import gathered, note
from rdv.api.statements import Parameter, Statement

from .agent import CALLER as _AGENT
from .agent import Agent
from .reach import Reach, reach_columns
from .record import Action
from .rights import end_tokens

# How long a token that died is remembered, so that a 401 can say "expired" or "revoked" rather than "unknown".
REMEMBERED = datetime.timedelta(days=7)


class Refused(StrEnum):
    """Why a credential is refused: the stable codes of `WWW-Authenticate`."""

    UNKNOWN = "unknown"
    EXPIRED = "expired"
    REVOKED = "revoked"
    DEACTIVATED = "deactivated"
    AGENT_DISABLED = "agent_disabled"
    ACCOUNT_DISABLED = "account_disabled"


class Overtaken(Exception):
    """The agent's password or access changed between the look at it and the token that was to rest on it."""


def _credential() -> models.QuerySet[ClientToken]:
    """The token of a client, its agent, and what the agent's roles open: all that a request needs, in one query."""
    reach = reach_columns("agent")
    client = Parameter("client", models.CharField())
    rows = ClientToken.objects.filter(client=client).annotate(**reach).order_by()
    return rows.values_list(*_TOKEN, *(f"agent__{name}" for name in _AGENT), *reach)


_credential_statement = Statement(_credential)


class ClientTokenQuerySet(models.QuerySet["ClientToken"]):
    def presented(self, client: str) -> ClientToken | None:
        """The token of `client`, with its agent and their reach; None when there is none."""
        for row in _credential_statement.run(client=client):
            token = ClientToken.from_db("default", _TOKEN, row[: len(_TOKEN)])
            token.agent = Agent.from_db("default", _AGENT, row[len(_TOKEN) : -3])
            token.agent.reach = Reach.of(*row[-3:], own=token.agent_id)
            return token
        return None

    def live(self) -> ClientTokenQuerySet:
        return self.filter(revoked_at=None, expires_at__gt=timezone.now())

    def revoke(self, told_as: str = Action.REVOKED) -> int:
        """Kill these tokens at once; gives how many were alive. The transaction then ends them (`rights`)."""
        alive = list(self.live().values_list("pk", "client", "agent"))
        living = ClientToken.objects.live().filter(pk__in=[pk for pk, _client, _agent in alive])
        count = living.update(revoked_at=timezone.now()) if alive else 0
        with gathered():
            for pk, client, agent in alive[:count]:
                note(told_as, "client", id=pk, name=shown_client(client), agent=agent)
        return count

    def issue(
        self, agent: Agent, client: str | None = None, lifetime: datetime.timedelta | None = None, form: str = ""
    ) -> tuple[ClientToken, str]:
        """A fresh token of `agent`, and its secret, never to be had again; `lifetime`: another than
        `RDV_TOKEN_LIFETIME`; `form`: what the secret begins with. Raises Overtaken when their password or access is not
        any more what `agent` holds, which was checked.

        In the entry of `client` when it is a live one of this agent, whose former secret dies; else in a new entry.
        Beyond `RDV_TOKEN_MAX_CLIENTS` live entries the first to end are revoked, never the one just issued.
        """
        secret = form + tokens.new_secret()
        with transaction.atomic():
            # One sign-in of an agent at a time, or two could each spare the other's entry.
            access = Agent.objects.filter(pk=agent.pk).values_list("password", "is_active", "deleted_at")
            if access.select_for_update(no_key=True).first() != (agent.password, agent.is_active, agent.deleted_at):
                raise Overtaken
            now = timezone.now()  # now that it is their turn: the order of the entries is that of the sign-ins
            self.filter(agent=agent, expires_at__lte=now - REMEMBERED).delete()
            others = list(self.live().filter(agent=agent).order_by("expires_at", "pk"))
            token = next((other for other in others if other.client == client), None)
            renewed = token is not None
            if token is None:
                token = self.model(agent=agent, client=tokens.new_secret(), created_at=now)
            token.digest, token.previous_digest, token.last_digest = tokens.digest(secret), None, None
            token.rotated_at = None
            token.expires_at = now + (lifetime or settings.RDV_TOKEN_LIFETIME)
            token.last_used_at = now
            token.save()
            others = [other for other in others if other.pk != token.pk]
            excess = others[: max(0, len(others) + 1 - settings.RDV_TOKEN_MAX_CLIENTS)]
            if excess:
                self.filter(pk__in=[other.pk for other in excess]).revoke()
            if excess or renewed:
                end_tokens(agent.pk)
        token.agent = agent
        return token, secret


class ClientToken(models.Model):
    """One client of an agent. Of its secrets only SHA-256 digests are kept.

    `previous_digest` and `last_digest` serve rotation on each request: the secret before this one, and the one before
    that, so that answers lost on the way and requests under way keep working (contract 2.5).
    """

    agent = models.ForeignKey(Agent, on_delete=models.CASCADE, related_name="tokens", verbose_name=_("agent"))
    client = models.CharField(_("client"), max_length=22, unique=True)
    digest = models.CharField(max_length=64)
    previous_digest = models.CharField(max_length=64, null=True)
    last_digest = models.CharField(max_length=64, null=True)
    created_at = models.DateTimeField(_("créé le"))
    expires_at = models.DateTimeField(_("expire le"))
    rotated_at = models.DateTimeField(_("renouvelé le"), null=True)
    last_used_at = models.DateTimeField(_("utilisé le"), null=True)
    revoked_at = models.DateTimeField(_("révoqué le"), null=True)

    objects = ClientTokenQuerySet.as_manager()

    class Meta:
        verbose_name = _("jeton")
        verbose_name_plural = _("jetons")
        ordering = ("-last_used_at",)
        indexes = (models.Index(fields=("agent", "expires_at"), name="token_agent_expiry"),)

    def __str__(self) -> str:
        return f"{self.agent}, client {self.recorded_name}"

    @property
    def recorded_name(self) -> str:
        return shown_client(self.client)

    def refusal(self, uid: str, secret: str) -> Refused | None:
        """Why this token does not accept `secret` for `uid`; None when it does.

        Only somebody who holds the right secret is told that it expired or was revoked.
        """
        now = timezone.now()
        accepted = [self.digest, self.previous_digest]
        if self.rotated_at and now - self.rotated_at < settings.RDV_TOKEN_BATCH_WINDOW:
            accepted.append(self.last_digest)
        if not tokens.matches(secret, *accepted) or self.agent.uid != uid:
            return Refused.UNKNOWN
        if self.revoked_at is not None:
            return Refused.REVOKED
        if self.expires_at <= now:
            return Refused.EXPIRED
        return None if self.agent.usable else Refused.AGENT_DISABLED

    def refusal_meanwhile(self, uid: str, secret: str) -> Refused | None:
        """Why a request for which this token was good may not go on; None when it may. Time alone does not stop it,
        nor do the rotations of its batch.
        """
        if not tokens.matches(secret, self.digest, self.previous_digest, self.last_digest) or self.agent.uid != uid:
            return Refused.UNKNOWN
        if self.revoked_at is not None:
            return Refused.REVOKED
        return None if self.agent.usable else Refused.AGENT_DISABLED

    def touch(self) -> None:
        """Note that the token is in use, at most once in five minutes."""
        now = timezone.now()
        if self.last_used_at is None or now - self.last_used_at >= settings.RDV_TOKEN_TOUCH_INTERVAL:
            type(self).objects.filter(pk=self.pk).update(last_used_at=now)

    def rotate(self, started: datetime.datetime, *, unbatch: bool = False) -> str | None:
        """After a request that `started` then: the fresh secret, "" inside a batch, None when the token is gone.

        A request of a batch (a rotation less than the window before it started) leaves the secrets alone, so that
        parallel requests do not invalidate each other (contract 2.5, "Rotation").
        """
        with transaction.atomic():
            entry = type(self).objects.live().select_for_update().filter(pk=self.pk).first()
            if entry is None:
                return None
            now = timezone.now()
            batch = entry.rotated_at and entry.rotated_at > started - settings.RDV_TOKEN_BATCH_WINDOW and not unbatch
            entry.rotated_at = now
            if batch:
                entry.save(update_fields=("rotated_at",))
                return ""
            secret = tokens.new_secret()
            entry.last_digest, entry.previous_digest = entry.previous_digest, entry.digest
            entry.digest = tokens.digest(secret)
            entry.expires_at = self.expires_at = now + settings.RDV_TOKEN_LIFETIME
            entry.save(
                update_fields=("rotated_at", "last_digest", "previous_digest", "digest", "expires_at"),
            )
            return secret


def shown_client(client: str) -> str:
    """The first characters tell two apart; the rest stays out of pages and logs."""
    return f"{client[:6]}…"


# The columns of a credential, in the order of the model's fields.
_TOKEN = tuple(field.attname for field in ClientToken._meta.concrete_fields)
