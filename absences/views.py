"""Absences: list, show, create, update, delete (contract 4.2)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rdv.api.views import ResourceViewSet

from . import listing
from .filters import AbsenceFilters
from .models import Absence
from .serializers import ABSENCE, AbsenceSerializer


class Absences(ResourceViewSet):
    model = Absence
    representation = ABSENCE
    serializer_class = AbsenceSerializer
    filters = AbsenceFilters

    def fetch_visible(self, start: int, size: int, key: Sequence[Any] | None) -> tuple[int, Sequence[tuple[Any, ...]]]:
        return listing.fetch(self.request.user, self.reading().columns, start, size, key)
