"""How much of its quota each holder of credentials has taken, on all servers together (row P11)."""

from __future__ import annotations

from django.db import connection, models


class QuotaUse(models.Model):
    """One row a holder: `used` of the window of that number. Never grows beyond the number of agents and accounts."""

    holder = models.CharField(max_length=40, primary_key=True)
    window = models.BigIntegerField()
    used = models.BigIntegerField()

    def __str__(self) -> str:
        return f"{self.holder}: {self.used}"

    @classmethod
    def take(cls, holder: str, window: int, count: int) -> int:
        """How much was taken in this window, with `count` more: one statement, so that of two at once each counts.

        A server whose clock is late by a moment counts in the window that others have begun.
        """
        table = connection.ops.quote_name(cls._meta.db_table)
        with connection.cursor() as cursor:
            cursor.execute(
                f'INSERT INTO {table} ("holder", "window", "used") VALUES (%s, %s, %s) '  # noqa: S608 - a table's name
                'ON CONFLICT ("holder") DO UPDATE SET '
                f'"used" = CASE WHEN {table}."window" >= excluded."window" THEN {table}."used" ELSE 0 END '
                '+ excluded."used", '
                f'"window" = CASE WHEN {table}."window" >= excluded."window" THEN {table}."window" '
                'ELSE excluded."window" END RETURNING "used"',
                (holder, window, count),
            )
            [(used,)] = cursor.fetchall()  # all of them: SQLite holds its lock until there is no more
        return int(used)
