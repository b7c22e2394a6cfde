"""What every answer carries, whatever made it: fixed headers, run time, server version, validators."""

from __future__ import annotations

import io
import time
from collections.abc import Callable

from corsheaders.middleware import ACCESS_CONTROL_ALLOW_HEADERS, CorsMiddleware
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from rdv import VERSION

from .conditional import conditional

# Contract 1.2, as recorded in the first public description of the API.
FIXED_HEADERS = {
    "X-Frame-Options": "SAMEORIGIN",
    "X-XSS-Protection": "1; mode=block",
    "X-Content-Type-Options": "nosniff",
    "X-Download-Options": "noopen",
    "X-Permitted-Cross-Domain-Policies": "none",
    "Referrer-Policy": "strict-origin-when-cross-origin",
    "X-RDV-Server": VERSION,
}

API = "/api/"


class WireMiddleware:
    """The outermost: what it sets is on every answer, errors and static files included."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        started = time.perf_counter()
        response = self.get_response(request)
        if request.path.startswith(API):
            response = conditional(request, response)
            if not response.content and request.method != "HEAD":
                del response["Content-Type"]  # of nothing: a preflight, a redirection
        for name, value in FIXED_HEADERS.items():
            response[name] = value
        response["X-Runtime"] = f"{time.perf_counter() - started:.6f}"
        return response


class ChunkedBodyMiddleware:
    """Gives a body sent without `Content-Length` (chunked) its length, within the limit, so that it is not lost.

    Django takes a missing length for an empty body: a change would then pass for an empty one.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        meta = request.META
        if "chunked" in meta.get("HTTP_TRANSFER_ENCODING", "").lower() and not meta.get("CONTENT_LENGTH"):
            # One byte over the limit is enough for the parsers to refuse it.
            body = meta["wsgi.input"].read(settings.RDV_MAX_BODY_BYTES + 1)
            meta["CONTENT_LENGTH"] = str(len(body))
            request._stream = io.BytesIO(body)
        return self.get_response(request)


class AnyHeaderCorsMiddleware(CorsMiddleware):
    """CORS with any request header allowed (contract 1.2): a preflight is answered with the names that it asks for."""

    def add_response_headers(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        response = super().add_response_headers(request, response)
        asked = request.headers.get("Access-Control-Request-Headers")
        if asked and ACCESS_CONTROL_ALLOW_HEADERS in response:
            response[ACCESS_CONTROL_ALLOW_HEADERS] = asked
        return response
