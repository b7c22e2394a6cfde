"""`q`: words to be found in the texts of a resource, accents and case aside.

No index serves it, as none serves the filter `title`. One for parts of words (trigrams) is an extension that not every
PostgreSQL lets one install, SQLite has none, and each write would pay for it; while with 100,000 absences in sight one
word takes PostgreSQL 40 to 150 ms, as much as that filter, and as many as there is room for no more.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.core.exceptions import ValidationError

from .folding import fold
from .messages import TOO_LONG, invalid

LONGEST = 100  # characters


def asked_words(params: Mapping[str, Any]) -> tuple[list[str] | None, list[ValidationError]]:
    """The words of `q`, folded, each once and none that is part of another; and what is wrong with it. None when
    nothing is looked for. Of accents alone no word is left, and every text would contain that: it is in none.
    """
    text = params.get("q")
    if text in (None, ""):
        return None, []
    if not isinstance(text, str):
        return None, [invalid(text)]
    if len(text) > LONGEST:
        return None, [ValidationError(TOO_LONG, code="too_long", params={"count": LONGEST})]
    if not text.strip():
        return None, []
    words = dict.fromkeys(fold(text).split())
    return [word for word in words if not any(word in other for other in words if other != word)], []
