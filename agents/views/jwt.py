"""Signing in for a JSON Web Token, and the keys to check one with (row T9)."""

from __future__ import annotations

from django.conf import settings
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response

from agents.authentication.jwt import issue, signed
from agents.models import Agent, ClientToken
from agents.models.signing import published_jwks
from rdv.api.views import WireView

from .sign_in import PasswordSignIn


class Login(PasswordSignIn):
    """`POST /api/auth/login`: `username` or `email`, and `password`, against a JSON Web Token."""

    names = ("username", "email")

    def issue(self, agent: Agent) -> tuple[ClientToken, str]:
        return issue(agent)

    def answer(self, token: ClientToken, secret: str) -> Response:
        body = {
            "access_token": signed(token, secret),
            "token_type": "Bearer",
            "expires_in": int(settings.RDV_JWT_LIFETIME.total_seconds()),
        }
        return Response(body, headers={"Cache-Control": "no-store"})


class Jwks(WireView):
    """`GET /.well-known/jwks.json`: the public halves of the keys that our tokens are signed with."""

    authentication_classes = ()
    permission_classes = (AllowAny,)

    def get(self, request: Request) -> Response:
        return Response(published_jwks(), headers={"Cache-Control": "public, max-age=300"})
