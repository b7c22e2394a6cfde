"""Keys: what lets an agent or an API account in without a sign-in, for as long and as far as was chosen (T6, T7)."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Collection, Container, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, cast

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import MaxLengthValidator
from django.db import models, transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from agents import tokens
from agents.record import gathered, note
from rdv.api.folded import FoldedField, Folding, holding, plain_columns
from rdv.api.messages import BLANK
from rdv.api.statements import EpochSeconds, Parameter, Statement

from .accounts import ApiAccount, account_reach_columns
from .agent import CALLER as _AGENT
from .agent import Agent
from .credentials import Refused
from .reach import Reach, reach_columns
from .record import Action
from .recorded import BOOKKEEPING, Recorded
from .rights import end_tokens

NOTE = 2000  # characters
READING = ("GET", "HEAD", "OPTIONS")
# What a scope may name. `me` and `token` are for every key.
RESOURCES = ("absences", "agents", "organisations", "services", "audit", "webhooks")


@dataclass(frozen=True, slots=True)
class Scope:
    """How much of its owner's rights a key has; the default is all. `resources` and `organisations`: None is every one,
    those to come included.
    """

    read_only: bool = False
    resources: Container[str] | None = None
    organisations: Sequence[int] | None = None

    def permits(self, method: str, resource: str) -> bool:
        """Whether `method` may be tried on `resource` at all; which rows, the reach tells."""
        if self.read_only and method not in READING:
            return False
        return self.resources is None or resource in self.resources

    def narrow(self, reach: Reach) -> Reach:
        return reach if self.organisations is None else reach.within(self.organisations)


class KeyState(StrEnum):
    ACTIVE = "active"
    DEACTIVATED = "deactivated"
    EXPIRED = "expired"
    REVOKED = "revoked"

    @classmethod
    def of(cls, *, revoked: bool, expired: bool, deactivated: bool) -> KeyState:
        """Of several things that happened to a key, the one that counts: what cannot be undone goes first."""
        if revoked:
            return cls.REVOKED
        if expired:
            return cls.EXPIRED
        return cls.DEACTIVATED if deactivated else cls.ACTIVE


class AccessKeyQuerySet(models.QuerySet["AccessKey"]):
    def presented(self, key: str) -> AccessKey | None:
        """The row of a key, with its owner and their reach, not narrowed yet; None when there is none. One query."""
        statement = _personal if key.startswith(tokens.PERSONAL) else _of_account
        for row in statement.run(digest=tokens.digest(key)):
            return AccessKey.with_owner(row)
        return None

    def visible_to(self, agent: Agent) -> AccessKeyQuerySet:
        """An agent's keys are theirs alone."""
        return self.filter(agent__among=agent.reach.own)

    def searched(self, words: Collection[str]) -> AccessKeyQuerySet:
        """Those with each of `words`, which are folded, in the name or the note."""
        return holding(self, words, "folded_name", "folded_note")

    def for_wire(self) -> AccessKeyQuerySet:
        """Newest first, with the instants in seconds."""
        instants = {
            name: EpochSeconds(f"{name}_at") for name in ("created", "expires", "last_used", "deactivated", "revoked")
        }
        return self.annotate(**instants).order_by("-pk")

    def live(self) -> AccessKeyQuerySet:
        """Those that let somebody in, as long as their owner may come in."""
        ended = Q(expires_at__lte=timezone.now())
        return self.filter(revoked_at=None, deactivated_at=None).exclude(ended)

    def revoke(self) -> int:
        """End these keys for good; gives how many were not. The transaction then ends them (`rights`)."""
        ended = list(self.filter(revoked_at=None))
        now = timezone.now()
        count = AccessKey.objects.filter(pk__in=[key.pk for key in ended], revoked_at=None).update(revoked_at=now)
        with gathered():
            for key in ended[:count]:
                id, name, agent = key.pk, key.recorded_name, key.agent_id
                note(Action.REVOKED, key.recorded_as, id=id, name=name, agent=agent)
        return count


class AccessKey(Recorded, Folding):
    """A key of an agent (a personal access token) or of an API account. Shown once, when it is made: what is kept is a
    SHA-256 digest, and its first characters to tell it from others.
    """

    recorded_as = "token"
    not_recorded = BOOKKEEPING | {"digest", "last_used_at", "version"}

    agent = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, null=True, blank=True, related_name="keys",
        verbose_name=_("agent"),
    )  # fmt: skip
    account = models.ForeignKey(
        ApiAccount, on_delete=models.CASCADE, null=True, blank=True, related_name="keys", verbose_name=_("compte d'API")
    )
    name = models.CharField(_("nom"), max_length=255, error_messages={"null": BLANK, "blank": BLANK})
    note = models.TextField(_("note"), blank=True, max_length=NOTE, validators=[MaxLengthValidator(NOTE)])
    folded_name = FoldedField(of="name", null=True)
    folded_note = FoldedField(of="note", null=True)
    prefix = models.CharField(_("début"), max_length=tokens.SHOWN, editable=False)
    digest = models.CharField(max_length=64, unique=True, editable=False)
    read_only = models.BooleanField(_("lecture seule"), default=False)
    resources = models.JSONField(_("ressources"), null=True, blank=True)
    # Identifiers, not links: an organisation that goes leaves a key with less, never with more.
    organisations = models.JSONField(_("organisations"), null=True, blank=True)
    created_at = models.DateTimeField(_("créée le"), default=timezone.now, editable=False)
    expires_at = models.DateTimeField(_("expire le"), null=True, blank=True)
    last_used_at = models.DateTimeField(_("utilisée le"), null=True, editable=False)
    deactivated_at = models.DateTimeField(_("désactivée le"), null=True, editable=False)
    revoked_at = models.DateTimeField(_("révoquée le"), null=True, editable=False)
    # Grows with each change, by itself: `agents/derived.py`.
    version = models.PositiveIntegerField(default=1, db_default=1, editable=False)

    objects = AccessKeyQuerySet.as_manager()

    class Meta:
        verbose_name = _("clé")
        verbose_name_plural = _("clés")
        ordering = ("-pk",)
        constraints = (
            models.CheckConstraint(
                condition=Q(agent=None, account__isnull=False) | Q(agent__isnull=False, account=None),
                name="key_has_one_owner",
            ),
        )

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"

    def concerns(self) -> tuple[int | None, int | None]:
        return self.agent_id, None

    @classmethod
    def make(cls, owner: Agent | ApiAccount, **fields: Any) -> tuple[AccessKey, str]:
        """A saved key of `owner`, and its secret, never to be had again. Raises ValidationError when a field will not
        do.
        """
        key = cls(**fields)
        secret = key.own(owner)
        key.full_clean(validate_unique=False)
        key.save()
        return key, secret

    def own(self, owner: Agent | ApiAccount) -> str:
        """Makes this unsaved row a key of `owner`; gives its secret."""
        if isinstance(owner, ApiAccount):
            self.account, secret = owner, tokens.new_key(tokens.ACCOUNT)
        else:
            self.agent, secret = owner, tokens.new_key(tokens.PERSONAL)
        self.prefix, self.digest = secret[: tokens.SHOWN], tokens.digest(secret)
        return secret

    @classmethod
    def with_owner(cls, row: Sequence[Any]) -> AccessKey:
        """From the columns of `_personal` or `_of_account`."""
        key = cls.from_db("default", _KEY, row[: len(_KEY)])
        rest = row[len(_KEY) :]
        if key.agent_id is not None:
            key.agent = agent = Agent.from_db("default", _AGENT, rest[: len(_AGENT)])
            agent.reach = Reach.of(*rest[len(_AGENT) :], own=agent.pk)
        else:
            key.account = account = ApiAccount.from_db("default", _ACCOUNT, rest[: len(_ACCOUNT)])
            account.reach = Reach.of(*rest[len(_ACCOUNT) :], None)
        return key

    def clean(self) -> None:
        """The rules of a scope, and of the end."""
        failures: dict[str, list[ValidationError]] = {}
        unknown = [one for one in self.resources or () if one not in RESOURCES]
        if unknown:
            message = _("contient une ressource inconnue : %(unknown)s (connues : %(known)s)")
            params = {"unknown": ", ".join(map(str, unknown)), "known": ", ".join(RESOURCES)}
            failures["resources"] = [ValidationError(message, code="inclusion", params=params)]
        for name in ("resources", "organisations"):
            if getattr(self, name) == []:
                failures.setdefault(name, []).append(ValidationError(_("ne peut pas être vide"), code="empty"))
        if self._state.adding and self.expires_at is None and not settings.RDV_KEYS_WITHOUT_END:
            message = _("doit être choisi : les clés sans fin ne sont pas permises ici")
            failures["expires_at"] = [ValidationError(message, code="end_required")]
        if self._state.adding and self.expires_at is not None and self.expires_at <= timezone.now():
            failures["expires_at"] = [ValidationError(_("doit être dans le futur"), code="past")]
        if failures:
            raise ValidationError(failures)  # type: ignore[arg-type]

    @property
    def owner(self) -> Agent | ApiAccount:
        return cast("Agent | ApiAccount", self.agent if self.agent_id is not None else self.account)

    @property
    def owner_number(self) -> int:
        """The owner's number where keys and tokens are ended (`rights`): that of an account is negative."""
        return self.agent_id if self.agent_id is not None else -cast("int", self.account_id)

    @property
    def scope(self) -> Scope:
        return Scope(self.read_only, self.resources, self.organisations)

    @property
    def state(self) -> KeyState:
        return KeyState.of(
            revoked=self.revoked_at is not None,
            expired=self.expires_at is not None and self.expires_at <= timezone.now(),
            deactivated=self.deactivated_at is not None,
        )

    def refusal(self) -> Refused | None:
        """Why this key lets nobody in; None when it does."""
        if self.state != KeyState.ACTIVE:
            return Refused(self.state.value)
        return None if self.owner.may_come_in else self.owner_disabled

    def refusal_meanwhile(self) -> Refused | None:
        """Why a request for which this key was good may not go on; time alone does not stop it."""
        if self.revoked_at is not None:
            return Refused.REVOKED
        if self.deactivated_at is not None:
            return Refused.DEACTIVATED
        return None if self.owner.may_come_in else self.owner_disabled

    @property
    def owner_disabled(self) -> Refused:
        return Refused.AGENT_DISABLED if self.agent_id is not None else Refused.ACCOUNT_DISABLED

    def switch(self, *, on: bool) -> None:
        """Deactivate, or activate again, at once for requests under way too."""
        with transaction.atomic():
            self.deactivated_at = None if on else self.deactivated_at or timezone.now()
            self.save(update_fields=("deactivated_at",))
            end_tokens(self.owner_number)

    def touch(self) -> None:
        """Note that the key is in use, at most once in five minutes."""
        now = timezone.now()
        if self.last_used_at is None or now - self.last_used_at >= settings.RDV_TOKEN_TOUCH_INTERVAL:
            type(self).objects.filter(pk=self.pk).update(last_used_at=now)


def end_of(days: int) -> datetime.datetime:
    """The instant after so many days."""
    return timezone.now() + datetime.timedelta(days=days)


def _statement(owner: str, columns: Sequence[str], reach_of: Callable[[str], dict[str, Any]]) -> Statement:
    """What a request needs of a key, in one query."""

    def build() -> models.QuerySet[Any]:
        reach = reach_of(owner)
        rows = AccessKey.objects.filter(digest=Parameter("digest", models.CharField())).annotate(**reach).order_by()
        return rows.values_list(*_KEY, *(f"{owner}__{name}" for name in columns), *reach)

    return Statement(build)


_KEY = plain_columns(AccessKey)
_ACCOUNT = tuple(field.attname for field in ApiAccount._meta.concrete_fields)
_personal = _statement("agent", _AGENT, reach_columns)
_of_account = _statement("account", _ACCOUNT, account_reach_columns)
