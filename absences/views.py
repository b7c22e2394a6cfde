"""Absences: list, show, create, update, delete (contract 4.2)."""

from __future__ import annotations

from rdv.api.views import ResourceViewSet

from .filters import AbsenceFilters
from .models import Absence
from .serializers import ABSENCE, AbsenceSerializer


class Absences(ResourceViewSet):
    model = Absence
    representation = ABSENCE
    serializer_class = AbsenceSerializer
    filters = AbsenceFilters
