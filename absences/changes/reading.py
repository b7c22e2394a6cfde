"""What became of absences after a place, as far as one can read."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from hashlib import sha256
from typing import Any

from django.db import models
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from absences.models import Absence, AbsenceChange, DeletedAbsence
from absences.serializers import ABSENCE
from agents.models import Agent, AgentRole, Organisation
from rdv.api.committed import BEGINNING, Compared, Horizon, Place, horizon
from rdv.api.errors import Invalid
from rdv.api.messages import invalid
from rdv.api.statements import Numbers, Parameter, Statement
from rdv.api.times import wire_datetime

from .token import FILTERS, FullSyncRequired, Token

# The agents whose changes are looked up by name; of more, the order of all changes is walked, and theirs are met there.
FEW = 100
# Numbers that a token may stay behind while nothing happens for its bearer: an answer without news is the same again.
BEHIND = 1000

OTHER_FILTER = _("n'est pas ce que le jeton de synchronisation suit")


# ── What is in sight ─────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Sight:
    """The agents whose absences are asked for, in order; and those of them whose private ones the caller may know."""

    agents: Sequence[int]
    known: frozenset[int]

    @property
    def digest(self) -> str:
        """Another one when it is another sight."""
        numbers = array("q", [-pk if pk in self.known else pk for pk in self.agents])
        return sha256(numbers.tobytes()).hexdigest()[:24]


def _rows_of_sight(agents: QuerySet[Agent], caller: Agent) -> QuerySet[Any]:
    informed = AgentRole.objects.filter(agent=OuterRef("pk"), organisation__among=caller.reach.informed)
    return agents.annotate(informed=Exists(informed)).order_by("pk").values_list("pk", "informed")


_ALL = Statement(lambda: _rows_of_sight(Agent.objects.visible_to(Agent.to_come()), Agent.to_come()))


def sight_of(caller: Agent, filters: Sequence[int | None]) -> Sight:
    """What `caller` sees through `filters`, with one query."""
    agent, organisation, service = filters
    if filters == (None, None, None):
        rows = _ALL.run(**caller.reach.values())
    else:
        agents = Agent.objects.visible_to(caller)
        if agent is not None:
            agents = agents.filter(pk=agent)
        if organisation is not None:
            within_reach = Organisation.objects.within_reach_of(caller).filter(pk=organisation)
            agents = agents.of_organisation(within_reach)
        if service is not None:
            agents = agents.filter(pk__in=Agent.services.through.objects.filter(service=service).values("agent"))
        rows = _rows_of_sight(agents, caller)
    found = list(rows)
    own = set(caller.reach.own)
    return Sight([pk for pk, _known in found], frozenset(pk for pk, known in found if known or pk in own))


# ── What happened ────────────────────────────────────────────────────────────────────────────────────────────────────

_COLUMNS = ("transaction", "id", "absence_id", "deleted", "version", "at", "born_transaction", "born")


def _parameters(*names: str) -> tuple[Parameter, ...]:
    return tuple(Parameter(name, models.BigIntegerField()) for name in names)


@lru_cache(maxsize=256)
def _happened(size: int, few: bool) -> Statement:
    """After a place and as far as one can read: what happened to absences of `agents`; of those deleted before somebody
    began, nothing.
    """

    def build() -> QuerySet[Any]:
        rows = AbsenceChange.objects.filter(
            Q(deleted=False) | Q(Compared(">", _parameters("began_transaction", "began"))),
            Compared(">", _parameters("after_transaction", "after")),
            Compared("<=", _parameters("to_transaction", "to")),
        )
        agents = Parameter("agents", Numbers())
        # Written so that there is one index to take: that of an agent's changes, or that of all of them.
        if few:
            rows = rows.filter(agent_id__among=agents).order_by(F("transaction") + 0, F("id") + 0)
        else:
            rows = rows.alias(whose=F("agent_id") + 0).filter(whose__among_many=agents).order_by("transaction", "id")
        return rows.values_list(*_COLUMNS)[:size]

    return Statement(build)


@lru_cache(maxsize=2)
def _absences(of_organisation: bool) -> Statement:
    def build() -> QuerySet[Any]:
        rows = (
            Absence.objects.known_by(Agent.to_come())
            .for_wire()
            .filter(pk__among=Parameter("absences", Numbers()))
            .order_by()
        )
        if of_organisation:
            (organisation,) = _parameters("organisation")
            rows = rows.filter(Q(organisation=None) | Q(organisation=organisation))
        return rows.values_list(*ABSENCE.columns)

    return Statement(build)


_TOMBSTONES = Statement(
    lambda: (
        DeletedAbsence.objects.filter(pk__among=Parameter("absences", Numbers()))
        .order_by()
        .values_list("pk", "agent_id", "kept__private", "deleted_at", "version", "reason")
    )
)


@dataclass(frozen=True)
class Page:
    """Some of what happened, as it is shown; how to go on, and whether there is more at once."""

    changes: Sequence[Mapping[str, Any]]
    token: str
    has_more: bool


def since(text: str | None, caller: Agent, filters: Mapping[str, int], size: int, base: str) -> Page:
    """What happened since the token `text`; everything that is there, for who has none. Raises Invalid (422) for a
    token that is none, or of other filters; FullSyncRequired (410).
    """
    seen = horizon(AbsenceChange)
    token = Token.read(text) if text else None
    if token:
        for name, value in zip(FILTERS, token.filters, strict=True):
            if filters.get(name, value) != value:
                raise Invalid({name: [invalid(filters[name], OTHER_FILTER)]})
    bound = token.filters if token else tuple(filters.get(name) for name in FILTERS)
    sight = sight_of(caller, bound)
    if token is None:
        token = Token(seen.lineage, BEGINNING, seen.place, _today(), sight.digest, bound)
    else:
        _refuse_ended(token, seen, sight)
    began = token.began or BEGINNING
    few = len(sight.agents) <= FEW
    rows = list(
        _happened(size + 1, few).run(
            agents=sight.agents,
            began_transaction=began.transaction,
            began=began.number,
            after_transaction=token.place.transaction,
            after=token.place.number,
            to_transaction=seen.place.transaction,
            to=seen.place.number,
        )
    )
    has_more = len(rows) > size
    rows = rows[:size]
    changes = _shown(rows, token, sight, caller, base)
    if has_more:
        following = replace(token, place=Place(*rows[-1][:2]), day=_today())
    else:
        following = replace(token, place=max(token.place, seen.place), began=None, day=_today())
        idle = text and not rows and token.began is None and token.day == following.day
        if idle and seen.place.number - token.place.number <= BEHIND:
            following = token
    return Page(changes, str(following), has_more)


def _today() -> int:
    return timezone.now().toordinal()


def _refuse_ended(token: Token, seen: Horizon, sight: Sight) -> None:
    """Raises FullSyncRequired when nothing leads on from `token`."""
    missed = max(token.place, token.began or BEGINNING) < seen.floor
    unknown = token.place.transaction > seen.reached.transaction or token.place.number > seen.reached.number
    if token.lineage != seen.lineage or token.sight != sight.digest or missed or unknown:
        raise FullSyncRequired


def _shown(
    rows: Sequence[tuple[Any, ...]], token: Token, sight: Sight, caller: Agent, base: str
) -> list[dict[str, Any]]:
    organisation = token.filters[FILTERS.index("organisation_id")]
    living = [row[2] for row in rows if not row[3]]
    dead = [row[2] for row in rows if row[3]]
    agents = set(sight.agents)
    absences = {}
    if living:
        values = caller.reach.values() | {"absences": living, "organisation": organisation}
        found = _absences(organisation is not None).run(**values)
        absences = {row[0]: ABSENCE.render(base, *row) for row in found if row[1] in agents}
    tombstones = {pk: rest for pk, *rest in _TOMBSTONES.run(absences=dead)} if dead else {}
    shown = []
    for transaction, number, pk, deleted, version, at, *birth in rows:
        if not deleted and pk in absences:
            place = Place(transaction, number)
            born = place if birth[1] is None else Place(*birth)
            new = _unread(place, born, token)
            shown.append({"type": "created" if new else "updated", "absence": absences[pk]})
            continue
        if token.began and Place(transaction, number) <= token.began:
            continue
        # Deleted; or it left what is asked for: another organisation, another agent.
        tombstone = {"id": pk, "deleted_at": wire_datetime(at), "reason": None, "version": version}
        if pk in tombstones:
            agent, private, when, last, reason = tombstones[pk]
            if agent in agents:
                tombstone |= {"deleted_at": wire_datetime(when), "version": last}
                if reason and (not private or agent in sight.known):
                    tombstone["reason"] = reason
        shown.append({"type": "deleted", "absence": tombstone})
    return shown


def _unread(place: Place, born: Place, token: Token) -> bool:
    """Whether it is the first time that an absence is told of; while one reads everything, it is so for what has not
    changed since one began.
    """
    if token.began:
        return place <= token.began or born > token.began
    return born > token.place
