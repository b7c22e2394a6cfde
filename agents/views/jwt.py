"""Signing in for a JSON Web Token, and the keys to check one with (row T9)."""

from __future__ import annotations

from django.conf import settings
from django.utils.translation import gettext_lazy as _
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response

from agents import shapes
from agents.authentication.jwt import issue, signed
from agents.models import Agent, ClientToken
from agents.models.signing import published_jwks
from rdv.api.registry import Answer, Described, Example, Parameter
from rdv.api.schema import text
from rdv.api.views import WireView

from .base import AuthView
from .sign_in import PASSWORD, REFUSALS, SLOWED, PasswordSignIn

SAMPLE_JWT = {"access_token": "eyJhbGciOiJFUzI1NiIsImtpZCI6IjEifQ.e30.c2ln", "token_type": "Bearer", "expires_in": 3600}
SAMPLE_JWKS = {"keys": [{"kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": "1", "x": "…", "y": "…"}]}


class Login(PasswordSignIn):
    """`POST /api/auth/login`: `username` or `email`, and `password`, against a JSON Web Token."""

    operations = {
        "post": Described(
            _("Obtenir un jeton JWT"),
            _("Pour un programme qui attend un jeton signé (RFC 7519) plutôt qu'un triplet."),
            _("Tout agent qui a un mot de passe."),
            name="login",
            parameters=(
                Parameter("username", _("L'adresse de l'agent ; `email` fait aussi."), text(), place="body"),
                # Of any type: who gives a username is not asked what else they sent.
                Parameter("email", _("La même chose, sous l'autre nom ; `username` l'emporte."), {}, place="body"),
                PASSWORD,
            ),
            answers={200: Answer(_("Le jeton."), shapes.JWT, lambda: SAMPLE_JWT)},
            errors=REFUSALS,
            examples=(
                Example(
                    _("Martine, des données de démonstration"),
                    {"username": "martine@demo.rdv-solidarites.fr", "password": "123456"},
                ),
            ),
            limits=SLOWED,
            public=True,
        )
    }
    names = ("username", "email")
    versioned = False

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

    group = AuthView.group
    operations = {
        "get": Described(
            _("Lister les clés publiques"),
            _(
                "Avec lesquelles on vérifie un jeton JWT de ce serveur sans rien lui demander. Aussi à "
                "/.well-known/jwks.json."
            ),
            _("Qui que ce soit."),
            name="jwks",
            answers={200: Answer(_("Les clés."), shapes.JWKS, lambda: SAMPLE_JWKS)},
            examples=(Example(_("Toutes"), {}),),
            public=True,
        )
    }
    authentication_classes = ()
    permission_classes = (AllowAny,)
    versioned = False

    def get(self, request: Request) -> Response:
        return Response(published_jwks(), headers={"Cache-Control": "public, max-age=300"})
