"""How often somebody who has not signed in may make the server send a mail."""

from __future__ import annotations

from django.utils import timezone
from rest_framework.request import Request
from rest_framework.throttling import SimpleRateThrottle
from rest_framework.views import APIView

from rdv.api.client import address_of


class PasswordRequestThrottle(SimpleRateThrottle):
    """By address, whatever the email: the limit tells nothing about who exists."""

    scope = "password_request"
    rate = "10/min"

    def timer(self) -> float:
        return timezone.now().timestamp()

    def get_cache_key(self, request: Request, view: APIView) -> str:
        return self.cache_format % {"scope": self.scope, "ident": address_of(request._request)}
