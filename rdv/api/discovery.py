"""What the API says of itself, to anybody: what it is (`GET /api`), and its whole description (OpenAPI)."""

from __future__ import annotations

from typing import Any

from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response

from rdv import VERSION

from .deprecation import PAGE as DEPRECATIONS
from .openapi import OPENAPI, document
from .problems import PAGES
from .registry import Answer, Described, Example, Group, operations
from .schema import DAY, Shape, array, choice, nullable, obj, text
from .versioning import VERSIONS
from .views import WireView

DESCRIPTION = "/api/v1/openapi.json"
# A client, or a cache for many of them, may keep them so long, and asks then whether they changed; in each form by
# itself (accept.py), since nobody asks meanwhile.
KEPT = {"Cache-Control": "public, max-age=3600", "Vary": "Accept"}

SERVER = Shape(
    "Server",
    _("Ce serveur, en bref."),
    {
        "name": text(_("RDV.")),
        "version": text(_("Sa version ; celle de l'en-tête X-RDV-Server.")),
        "versions": array(
            obj(
                _("Une version de l'API."),
                version=text(),
                state=choice("supported", "deprecated"),
                path=text(),
                since=DAY,
                deprecated_on=nullable(DAY),
                sunset_on=nullable(DAY),
                deprecations=array({"type": "object"}, _("Ce qui y est annoncé comme devant finir.")),
            )
        ),
        "sign_in": array(
            obj(
                _("Une manière de dire qui l'on est."),
                name=text(),
                about=text(),
                headers=array(text()),
                given_by=nullable(text(_("L'opération qui donne ce qu'il y faut."))),
            )
        ),
        "operations": array(
            obj(_("Une opération."), id=text(), method=text(), path=text(), summary=text(), public={"type": "boolean"})
        ),
        "links": {"type": "object", "description": _("Où aller."), "additionalProperties": text(format="uri")},
    },
)


class PublicView(WireView):
    """For anybody, signed in or not."""

    authentication_classes = ()
    permission_classes = (AllowAny,)
    group = Group("api", _("L'API"), _("Ce qu'elle est, pour qui la découvre."))


class Discovery(PublicView):
    """`GET /api`: the server, the ways to sign in, its operations, and where more is said."""

    versioned = False
    operations = {
        "get": Described(
            _("Découvrir le serveur"),
            _("Son nom, sa version, les versions de l'API, comment se connecter, ses opérations, où en lire plus."),
            _("Qui que ce soit."),
            name="discover",
            answers={200: Answer(_("Le serveur."), SERVER, lambda: introduction("https://rdv.agence.example"))},
            examples=(Example(_("Celui-ci"), {}),),
            public=True,
        )
    }

    def get(self, request: Request) -> Response:
        return Response(introduction(self.base), headers=KEPT)


class Description(PublicView):
    """`GET /api/v1/openapi.json`: everything of this version, for programs."""

    operations = {
        "get": Described(
            _("Décrire l'API"),
            _("Ce document, en OpenAPI 3.1 : en français, ou en anglais avec `Accept-Language: en`."),
            _("Qui que ce soit."),
            name="describe",
            answers={
                200: Answer(
                    _("Le document."),
                    {"type": "object", "additionalProperties": True, "required": ["openapi", "info", "paths"]},
                    lambda: {"openapi": OPENAPI, "info": {"title": "RDV", "version": VERSION}, "paths": {}},
                )
            },
            examples=(Example(_("Celui-ci"), {}),),
            public=True,
        )
    }

    def get(self, request: Request) -> Response:
        return Response(document(get_language()), headers=KEPT)


def introduction(base: str) -> dict[str, Any]:
    """What `GET /api` answers; `base`: scheme and host of this server."""
    ways = {way.name: way for operation in operations().values() for way in operation.ways}
    return {
        "name": "RDV",
        "version": VERSION,
        "versions": [version.told() | {"deprecations": version.deprecations()} for version in VERSIONS],
        "sign_in": [
            {
                "name": way.name,
                "about": str(way.about),
                "headers": [scheme.get("name", "Authorization") for scheme in way.schemes.values()],
                "given_by": way.given_by,
            }
            for way in ways.values()
        ],
        "operations": [
            {
                "id": operation.id,
                "method": operation.method,
                "path": operation.path,
                "summary": str(operation.described.summary),
                "public": operation.public,
            }
            for operation in operations().values()
        ],
        "links": {
            "description": base + DESCRIPTION,
            "documentation": f"{base}/api/docs",
            "errors": base + PAGES,
            "compatibility": base + DEPRECATIONS,
            "health": f"{base}/health/ready",
        },
    }
