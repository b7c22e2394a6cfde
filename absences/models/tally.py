"""How many absences there are."""

from __future__ import annotations

from django.db import models

from agents.models import Agent


class AbsenceTally(models.Model):
    """How many absences an agent has: kept by the database itself (`absences/derived.py`), never written from here."""

    agent = models.OneToOneField(Agent, on_delete=models.CASCADE, primary_key=True, related_name="absence_tally")
    count = models.PositiveIntegerField()

    def __str__(self) -> str:
        return f"{self.agent} : {self.count}"
