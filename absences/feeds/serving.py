"""`GET /feeds/<secret>.ics`: a calendar for whoever has its address. No credential, no cookie, no session.

An address is as good as a key, and other people's programs keep it in places where keys are not expected. It is taken
out of the request before anything else looks at it, so that no log, measure, report or record of ours can repeat it.
"""

from __future__ import annotations

from collections.abc import Callable

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseNotModified
from django.utils import translation
from django.utils.http import http_date, parse_etags, parse_http_date_safe
from django.views.decorators.csrf import csrf_exempt

from absences.models import Feed
from rdv.api.conditional import LONGEST

from .reading import Content

PREFIX, SUFFIX = "/feeds/", ".ics"
HIDDEN = "-"  # stands for the secret wherever an address is told
CACHED = "private, no-cache"


class HiddenAddresses:
    """The outermost middleware: what comes after finds the secret in `request.feed_secret`, and none in the address."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if not request.path_info.startswith(PREFIX):
            return self.get_response(request)
        named = request.path_info.removeprefix(PREFIX)
        leads = named.endswith(SUFFIX) and "/" not in named
        request.feed_secret = named.removesuffix(SUFFIX) if leads else None  # type: ignore[attr-defined]
        hidden = f"{PREFIX}{HIDDEN}{SUFFIX if leads else ''}"
        request.path = request.path.removesuffix(request.path_info) + hidden
        request.path_info = request.META["PATH_INFO"] = hidden
        for name in ("RAW_URI", "REQUEST_URI"):
            request.META.pop(name, None)
        response = self.get_response(request)
        # The same for everybody: no header of the request chooses among answers.
        response.headers.pop("Vary", None)
        response["Referrer-Policy"] = "no-referrer"
        response["X-Robots-Tag"] = "noindex"
        return response


@csrf_exempt
def feed(request: HttpRequest, secret: str) -> HttpResponse:
    """The calendar, or 304 for who has it; 404 for an address that leads nowhere, whatever the reason."""
    if request.method not in ("GET", "HEAD"):
        return HttpResponseNotAllowed(("GET", "HEAD"))
    found = Feed.objects.presented(getattr(request, "feed_secret", None))
    if found is None:
        raise Http404
    # Calendars ask in whatever language their servers speak; the titles are in that of the people.
    with translation.override(settings.LANGUAGE_CODE):
        content = Content(found)
    digest = content.digest
    since = found.noticed(digest)
    headers = {"ETag": f'"{digest}"', "Last-Modified": http_date(since.timestamp()), "Cache-Control": CACHED}
    if _has_it(request, digest, int(since.timestamp())):
        return HttpResponseNotModified(headers=headers)
    headers["Content-Disposition"] = 'inline; filename="absences.ics"'
    return HttpResponse(content.body, content_type="text/calendar; charset=utf-8", headers=headers)


def _has_it(request: HttpRequest, digest: str, since: int) -> bool:
    """Whether the client has this very content already (RFC 9110 13.1.2, 13.1.3)."""
    known = request.META.get("HTTP_IF_NONE_MATCH")
    if known is not None:
        tags = {tag.removeprefix("W/") for tag in parse_etags(known[:LONGEST])}
        return "*" in tags or f'"{digest}"' in tags
    told = parse_http_date_safe(request.META.get("HTTP_IF_MODIFIED_SINCE", "")[:100])
    return told is not None and told >= since
