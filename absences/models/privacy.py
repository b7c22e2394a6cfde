"""Who may know what a private absence is (row A12): the agent, and the admins of an organisation where the agent has a
role, or of its territory. Whoever else sees the agent knows that they are out, and when.

Everything that shows, filters or orders absences goes by the two columns that `AbsenceQuerySet.known_by` adds.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import models
from django.db.models import Case, Exists, F, OuterRef, Q, Value, When

from agents.models import AgentRole
from agents.models.privacy import UNAVAILABLE
from rdv.api.folded import FoldedField
from rdv.api.folding import fold


class ShownTitle(FoldedField):
    """The title, folded, of an absence as it is shown: what may be looked into, and put in order."""


SHOWN_TITLE = ShownTitle(of="title")
SHOWN_TITLE.set_attributes_from_name("shown_title")


def hidden_from(caller: Any, private: str = "private") -> Case:
    """1 where the absence is private, as the column `private` says, and `caller` may not know what it is, else 0: no
    text, which costs to read. The rights are asked of private absences alone. None: nobody in particular, from whom
    everything private is hidden.
    """
    told = Q((private, True))
    if caller is not None:
        reach = caller.reach
        roles = AgentRole.objects.filter(agent=OuterRef("agent"), organisation__among=reach.informed)
        told = told & ~Q(agent_id__among=reach.own) & ~Q(Exists(roles))
    return Case(When(told, then=Value(1)), default=Value(0), output_field=models.IntegerField())


def shown_title() -> Case:
    """The title as whoever is shown it, of a queryset with `hidden`."""
    return Case(
        When(hidden=1, then=Value(fold(UNAVAILABLE))), default=F("folded_title"), output_field=ShownTitle(of="title")
    )


def without_titles(overrides: Mapping[str, Mapping[str, Any]] | None) -> dict[str, dict[str, Any]] | None:
    """Changed occurrences as anybody may know them: when they are, not what."""
    if overrides is None:
        return None
    return {
        day: {name: value for name, value in change.items() if name != "title"} for day, change in overrides.items()
    }
