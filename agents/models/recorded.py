"""Models whose every change goes into the record; what writes it is `agents/record/writing.py`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from django.db import models

# Changes by themselves, with each write: it tells nothing.
BOOKKEEPING = frozenset({"created_at", "updated_at"})


class Recorded(models.Model):
    """A row that remembers what it was when it was read, so that a change can be told with what was there before."""

    # What the record calls a row, as the wire does.
    recorded_as: ClassVar[str]
    # Columns of which nothing is told; and those of which is told that they changed, never from what to what.
    not_recorded: ClassVar[frozenset[str]] = BOOKKEEPING
    secrets: ClassVar[frozenset[str]] = frozenset()
    # What columns nearly always hold: a creation and a deletion tell nothing of it.
    usual: ClassVar[Mapping[str, Any]] = {}

    class Meta:
        abstract = True

    @classmethod
    def from_db(cls, db: Any, field_names: Any, values: Any) -> Any:
        row = super().from_db(db, field_names, values)
        row._state.read = (field_names, values)
        return row

    def refresh_from_db(self, using: str | None = None, fields: Any = None, from_queryset: Any = None) -> None:
        """As Django's, which also asks here for a column that was left out when the row was read: what is not read
        again is remembered as it was.
        """
        before = self.remembered
        super().refresh_from_db(using, fields, from_queryset)
        self.remember()
        if fields is not None:
            again = {field.attname for field in self._meta.concrete_fields if {field.name, field.attname} & {*fields}}
            read = before | {name: value for name, value in self.remembered.items() if name in again}
            self._state.read = (tuple(read), tuple(read.values()))

    def remember(self, stored: Recorded | None = None) -> None:
        """What is stored is what this row has now; or, of a row that was made by hand, what `stored` has."""
        if stored is not None:
            self._state.read = stored._state.read
            return
        names = [field.attname for field in self._meta.concrete_fields if field.attname in self.__dict__]
        self._state.read = (names, [self.__dict__[name] for name in names])

    @property
    def remembered(self) -> dict[str, Any]:
        """By column, what was stored when the row was read or last saved; nothing of a new row."""
        return dict(zip(*getattr(self._state, "read", ((), ())), strict=True))

    @property
    def recorded_name(self) -> str:
        """How the record names the row, when there is none any more. Asks no database: rows come by thousands."""
        return str(self)

    def concerns(self) -> tuple[int | None, int | None]:
        """The agent whose matter this row is, and the organisation: theirs to read in the record, and their admins'.
        With an organisation it is the matter of that organisation's admins alone.
        """
        return None, None

    @property
    def confidential(self) -> bool:
        """Whether what is told of it is private: of those who read the record, for the agent whose matter it is and for
        their admins alone.
        """
        return False

    def recorded_action(self, changes: Mapping[str, Any]) -> str:
        """What a change of this row is called."""
        return "updated"


def names_of(row: models.Model, *relations: str) -> str:
    """What `row` joins, as far as it is known without asking the database."""
    known = (row._state.fields_cache.get(name) for name in relations)
    return " → ".join(str(one) for one in known if one is not None)
