"""How an absence looks on the wire, everywhere the same, and how one is written (contract 4.1, 4.2)."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Collection, Iterator
from functools import lru_cache
from typing import Any

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Exists, OuterRef
from django.utils.translation import gettext_lazy as _

from agents import shapes
from agents.models import Agent, AgentExternalId, AgentRole
from agents.models.privacy import UNAVAILABLE
from agents.serializers import (
    ORGANISATION_COLUMNS,
    SAMPLE_AGENT,
    SAMPLE_ORGANISATION,
    ExternalIdsField,
    FlagField,
    render_agent,
    render_organisation,
)
from rdv.api import registry
from rdv.api.errors import Invalid, NotFound
from rdv.api.fields import ChoiceField, DateField, IdentifierField, TextField, TimeField
from rdv.api.messages import MUST_EXIST, blank, inclusion, invalid
from rdv.api.renderers import Representation
from rdv.api.schema import DAY, INSTANT, TIME, Shape, array, choice, flag, integer, nullable, text
from rdv.api.serializers import WireSerializer
from rdv.api.statements import Parameter, Statement
from rdv.api.times import PARIS, wire_datetime

from . import ical, kinds
from .models import Absence, Kind, Overlap, Period, external
from .models.privacy import without_titles
from .policies import POLICIES, SHOWN, Rules, rules_of
from .recurring import DaysField, RuleField, recur
from .windows import OCCURRENCE

COLUMNS = (
    "id",
    "agent_id",
    "agent__email",
    "agent__first_name",
    "agent__inclusion_connect_open_id_sub",
    "agent__last_name",
    "agent__shown__by_mairie",
    *(f"agent__shown__organisation__{column}" for column in ORGANISATION_COLUMNS),
    "created",
    "end_day",
    "end_time",
    "first_day",
    *(f"organisation__{column}" for column in ORGANISATION_COLUMNS),
    "start_time",
    "title",
    "changed",
    "version",
    "exdates",
    "external_ids",
    "kind",
    "period",
    "private",
    "rrule",
    "time_zone",
    "overrides",
    "hidden",
)


def render_absence(
    base: str,
    id: int,
    agent_id: int,
    agent_email: str | None,
    agent_first_name: str | None,
    agent_open_id: str | None,
    agent_last_name: str | None,
    by_mairie: bool | None,
    shown_id: int | None,
    shown_email: str | None,
    shown_name: str,
    shown_phone_number: str | None,
    shown_verticale: str,
    created: int,
    end_day: datetime.date,
    end_time: datetime.time,
    first_day: datetime.date,
    organisation_id: int | None,
    organisation_email: str | None,
    organisation_name: str,
    organisation_phone_number: str | None,
    organisation_verticale: str,
    start_time: datetime.time,
    title: str,
    changed: int,
    version: int,
    exdates: list[str] | None,
    external_ids: dict[str, str] | None,
    kind: str,
    period: str,
    private: bool,
    rrule: str,
    time_zone: str,
    overrides: ical.Overrides | None,
    hidden: int,
) -> dict[str, Any]:
    """The Absence object; the arguments are `COLUMNS`, after the base address of the server. `hidden`: the reader may
    know no more than that the agent is out, and when.

    `created_at`, `exdates`, `external_ids`, `kind`, `period`, `private`, `time_zone`, `updated_at`, `url` and
    `version` are ours, beside the keys of the contract.
    """
    changed_at = datetime.datetime.fromtimestamp(changed, datetime.UTC)
    shown_change = wire_datetime(changed_at)
    shown_creation = shown_change
    if created != changed:
        shown_creation = _instant(created)
    organisation = None
    if organisation_id is not None:
        organisation = render_organisation(
            organisation_id,
            organisation_email,
            organisation_name,
            organisation_phone_number,
            organisation_verticale,
        )
    elif shown_id is not None:
        organisation = render_organisation(shown_id, shown_email, shown_name, shown_phone_number, shown_verticale)
    if hidden:
        title, external_ids, overrides = UNAVAILABLE, None, without_titles(overrides)
    return {
        "id": id,
        "agent": render_agent(agent_id, agent_email, agent_first_name, agent_open_id, agent_last_name),
        "created_at": shown_creation,
        "end_day": end_day.isoformat(),
        "end_time": end_time.isoformat("seconds"),
        "exdates": (exdates or []) if rrule else None,
        "external_ids": external_ids or {},
        "first_day": first_day.isoformat(),
        "ical": ical.absence_calendar(
            id,
            title,
            first_day,
            start_time,
            end_day,
            end_time,
            changed_at,
            sequence=version - 1,
            organizer=ical.ORGANIZER_MAIRIE if by_mairie else ical.ORGANIZER,
            zone=time_zone,
            rrule=rrule,
            exdates=exdates,
            overrides=overrides,
        ),
        "ical_uid": ical.absence_uid(id),
        "kind": None if hidden else kind,
        "organisation": organisation,
        "period": None if hidden else period or None,
        "private": private,
        "rrule": f"{rrule};" if rrule else None,
        "start_time": start_time.isoformat("seconds"),
        "time_zone": time_zone,
        "title": title,
        "updated_at": shown_change,
        "url": f"{base}/api/v1/absences/{id}",
        "version": version,
    }


@lru_cache(maxsize=1024)
def _instant(seconds: int) -> str:
    return wire_datetime(datetime.datetime.fromtimestamp(seconds, datetime.UTC))


def _time(time: datetime.time) -> str:
    return time.isoformat("seconds")


def _organisation(*row: Any) -> dict[str, Any] | None:
    """The one that the absence is kept for, else the one that its agent's absences show."""
    for columns in (row[5:], row[:5]):
        if columns[0] is not None:
            return render_organisation(*columns)
    return None


def _ical(
    id: int,
    by_mairie: bool | None,
    end_day: datetime.date,
    end_time: datetime.time,
    first_day: datetime.date,
    start_time: datetime.time,
    title: str,
    changed: int,
    version: int,
    exdates: list[str] | None,
    rrule: str,
    time_zone: str,
    overrides: ical.Overrides | None,
    hidden: int,
) -> str:
    organizer = ical.ORGANIZER_MAIRIE if by_mairie else ical.ORGANIZER
    changed_at = datetime.datetime.fromtimestamp(changed, datetime.UTC)
    if hidden:
        title, overrides = UNAVAILABLE, without_titles(overrides)
    return ical.absence_calendar(
        *(id, title, first_day, start_time, end_day, end_time, changed_at, version - 1, organizer),
        *(time_zone, rrule, exdates, overrides),
    )


_SHOWN = tuple(f"agent__shown__organisation__{column}" for column in ORGANISATION_COLUMNS)
_KEPT_FOR = tuple(f"organisation__{column}" for column in ORGANISATION_COLUMNS)
_CALENDAR = ("end_day", "end_time", "first_day", "start_time", "title", "changed", "version")
_CALENDAR += ("exdates", "rrule", "time_zone", "overrides", "hidden")

# The same object as `render_absence` makes, key by key, for who asks for some of them: the calendar is the dearest.
_PARTS: dict[str, tuple[tuple[str, ...], Callable[..., Any] | None]] = {
    "id": (("id",), None),
    "agent": (("agent_id", *COLUMNS[2:6]), render_agent),
    "created_at": (("created",), _instant),
    "end_day": (("end_day",), datetime.date.isoformat),
    "end_time": (("end_time",), _time),
    "exdates": (("exdates", "rrule"), lambda exdates, rrule: (exdates or []) if rrule else None),
    "external_ids": (("external_ids", "hidden"), lambda ids, hidden: {} if hidden else ids or {}),
    "first_day": (("first_day",), datetime.date.isoformat),
    "ical": (("id", "agent__shown__by_mairie", *_CALENDAR), _ical),
    "ical_uid": (("id",), ical.absence_uid),
    "kind": (("kind", "hidden"), lambda kind, hidden: None if hidden else kind),
    "organisation": ((*_SHOWN, *_KEPT_FOR), _organisation),
    "period": (("period", "hidden"), lambda period, hidden: None if hidden else period or None),
    "private": (("private",), None),
    "rrule": (("rrule",), lambda rrule: f"{rrule};" if rrule else None),
    "start_time": (("start_time",), _time),
    "time_zone": (("time_zone",), None),
    "title": (("title", "hidden"), lambda title, hidden: UNAVAILABLE if hidden else title),
    "updated_at": (("changed",), _instant),
    "url": (("base", "id"), lambda base, pk: f"{base}/api/v1/absences/{pk}"),
    "version": (("version",), None),
}

SHAPE = Shape(
    "Absence",
    _("Une période pendant laquelle un agent n'est pas là. Les jours et les heures sont ceux de Paris."),
    {
        "id": integer(_("Son identifiant.")),
        "agent": shapes.AGENT,
        "created_at": INSTANT,
        "end_day": DAY,
        "end_time": TIME,
        "exdates": nullable(array(DAY, _("Les premiers jours des occurrences supprimées ; null sans récurrence."))),
        "external_ids": {
            "type": "object",
            "description": _("Ce que d'autres systèmes l'appellent, par système."),
            "additionalProperties": text(),
        },
        "first_day": DAY,
        "ical": text(_("Elle-même, en calendrier complet (RFC 5545).")),
        "ical_uid": text(_("Son UID dans un calendrier.")),
        "kind": nullable(choice(*Kind.values, about=_("Son genre ; null pour qui ne doit pas le savoir."))),
        "organisation": nullable(shapes.ORGANISATION),
        "period": nullable(choice(*Period.values, about=_("La partie de la journée demandée au lieu d'heures."))),
        "private": flag(_("Si seuls l'agent et les administrateurs savent ce qu'elle est.")),
        "rrule": nullable(text(_("Sa répétition (RFC 5545)."))),
        "start_time": TIME,
        "time_zone": text(_("Le fuseau dans lequel ses jours et ses heures s'entendent."), example="Europe/Paris"),
        "title": text(_("Ce qu'elle est.")),
        "updated_at": INSTANT,
        "url": text(_("Son adresse."), format="uri"),
        "version": integer(_("Grandit à chaque changement.")),
        "occurrences": array(OCCURRENCE, _("De la liste, si on les demande : ses occurrences de la période.")),
    },
    optional=("occurrences",),
)
ABSENCE = Representation(
    "absence",
    "absences",
    COLUMNS,
    render_absence,
    SHAPE,
    (
        *(7, *SAMPLE_AGENT, False, *SAMPLE_ORGANISATION),
        *(1794819600, datetime.date(2026, 12, 10), datetime.time(12, 30), datetime.date(2026, 12, 10)),
        *(*SAMPLE_ORGANISATION, datetime.time(9), "Formation", 1794819600, 1),
        *(None, None, "training", "", False, "", "Europe/Paris", None, 0),
    ),
    _PARTS,
)


WARNED = Shape(
    "Warning",
    _("Ce qui est dit d'une absence acceptée quand même."),
    {
        "warning": text(_("Le code, le même dans toutes les langues : overlaps, merged, on_holiday…")),
        "message": text(_("Une phrase, pour une personne.")),
        "absence_ids": array(integer(), _("Les absences dont il s'agit.")),
    },
)


def with_warnings(schema: Any) -> dict[str, Any]:
    """The schema of an answer, where something may be told beside the absence."""
    warnings = array(WARNED, _("Ce qui mérite d'être su ; absent quand il n'y a rien à dire."))
    return {**schema, "properties": {**schema["properties"], "warnings": warnings}}


_AGENTS = Agent.objects.filter(deleted_at=None).order_by().values_list("pk", Agent.ZONE, POLICIES, SHOWN)
_AGENT_BY_ID = Statement(lambda: _AGENTS.filter(pk=Parameter("pk", models.BigIntegerField())))
_AGENT_BY_EMAIL = Statement(lambda: _AGENTS.filter(email=Parameter("email", models.CharField())))


# How an absence names its agent; the first that says something counts.
NAMING_AGENT = ("agent_id", "agent_email", "agent_external_id")
SEVERAL = _("désigne plusieurs agents, de plusieurs territoires : donnez agent_id ou agent_email")


def the_one(name: Any, agents: Collection[int]) -> int:
    """Of those whom systems call `name`, the only one. Raises NotFound, and Invalid when there are several."""
    if len(agents) > 1:
        raise Invalid({"agent_external_id": [invalid(str(name)[:100], SEVERAL)]})
    for agent in agents:
        return agent
    raise NotFound("agent")


class AbsenceSerializer(WireSerializer):
    """The parameters of contract 4.2. The agent is named at creation and stays; the organisation may change."""

    model = Absence
    needed = ("first_day", "title")
    creating_only = ("agent",)
    described = {
        "agent": (
            registry.Parameter(
                "agent_id", _("L'agent absent. Lui ou agent_email ; il l'emporte."), IdentifierField.schema, "body"
            ),
            registry.Parameter("agent_email", _("L'agent absent, par son adresse exacte."), text(), "body"),
            registry.Parameter(
                "agent_external_id",
                _("L'agent absent, par ce qu'un autre système l'appelle, système:identifiant : pour qui peut le lire."),
                text(example="rh:A-17"),
                "body",
            ),
        )
    }

    first_day = DateField(help_text=_("Le premier jour."))
    start_time = TimeField(help_text=_("L'heure du début, le premier jour ; nécessaire sans period."))
    end_time = TimeField(help_text=_("L'heure de la fin, le dernier jour ; nécessaire sans period."))
    rrule = RuleField(
        help_text=_(
            "La règle de récurrence (RFC 5545), à partir du premier jour : DAILY, WEEKLY, MONTHLY ou YEARLY, avec "
            "INTERVAL, BYDAY, BYMONTHDAY, COUNT ou UNTIL. null ou vide : l'absence ne se répète pas, ou plus."
        )
    )
    exdates = DaysField(help_text=_("Les jours de la récurrence où l'absence n'a pas lieu."))
    agent = IdentifierField()
    title = TextField(help_text=_("Ce qu'elle est : Congés, Formation…"))
    end_day = DateField(help_text=_("Le dernier jour ; le premier quand rien n'est dit."))
    organisation_id = IdentifierField(
        help_text=_("Une organisation de l'agent, quand l'absence ne vaut que pour elle.")
    )
    kind = ChoiceField(Kind.values, help_text=_("Son genre ; other quand rien n'est dit."))
    period = ChoiceField(
        Period.values,
        help_text=_("Une partie de la journée au lieu d'heures : celles que l'organisation a fixées pour elle."),
    )
    private = FlagField(
        help_text=_(
            "Si seuls l'agent et les administrateurs doivent savoir ce qu'elle est ; d'office pour les genres "
            "que l'organisation tient pour confidentiels."
        )
    )

    external_ids = ExternalIdsField(
        help_text=_("Ce que d'autres systèmes l'appellent : un identifiant par système, unique dans le territoire.")
    )

    # Those of the agent, once they were read.
    rules: Rules | None = None
    # Whether what may not be known of a stored absence is left as it is, whatever is sent, instead of refused.
    leaves_unread = False

    def assign(self, row: Absence, values: dict[str, Any], failures: dict[str, list[ValidationError]]) -> None:
        organisation = values.pop("organisation_id", "unchanged")
        values.pop("agent", None)
        recurrence = {name: values.pop(name) for name in ("rrule", "exdates") if name in values}
        former = row.first_day if self.instance else None
        hidden, unread = False, set[str]()
        if self.instance is not None and row.private:
            hidden, unread = kinds.as_it_was(row, self.initial_data, self.context["request"].user)
            theirs = kinds.not_theirs(self.initial_data, unread) if hidden else {}
            if not self.leaves_unread:
                failures.update(theirs)
            for name in (unread | theirs.keys()) & values.keys():
                del values[name]
        told = {name: values.pop(name) for name in kinds.FIELDS if name in values and name not in failures}
        super().assign(row, values, failures)
        if self.instance is None:
            agent = self._agent()
            if agent is None:
                failures["agent"] = [blank(MUST_EXIST, parameter="agent_id")]
                organisation = "unchanged"
            else:
                row.agent_id, zone, policies, shown = agent
                self.rules = Rules.of(policies, shown)
                row.overlaps_matter = self.rules.overlap != Overlap.ALLOW
                row.time_zone, row.zone_settled = zone or PARIS.key, True
        if "rrule" not in failures and (recurrence or row.rrule):
            for name, found in recur(row, recurrence, former).items():
                failures.setdefault(name, found)
        if organisation != "unchanged":
            row.organisation_id = organisation
            if organisation is not None:
                in_sight, works_there = self._place(row.agent_id, organisation)
                if not in_sight:
                    row.organisation_id = None  # 403 will follow
                elif not works_there:
                    failures["organisation_id"] = [inclusion(self.initial_data["organisation_id"])]
        if row.agent_id is not None:
            wrong, noticed = kinds.settle(row, told, self.initial_data, lambda: self._rules(row), hidden=hidden)
            if noticed:
                row.noticed = noticed
            for name, found in wrong.items():
                failures.setdefault(name, found)

    def _rules(self, row: Absence) -> Rules:
        if self.rules is None:
            self.rules = rules_of([row.agent_id])[row.agent_id]
        return self.rules

    def _agent(self) -> tuple[Any, ...] | None:
        """The agent named by `agent_id`, else by `agent_email`, else by `agent_external_id`, with the zone of their
        territory and what `Rules.of` takes. Raises NotFound for an unknown email, contract 4.2.
        """
        named = self.initial_data.get("agent_id")
        if named not in (None, ""):
            found = _AGENT_BY_ID.run(pk=IdentifierField().to_internal_value(named))
            return next(iter(found), None)
        email = self.initial_data.get("agent_email")
        if email in (None, ""):
            name = self.initial_data.get("agent_external_id")
            return None if name in (None, "") else self._called(name)
        found = _AGENT_BY_EMAIL.run(email=email) if isinstance(email, str) else ()
        for row in found:
            return row
        raise NotFound("agent")

    def _called(self, name: Any) -> tuple[Any, ...]:
        """Raises NotFound for a name that nobody has whose names the caller may read, as for an unknown email."""
        known = AgentExternalId.objects.known_by(self.context["request"].user)
        agents = known.called([name]).get(name, set()) if isinstance(name, str) else set()
        for row in _AGENT_BY_ID.run(pk=the_one(name, agents)):
            return row
        raise NotFound("agent")

    def _place(self, agent_id: int, organisation_id: int) -> tuple[bool, bool]:
        """Whether the agent is in sight, and whether they work in the organisation: in one query, since of an agent out
        of sight nothing is told, not even by how much is asked of the database.
        """
        visible = Agent.objects.visible_to(self.context["request"].user)
        roles = AgentRole.objects.filter(agent=OuterRef("pk"), organisation=organisation_id)
        return (
            Agent.objects.filter(pk=agent_id)
            .values_list(Exists(visible.filter(pk=OuterRef("pk"))), Exists(roles))
            .order_by()
            .get()
        )

    def _taken(self, row: Absence) -> Iterator[tuple[str, ValidationError]]:
        yield from super()._taken(row)
        if row.external_ids and row.agent_id is not None:
            given, names = external.taken(row, self.context["request"].user)
            if given is None:
                row.external_ids = None  # 403 will follow
            for failure in names:
                yield "external_ids", failure
