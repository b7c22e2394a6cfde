"""From a change to its events, in the transaction of the change (row I3): a crash or a rollback loses none and invents
none. What is sent is written here, byte for byte; `webhooks.delivery` brings it.

A change is heard of by `rows_told`, as the record is: of each row that is saved or deleted, and of those that are
written in bulk. Where nobody subscribed it costs the one query that says so.
"""

from __future__ import annotations

import datetime
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from django.db.models import QuerySet
from django.db.models.signals import pre_delete
from django.utils import timezone

from absences.models import Absence
from agents.models import Agent, AgentRole, Organisation
from agents.record import Told, aside
from agents.signals import agent_leaving, for_retention, rows_told
from rdv.api.statements import Numbers, Parameter, Statement
from rdv.api.times import wire_datetime

from .models import Audience, Delivery, Event, WebhookEndpoint
from .sources import OF, SOURCES, Source

BATCH = 1000

CREATED, UPDATED, DESTROYED = Event.What.CREATED, Event.What.UPDATED, Event.What.DESTROYED


@dataclass(frozen=True, slots=True)
class Place:
    """An endpoint that is told: its number, its organisation's, and whether it is active."""

    endpoint: int
    organisation: int
    active: bool


@dataclass(frozen=True, slots=True)
class Draft:
    """An event to be. `places`: who is told; `kept`: whether the organisations may read it again later."""

    model: str
    object_id: int
    event: str
    data: Mapping[str, Any]
    version: int | None
    places: Sequence[Place]
    kept: bool = True


@dataclass(frozen=True, slots=True)
class _Before:
    """What is about to be destroyed: as it is, and who is to be told."""

    row: Mapping[str, Any]
    places: Sequence[Place]


_COLUMNS = ("pk", "organisation_id", "active", "subscriptions")
_BY_AGENT = Statement(
    lambda: (
        WebhookEndpoint.objects.filter(organisation__roles__agent__among=Parameter("keys", Numbers()))
        .order_by("pk")
        .values_list("organisation__roles__agent_id", *_COLUMNS)
    )
)
_BY_ORGANISATION = Statement(
    lambda: (
        WebhookEndpoint.objects.filter(organisation__among=Parameter("keys", Numbers()))
        .order_by("pk")
        .values_list("organisation_id", *_COLUMNS)
    )
)

Places = dict[int, list[tuple[Place, list[str]]]]


def listen() -> None:
    """From now on, changes become events."""
    rows_told.connect(_hear, dispatch_uid="webhooks")
    agent_leaving.connect(_hear_of_one_leaving, dispatch_uid="webhooks")
    for source in SOURCES:
        pre_delete.connect(_look_before, sender=source.model, dispatch_uid="webhooks")


def _hear(told: Sequence[Told], **signal: Any) -> None:
    ours = [one for one in told if type(one.row) in OF]
    if ours:
        publish(list(_drafts(ours)))


# ── Who is told ──────────────────────────────────────────────────────────────────────────────────────────────────────


def _endpoints(keys: Collection[int], *, by_agent: bool) -> Places:
    """By key, of the agent or of the organisation, the endpoints with their subscriptions: one query."""
    found: Places = defaultdict(list)
    if keys:
        rows = (_BY_AGENT if by_agent else _BY_ORGANISATION).run(keys=sorted(keys))
        for key, endpoint, organisation, active, subscriptions in rows:
            found[key].append((Place(endpoint, organisation, active), subscriptions))
    return found


def _subscribed(source: Source, endpoints: Places, key: int | None) -> list[Place]:
    return [place for place, subscriptions in endpoints.get(key or 0, ()) if source.subscription in subscriptions]


# ── What is told ─────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(slots=True)
class _Change:
    """All that happened to one row meanwhile: whether it was there before, and is there now."""

    source: Source
    pk: int
    row: Any
    before: bool
    now: bool
    # What changed, first from what.
    former: dict[str, Any]

    @property
    def keys(self) -> tuple[int | None, int | None]:
        """Whose it was, and whose it is: the agent's number, or the organisation's."""
        if self.source.key == "pk":
            return self.pk, self.pk
        key = getattr(self.row, self.source.key)
        return self.former.get(self.source.key, key), key


def _changes(told: Iterable[Told]) -> list[_Change]:
    changes: dict[tuple[Source, int], _Change] = {}
    for one in told:
        source = OF[type(one.row)]
        if isinstance(one.row, Agent) and one.row.deleted_at:
            continue  # of an agent who leaves only the roles and absences are told (contract 5.5)
        if one.action not in ("created", "deleted") and not source.shows(one.changes):
            continue
        change = changes.setdefault(
            (source, one.pk), _Change(source, one.pk, one.row, one.action != "created", now=True, former={})
        )
        change.row, change.now = one.row, one.action != "deleted"
        if change.now:
            for name, (was, _is) in one.changes.items():
                change.former.setdefault(name, was)
    return list(changes.values())


def _drafts(told: Iterable[Told]) -> Iterator[Draft]:
    """The events of these changes: of each row its state by now, or before it was destroyed. However often it changed
    meanwhile, it was created, updated or destroyed once.
    """
    changes = [change for change in _changes(told) if change.before or change.now]
    endpoints: dict[bool, Places] = {}
    for by_agent in (True, False):
        # Of what was destroyed that is known already.
        asked = [one for one in changes if one.source.by_agent is by_agent and not hasattr(one.row, _BEFORE)]
        endpoints[by_agent] = _endpoints({key for one in asked for key in one.keys if key}, by_agent=by_agent)
    told_now = {
        id(change): _subscribed(change.source, endpoints[change.source.by_agent], change.keys[1])
        for change in changes
        if change.now
    }
    stored = {
        source: source.read([one.pk for one in changes if one.source is source and told_now.get(id(one))])
        for source in {one.source for one in changes if told_now.get(id(one))}
    }
    for change in changes:
        source, pk = change.source, change.pk
        was, now = change.keys
        if not change.now:
            yield from _destroyed(change, endpoints)
            continue
        places = told_now[id(change)]
        formerly = places
        if not change.before:
            formerly = []
        elif was != now:
            formerly = _subscribed(source, endpoints[source.by_agent], was)
        new, former = {one.endpoint for one in places}, {one.endpoint for one in formerly}
        if left := [one for one in formerly if one.endpoint not in new]:
            yield draft(source, pk, DESTROYED, _as_it_was(change), left)
        row = stored.get(source, {}).get(pk)
        if row is None:
            continue
        if joined := [one for one in places if one.endpoint not in former]:
            yield draft(source, pk, CREATED, row, joined)
        if stayed := [one for one in places if one.endpoint in former]:
            yield draft(source, pk, UPDATED, row, stayed)


def _destroyed(change: _Change, endpoints: Mapping[bool, Places]) -> Iterator[Draft]:
    before = change.row.__dict__.pop(_BEFORE, None)
    if before is None:  # deleted in bulk, by who told of it
        places = _subscribed(change.source, endpoints[change.source.by_agent], change.keys[0])
        before = _Before(_as_it_was(change) if places else {}, places)
    if before.places:
        yield draft(change.source, change.pk, DESTROYED, before.row, before.places)


def _as_it_was(change: _Change) -> Mapping[str, Any]:
    """The columns that are shown of a row, before it changed."""
    former: dict[str, Any] = {"id": change.pk, **change.former}
    for name in change.former:
        field = change.row._meta.get_field(name)
        if field.is_relation:
            former[field.name] = field.related_model._base_manager.filter(pk=former[name]).first()
    return change.source.of_instance(change.row, **former)


def draft(source: Source, pk: int, event: str, row: Mapping[str, Any], places: Sequence[Place]) -> Draft:
    version = row.get("version")
    if version is not None and event == DESTROYED:
        version += 1  # its end is a change too
    return Draft(source.name, pk, event, source.render(row), version, places)


# ── Before a row is gone ─────────────────────────────────────────────────────────────────────────────────────────────

_BEFORE = "_before_its_end"
_ASIDE = "webhooks"
_ANYBODY = "_webhooks_have_anybody"


def _look_before(sender: Any, instance: Any, origin: Any = None, **signal: Any) -> None:
    """What a row is, and who is to be told: it is about to be deleted."""
    source = OF[sender]
    if isinstance(origin, Organisation) or getattr(origin, "model", None) is Organisation:
        before = _Before({}, ())  # its endpoints go with it: there is nobody to tell
    elif kept := _kept_of_one_leaving(source, instance):
        before = kept
    elif isinstance(origin, QuerySet) and not _anybody(origin):
        before = _Before({}, ())
    else:
        before = _look(source, instance)
    instance.__dict__[_BEFORE] = before


def _anybody(rows: QuerySet[Any]) -> bool:
    """Whether there is any endpoint: asked once of rows that are deleted together."""
    if not hasattr(rows, _ANYBODY):
        setattr(rows, _ANYBODY, WebhookEndpoint.objects.exists())
    return bool(getattr(rows, _ANYBODY))


def _look(source: Source, instance: Any) -> _Before:
    key = getattr(instance, source.key)
    places = _subscribed(source, _endpoints({key}, by_agent=source.by_agent), key)
    row = source.read([instance.pk]).get(instance.pk) if places else None
    return _Before(row or {}, places if row else ())


def _hear_of_one_leaving(agent: Agent, **signal: Any) -> None:
    """An agent is about to leave: their roles, by which one knows who is to be told, go before the rest."""
    kept: dict[Any, _Before] = {("left", agent.pk): _Before({}, ())}
    endpoints = _endpoints({agent.pk}, by_agent=True)
    for source, of_the_agent in ((OF[Absence], agent.absences), (OF[AgentRole], agent.roles)):
        places = _subscribed(source, endpoints, agent.pk)
        if places:
            for pk, row in source.read(of_the_agent.values_list("pk", flat=True)).items():
                here = [one for one in places if source.by_agent or one.organisation == row[source.key]]
                kept[source, pk] = _Before(row, here)
    together = aside()
    if together is not None:
        together.setdefault(_ASIDE, {}).update(kept)


def _kept_of_one_leaving(source: Source, instance: Any) -> _Before | None:
    kept = (aside() or {}).get(_ASIDE, {})
    return kept.get((source, instance.pk)) or kept.get(("left", getattr(instance, "agent_id", None)))


# ── What is sent ─────────────────────────────────────────────────────────────────────────────────────────────────────


def publish(drafts: Sequence[Draft]) -> list[Event]:
    """Write the events, with a delivery for each endpoint: due at once, or cancelled where it is not active."""
    now, events = timezone.now(), []
    for start in range(0, len(drafts), BATCH):
        batch = drafts[start : start + BATCH]
        written = Event.objects.bulk_create([_event(draft, now) for draft in batch])
        pairs = list(zip(written, batch, strict=True))
        audience = [
            {"event_id": event.pk, "organisation_id": organisation}
            for event, draft in pairs
            if draft.kept
            for organisation in sorted({place.organisation for place in draft.places})
        ]
        if audience:
            Audience.insert_all(audience)
        Delivery.insert_all(
            [
                {
                    "event_id": event.pk,
                    "endpoint_id": place.endpoint,
                    "about": f"{draft.model}:{draft.object_id}",
                    "state": Delivery.State.PENDING.value if place.active else Delivery.State.CANCELLED.value,
                    "next_at": now,
                    "created_at": now,
                }
                for event, draft in pairs
                for place in draft.places
            ]
        )
        events += written
    return events


def _event(draft: Draft, now: datetime.datetime) -> Event:
    reason = "rgpd" if draft.event == DESTROYED and for_retention.get() else None
    meta = {
        "model": draft.model,
        "event": draft.event,
        "webhook_reason": reason,
        "timestamp": wire_datetime(now),
    }
    return Event(
        model=draft.model,
        object_id=draft.object_id,
        object_version=draft.version,
        event=draft.event,
        webhook_reason=reason,
        body=orjson.dumps({"data": draft.data, "meta": meta}).decode(),
        at=now,
    )


def ping(endpoint: WebhookEndpoint) -> Delivery:
    """A test event for `endpoint` alone (row I7); its delivery."""
    place = Place(endpoint.pk, endpoint.organisation_id, endpoint.active)
    data = {"id": endpoint.pk, "subscriptions": endpoint.subscriptions, "target_url": endpoint.target_url}
    (event,) = publish([Draft("WebhookEndpoint", endpoint.pk, Event.What.PING, data, None, [place], kept=False)])
    return event.deliveries.get()


def hold_back(endpoint: WebhookEndpoint) -> int:
    """What was still to be sent is not, until somebody asks for it (`offer_again`)."""
    waiting = endpoint.deliveries.filter(state=Delivery.State.PENDING)
    return int(waiting.update(state=Delivery.State.CANCELLED))


def held_back(endpoint: WebhookEndpoint) -> QuerySet[Delivery]:
    """What was, or came while the endpoint was not active, of that to which it is subscribed still."""
    kept: QuerySet[Delivery] = endpoint.deliveries.filter(state=Delivery.State.CANCELLED)
    return kept.exclude(event__model__in=endpoint.unwanted)


def offer_again(endpoint: WebhookEndpoint) -> int:
    """What was held back is sent now; how many."""
    kept = held_back(endpoint)
    return int(kept.update(state=Delivery.State.PENDING, attempts=0, next_at=timezone.now(), locked_until=None))
