"""Where a request comes from, and by what name it calls us."""

from __future__ import annotations

import ipaddress

from django.conf import settings
from django.core.exceptions import DisallowedHost
from django.http import HttpRequest
from rest_framework.request import Request


def address_of(request: HttpRequest) -> str:
    """The IP address of the client, behind `RDV_TRUSTED_PROXIES` proxies that each add to `X-Forwarded-For`.

    Without trusted proxies the header is not believed: anyone can write one. Nor is an entry that is no address.
    """
    direct: str = request.META.get("REMOTE_ADDR") or "127.0.0.1"
    hops = [hop.strip() for hop in request.META.get("HTTP_X_FORWARDED_FOR", "").split(",") if hop.strip()]
    trusted = settings.RDV_TRUSTED_PROXIES
    if not 0 < trusted <= len(hops):
        return direct
    try:
        return str(ipaddress.ip_address(hops[-trusted]))
    except ValueError:
        return direct


def origin(request: HttpRequest | Request) -> str:
    """Scheme and host of this server, without a final slash: `RDV_PUBLIC_URL`, else as it is called. "" when the name
    by which it is called is refused: then an address is told from the root.
    """
    try:
        return settings.RDV_PUBLIC_URL or request.build_absolute_uri("/")[:-1]
    except DisallowedHost:
        return ""
