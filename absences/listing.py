"""All the absences that a caller sees, a page at a time: three queries whose cost does not grow with what is visible.

The rights are those of `visible_to`; what is added is the order in which the database is asked. First the agents in
sight, with how many absences they have (kept by the database, `absences/derived.py`, so nothing is counted). Then the
page: of these agents by name when they are few, since the planner then knows how many rows to expect; by the rights
themselves when they are many, along the list's own index, which meets a visible row at every few steps.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, cast

from django.db import connection
from django.db.models import Case, Q, QuerySet, Subquery, Sum, When, Window

from agents.models import Agent
from rdv.api.filters import NOTHING, MomentToCome
from rdv.api.narrowing import Narrowing
from rdv.api.pagination import Reading
from rdv.api.sorting import Order
from rdv.api.statements import Numbers, Parameter, Statement

from .models import Absence
from .models.absence import recurring_in
from .serializers import COLUMNS

FEW = 1000


@lru_cache(maxsize=256)
def _recurring(narrowing: Narrowing, bounds: frozenset[str]) -> Statement:
    def build() -> QuerySet[Any]:
        start, end = (MomentToCome(name) if name in bounds else None for name in ("from", "to"))
        rows: Any = narrowing.rows()
        return cast("QuerySet[Any]", rows.recurring_about(start, end).order_by().values_list("pk", *Absence.SERIES))

    return Statement(build, planned=False)


def recurring(view: Any, values: Mapping[str, Any], words: Sequence[str]) -> list[int]:
    """Of the absences that recur and that a list of `view` shows, narrowed by all else, those that touch the period of
    `values`.
    """
    period = values.keys() & {"from", "to"}
    others = {name: value for name, value in values.items() if name not in period}
    if NOTHING in others.values():
        return []
    filling = Narrowing.of(view, values, words).filling(view.request.user, values, words)
    rows = _recurring(Narrowing.of(view, others, words), frozenset(period)).run(**filling)
    return recurring_in(rows, values.get("from"), values.get("to"))


@lru_cache
def _agents_in_sight(few: int) -> Statement:
    def build() -> QuerySet[Any]:
        visible = Agent.objects.visible_to(Agent.to_come()).order_by()
        total = Window(Sum("absence_tally__count"))
        ever = Subquery(Absence.objects.order_by("-pk").values("pk")[:1])
        return visible.annotate(absences_in_sight=total, absences_ever=ever).values_list(
            "pk", "absences_in_sight", "absences_ever"
        )[: few + 1]

    return Statement(build)


def _statement(columns: tuple[str, ...], order: Order, start: int, size: int, few: bool, after: bool) -> Statement:
    def build() -> QuerySet[Any]:
        absences = order.on(Absence.objects.known_by(Agent.to_come()).for_wire())
        if few:
            page = absences.filter(agent__among=Parameter("agents", Numbers()))
        else:
            # A condition that cannot become a join: the planner would then sort all that is visible.
            visible = Q(agent__in=Agent.objects.visible_to(Agent.to_come()))
            page = absences.alias(visible=Case(When(visible, then=True), default=False)).filter(visible=True)
        if after:
            page = order.after(page, [Parameter(f"key{place}", term.field) for place, term in enumerate(order.terms)])
        page = page[start : start + size]
        if not few or start:
            # What is passed over is read from the index alone; only the page's own rows are fetched.
            page = absences.filter(pk__in=page.values("pk"))
        return page.values_list(*columns)

    return Statement(build)


# Apart, so that the many ways to ask for something else never drive out the one that nearly all ask for.
_usual_page = lru_cache(maxsize=256)(_statement)
_other_page = lru_cache(maxsize=256)(_statement)


def _dense(visible: int, ever: int, wanted: int) -> bool:
    """Whether the list's index meets `wanted` visible rows before all that is visible could be sorted. PostgreSQL
    knows from its statistics; SQLite has none of how many absences an agent has.
    """
    return visible * visible > wanted * ever


def fetch(
    agent: Agent, reading: Reading, start: int, size: int, key: Sequence[Any] | None = None
) -> tuple[int, Sequence[tuple[Any, ...]]]:
    """How many absences `agent` sees, and those from `start` in the order of `reading`, as tuples of its columns; with
    `key`, the place in that order after which to begin.
    """
    reach = agent.reach.values()
    agents = list(_agents_in_sight(FEW).run(**reach))
    total = agents[0][1] or 0 if agents else 0
    if start >= total:
        return total, ()
    few = len(agents) <= FEW and not (connection.vendor == "sqlite" and _dense(total, agents[0][2], start + size))
    values = reach | ({"agents": [pk for pk, _total, _ever in agents]} if few else {})
    keys = {f"key{place}": value for place, value in enumerate(key or ())}
    usual = not reading.order.name and reading.shown is COLUMNS
    page = (_usual_page if usual else _other_page)(reading.columns, reading.order, start, size, few, key is not None)
    return total, list(page.run(**values, **keys))
