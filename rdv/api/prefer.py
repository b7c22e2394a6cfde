"""What a client prefers, where there is a choice (RFC 7240): reading `Prefer`, telling `Preference-Applied`."""

from __future__ import annotations

import re

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.cache import patch_vary_headers
from rest_framework.request import Request

# One preference, its value if any, and its parameters, which none of ours has. Nothing is tried twice: `++` keeps.
_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]++"
_QUOTED = r'"(?:[^"\\]|\\.)*+"'
_PREFERENCE = re.compile(
    rf"[ \t,]*+(?P<name>{_TOKEN})(?:[ \t]*+=[ \t]*+(?P<value>{_TOKEN}|{_QUOTED}))?+[ \t]*+"
    rf'(?:;(?:[^,"]|{_QUOTED})*+)?+(?:,|\Z)'
)


def preferences(request: HttpRequest | Request) -> dict[str, str]:
    """The preferences of `request` by their names, in lower case; "" for one without a value.

    Of one that is said twice the first counts. What cannot be read, and all that follows it, is left aside: a
    preference is never a reason to refuse (section 2).
    """
    sent = request.META.get("HTTP_PREFER", "")
    found: dict[str, str] = {}
    place = 0
    while match := _PREFERENCE.match(sent, place):
        value = match["value"] or ""
        if value.startswith('"'):
            value = re.sub(r"\\(.)", r"\1", value[1:-1])
        found.setdefault(match["name"].lower(), value)
        place = match.end()
    return found


def apply(response: HttpResponseBase, name: str, value: str) -> None:
    """Tell in `response` that this preference was heeded (section 3)."""
    before = response.headers.get("Preference-Applied")
    response["Preference-Applied"] = ", ".join(filter(None, (before, f"{name}={value}")))
    patch_vary_headers(response, ("Prefer",))


def lighten(request: Request, response: HttpResponse, *, may_be_empty: bool) -> None:
    """Heed `return=minimal` or `return=representation` (section 4.2) in the answer to a change, which shows the row."""
    if "HTTP_PREFER" not in request.META:
        return
    wanted = preferences(request).get("return")
    if wanted == "representation" or (wanted == "minimal" and may_be_empty):
        response.empty = wanted == "minimal"  # type: ignore[attr-defined]
        apply(response, "return", wanted)


def emptied(response: HttpResponse) -> HttpResponse:
    """`response` without its body where that is preferred: 204, with the validator of what it would have shown."""
    if getattr(response, "empty", False):
        response.status_code = 204
        response.content = b""
        del response["Content-Length"]  # RFC 9110 8.6
    return response
