"""What other systems call the agents of the directory file: `external_ids`, in each territory where the agent works."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from agents.models import Agent, AgentExternalId, Organisation
from agents.serializers import ExternalIdsField

from .document import UNREAD, Problems, as_on_the_wire, quoted
from .section import batches, create, stored

_read = as_on_the_wire(ExternalIdsField())

NOWHERE = "an agent without a role is in no territory, where an id could be theirs"


def ids(value: Any, path: str, problems: Problems) -> Any:
    """The ids, by system; none when null."""
    read = None if value is None else _read(value, path, problems)
    return read if read is UNREAD else read or {}


class Names:
    """The names of agents, those of `agents` (their ids) against what the file says."""

    def __init__(self, agents: Iterable[int], problems: Problems) -> None:
        self.problems = problems
        self._had: dict[int | None, dict[tuple[int, str], AgentExternalId]] = defaultdict(dict)
        for name in stored(AgentExternalId.objects.all(), "agent", agents):
            self._had[name.agent_id][name.territory_id, name.system] = name
        self._gained: list[AgentExternalId] = []
        self._lost: list[int] = []
        # Where the file gives each name that is new, and who has a name once it is applied.
        self._paths: dict[int, str] = {}

    def replace(
        self, agent: Agent, organisations: Iterable[Organisation], wanted: Mapping[str, str], path: str
    ) -> bool:
        """Let `agent`, who will work in `organisations`, be called exactly so in their territories, and nowhere else;
        tells whether it changes anything. Neither needs to be stored yet.
        """
        territories = {one.territory.pk or id(one.territory): one.territory for one in organisations}.values()
        if wanted and not territories:
            self.problems.add(path, NOWHERE)
        before = self._had.pop(agent.pk, {}) if agent.pk is not None else {}
        kept, gained = {}, []
        for territory in territories:
            for system, value in wanted.items():
                name = before.get((territory.pk, system))
                if name is not None and name.value == value:
                    kept[territory.pk, system] = before.pop((territory.pk, system))
                else:
                    gained.append(AgentExternalId(agent=agent, territory=territory, system=system, value=value))
                    self._paths[id(gained[-1])] = path
        if agent.pk is not None:
            self._had[agent.pk] = kept
        self._gained += gained
        self._lost += [name.pk for name in before.values()]
        return bool(gained or before)

    def refuse_taken(self) -> None:
        """Tell the names that two agents would have, once the file is applied."""
        holders: dict[tuple[int, str, str], int | None] = {
            (name.territory_id, name.system, name.value): name.agent_id
            for names in self._had.values()
            for name in names.values()
        }
        lost = set(self._lost)
        values = {name.value: None for name in self._gained}
        for name in stored(AgentExternalId.objects.all(), "value", values):
            if name.pk not in lost:
                holders[name.territory_id, name.system, name.value] = name.agent_id
        seen: set[tuple[int, str, str]] = set()
        for name in self._gained:
            territory = name.territory.pk or id(name.territory)
            key = (territory, name.system, name.value)
            if key in seen or key in holders:
                self.problems.add(
                    f"{self._paths[id(name)]}.{name.system}",
                    f"{quoted(name.value)} is the id of another agent in {quoted(str(name.territory))} already",
                )
            seen.add(key)

    def write(self) -> None:
        for batch in batches(self._lost):
            AgentExternalId.objects.filter(pk__in=batch).delete()
        create(AgentExternalId, self._gained)
