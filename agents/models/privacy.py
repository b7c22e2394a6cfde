"""Who may know what is private of an agent, beside the database's own way (`absences/models/privacy.py`)."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from django.db.models.query import ModelIterable

from .roles import AgentRole

# The name of what somebody may not know; and what stands in the record for a value, as for that of a secret.
UNAVAILABLE, HIDDEN = "Indisponible", "***"
# Whoever has it on the administration pages is told what is private.
MAY_KNOW = "absences.know_private_absence"


def told_of(caller: Any, agents: Collection[int]) -> set[int]:
    """Of `agents`, by number, those of whom `caller` may know what is private: themselves, and those with a role in an
    organisation that they administer, or of a territory that they do. One query at most.
    """
    own, informed = set(caller.reach.own) & {*agents}, caller.reach.informed
    if not informed or len(own) == len({*agents}):
        return own
    roles = AgentRole.objects.filter(agent__among=[*agents], organisation__among=informed)
    return own | set(roles.values_list("agent_id", flat=True))


class Concealing(ModelIterable):  # type: ignore[type-arg]
    """The rows of a queryset for who may not know what is private: each is asked to `conceal` it as it is read."""

    def __iter__(self) -> Iterator[Any]:
        for row in super().__iter__():
            row.conceal()
            yield row
