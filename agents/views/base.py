"""What the endpoints of `auth/*` share (contract 2.8)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.utils.functional import lazy
from django.utils.translation import gettext_lazy as _
from rest_framework import exceptions
from rest_framework.response import Response

from agents.authentication import TripleAuthentication
from rdv.api.errors import Refusal, Unauthenticated, WireError
from rdv.api.registry import Group, Operation
from rdv.api.schema import Sentence
from rdv.api.views import WireView


def said(sentence: Any, **values: str) -> Any:
    """The sentence with its values, in the language of who reads it."""
    return lazy(lambda: str(sentence) % values, str)()


class AuthView(WireView):
    """`auth/*` knows the triple only, and refuses in its own words; why stays in `WWW-Authenticate`."""

    authentication_classes = (TripleAuthentication,)
    asks_reason = False
    group = Group("auth", _("Connexion"), _("Se connecter, se déconnecter, changer de mot de passe."))
    # (status, sentence) for a caller without a valid triple.
    refusal: tuple[int, Sentence]

    @classmethod
    def described_errors(cls, operation: Operation) -> Iterator[WireError]:
        for error in super().described_errors(operation):
            yield cls._refusal_for(error) if isinstance(error, Unauthenticated) else error

    def handle_exception(self, exc: Exception) -> Response:
        if isinstance(exc, exceptions.NotAuthenticated):
            exc = Unauthenticated()
        if isinstance(exc, Unauthenticated):
            exc = self._refusal_for(exc)
        return super().handle_exception(exc)

    @classmethod
    def _refusal_for(cls, error: Unauthenticated) -> Refusal:
        """The same in the words of this endpoint."""
        status, sentence = cls.refusal
        code, headers = (error.code, error.headers) if status == 401 else ("not_signed_in", None)
        refusal = Refusal(status, code, sentence, headers).of(error.presented)
        refusal.reason = error.reason
        return refusal
