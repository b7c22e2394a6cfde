"""Conditional reading: a weak ETag on every 200, and 304 when the client has it already (contract 1.2, RFC 9110 13)."""

from __future__ import annotations

from hashlib import sha256

from django.http import HttpRequest, HttpResponse, HttpResponseNotModified
from django.utils.http import parse_etags


def weak_etag(body: bytes) -> str:
    """`W/"` + 32 hex digits + `"`: equal for equal bytes."""
    return f'W/"{sha256(body).hexdigest()[:32]}"'


def conditional(request: HttpRequest, response: HttpResponse) -> HttpResponse:
    """`response` with its validator and its cache policy, or the 304 that stands for it.

    The headers of the 304 are those of the 200, so that a cached credential is overwritten by the fresh one.
    """
    if response.status_code != 200:
        response.setdefault("Cache-Control", "no-cache")
        return response
    # An envelope tells the request's id too: its validator is of what does not change with each request (shapes.py).
    etag = response["ETag"] = weak_etag(getattr(response, "validated", None) or response.content)
    response.setdefault("Cache-Control", "max-age=0, private, must-revalidate")
    if request.method in ("GET", "HEAD") and "HTTP_IF_NONE_MATCH" in request.META:
        # Weak comparison (RFC 9110 8.8.3.2): the W/ does not count.
        known = {tag.removeprefix("W/") for tag in parse_etags(request.META["HTTP_IF_NONE_MATCH"])}
        if "*" in known or etag.removeprefix("W/") in known:
            unchanged = HttpResponseNotModified()
            for name, value in response.items():
                if name not in ("Content-Type", "Content-Length"):
                    unchanged[name] = value
            unchanged.cookies = response.cookies
            return unchanged
    return response
