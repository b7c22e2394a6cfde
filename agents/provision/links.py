"""What joins agents to the rest of the directory: services, roles, territorial roles; stored, gained and lost."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from django.db import models

from agents.models import Recorded
from agents.record import links_changed

from .section import batches, change, create, stored


class Links:
    """The rows of `model`, each of which joins an agent to a row of another model, its `target`.

    `agents` are the ids of those whose links may be replaced.
    """

    def __init__(self, model: type[models.Model], target: str, agents: Iterable[int]) -> None:
        self.model, self.target = model, target
        self._kept: dict[int | None, dict[int, Any]] = defaultdict(dict)
        self._gained: list[Any] = []
        self._gains: dict[int, list[Any]] = {}  # by the identity of the agent, who may have no number yet
        self._changed: list[Any] = []
        self._lost: list[int] = []
        # Where a link is no row of its own to the record: the agents, with what each is no more joined to, and is now.
        self._rejoined: list[tuple[Any, list[Any], list[Any]]] = []
        self._columns: set[str] = set()
        for link in stored(model._default_manager.all(), "agent", agents):
            self._kept[link.agent_id][getattr(link, f"{target}_id")] = link

    def replace(self, agent: models.Model, wanted: Iterable[tuple[models.Model, Mapping[str, Any]]]) -> bool:
        """Let `agent` be joined to exactly the rows of `wanted`, with the values beside each; tells whether it changes
        anything. Neither the agent nor the rows need to be stored yet.
        """
        before = self._kept.pop(agent.pk, {})
        anything = False
        gained = []
        for row, values in wanted:
            link = before.pop(row.pk, None)
            if link is None:
                self._gained.append(self.model(agent=agent, **{self.target: row}, **values))
                gained.append(row)
                anything = True
                continue
            self._kept[agent.pk][row.pk] = link
            changed = {column for column, value in values.items() if getattr(link, column) != value}
            if changed:
                for column in changed:
                    setattr(link, column, values[column])
                self._columns |= changed
                self._changed.append(link)
                anything = True
        if gained:
            self._gains[id(agent)] = gained
        self._lost += [link.pk for link in before.values()]
        if (gained or before) and not issubclass(self.model, Recorded):
            self._rejoined.append((agent, list(before), gained))
        return anything or bool(before)

    def current(self) -> Iterator[Any]:
        """The links as they will be."""
        yield from self._gained
        for kept in self._kept.values():
            yield from kept.values()

    def kept(self, agent: models.Model) -> set[int]:
        """The rows that `agent` is joined to, and stays."""
        return set(self._kept.get(agent.pk, ())) if agent.pk is not None else set()

    def gained(self, agent: models.Model) -> list[Any]:
        """Those that `agent` will be joined to, stored or not."""
        return self._gains.get(id(agent), [])

    def write(self) -> None:
        for batch in batches(self._lost):
            self.model._default_manager.filter(pk__in=batch).delete()
        change(self.model, self._changed, self._columns)
        create(self.model, self._gained)
        for agent, lost, gained in self._rejoined:
            links_changed(agent, f"{self.target}s", lost, [row.pk for row in gained])
