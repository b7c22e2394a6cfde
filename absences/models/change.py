"""What became of each absence, in the order in which it was committed."""

from __future__ import annotations

from django.db import models

from rdv.api.committed import Committed, CommittedQuerySet


class AbsenceChange(Committed):
    """The last that happened to an absence: kept by the database itself (`absences/derived.py`), whoever writes, and
    never written from here. One row for each, which moves to the end when the absence changes, is deleted or restored,
    or when what it shows of its agent or organisation does; one more for each agent from whom it was taken.
    """

    absence_id = models.BigIntegerField()
    agent_id = models.BigIntegerField()
    deleted = models.BooleanField()
    version = models.PositiveIntegerField()
    at = models.DateTimeField()
    # The place of its creation; null when nothing happened to it since.
    born_transaction = models.BigIntegerField(null=True)
    born = models.BigIntegerField(null=True)

    TRANSACTIONS = ("transaction", "born_transaction")

    objects = CommittedQuerySet["AbsenceChange"].as_manager()

    class Meta:
        default_permissions = ()
        constraints = (models.UniqueConstraint(fields=("absence_id", "agent_id"), name="absence_change_once"),)
        indexes = (
            # In order: of everyone; of a few agents.
            models.Index(fields=("transaction", "id"), name="absence_change_order"),
            models.Index(fields=("agent_id", "transaction", "id"), name="absence_change_agent_order"),
        )

    def __str__(self) -> str:
        return f"{self.absence_id} : {self.transaction}.{self.id}"
