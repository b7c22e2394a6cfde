"""The door: what must be put right before Django looks at a request, since nothing inside could answer for it."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable
from typing import TYPE_CHECKING

import orjson
from django.conf import settings
from django.core.handlers.wsgi import WSGIHandler, WSGIRequest
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils import translation
from django.utils.translation.trans_real import parse_accept_lang_header

from .accept import Form, form_of
from .bodies import UNREAD, receive
from .connections import last
from .envelope import shape_of_refusal
from .errors import PROBLEM, Busy, WireError, plain, problem
from .gzipped import Gzip
from .middleware import FIXED_HEADERS
from .observed import SEEN, Observer, Seen, observe
from .turns import Turns
from .versioning import HEADER as VERSION_HEADER
from .versioning import in_path

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

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
    """Django's WSGI handler, behind the door: one request at a time."""

    def __init__(self) -> None:
        super().__init__()
        self.turns = Turns()
        self.refusals = {kind: _Refusal(kind()) for kind in (Busy, *UNREAD)}
        self.observers: list[Observer] = []
        self._answer: WSGIApplication = Gzip(self._by_turns) if settings.RDV_GZIP else self._by_turns

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:  # type: ignore[override]
        if self.observers:
            return observe(self.observers, self._answer, environ, start_response)
        return self._answer(environ, start_response)

    def get_response(self, request: HttpRequest) -> HttpResponseBase:
        response = super().get_response(request)
        if seen := request.META.get(SEEN):
            seen.understood(request)
        return response

    def _by_turns(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        environ["CONTENT_TYPE"] = bare_content_type(environ.get("CONTENT_TYPE") or "")
        seen: Seen | None = environ.get(SEEN)
        try:
            # Here: somebody who dawdles over it must not have the turn meanwhile.
            if not receive(environ):
                start_response = last(start_response)
            if seen:
                seen.stands_in_line()
            with self.turns.turn():
                if seen:
                    seen.has_its_turn()
                response = super().__call__(environ, start_response)
                if not isinstance(response, HttpResponse):
                    return response  # a file, sent without Python
                body = [response.content]
                response.close()  # gives the connection back, which is the turn's
                return body
        except (Busy, *UNREAD) as error:
            if seen:
                seen.away = error.code
            if isinstance(error, UNREAD):
                start_response = last(start_response)
            return self.refusals[type(error)](environ, start_response)


class _Refusal:
    """The answer to a request that gets no turn: written beforehand in each language, since there is no time now. Only
    for whoever wants it in the form of RFC 9457 it is written there and then.
    """

    def __init__(self, error: WireError) -> None:
        self._error = error
        self._written = {}
        for language, _name in settings.LANGUAGES:
            with translation.override(language):
                answer = plain(error)
            headers = FIXED_HEADERS | {
                "Access-Control-Allow-Origin": "*",
                "Cache-Control": "no-store",
                "X-Runtime": "0.000000",
                "Content-Language": language,
                "Content-Length": str(len(answer.content)),
            }
            status = f"{answer.status_code} {answer.reason_phrase}"
            self._written[language] = status, [*answer.items(), *headers.items()], answer.content

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        asked = parse_accept_lang_header(environ.get("HTTP_ACCEPT_LANGUAGE", "").lower())
        language = next((tag[:2] for tag, _weight in asked if tag[:2] in self._written), settings.LANGUAGE_CODE)
        status, headers, body = self._written[language]
        request_id = _request_id(environ)
        told = {"X-Request-Id": request_id}
        if version := in_path(environ.get("PATH_INFO", "")):
            told[VERSION_HEADER] = version.number
        if form_of(environ.get("HTTP_ACCEPT", ""), error=True) is Form.PROBLEM:
            with translation.override(language):
                body = orjson.dumps(problem(self._error, WSGIRequest(environ), request_id))
            told |= {"Content-Type": PROBLEM, "Content-Length": str(len(body))}
        if changes := shape_of_refusal(environ, int(status[:3]), body, request_id):
            body, changed = changes
            told |= changed
        start_response(status, [*(dict(headers) | told).items()])
        return [body]


def _request_id(environ: WSGIEnvironment) -> str:
    """The caller's when it is a UUID, as for any other answer."""
    try:
        return str(uuid.UUID(environ["HTTP_X_REQUEST_ID"]))
    except (KeyError, ValueError):
        return str(uuid.uuid4())
