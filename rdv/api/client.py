"""Where a request comes from."""

from __future__ import annotations

import ipaddress

from django.conf import settings
from django.http import HttpRequest


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
