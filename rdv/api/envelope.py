"""Answers in another shape, for who asks: indented (row P14), or in an envelope (row P24).

The bytes of the usual answer are taken as they are, whatever made them: a view, an error, the door. So the data are the
same, and whoever asks for nothing pays for nothing.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import orjson
from django.http import HttpRequest, HttpResponse
from django.utils.cache import patch_vary_headers

from . import registry
from .accept import Form, form_of

if TYPE_CHECKING:
    from collections.abc import Mapping

ENVELOPE_TYPE = "application/json; profile=envelope; charset=utf-8"
INDENTED = orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE

_PRETTIFY = re.compile(r"(?:\A|&)prettify=([^&]*)")


def wants_indentation(environ: Mapping[str, Any]) -> bool:
    """Whether the address says `prettify=true` (or `1`); of several the last counts, as with any parameter."""
    query = environ.get("QUERY_STRING", "")
    if "prettify=" not in query:
        return False
    said: list[str] = _PRETTIFY.findall(query)
    return bool(said) and said[-1].lower() in ("true", "1")


def wants_envelope(environ: Mapping[str, Any], status: int) -> bool:
    accept = environ.get("HTTP_ACCEPT", "")
    return bool(accept) and form_of(accept, error=status >= 400) is Form.ENVELOPE


def indented(body: bytes) -> bytes:
    """The same JSON, for people: two spaces a level, and the end of a line at the end."""
    return orjson.dumps(orjson.loads(body), option=INDENTED)


def enveloped(body: bytes, *, action: str | None, request_id: str | None, status: int) -> bytes:
    """The five keys, always: `data` of a success, `errorDetails` of an error, the other one null."""
    success = status < 400
    head = orjson.dumps({"action": action, "id": request_id, "result": "success" if success else "error"})
    shown = body or b"null"
    data, details = (shown, b"null") if success else (b"null", shown)
    return head[:-1] + b',"data":' + data + b',"errorDetails":' + details + b"}"


def shaped(request: HttpRequest, response: HttpResponse) -> HttpResponse:
    """`response` in the shape that is asked for; what is not JSON, and what sends elsewhere, stays as it is.

    In an envelope 204 becomes 200: it stands for an answer without a body (RFC 9110 15.3.5), and here is one.
    """
    meta = request.META
    pretty = wants_indentation(meta)
    envelope = wants_envelope(meta, response.status_code)
    if not (pretty or envelope) or not _holds_json(response):
        return response
    body = response.content
    if envelope:
        response.validated = ENVELOPE_TYPE.encode() + (b"\n" if pretty else b"") + body  # type: ignore[attr-defined]
        body = enveloped(
            body,
            action=action_of(request),
            request_id=response.headers.get("X-Request-Id"),
            status=response.status_code,
        )
        if response.status_code == 204:
            response.status_code = 200
        response["Content-Type"] = ENVELOPE_TYPE
        patch_vary_headers(response, ("Accept",))
    if pretty and body:
        body = indented(body)
    response.content = body
    if "Content-Length" in response:
        response["Content-Length"] = str(len(body))
    return response


def shape_of_refusal(
    environ: Mapping[str, Any], status: int, body: bytes, request_id: str
) -> tuple[bytes, dict[str, str]] | None:
    """The body and the headers that take the place of a refusal's own, at the door; None when they stay."""
    if not f"{environ.get('PATH_INFO', '')}/".startswith("/api/"):
        return None
    pretty, envelope = wants_indentation(environ), wants_envelope(environ, status)
    if not (pretty or envelope):
        return None
    headers = {}
    if envelope:
        body = enveloped(body, action=None, request_id=request_id, status=status)
        headers = {"Content-Type": ENVELOPE_TYPE, "Vary": "Accept"}
    if pretty:
        body = indented(body)
    return body, headers | {"Content-Length": str(len(body))}


def _holds_json(response: HttpResponse) -> bool:
    if response.status_code == 204:
        return True
    type_ = response.headers.get("Content-Type", "").partition(";")[0]
    return not 300 <= response.status_code < 400 and type_.endswith("json") and bool(response.content)


def action_of(request: HttpRequest) -> str | None:
    """What the registry calls the operation, such as `absences.list`; None where there is none."""
    match: Any = request.resolver_match
    view = getattr(match.func, "cls", None) if match else None
    if view is None:
        return None
    verb = (request.method or "").lower()
    verb = "get" if verb == "head" else verb
    actions = getattr(match.func, "actions", None)
    operation = registry.of(view, actions.get(verb, "") if actions else verb)
    return operation.id if operation else None
