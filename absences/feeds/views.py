"""Feeds by API: an agent's own, their addresses told once (rows C1, C2, C5)."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from rest_framework.request import Request
from rest_framework.response import Response

from absences.models import Feed
from rdv.api.client import origin
from rdv.api.errors import Forbidden, InsufficientScope, NotFound
from rdv.api.registry import Described, Example, Group
from rdv.api.views import ResourceViewSet

from .serializers import FEED, FeedSerializer
from .serving import PREFIX, SUFFIX


def addresses(request: HttpRequest | Request, secret: str) -> dict[str, str]:
    """Where a feed is to be had: over HTTPS, or HTTP where the server speaks no better; and as programs subscribe."""
    base = origin(request)
    root = reverse("feed", args=("-",)).removesuffix(f"{PREFIX}-{SUFFIX}")
    path = f"{root}{PREFIX}{secret}{SUFFIX}"
    return {"ics_address": f"{base}{path}", "webcal_address": f"webcal://{base.partition('://')[2]}{path}"}


class Feeds(ResourceViewSet):
    """`/feeds`: made, changed, renewed and deleted by who signed in; a key only reads them, since an address would
    outlive it.
    """

    group = Group(
        "feeds",
        _("Calendriers à suivre"),
        _(
            "Des adresses secrètes que suivent Google Agenda, Outlook, Zimbra, Apple ou Thunderbird : les absences "
            "d'un agent, d'un service ou d'une organisation, telles que l'agent à qui est le calendrier les voit."
        ),
    )
    operations = {
        "list": Described(
            _("Lister ses calendriers à suivre"),
            _("Les siens, sans leur adresse."),
            _("Tout agent, pour les siens."),
            limits=_("100 par page."),
            examples=(Example(_("Tous"), {}),),
        ),
        "create": Described(
            _("Créer un calendrier à suivre"),
            _("Son adresse n'est montrée qu'ici, une seule fois. Il ne dit rien de personnel, sauf à le demander."),
            _("Un agent qui s'est connecté ; une clé n'en crée pas."),
            errors=(InsufficientScope(),),
            examples=(
                Example(_("Ses propres absences"), {"name": "Mes absences"}),
                Example(
                    _("Celles d'une organisation, avec les titres"),
                    {"name": "Équipe", "organisation_id": 1, "privacy": "titles", "holidays": True},
                ),
            ),
        ),
        "retrieve": Described(
            _("Montrer un calendrier à suivre"),
            _("Sans son adresse."),
            _("L'agent à qui il est."),
            examples=(Example(_("L'un des siens"), {"id": 1}),),
        ),
        "update": Described(
            _("Modifier un calendrier à suivre"),
            _("Ce qu'il montre et ce qu'il en dit ; ou révoquer son adresse. De qui il est ne change jamais."),
            _("L'agent à qui il est, connecté."),
            errors=(InsufficientScope(),),
            examples=(Example(_("Montrer les titres"), {"id": 1, "privacy": "titles"}),),
        ),
        "destroy": Described(
            _("Supprimer un calendrier à suivre"),
            _("Son adresse ne mène plus nulle part, aussitôt."),
            _("L'agent à qui il est, connecté."),
            errors=(InsufficientScope(),),
            examples=(Example(_("L'un des siens"), {"id": 1}),),
        ),
        "renew": Described(
            _("Renouveler l'adresse d'un calendrier"),
            _("L'ancienne ne mène plus nulle part, aussitôt ; la nouvelle n'est montrée qu'ici."),
            _("L'agent à qui il est, connecté."),
            errors=(InsufficientScope(), Forbidden(), NotFound("feed")),
            examples=(Example(_("L'un des siens"), {"id": 1}),),
        ),
    }
    resource = "feeds"
    model = Feed
    representation = FEED
    serializer_class = FeedSerializer
    told_once = ("create", "renew")
    sorts = {"id": "id", "created_at": "created_at", "last_read_at": "last_read_at"}

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        if request.method not in ("GET", "HEAD", "OPTIONS") and request.auth and not request.auth.signs_in:
            raise InsufficientScope

    def renew(self, request: Request, pk: str) -> Response:
        self._ask_of_one()
        return self._write(lambda: self._renewed(self._instance(pk)))

    def _renewed(self, feed: Feed) -> Response:
        secret = feed.new_address()
        feed.save()
        self.written = feed
        self._hold_rights()
        return self._telling(self._answer(self._row(feed.pk)), secret)

    def _save(self, serializer: Any) -> Response:
        response = super()._save(serializer)
        return self._telling(response, serializer.secret) if serializer.secret else response

    def _telling(self, response: Response, secret: str) -> Response:
        """The answer with the new address, this once."""
        response.data[self.representation.singular] |= addresses(self.request, secret)
        response["Cache-Control"] = "no-store"
        return response
