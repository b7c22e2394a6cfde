"""The one handler: from whatever was raised to the answer that tells it, in the form that is wanted."""

from __future__ import annotations

import logging
import sqlite3
import sys
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from django.conf import settings
from django.core.exceptions import (
    NON_FIELD_ERRORS,
    BadRequest,
    PermissionDenied,
    RequestDataTooBig,
    SuspiciousOperation,
    ValidationError,
)
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, JsonResponse, UnreadablePostError
from django.http.multipartparser import MultiPartParserError
from django.http.request import RawPostDataException
from django.utils.cache import patch_vary_headers
from django_guid import get_guid
from rest_framework import exceptions
from rest_framework.request import Request
from rest_framework.response import Response

from ..accept import Form, form_of
from ..client import origin
from ..problems import PROBLEMS
from .kinds import (
    DatabaseUnavailable,
    Forbidden,
    InternalError,
    Invalid,
    MalformedRequest,
    MethodNotAllowed,
    PayloadTooLarge,
    Unauthenticated,
    UnknownRoute,
    UnreadableBody,
    WireError,
)

logger = logging.getLogger("django.request")

PROBLEM = "application/problem+json"  # RFC 9457; it has no charset


def _is_the_database_away(exc: OperationalError | InterfaceError) -> bool:
    """Whether asking again may help. SQLite says a table that is missing, or a misuse, by the same exceptions."""
    code = getattr(exc.__cause__, "sqlite_errorcode", None)
    return code not in (sqlite3.SQLITE_ERROR, sqlite3.SQLITE_MISUSE)


def as_wire_error(exc: BaseException | None, request: HttpRequest | None = None) -> WireError:
    """The wire form of `exc`; that of an internal error when it has no other."""
    match exc:
        case WireError():
            return exc
        case exceptions.NotAuthenticated() | exceptions.AuthenticationFailed():
            return Unauthenticated()
        case Http404() | exceptions.NotFound():
            return UnknownRoute()
        case PermissionDenied() | exceptions.PermissionDenied():
            return Forbidden()
        case exceptions.MethodNotAllowed():
            return MethodNotAllowed(request.method or "" if request else "")
        case exceptions.UnsupportedMediaType():
            return UnreadableBody()
        case ValidationError():
            return Invalid(exc.error_dict if hasattr(exc, "error_dict") else {NON_FIELD_ERRORS: exc.error_list})
        case RequestDataTooBig():
            return PayloadTooLarge(settings.RDV_MAX_BODY_BYTES)
        case (
            exceptions.ParseError()
            | UnreadablePostError()
            | BadRequest()
            | SuspiciousOperation()
            | MultiPartParserError()
            | RawPostDataException()
        ):
            return MalformedRequest()
        case OperationalError() | InterfaceError() if _is_the_database_away(exc):
            return DatabaseUnavailable()
    return InternalError()


def respond(exc: Exception, context: Mapping[str, Any]) -> Response:
    """Answer for `exc`, whatever it is (DRF's EXCEPTION_HANDLER): the only place where an error gets its wire form."""
    request = context.get("request")
    error = as_wire_error(exc, request)
    if isinstance(error, InternalError):
        logger.error("Unhandled %s", type(exc).__name__, exc_info=exc)
    elif isinstance(error, DatabaseUnavailable):
        logger.error("Database unavailable: %s", exc)
    body, content_type = written(error, request)
    response = Response(body, status=error.status_code, headers=error.headers, content_type=content_type)
    patch_vary_headers(response, ("Accept",))
    return response


def plain(error: WireError, request: HttpRequest | None = None) -> JsonResponse:
    """`error` outside of any API view: unknown routes, refused hosts. Without a request, in the contract's form."""
    body, content_type = written(error, request)
    response = JsonResponse(
        body,
        status=error.status_code,
        headers=error.headers,
        content_type=PROBLEM if content_type == PROBLEM else "application/json; charset=utf-8",
        json_dumps_params={"ensure_ascii": False, "separators": (",", ":")},
    )
    patch_vary_headers(response, ("Accept",))
    return response


def written(error: WireError, request: HttpRequest | Request | None) -> tuple[dict[str, Any], str | None]:
    """The body for `error`, and its type where that is not the usual one: the contract's, or what RFC 9457 makes of it
    for whoever prefers that (`accept.py`).
    """
    if request is not None and form_of(request.META.get("HTTP_ACCEPT", ""), error=True) is Form.PROBLEM:
        return problem(error, request), PROBLEM
    return error.body() | ({"hint": error.hint} if error.hint else {}), error.content_type


def problem(error: WireError, request: HttpRequest | Request, request_id: str | None = None) -> dict[str, Any]:
    """The members of an `application/problem+json` (RFC 9457 section 3): `type` is the address that explains the code,
    `instance` the request.
    """
    return details(error, request, origin(request), request_id or get_guid() or "")


def details(error: WireError, request: HttpRequest | Request | None, base: str, id: str) -> dict[str, Any]:
    """The same at the address `base`, of the request `id`."""
    known = PROBLEMS.get(error.code)
    return {
        "type": f"{base}{known.path}" if known else "about:blank",
        "title": str(known.title) if known else HTTPStatus(error.status_code).phrase,
        "status": error.status_code,
        "detail": error.sentence().strip(),
        "instance": f"urn:uuid:{id}",
        "code": error.code,
        "request_id": id,
        **({"hint": error.hint} if error.hint else {}),
        **error.extensions(request),
    }


def bad_request(request: HttpRequest, exception: Exception) -> JsonResponse:
    return plain(as_wire_error(exception, request), request)


def permission_denied(request: HttpRequest, exception: Exception) -> JsonResponse:
    return plain(Forbidden(), request)


def page_not_found(request: HttpRequest, exception: Exception) -> JsonResponse:
    return plain(UnknownRoute(), request)


def server_error(request: HttpRequest) -> JsonResponse:
    """Django calls this while it handles the exception that nobody else did: of a page, of a middleware."""
    return plain(as_wire_error(sys.exception(), request), request)
