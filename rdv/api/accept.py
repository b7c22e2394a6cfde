"""In which form an answer is wanted: `Accept`, with its quality values (RFC 9110 12.5.1).

Answers are JSON for everyone, whatever they accept (contract 1.1); another form is for whoever names it. A form that is
named, at a quality not below that of JSON, is chosen: `*/*` names nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum, auto
from functools import lru_cache

from django.http.request import MediaType

LONGEST = 1000  # characters of a header that is looked at
PROFILE = "envelope"  # RFC 6906; one of several, with blanks between


class Form(Enum):
    JSON = auto()
    ENVELOPE = auto()  # application/json;profile=envelope
    PROBLEM = auto()  # application/problem+json (RFC 9457), of errors alone


def form_of(accept: str, *, error: bool) -> Form:
    """The form for the header given, "" when there is none; that of an error may be another than that of a success.

    Of two forms wanted alike, the problem: whoever names it can only mean errors by it.
    """
    lower = accept.lower()
    if "profile" not in lower and "problem+json" not in lower:
        return Form.JSON  # as nearly all do: nothing to weigh
    return _weighed(accept[:LONGEST], error)


@lru_cache(maxsize=256)
def _weighed(accept: str, error: bool) -> Form:
    ranges = list(_ranges(accept))

    def quality(type_: str, profile: bool) -> tuple[float, bool]:
        """Of the most specific range that holds the form; and whether it names it."""
        fits = [
            ((range_type == type_, wanted == profile and profile), quality)
            for range_type, wanted, quality in ranges
            if range_type in (type_, "application/*", "*/*") and (profile or not wanted)
        ]
        specific, best = max(fits, default=((False, False), 0.0))
        return best, specific[0] and (specific[1] or not profile)

    json, _named = quality("application/json", False)
    enveloped, envelope_named = quality("application/json", True)
    problem, problem_named = quality("application/problem+json", False)
    if error and problem_named and problem > 0 and problem >= json and (problem >= enveloped or not envelope_named):
        return Form.PROBLEM
    if envelope_named and enveloped > 0 and enveloped >= json:
        return Form.ENVELOPE
    return Form.JSON


def prefers(accept: str, type_: str) -> bool:
    """Whether a type of its own is named, at a quality not below that of JSON."""
    ranges = list(_ranges(accept[:LONGEST])) if accept else []
    named = max((quality for range_type, _profile, quality in ranges if range_type == type_), default=0.0)
    json = max((quality for range_type, _profile, quality in ranges if range_type == "application/json"), default=0.0)
    return named > 0 and named >= json


def _ranges(accept: str) -> Iterator[tuple[str, bool, float]]:
    """(type, whether of our profile, quality) of each media range; those of another profile, and unreadable ones,
    are nobody's.
    """
    for part in accept.split(","):
        try:
            media = MediaType(part)
        except ValueError:  # an encoding (RFC 2231) that nobody knows
            continue
        params = {name.lower(): value for name, value in media.params.items()}
        profiles = str(params.get("profile", "")).split()
        if profiles and PROFILE not in profiles:
            continue
        yield f"{media.main_type}/{media.sub_type}".lower(), bool(profiles), _quality(str(params.get("q", "1")))


def _quality(text: str) -> float:
    """From 0 to 1; what is not a number is 1, as Django has it."""
    try:
        quality = float(text)
    except ValueError:
        return 1.0
    return quality if 0 <= quality <= 1 else 1.0
