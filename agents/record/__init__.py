"""The record of who did what and why: from where an act comes, how it is written, and what bounds refusals."""

from .origin import acting_as
from .writing import Told, aside, gathered, links_changed, note, row_changed, row_created, row_deleted

__all__ = [
    "Told",
    "acting_as",
    "aside",
    "gathered",
    "links_changed",
    "note",
    "row_changed",
    "row_created",
    "row_deleted",
]
