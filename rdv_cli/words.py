"""Sentences for whoever sits at the terminal: each stands in the code in French and in English, side by side.

The server's own sentences come from the server, asked in the same language.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

LANGUAGES = ("fr", "en")
_chosen = "fr"


def use(language: str) -> None:
    """From now on, speak this language."""
    global _chosen
    _chosen = language


def language() -> str:
    return _chosen


def say(french: str, english: str) -> str:
    """The sentence in the language chosen."""
    return english if _chosen == "en" else french


def of_terminal(environment: Mapping[str, str]) -> str:
    """The language of the terminal's locale, as POSIX orders its variables; French where it is neither."""
    locale = next((environment[name] for name in ("LC_ALL", "LC_MESSAGES", "LANG") if environment.get(name)), "")
    return "en" if re.match(r"en(?![a-z])", locale.lower()) else "fr"


# What could act on a terminal, or hide there: controls but for the end of a line, and marks that turn the direction.
_ACTING = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def escaped(json: str) -> str:
    """The same JSON with what would act on the terminal written as escapes; json.dumps leaves the higher ones."""
    return _ACTING.sub(lambda found: f"\\u{ord(found[0]):04x}", json)


def harmless(text: str) -> str:
    """The text with what would act on the terminal shown instead; what others wrote passes through here."""
    return _ACTING.sub(lambda found: " " if found[0] in "\t\r" else repr(found[0])[1:-1], text)
