"""A request that the server makes to itself for somebody who is at one of its pages: through every middleware, the
router and the views, as any request, but within the turn and the thread of the page's own.
"""

from __future__ import annotations

import io
from collections.abc import Iterable
from functools import cache
from typing import Any
from urllib.parse import quote, unquote_to_bytes

from django.core.handlers.base import BaseHandler
from django.core.handlers.wsgi import WSGIRequest
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils import translation
from django_guid import get_guid, set_guid

# Of the page's request: by what name and how the server is called, and from where. No cookie, no credential.
KEPT = (
    *("REMOTE_ADDR", "SERVER_NAME", "SERVER_PORT", "SERVER_PROTOCOL", "HTTP_HOST", "wsgi.url_scheme"),
    *("HTTP_X_FORWARDED_FOR", "HTTP_X_FORWARDED_PROTO"),
)


def ask(
    page: HttpRequest,
    method: str,
    address: str,
    *,
    headers: Iterable[tuple[str, str]] = (),
    body: bytes | None = None,
    **known: Any,
) -> HttpResponseBase:
    """The answer to `method` at `address`, a path with its query, percent-encoded. `known` is put on the request, where
    nobody outside can put it: who asks. The answer has the request id of the page's.
    """
    path, _question, query = address.partition("?")
    environ = {name: page.META[name] for name in KEPT if name in page.META} | {
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(path).decode("latin-1"),  # as WSGI has it (PEP 3333)
        "QUERY_STRING": query,
        "CONTENT_TYPE": "",
        "HTTP_X_REQUEST_ID": get_guid() or "",
        "wsgi.input": io.BytesIO(body or b""),
    }
    if body is not None:
        environ |= {"CONTENT_TYPE": "application/json", "CONTENT_LENGTH": str(len(body))}
    for name, value in headers:
        environ[f"HTTP_{name.upper().replace('-', '_')}"] = value.encode().decode("latin-1")
    request = WSGIRequest(environ)
    request.__dict__ |= known
    language, request_id = translation.get_language(), get_guid()
    try:
        return _stack().get_response(request)
    finally:
        translation.activate(language)
        set_guid(request_id)


def path_with(template: str, values: dict[str, str]) -> str:
    """`/api/v1/absences/{id}` with its parameters in their place."""
    return template.format_map({name: quote(value, safe="") for name, value in values.items()})


@cache
def _stack() -> BaseHandler:
    handler = BaseHandler()
    handler.load_middleware()
    return handler
