"""Text without accents or case, for people who search. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict


def fold(text: str) -> str:
    """`text` without accents or case, for comparisons that are the same on every database."""
    decomposed = unicodedata.normalize("NFKD", text)
    return "".join(character for character in decomposed if not unicodedata.combining(character)).casefold()


def _forms() -> dict[str, str]:
    """By plain letter, the accented ones of the Latin alphabets that fold to it."""
    forms: dict[str, str] = defaultdict(str)
    for character in map(chr, range(0xC0, 0x250)):
        forms[fold(character)] += character
    return {letter: letter + accented for letter, accented in forms.items() if len(letter) == 1 and letter.isascii()}


_FORMS = _forms()


def folding_pattern(text: str) -> str:
    """A regular expression for `iregex` that finds `text` in a column kept as it was typed, accents aside."""
    return "".join(f"[{_FORMS[letter]}]" if letter in _FORMS else re.escape(letter) for letter in fold(text))
