"""The door: what must be put right before Django looks at a request, since nothing inside could answer for it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from django.core.handlers.wsgi import WSGIHandler
from django.http.response import HttpResponseBase

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

_BOUNDARY = re.compile(r"boundary=\"?([^\";]+)", re.IGNORECASE)


def bare_content_type(header: str) -> str:
    """The media type, with the boundary of a multipart body, and no other parameter.

    Text is UTF-8 here (RFC 8259 8.1 for JSON). Of a `charset` Django would make the encoding of the address too, and
    fail on `hex`, which Python knows but not as one of text, or on a parameter of RFC 2231 that it cannot decode.
    """
    media_type, _semicolon, parameters = header.partition(";")
    boundary = _BOUNDARY.search(parameters)
    return f'{media_type}; boundary="{boundary[1].strip()}"' if boundary else media_type


class WireHandler(WSGIHandler):
    """Django's WSGI handler, behind the door."""

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> HttpResponseBase:
        environ["CONTENT_TYPE"] = bare_content_type(environ.get("CONTENT_TYPE") or "")
        return super().__call__(environ, start_response)
