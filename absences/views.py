"""Absences: list, show, create, update, delete (contract 4.2)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db import models

from agents.models import Agent
from rdv.api.statements import Parameter, Statement
from rdv.api.views import ResourceViewSet

from . import listing
from .filters import AbsenceFilters
from .models import Absence
from .serializers import ABSENCE, AbsenceSerializer

_AGENT_IN_SIGHT = Statement(
    lambda: (
        Agent.objects.visible_to(Agent.to_come())
        .filter(pk=Parameter("pk", models.BigIntegerField()))
        .order_by()
        .values_list("pk")
    )
)


class Absences(ResourceViewSet):
    resource = "absences"
    model = Absence
    representation = ABSENCE
    serializer_class = AbsenceSerializer
    filters = AbsenceFilters

    def fetch_visible(self, start: int, size: int, key: Sequence[Any] | None) -> tuple[int, Sequence[tuple[Any, ...]]]:
        return listing.fetch(self.request.user, self.reading().columns, start, size, key)

    def in_sight_still(self, row: Absence) -> bool:
        return any(_AGENT_IN_SIGHT.run(pk=row.agent_id, **self.request.user.reach.values()))
