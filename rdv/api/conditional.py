"""Validators of answers and what they decide: 304 for what the client has already, 412 for a change of what it has not
seen (contract 1.2, RFC 9110 8.8 and 13).

Lists, and whatever else is no row of its own, have a weak ETag. A row has a strong one, `"31.4-…"`: the row and its
version, then a digest of the very bytes, since the same row is shown in several languages, forms and sets of fields.
`If-None-Match` asks for the bytes, so all of it counts: a 304 is right also when what the row shows of others changed.
`If-Match` asks whether somebody changed the row meanwhile, so its version counts, in whatever form it was read.
"""

from __future__ import annotations

import re
from hashlib import sha256
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseNotModified
from django.utils.http import parse_etags
from django.utils.translation import gettext as _
from rest_framework import status
from rest_framework.request import Request

from .errors import WireError

# Characters of a header that are looked at, a hundred tags: a change reads them while it holds the row.
LONGEST = 5000

# The row and its version; the digest; what was done to the bytes on their way, such as `-gzip`.
_STRONG = re.compile(r'"([0-9]{1,19}\.[0-9]{1,10})-[0-9a-f]{32}(?:[-+;][0-9A-Za-z]{1,10})?"')


class PreconditionFailed(WireError):
    """412: the row is not any more what the client read of it. Nothing was done."""

    status_code = status.HTTP_412_PRECONDITION_FAILED
    code = "precondition_failed"

    def sentence(self) -> str:
        return _("La fiche a changé depuis que vous l'avez lue. Relisez-la, puis refaites votre modification.")


class PreconditionRequired(WireError):
    """428 (RFC 6585 3): this server wants to be told which state of a row a change is for."""

    status_code = status.HTTP_428_PRECONDITION_REQUIRED
    code = "precondition_required"

    def sentence(self) -> str:
        return _("Envoyez If-Match avec l'ETag de la fiche telle que vous l'avez lue.")


def version_of(row: Any) -> str | None:
    """What a row was at a moment, in the terms of its ETag; None for one without versions."""
    version = getattr(row, "version", None)
    return None if version is None else f"{row.pk}.{version}"


def refuse_stale(request: HttpRequest | Request, row: Any = None) -> None:
    """Whether what is asked may be done to `row`, which is locked (RFC 9110 13.1.1). Raises PreconditionFailed when
    `If-Match` names other states of it, PreconditionRequired when it is missing and must not be.

    None is a row to come: nobody has read that. Weak tags never match, nor does what cannot be read.
    `If-Unmodified-Since` is not looked at: no answer says when it was modified (13.1.4).
    """
    sent = request.META.get("HTTP_IF_MATCH")
    version = version_of(row)
    if sent is None:
        if version is not None and settings.RDV_IF_MATCH == "required":
            raise PreconditionRequired
    elif sent.strip() != "*":
        known = {match[1] for match in map(_STRONG.fullmatch, parse_etags(sent[:LONGEST])) if match}
        if version not in known:
            raise PreconditionFailed


def weak_etag(body: bytes) -> str:
    """`W/"` + 32 hex digits + `"`: equal for equal bytes."""
    return f'W/"{_digest(body)}"'


def _digest(body: bytes) -> str:
    return sha256(body).hexdigest()[:32]


def _etag(response: HttpResponse) -> str:
    # An envelope tells the request's id too: its validator is of what does not change with each request (envelope.py),
    # and so it is weak.
    validated = getattr(response, "validated", None)
    version = getattr(response, "row_version", None)
    if version is None:
        return weak_etag(validated or response.content)
    return f'W/"{version}-{_digest(validated)}"' if validated else f'"{version}-{_digest(response.content)}"'


def conditional(request: HttpRequest, response: HttpResponse) -> HttpResponse:
    """`response` with its validator and its cache policy, or the 304 that stands for it.

    The headers of the 304 are those of the 200, so that a cached credential is overwritten by the fresh one.
    """
    if response.status_code != 200:
        response.setdefault("Cache-Control", "no-cache")
        return response
    etag = response["ETag"] = _etag(response)
    response.setdefault("Cache-Control", "max-age=0, private, must-revalidate")
    if request.method in ("GET", "HEAD") and "HTTP_IF_NONE_MATCH" in request.META:
        # Weak comparison (RFC 9110 8.8.3.2): the W/ does not count.
        known = {tag.removeprefix("W/") for tag in parse_etags(request.META["HTTP_IF_NONE_MATCH"][:LONGEST])}
        if "*" in known or etag.removeprefix("W/") in known:
            unchanged = HttpResponseNotModified()
            for name, value in response.items():
                if name not in ("Content-Type", "Content-Length"):
                    unchanged[name] = value
            unchanged.cookies = response.cookies
            return unchanged
    return response
