"""Middleware that only pages need: a request of the API walks past it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from csp.middleware import CSPMiddleware
from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.messages.middleware import MessageMiddleware
from django.contrib.sessions.middleware import SessionMiddleware
from django.http import HttpRequest, HttpResponse
from django.utils.cache import add_never_cache_headers
from django.utils.translation import gettext as _
from whitenoise.middleware import WhiteNoiseMiddleware

from rdv.api.errors import MalformedRequest, plain
from rdv.api.middleware import of_api

if TYPE_CHECKING:
    _Middleware = SessionMiddleware
else:
    _Middleware = object


class _PagesOnly(_Middleware):
    def __call__(self, request: HttpRequest) -> Any:
        return self.get_response(request) if of_api(request) else super().__call__(request)


class StaticFiles(_PagesOnly, WhiteNoiseMiddleware):
    pass


class ContentPolicy(_PagesOnly, CSPMiddleware):
    pass


class Speakable:
    """No NUL character in the address of a page: PostgreSQL fails on one, wherever it is looked for."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if "%00" in request.META.get("QUERY_STRING", "") and not of_api(request):
            return plain(MalformedRequest(_("Un paramètre contient un caractère nul.")), request)
        return self.get_response(request)


class Sessions(_PagesOnly, SessionMiddleware):
    def process_response(self, request: HttpRequest, response: HttpResponse) -> HttpResponse:
        """What is shown to one person is kept by nobody, refusals included."""
        response = super().process_response(request, response)
        if not response.has_header("Cache-Control"):
            add_never_cache_headers(response)
        return response


class Authentication(_PagesOnly, AuthenticationMiddleware):
    pass


class Messages(_PagesOnly, MessageMiddleware):
    pass
