"""Pages of who, outside the API."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render


def locked_out(request: HttpRequest, response: HttpResponse | None = None, credentials: object = None) -> HttpResponse:
    """Too many failed sign-ins: the API's answer as it is, a page for somebody in a browser."""
    if request.path.startswith("/api/") and response is not None:
        return response
    wait = int(settings.RDV_SIGN_IN_LIMIT.window.total_seconds())
    page = render(request, "agents/locked_out.html", {"minutes": -(-wait // 60)}, status=429)
    page["Retry-After"] = str(wait)
    return page
