"""How a change gets into the record, in its own transaction: by itself for whatever is saved or deleted as a row, told
where rows are written in bulk.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from django.apps import apps
from django.db.models.signals import m2m_changed, post_delete, post_save
from django.utils import timezone

from agents.models.privacy import HIDDEN
from agents.models.record import MAX_NAME, Action, RecordEntry
from agents.models.recorded import Recorded
from agents.signals import rows_told
from rdv.api.folded import FoldedField

from .origin import origin

Changes = dict[str, list[Any]]


@dataclass(frozen=True, slots=True)
class Told:
    """A row that was created, updated or deleted, and its key, which it may lose then: which columns changed, from what
    to what.
    """

    action: str
    row: Recorded
    pk: int
    changes: Changes


@dataclass(frozen=True, slots=True)
class _Gathered:
    """What is to be written together; `aside`: what others keep until then."""

    entries: list[dict[str, Any]] = field(default_factory=list)
    told: list[Told] = field(default_factory=list)
    aside: dict[Any, Any] = field(default_factory=dict)


# While somebody gathers.
_gathered: ContextVar[_Gathered | None] = ContextVar("gathered", default=None)


def note(
    action: str,
    resource: str,
    *,
    id: int | None = None,
    name: str = "",
    changes: Mapping[str, Any] | None = None,
    agent: int | None = None,
    organisation: int | None = None,
    **columns: Any,
) -> None:
    """Write an entry: what happened to which object, whose matter it is. `columns` go before those of the origin."""
    entry = origin() | {
        "at": timezone.now(),
        "action": str(action),
        "resource": resource,
        "object_id": id,
        "object_name": name[:MAX_NAME],
        "changes": changes or {},
        "agent_id": agent,
        "organisation_id": organisation,
        **columns,
    }
    together = _gathered.get()
    if together is None:
        RecordEntry.insert_all([entry])
    else:
        together.entries.append(entry)


@contextmanager
def gathered() -> Iterator[None]:
    """What is noted meanwhile is written at the end, together; nothing of it when that is not reached."""
    if _gathered.get() is not None:  # whoever began writes
        yield
        return
    together = _Gathered()
    before = _gathered.set(together)
    try:
        yield
        if together.told:
            rows_told.send(sender=Recorded, told=together.told)
    finally:
        _gathered.reset(before)
    if together.entries:
        RecordEntry.insert_all(together.entries)


def aside() -> dict[Any, Any] | None:
    """What may be kept until what is gathered is written, and no longer; None when nobody gathers."""
    together = _gathered.get()
    return None if together is None else together.aside


def row_created(row: Recorded) -> None:
    _note(row, Action.CREATED, {name: [None, value] for name, value in _values(row) if _tells(row, name, value)})
    row.remember()


def row_changed(row: Recorded, columns: Collection[str] | None = None) -> None:
    """Tell what is other than it was when the row was read, of `columns` or of all. Nothing when nothing is."""
    before = row.remembered
    changes = {}
    for name, column in _told(type(row)):
        if name not in row.__dict__ or (columns is not None and not {name, column}.intersection(columns)):
            continue
        # What was not read was there all the same.
        former, value = before.get(name, HIDDEN if name in row.secrets else None), row.__dict__[name]
        if former != value:
            changes[name] = [former, value]
    if changes:
        _note(row, row.recorded_action(changes), changes)
    row.remember()


def row_deleted(row: Recorded) -> None:
    before = row.remembered or dict(_values(row))
    changes = {name: [before[name], None] for name, _f in _told(type(row)) if _tells(row, name, before.get(name))}
    _note(row, Action.DELETED, changes)


def _tells(row: Recorded, name: str, value: Any) -> bool:
    """Whether a creation or a deletion says what was in a column."""
    return value not in (None, "") and not (name in row.usual and row.usual[name] == value)


def links_changed(row: Recorded, relation: str, lost: Iterable[Any], gained: Iterable[Any]) -> None:
    """Tell what a row is no more joined to, and what it is from now on."""
    _note(row, Action.UPDATED, {relation: [list(lost), list(gained)]})


def follow_all() -> None:
    """From now on, whatever is saved or deleted of a recorded model is told."""
    for model in apps.get_models():
        if not issubclass(model, Recorded):
            continue
        post_save.connect(_saved, sender=model)
        post_delete.connect(_deleted, sender=model)
        for relation in model._meta.local_many_to_many:
            if relation.remote_field.through._meta.auto_created:
                _RELATIONS[relation.remote_field.through] = relation.name
                m2m_changed.connect(_joined, sender=relation.remote_field.through)


def _saved(instance: Recorded, created: bool, update_fields: Collection[str] | None, **signal: Any) -> None:
    if created:
        row_created(instance)
    else:
        row_changed(instance, update_fields)


def _deleted(instance: Recorded, **signal: Any) -> None:
    row_deleted(instance)


# The relation that each table of links is of.
_RELATIONS: dict[Any, str] = {}


def _joined(
    sender: Any, instance: Any, action: str, reverse: bool, model: Any, pk_set: Collection[int] | None, **signal: Any
) -> None:
    relation = _RELATIONS[sender]
    if action == "pre_clear":
        manager = getattr(instance, relation if not reverse else sender_relation(sender, instance))
        pk_set = set(manager.values_list("pk", flat=True))
    elif action not in ("post_add", "post_remove"):
        return
    if not pk_set:
        return
    for row, pks in (
        ((row, [instance.pk]) for row in model._default_manager.filter(pk__in=pk_set))
        if reverse
        else ((instance, sorted(pk_set)),)
    ):
        names = _names(type(instance) if reverse else model, pks)
        links_changed(row, relation, *(([], names) if action == "post_add" else (names, [])))


def sender_relation(sender: Any, instance: Any) -> str:
    """How the other side of a relation reaches its rows."""
    return next(
        relation.get_accessor_name()
        for relation in instance._meta.related_objects
        if relation.many_to_many and relation.through is sender
    )


def _names(model: Any, pks: list[int]) -> list[Any]:
    """Rights by their names, since their numbers differ from server to server; all else by number."""
    if model._meta.label == "auth.Permission":
        return sorted(model.objects.filter(pk__in=pks).values_list("codename", flat=True))
    return pks


def _note(row: Recorded, action: str, changes: Changes) -> None:
    agent, organisation = row.concerns()
    for name in row.secrets & changes.keys():
        changes[name] = [former and HIDDEN for former in changes[name]]
    id, name = row.pk, row.recorded_name
    about = {"id": id, "name": name, "changes": changes, "agent": agent, "organisation": organisation}
    note(action, row.recorded_as, **about, confidential=row.confidential)
    told, together = Told(str(action), row, id, changes), _gathered.get()
    if together is None:
        rows_told.send(sender=Recorded, told=[told])
    else:
        together.told.append(told)


@cache
def _told(model: type[Recorded]) -> tuple[tuple[str, str], ...]:
    """The columns of `model` that are told, each with the name of its field."""
    fields = (field for field in model._meta.concrete_fields if not field.primary_key)
    told = (field for field in fields if field.name not in model.not_recorded and not isinstance(field, FoldedField))
    return tuple((field.attname, field.name) for field in told)


def _values(row: Recorded) -> Iterator[tuple[str, Any]]:
    for name, _field in _told(type(row)):
        if name in row.__dict__:
            yield name, row.__dict__[name]
