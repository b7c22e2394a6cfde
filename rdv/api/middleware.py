"""What every answer carries, whatever made it: fixed headers, run time, server version, validators."""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache

from corsheaders.middleware import ACCESS_CONTROL_ALLOW_HEADERS, CorsMiddleware
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.middleware.locale import LocaleMiddleware
from django.utils import translation
from django.utils.cache import patch_vary_headers
from django.utils.translation.trans_real import LANGUAGE_CODE_MAX_LENGTH, parse_accept_lang_header

from rdv import VERSION

from .conditional import conditional
from .deprecation import announce
from .envelope import shaped
from .errors import API_OFF, Busy, DatabaseUnavailable, as_wire_error, plain
from .prefer import emptied
from .versioning import tell_version

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

# Characters of `Accept-Language` that are looked at, one more than Django reads: what is kept of headers must not grow
# with their length.
LONGEST_LANGUAGES = LANGUAGE_CODE_MAX_LENGTH + 1

API = "/api/"
# What says what this server is, in both forms.
ROOT = ("/api", API)
# What describes it to people: pages (rdv/docs.py).
DOCS = ("/api/docs", "/api/docs/", "/api/docs/reference", "/api/docs/reference/")


def of_api(request: HttpRequest) -> bool:
    """Whether the API is asked, and not a page."""
    path = request.path
    return (path.startswith(API) and path not in DOCS) or path in ROOT


class WireMiddleware:
    """The outermost: what it sets is on every answer, errors and static files included."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        started = time.perf_counter()
        response = self.get_response(request)
        if of_api(request):
            response = emptied(conditional(request, shaped(request, response)))
            if not response.content and request.method != "HEAD":
                del response["Content-Type"]  # of nothing: a preflight, a redirection
            tell_version(request, response)
            announce(request, response)
        for name, value in FIXED_HEADERS.items():
            response[name] = value
        response["X-Runtime"] = f"{time.perf_counter() - started:.6f}"
        return response

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """A page too may find the server busy, as it hashes a password, or the database away."""
        error = as_wire_error(exception, request)
        return plain(error, request) if isinstance(error, Busy | DatabaseUnavailable) else None


class LanguageMiddleware(LocaleMiddleware):
    """On the API the header alone chooses the language: no cookie, no prefix of the address."""

    def process_request(self, request: HttpRequest) -> None:
        if of_api(request):
            translation.activate(_preferred(request.META.get("HTTP_ACCEPT_LANGUAGE", "")[:LONGEST_LANGUAGES]))
        else:
            super().process_request(request)

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        if not of_api(request):
            return super().process_response(request, response)
        patch_vary_headers(response, ("Accept-Language",))
        response.headers.setdefault("Content-Language", translation.get_language())
        return response


class SwitchMiddleware:
    """The API, switched off by whoever runs the server (row T16); `/api/` itself, which says what it is, answers."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if settings.RDV_API or not of_api(request) or request.path in ROOT:
            return self.get_response(request)
        return plain(API_OFF, request)


@lru_cache(maxsize=1024)
def _preferred(accepted: str) -> str:
    """The language for an `Accept-Language` header (RFC 9110 12.5.4); French when it asks for none of ours."""
    for language, _weight in parse_accept_lang_header(accepted):
        if language == "*":
            break
        with suppress(LookupError):
            return translation.get_supported_language_variant(language)
    return translation.get_supported_language_variant(settings.LANGUAGE_CODE)


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
