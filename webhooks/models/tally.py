"""How many deliveries have come to which end, since it was first counted: more than the log keeps."""

from __future__ import annotations

from collections.abc import Mapping

from django.db import connection, models


class Tally(models.Model):
    """Kept by the worker, where measures are wanted (RDV_METRICS_TOKEN)."""

    state = models.CharField(max_length=9, primary_key=True)
    count = models.BigIntegerField(default=0)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.state} : {self.count}"

    @classmethod
    def add(cls, counts: Mapping[str, int]) -> None:
        """One statement each, always in the same order: the workers wait for each other here, until they commit."""
        sql = """
            INSERT INTO webhooks_tally (state, count) VALUES (%s, %s)
            ON CONFLICT (state) DO UPDATE SET count = webhooks_tally.count + excluded.count
        """
        with connection.cursor() as cursor:
            for state, count in sorted(counts.items()):
                if count:
                    cursor.execute(sql, [str(state), count])
