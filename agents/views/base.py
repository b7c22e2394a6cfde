"""What the endpoints of `auth/*` share (contract 2.8)."""

from __future__ import annotations

from rest_framework import exceptions
from rest_framework.response import Response

from agents.authentication import TripleAuthentication
from rdv.api.errors import Refusal, Unauthenticated
from rdv.api.views import WireView


class AuthView(WireView):
    """`auth/*` knows the triple only, and refuses in its own words; why stays in `WWW-Authenticate`."""

    authentication_classes = (TripleAuthentication,)
    asks_reason = False
    # (status, sentence) for a caller without a valid triple.
    refusal: tuple[int, str]

    def handle_exception(self, exc: Exception) -> Response:
        if isinstance(exc, exceptions.NotAuthenticated):
            exc = Unauthenticated()
        if isinstance(exc, Unauthenticated):
            status, sentence = self.refusal
            refusal = Refusal(status, str(sentence), exc.headers if status == 401 else None).of(exc.presented)
            refusal.reason = exc.reason
            exc = refusal
        return super().handle_exception(exc)
