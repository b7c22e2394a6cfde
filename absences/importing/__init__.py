"""From a file to absences to be created (row A23): bytes to text, text to items, each with the line where it stands.

Pure but for the words: what an item must be, the serializer of absences alone knows. Nothing that is in a file makes
more work than its length and the limit of items allow.
"""

from .calendars import read_calendar
from .items import Item, Refusal, Sheet
from .tables import read_table
from .text import decoded

__all__ = ["Item", "Refusal", "Sheet", "decoded", "read_calendar", "read_table"]
