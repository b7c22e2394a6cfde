"""Calendar feeds: secret addresses from which a calendar follows absences (rows C1 to C6)."""

from __future__ import annotations

import datetime
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator
from django.db import models
from django.db.models import Q
from django.dispatch import receiver
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from agents import tokens
from agents.models import Agent, Organisation, Recorded, Service
from agents.models.agent import CALLER
from agents.models.reach import Reach, reach_columns
from agents.models.recorded import BOOKKEEPING
from agents.signals import agent_left
from rdv.api.messages import BLANK, blank, not_among
from rdv.api.statements import EpochSeconds, Parameter, Statement

from .absence import Kind

DAYS_BACK, DAYS_AHEAD = 30, 365  # when nothing is said
MOST_DAYS = 5 * 366  # as far ahead as an absence may be


class Privacy(models.TextChoices):
    """How much a feed tells to whoever has its address."""

    BUSY = "busy", _("occupé ou libre, rien de plus")
    TITLES = "titles", _("les titres, et qui")
    FULL = "full", _("tout ce que vous voyez")


class FeedQuerySet(models.QuerySet["Feed"]):
    def visible_to(self, agent: Agent) -> FeedQuerySet:
        """An agent's feeds are theirs alone; by a key for some organisations those of whom and what it sees there."""
        seen = (
            Q(owner__among=agent.reach.person)  # nobody, for such a key
            | Q(organisation__among=agent.reach.organisations)
            | Q(agent__in=Agent.objects.visible_to(agent))
            | Q(service__in=Service.objects.visible_to(agent))
        )
        return self.filter(seen, owner__among=agent.reach.own)

    def for_wire(self) -> FeedQuerySet:
        """Newest first, with the instants in seconds."""
        instants = {name: EpochSeconds(f"{name}_at") for name in ("created", "updated", "last_read", "revoked")}
        return self.annotate(**instants).order_by("-pk")

    def presented(self, secret: str | None) -> Feed | None:
        """The feed of an address, with its owner and their reach; None when there is none, or its owner may not come
        in any more. One query, the same in each of these cases.
        """
        if not tokens.well_formed(secret):
            return None
        for row in _presented.run(digest=tokens.digest(str(secret))):
            feed = Feed.from_db("default", _FEED, row[: len(_FEED)])
            rest = row[len(_FEED) :]
            feed.owner = owner = Agent.from_db("default", CALLER, rest[: len(CALLER)])
            owner.reach = Reach.of(*rest[len(CALLER) :], own=owner.pk)
            return feed if owner.may_come_in else None
        return None


class Feed(Recorded):
    """What a calendar follows at a secret address: the absences of an agent, of a service or of an organisation, as far
    as the feed's owner sees them at that moment. The secret is 128 random bits, kept as a SHA-256 digest; without one,
    the feed is revoked.
    """

    recorded_as = "feed"
    not_recorded = BOOKKEEPING | {"version", "last_read_at", "content", "content_changed_at"}
    secrets = frozenset({"digest"})

    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="feeds", verbose_name=_("à qui il est")
    )
    name = models.CharField(_("nom"), max_length=255, error_messages={"null": BLANK, "blank": BLANK})
    agent = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, null=True, blank=True, related_name="+",
        verbose_name=_("agent"),
    )  # fmt: skip
    service = models.ForeignKey(
        Service, on_delete=models.CASCADE, null=True, blank=True, related_name="+", verbose_name=_("service")
    )
    organisation = models.ForeignKey(
        Organisation, on_delete=models.CASCADE, null=True, blank=True, related_name="+", verbose_name=_("organisation")
    )
    privacy = models.CharField(_("ce qu'il dit"), max_length=8, choices=Privacy.choices, default=Privacy.BUSY)
    days_back = models.PositiveSmallIntegerField(
        _("jours passés"), default=DAYS_BACK, validators=[MaxValueValidator(MOST_DAYS)]
    )
    days_ahead = models.PositiveSmallIntegerField(
        _("jours à venir"), default=DAYS_AHEAD, validators=[MaxValueValidator(MOST_DAYS)]
    )
    kinds = models.JSONField(_("genres"), null=True, blank=True)
    holidays = models.BooleanField(_("jours fériés"), default=False)
    digest = models.CharField(max_length=64, unique=True, null=True, editable=False)
    # Of what was last read, and since when it is so: what Last-Modified tells.
    content = models.CharField(max_length=32, default="", editable=False)
    content_changed_at = models.DateTimeField(null=True, editable=False)
    created_at = models.DateTimeField(_("créé le"), default=timezone.now, editable=False)
    updated_at = models.DateTimeField(_("modifié le"), default=timezone.now, editable=False)
    last_read_at = models.DateTimeField(_("lu le"), null=True, editable=False)
    revoked_at = models.DateTimeField(_("révoqué le"), null=True, editable=False)
    version = models.PositiveIntegerField(default=1, editable=False)

    objects = FeedQuerySet.as_manager()

    class Meta:
        verbose_name = _("calendrier à suivre")
        verbose_name_plural = _("calendriers à suivre")
        ordering = ("-pk",)
        constraints = (
            models.CheckConstraint(
                condition=Q(agent__isnull=False, service=None, organisation=None)
                | Q(agent=None, service__isnull=False, organisation=None)
                | Q(agent=None, service=None, organisation__isnull=False),
                name="feed_is_of_one",
            ),
            models.CheckConstraint(condition=Q(privacy__in=Privacy.values), name="feed_privacy_known"),
        )

    def __str__(self) -> str:
        return self.name

    @property
    def recorded_name(self) -> str:
        return self.name

    def concerns(self) -> tuple[int | None, int | None]:
        return self.owner_id, None

    def save(self, **kwargs: Any) -> None:
        """Each change makes the version grow, and with it the SEQUENCE of what the feed shows: it may say more of it,
        or less.
        """
        if not self._state.adding:
            self.version += 1
            self.updated_at = timezone.now()
        super().save(**kwargs)

    def clean(self) -> None:
        if self.kinds is not None:
            unknown = next((one for one in self.kinds if one not in Kind.values), None)
            if unknown is not None:
                raise ValidationError({"kinds": [not_among(unknown, Kind.values)]})
            if not self.kinds:
                raise ValidationError({"kinds": [blank()]})

    def new_address(self) -> str:
        """Another secret, never to be had again; the one before is good for nothing once this is saved."""
        secret = tokens.new_secret()
        self.digest, self.revoked_at = tokens.digest(secret), None
        return secret

    def revoke(self) -> None:
        """No address leads here once this is saved."""
        self.digest, self.revoked_at = None, self.revoked_at or timezone.now()

    @property
    def revoked(self) -> bool:
        return self.digest is None

    def noticed(self, content: str) -> datetime.datetime:
        """Note that somebody read `content`, told by its digest; gives the instant since which it is so, in whole
        seconds. Written when it is another than was read before, and else at most once in five minutes.
        """
        now = timezone.now()
        since, news = self.content_changed_at, {}
        if since is None or content != self.content:
            second = now.replace(microsecond=0)
            # Two contents never have the same second, by which a client asks whether it has the last.
            since = second if since is None else max(second, since + datetime.timedelta(seconds=1))
            news = {"content": content, "content_changed_at": since}
        if news or self.last_read_at is None or now - self.last_read_at >= settings.RDV_TOKEN_TOUCH_INTERVAL:
            # Of two who read at once, the second says the same, or what is newer.
            Feed.objects.filter(pk=self.pk).update(last_read_at=now, **news)
        return since


def _build() -> models.QuerySet[Any]:
    reach = reach_columns("owner")
    rows = Feed.objects.filter(digest=Parameter("digest", models.CharField())).annotate(**reach).order_by()
    return rows.values_list(*_FEED, *(f"owner__{name}" for name in CALLER), *reach)


_FEED = tuple(field.attname for field in Feed._meta.concrete_fields)
_presented = Statement(_build)


@receiver(agent_left)
def delete_feeds(agent: Agent, **kwargs: Any) -> None:
    """An agent who leaves takes their feeds along: the addresses lead nowhere at once."""
    agent.feeds.all().delete()
