"""When someone is out (contract 4.2)."""

from __future__ import annotations

import datetime
from collections.abc import Collection, Iterable, Sequence
from typing import Any, ClassVar

from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.db import models
from django.db.models import F, Q, Value
from django.dispatch import receiver
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from agents.models import Agent, AgentRole, Organisation, Recorded
from agents.models.privacy import UNAVAILABLE
from agents.models.recorded import BOOKKEEPING
from agents.signals import agent_left
from rdv.api.folded import FoldedField, Folding
from rdv.api.messages import BLANK
from rdv.api.statements import EpochSeconds, SavedAlike
from rdv.api.times import PARIS, validate_time_zone

from ..recurrence import Series, last_day, occurrences, read, unfit
from .choices import Kind, Period
from .overlaps import Settled, differs, settle_one
from .privacy import SHOWN_TITLE, hidden_from, shown_title, without_titles
from .warnings import Warned

FIRST_YEAR = 2018
YEARS_AHEAD = 5

TOO_FAR = _("ne peut pas être dans plus de 5 ans")
TOO_LONG_AGO = _("ne peut pas être avant 2018")

_PRESENT = {"null": BLANK, "blank": BLANK}


def recurring_in(
    rows: Iterable[Sequence[Any]], start: datetime.datetime | None, end: datetime.datetime | None
) -> list[int]:
    """Of absences that recur, as tuples of their id and of `Absence.SERIES`, the ids of those that have an occurrence
    between two naive civil datetimes of their own zone; None: no bound.
    """
    return [pk for pk, *columns in rows if any(occurrences(Series.of(*columns), start, end, limit=1))]


class AbsenceQuerySet(models.QuerySet["Absence"]):
    def visible_to(self, agent: Agent) -> AbsenceQuerySet:
        """Whoever may see an agent may see and manage that agent's absences (contract 3.3); what they are, as far as
        `agent` may know it.
        """
        return self.known_by(agent).filter(agent__in=Agent.objects.visible_to(agent))

    def known_by(self, agent: Agent | None) -> AbsenceQuerySet:
        """With `hidden`, 1 where `agent` may know no more than that somebody is out, else 0; and `shown_title`, folded.
        None stands for anybody.
        """
        return self.annotate(hidden=hidden_from(agent)).annotate(shown_title=shown_title())

    def known_to_all(self) -> AbsenceQuerySet:
        """The same for who may know everything: nothing is hidden."""
        return self.annotate(hidden=Value(0)).annotate(shown_title=F("folded_title"))

    def details_visible_to(self, agent: Agent) -> AbsenceQuerySet:
        """Those of which `agent` may know what they are, as far as they see them at all."""
        return self.known_by(agent).filter(hidden=0)

    def _known(self) -> AbsenceQuerySet:
        """Whoever did not say for whom it is gets what anybody may know."""
        return self if "hidden" in self.query.annotations else self.known_by(None)

    def of_kind(self, kind: str) -> AbsenceQuerySet:
        """Those of this kind, as far as it may be known."""
        return self._known().filter(kind=kind, hidden=0)

    def of_organisation(self, organisations: models.QuerySet[Organisation]) -> AbsenceQuerySet:
        """Of the agents of `organisations`, kept for one of these or for all of the agent's."""
        return self.filter(
            Q(organisation__in=organisations) | Q(organisation=None),
            agent__in=Agent.objects.of_organisation(organisations),
        )

    def starting_before(self, moment: datetime.datetime) -> AbsenceQuerySet:
        """Those that begin strictly before `moment`, a naive civil datetime."""
        day, time = moment.date(), moment.time()
        return self.filter(Q(first_day__lt=day) | Q(first_day=day, start_time__lt=time))

    def starting_from(self, moment: datetime.datetime) -> AbsenceQuerySet:
        """Those that begin at `moment` or later, a naive civil datetime."""
        day, time = moment.date(), moment.time()
        return self.filter(Q(first_day__gt=day) | Q(first_day=day, start_time__gte=time))

    def overlapping(self, start: datetime.datetime | None, end: datetime.datetime | None) -> AbsenceQuerySet:
        """Those that have an occurrence between two naive civil datetimes of their own zone; None: no bound.

        With one query: of those that recur each is looked at by itself.
        """
        again = self.recurring_about(start, end).order_by().values_list("pk", *Absence.SERIES)
        return self.touching(start, end, recurring_in(again, start, end) or None)

    def recurring_about(self, start: datetime.datetime | None, end: datetime.datetime | None) -> AbsenceQuerySet:
        """Those that recur and may have an occurrence in the period, as far as the database can tell."""
        again = self.filter(rrule__gt="")
        if start is not None:
            again = again.filter(Q(recurs_until=None) | Q(recurs_until__gte=start.date()))
        if end is not None:
            # An occurrence may have been moved before the first one.
            again = again.filter(Q(first_day__lte=end.date()) | Q(overrides__isnull=False))
        return again

    def touching(
        self, start: datetime.datetime | None, end: datetime.datetime | None, again: Any = None
    ) -> AbsenceQuerySet:
        """Those that happen once, and overlap the period; and those that recur whose ids are `again`, if any."""
        once = Q(rrule="")
        if start is not None:
            day, time = start.date(), start.time()
            once &= Q(end_day__gt=day) | Q(end_day=day, end_time__gt=time)
        if end is not None:
            day, time = end.date(), end.time()
            once &= Q(first_day__lt=day) | Q(first_day=day, start_time__lt=time)
        return self.filter(once if again is None else once | Q(pk__among=again))

    def titled(self, folded: Any) -> AbsenceQuerySet:
        """Those whose title, as it is shown, contains a text that is folded, and not empty."""
        return self._known().filter(shown_title__holds=folded)

    def searched(self, words: Collection[str]) -> AbsenceQuerySet:
        """Those with each of `words`, which are folded, in the title, or in a name or the email of the agent."""
        found = self._known()
        for word in words:
            # The agents by themselves: looked through once, however many absences they have.
            theirs = Agent.objects.searched([word]).order_by().values("pk")
            found = found.filter(Q(shown_title__holds=word) | Q(agent__in=theirs))
        return found

    def for_wire(self) -> AbsenceQuerySet:
        """In the order of the list (contract 4.2), with the instants `created` and `changed` in seconds."""
        instants = {"created": EpochSeconds("created_at"), "changed": EpochSeconds("updated_at")}
        return self._known().annotate(**instants).order_by(*Absence.ORDER)


class Absence(Recorded, Folding, SavedAlike):
    """A span of civil time of `time_zone` in which an agent is not to be had: from the first day at the start time to
    the end day at the end time. It blocks the agent in every organisation (contract 3.3), whatever `organisation` says.

    With `rrule` it comes again: the days and times are then those of its first occurrence.
    """

    recorded_as = "absence"
    not_recorded = BOOKKEEPING | {"version", "recurs_until"}
    usual = {"kind": Kind.OTHER, "private": False, "time_zone": PARIS.key}

    # What a list may be put in order by beside the columns (`known_by`).
    COMPUTED: ClassVar[dict[str, models.Field[Any, Any]]] = {"shown_title": SHOWN_TITLE}

    # The list of the wire: latest first.
    ORDER = ("-first_day", "-start_time", "-id")
    # What `Series.of` takes.
    SERIES = (
        *("first_day", "start_time", "end_day", "end_time"),
        *("rrule", "exdates", "overrides", "time_zone", "title"),
    )

    first_day = models.DateField(_("premier jour"), error_messages=_PRESENT)
    start_time = models.TimeField(_("heure de début"), error_messages=_PRESENT)
    end_time = models.TimeField(_("heure de fin"), error_messages=_PRESENT)
    agent = models.ForeignKey(Agent, on_delete=models.CASCADE, related_name="absences", verbose_name=_("agent"))
    title = models.CharField(_("titre"), max_length=255, error_messages=_PRESENT)
    end_day = models.DateField(_("dernier jour"), blank=True, help_text=_("Le premier jour si vide."))
    organisation = models.ForeignKey(
        Organisation,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="absences",
        verbose_name=_("organisation"),
        help_text=_("Vide : l'absence vaut pour toutes les organisations de l'agent."),
    )
    kind = models.CharField(_("genre"), max_length=16, choices=Kind.choices, default=Kind.OTHER, db_default=Kind.OTHER)
    private = models.BooleanField(
        _("confidentielle"),
        default=False,
        db_default=False,
        help_text=_("Seuls l'agent et les administrateurs savent ce qu'elle est."),
    )
    period = models.CharField(
        _("moment de la journée"), max_length=16, choices=Period.choices, blank=True, default="", db_default=""
    )
    # Canonical, without the wire's last semicolon; empty when the absence does not come again (contract 5.2).
    rrule = models.CharField(_("récurrence"), max_length=500, blank=True, default="", db_default="")
    # The first days, in ISO, of the occurrences that were taken out, in order.
    exdates = models.JSONField(_("occurrences supprimées"), null=True, blank=True)
    # By the first day that an occurrence had: what of first_day, start_time, end_day, end_time and title is other.
    overrides = models.JSONField(_("occurrences modifiées"), null=True, blank=True)
    # The day on which the last occurrence ends; null when there is no last one, or no recurrence.
    recurs_until = models.DateField(_("se répète jusqu'au"), null=True, blank=True, editable=False)
    # In which the days and times are meant, like a TZID: that of the agent's territory when the absence was filed.
    time_zone = models.CharField(
        _("fuseau horaire"),
        max_length=64,
        default=PARIS.key,
        db_default=PARIS.key,
        validators=[validate_time_zone],
        editable=False,
    )
    # By system, what other systems call it; as it is shown.
    external_ids = models.JSONField(_("identifiants externes"), null=True, blank=True, editable=False)
    folded_title = FoldedField(of="title")
    version = models.PositiveIntegerField(_("version"), default=1, editable=False)
    created_at = models.DateTimeField(_("créée le"), default=timezone.now, editable=False)
    updated_at = models.DateTimeField(_("modifiée le"), default=timezone.now, editable=False)

    objects = AbsenceQuerySet.as_manager()

    # Whether `time_zone` was looked up by who made the row.
    zone_settled = False
    # Whether its rule was held against its first day by who wrote them, who told what is wrong.
    rule_judged = False
    # Whether it is other than what is stored: see `conceal`.
    concealed = False
    # What whoever wrote it is to be told, beside what saving it tells.
    noticed: Collection[Warned] = ()
    # False: that no organisation of the agent asks about overlaps was looked up by who made the row.
    overlaps_matter = True
    # Names that others of which it is made had, beside its own: (system, id).
    aliases: Collection[tuple[str, str]] = ()
    # What was told when it was saved.
    warnings: Collection[Warned] = ()
    # Why it is deleted, and by which agent: told by who deletes, kept on the tombstone.
    deletion_reason = ""
    deleted_by: int | None = None

    class Meta:
        verbose_name = _("absence")
        verbose_name_plural = _("absences")
        ordering = ("-first_day", "-start_time", "-id")
        permissions = [("know_private_absence", "Can know what private absences are")]
        constraints = (
            models.CheckConstraint(
                condition=Q(end_day__gt=F("first_day")) | Q(end_day=F("first_day"), end_time__gt=F("start_time")),
                name="absence_ends_after_it_starts",
            ),
        )
        indexes = (
            # The list in its order: of everyone, with the agent for the rights to be read there; of a few agents.
            models.Index(fields=("first_day", "start_time", "id", "agent"), name="absence_order"),
            models.Index(fields=("agent", "first_day", "start_time", "id"), name="absence_agent_order"),
            models.Index(fields=("updated_at",), name="absence_updated"),
            # The few that come again, which periods are held against one by one.
            models.Index(fields=("agent", "recurs_until"), name="absence_recurring", condition=Q(rrule__gt="")),
        )

    def __str__(self) -> str:
        """Never what is private: it is shown in many places."""
        return f"{UNAVAILABLE if self.private else self.title} ({self.agent})"

    @property
    def recorded_name(self) -> str:
        return self.title

    @property
    def confidential(self) -> bool:
        return bool(self.private or self.remembered.get("private"))

    def conceal(self) -> None:
        """Leave, of a private absence, what anybody who sees the agent may know; it cannot be saved then."""
        if self.private:
            self.title, self.kind, self.period, self.external_ids = UNAVAILABLE, "", "", None
            self.overrides = without_titles(self.overrides)
            self.concealed = True

    def concerns(self) -> tuple[int | None, int | None]:
        return self.agent_id, None

    def save(self, **kwargs: Any) -> None:
        """Each change makes the version grow, and with it the calendar's SEQUENCE (design decision 1). Where an
        organisation wants that, an absence that meets another one is refused (Overlapping), or the two become one:
        this row is then the older one.
        """
        if self.concealed:
            raise ValueError("What is concealed would be lost.")
        if settled := settle_one(self):
            self.warnings = settled.warnings
            if settled.gone:
                self._join(settled)
                return
        self.save_alone(**kwargs)

    def save_alone(self, **kwargs: Any) -> None:
        """The same, when it was settled what becomes of it."""
        if not self._state.adding:
            self.version += 1
            self.updated_at = timezone.now()
        elif not self.zone_settled and self.time_zone == PARIS.key:
            self.settle_zones([self])
        self.settle_recurrence()
        super().save(**kwargs)

    @property
    def series(self) -> Series:
        """When it is, once or again and again."""
        return Series.of(*(getattr(self, name) for name in self.SERIES))

    def settle_recurrence(self) -> None:
        """What follows from the rule; for who writes rows in bulk, too."""
        if self.rrule:
            self.recurs_until = self.series.ends_on
        else:
            self.exdates = self.overrides = self.recurs_until = None

    def _join(self, settled: Settled) -> None:
        keeper = settled.keeper
        self.absorb(keeper, [one for one in settled.gone if one.pk is not None])
        if keeper.aliases or differs(keeper):
            keeper.save_alone()
        if keeper.external_ids:
            keeper.names.update(part=True)
        if keeper is not self:
            vars(self).update({name: value for name, value in vars(keeper).items() if name != "warnings"})

    @staticmethod
    def absorb(keeper: Absence, gone: Collection[Absence]) -> None:
        """Delete stored absences of which another one is to be: their names are its names from now on."""
        for one in gone:
            one.names.update(absence=keeper)
            one.deletion_reason = "merged"
            one.delete()

    @staticmethod
    def settle_zones(absences: Collection[Absence]) -> None:
        """Give new rows the zones of their agents' territories, with one query."""
        zones = Agent.objects.time_zones({absence.agent_id for absence in absences})
        for absence in absences:
            absence.time_zone = zones.get(absence.agent_id, PARIS.key)
            absence.zone_settled = True

    def clean_fields(self, exclude: Any = None) -> None:
        """An absence without end day ends on its first day (contract 1.10), unless one was sent that is unreadable."""
        if "end_day" not in (exclude or ()):
            self.end_day = self.end_day or self.first_day
        super().clean_fields(exclude)

    def clean(self) -> None:
        """The rules that concern several values, or the calendar (contract 1.10, rows 4, 5 and 9 to 14).

        An occurrence that ends before it starts is none, whatever the recurrence: row 9 is asked of the first.
        """
        failures: dict[str, list[ValidationError]] = {}
        rule = read(self.rrule)[0] if self.rrule and self.first_day else None
        if rule and not self.rule_judged:
            # In the pages, beside the first day; the rule itself is not written there.
            failures["first_day"] = list(unfit(rule, self.first_day))
        if None not in (self.first_day, self.start_time, self.end_day, self.end_time) and (
            (self.first_day, self.start_time) >= (self.end_day, self.end_time)
        ):
            # The wire names this failure after no attribute.
            params = {"attribute": "ends_time", "problem": "ends_before_start"}
            failures["end_time"] = [ValidationError(_("doit être après le début."), params=params)]
        if rule and self.end_day != self.first_day:
            params = {"attribute": "recurrence", "parameter": "end_day", "problem": "recurrence_of_several_days"}
            message = _("pas possible avec une indisponibilité de plusieurs jours")
            failures[NON_FIELD_ERRORS] = [ValidationError(message, params=params)]
        for name in ("first_day", "end_day"):
            day = getattr(self, name)
            if day and day > self.last_day_allowed():
                params = {"problem": "too_far_ahead"}
                failures.setdefault(name, []).append(ValidationError(TOO_FAR, params=params))
            elif day and day.year < FIRST_YEAR:
                params = {"problem": "too_long_ago"}
                failures.setdefault(name, []).append(ValidationError(TOO_LONG_AGO, params=params))
        until = last_day(rule, self.first_day) if rule else None
        if until and until > self.last_day_allowed():
            # One that ends before 2018 ends before it begins, or begins before 2018.
            params = {"attribute": "recurrence_ends_at", "parameter": "rrule", "problem": "too_far_ahead"}
            failures.setdefault("end_day", []).append(ValidationError(TOO_FAR, params=params))
        failures = {name: failed for name, failed in failures.items() if failed}
        if failures:
            raise ValidationError(failures)  # type: ignore[arg-type]

    @property
    def may_be_kept_for_organisation(self) -> bool:
        """Whether `organisation` is one of the agent's, or none. Asked when it is chosen, not at each change: agents
        leave organisations, and what they filed there stays.
        """
        if self.organisation_id is None:
            return True
        return AgentRole.objects.filter(agent=self.agent_id, organisation=self.organisation_id).exists()

    @staticmethod
    def last_day_allowed() -> datetime.date:
        """The civil day, in five years."""
        today = timezone.now().astimezone(PARIS).date()
        try:
            return today.replace(year=today.year + YEARS_AHEAD)
        except ValueError:  # 29 February
            return today.replace(year=today.year + YEARS_AHEAD, day=28)


@receiver(agent_left)
def delete_absences(agent: Agent, **kwargs: Any) -> None:
    """An agent who leaves takes their absences along (contract 2.9)."""
    agent.absences.all().delete()
