"""The record by API: who did what to what, when, from where and why (row P22)."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from typing import Any

from django.db.models import Case, Exists, OuterRef, QuerySet, When
from django.utils.translation import gettext_lazy as _

from agents import shapes
from agents.models import RecordEntry
from agents.models.privacy import UNAVAILABLE, told_of
from agents.models.record import concealed
from rdv.api.filters import IdFilter, InstantFilter, TextFilter, WireFilters
from rdv.api.pagination import Fetch
from rdv.api.registry import Described, Example, Group
from rdv.api.renderers import Representation
from rdv.api.times import wire_datetime
from rdv.api.views import ResourceViewSet

COLUMNS = (
    *("id", "seconds", "action", "code", "repeated", "resource", "object_id", "object_name", "changes", "reason"),
    *("actor_kind", "actor_id", "actor_name", "acting_for_id", "acting_for_name"),
    *("credential_kind", "credential_id", "credential_name"),
    *("address", "request_id", "method", "route", "agent_id", "organisation_id", "confidential"),
)
AGENT, CONFIDENTIAL = COLUMNS.index("agent_id"), len(COLUMNS) - 1


def render_entry(
    id: int,
    seconds: int,
    action: str,
    code: str,
    repeated: int,
    resource: str,
    object_id: int | None,
    object_name: str,
    changes: dict[str, Any],
    reason: str,
    actor_kind: str,
    actor_id: int | None,
    actor_name: str,
    acting_for_id: int | None,
    acting_for_name: str,
    credential_kind: str,
    credential_id: int | None,
    credential_name: str,
    address: str,
    request_id: str,
    method: str,
    route: str,
    agent_id: int | None,
    organisation_id: int | None,
    confidential: bool,
) -> dict[str, Any]:
    """An entry; the arguments are `COLUMNS`. What is not there is null. `confidential`: its reader may know that it was
    done, and no more.
    """
    if confidential:
        object_name, changes = UNAVAILABLE, concealed(changes)
    acts_for = {"id": acting_for_id, "name": acting_for_name} if acting_for_id is not None else None
    credential = {"kind": credential_kind, "id": credential_id, "name": credential_name or None}
    return {
        "id": id,
        "at": wire_datetime(datetime.datetime.fromtimestamp(seconds, datetime.UTC)),
        "action": action,
        "code": code or None,
        "repeated": repeated,
        "resource": resource,
        "object": {"id": object_id, "name": object_name or None},
        "changes": changes,
        "reason": reason or None,
        "actor": {"kind": actor_kind, "id": actor_id, "name": actor_name or None},
        "acts_for": acts_for,
        "credential": credential if credential_kind else None,
        "address": address or None,
        "request_id": request_id or None,
        "method": method or None,
        "route": route or None,
        "agent_id": agent_id,
        "organisation_id": organisation_id,
    }


ENTRY = Representation(
    "entry",
    "entries",
    COLUMNS,
    lambda base, *row: render_entry(*row),
    shapes.ENTRY,
    (
        *(1, 1794819600, "updated", "", 1, "absence", 7, "Formation", {"title": ["Formatio", "Formation"]}, ""),
        *("agent", 1, "Martine VALIDAY", None, "", "token", 3, ""),
        *("192.0.2.7", "6c0fbb4e-6a4c-4a8f-9a39-9f5a0e8a3f10", "PATCH", "absences/<pk>", 1, None, False),
    ),
)


class RecordFilters(WireFilters):
    """Each narrows the list; together they are combined with "and". `from`, `to`: what was recorded in that period,
    both days included when they are dates. `agent_id`: whose matter it is.
    """

    actor_id = IdFilter(field_name="actor_id", help_text=_("Fait par celui-ci."))
    actor_kind = TextFilter(
        field_name="actor_kind", help_text=_("Fait par un agent (agent), un compte (api_account), system, anonymous.")
    )
    resource = TextFilter(field_name="resource", help_text=_("Le genre de ce qui est touché : absence, agent…"))
    object_id = IdFilter(field_name="object_id", help_text=_("Ce qui est touché."))
    action = TextFilter(field_name="action", help_text=_("Ce qui a été fait : created, updated, deleted…"))
    agent_id = IdFilter(field_name="agent_id", help_text=_("L'agent que cela concerne."))
    to = InstantFilter(field_name="at", lookup_expr="lt", end_of_day=True, help_text=_("Jusqu'à ce jour ou ce moment."))

    class Meta:
        model = RecordEntry
        fields = ()


# "from" is a word of Python, so it cannot be declared like the others.
RecordFilters.base_filters["from"] = InstantFilter(
    field_name="at", lookup_expr="gte", help_text=_("Depuis ce jour ou ce moment.")
)


# The record grows for ever, and what an admin sees of it: it is counted so far, and no further.
COUNTED = 10_000


class Audit(ResourceViewSet):
    group = Group("audit", _("Journal"), _("Qui a fait quoi, quand, d'où, avec quoi et pourquoi."))
    operations = {
        "list": Described(
            _("Lire le journal"),
            _("Du plus récent au plus ancien."),
            _("Chacun, pour ce qu'il a fait et ce qui le concerne ; un administrateur, pour ses organisations."),
            limits=_("100 par page, comptées jusqu'à 10 000."),
            examples=(Example(_("Ce qui est arrivé aux absences"), {"resource": "absence"}),),
        ),
        "retrieve": Described(
            _("Montrer une ligne du journal"),
            _("Ce qui était là, et ce qui y est."),
            _("Qui la voit dans la liste."),
            examples=(Example(_("La création de l'organisation 1"), {"id": 12}),),
        ),
    }
    resource = "audit"
    model = RecordEntry
    representation = ENTRY
    filters = RecordFilters
    sorts = {"id": "id", "at": "at"}  # each with an index: the record grows for ever
    # No `q`: a text would have to be looked for in all of it, which the filters never need.

    def _shown(self, rows: Sequence[tuple[Any, ...]]) -> Sequence[dict[str, Any]]:
        """What is private is told to whom it may be: one more query where something is."""
        private = {row[AGENT] for row in rows if row[CONFIDENTIAL]}
        told = told_of(self.request.user, private) if private else ()
        return super()._shown([(*row[:-1], row[CONFIDENTIAL] and row[AGENT] not in told) for row in rows])

    def rows(self, queryset: QuerySet[RecordEntry]) -> Fetch:
        """Of few rows, those that the indexes of the rights give, sorted; of many, the record's own order, which meets
        one at every few steps.
        """

        def fetch(start: int, size: int, key: Any = None) -> tuple[int, list[tuple[Any, ...]]]:
            total = queryset.order_by()[:COUNTED].count()
            if start >= total:
                return total, []
            order = self.asked.reading.order
            rows = order.on(queryset.for_wire())
            if total == COUNTED:
                # A condition that cannot become a join, or the planner would sort all of it.
                told = When(Exists(queryset.order_by().filter(pk=OuterRef("pk"))), then=True)
                rows = order.on(RecordEntry.objects.for_wire())
                rows = rows.alias(told=Case(told, default=False)).filter(told=True)
            rows = rows if key is None else order.after(rows, key)
            return total, list(rows.values_list(*self.asked.reading.columns)[start : start + size])

        return fetch
