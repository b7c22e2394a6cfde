"""Agents, organisations and services (contract 4.3, 4.4)."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import orjson
from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _
from rest_framework.request import Request
from rest_framework.response import Response

from agents.expansions import ORGANISATIONS_OF_AGENTS, SERVICES_OF_AGENTS, TERRITORY_OF_ORGANISATIONS
from agents.filters import AgentFilters
from agents.models import Agent, AgentExternalId, Organisation, Service
from agents.models.external import places_of
from agents.record import gathered
from agents.serializers import (
    AGENT,
    EXTERNAL_IDS,
    ORGANISATION,
    SERVICE,
    AgentExternalIdsSerializer,
    OrganisationSerializer,
)
from rdv.api.conditional import refuse_stale
from rdv.api.errors import RecordNotFound
from rdv.api.models import KeptAnswer
from rdv.api.narrowing import NarrowedAlike
from rdv.api.parsers import leading_integer
from rdv.api.registry import Described, Example, Group
from rdv.api.views import ResourceViewSet


class Agents(NarrowedAlike, ResourceViewSet):
    group = Group("agents", _("Agents"), _("Les agents que l'on voit, et dont on gère donc les absences."))
    operations = {
        "list": Described(
            _("Lister les agents"),
            _("Les agents que l'on voit, dans l'ordre de leurs noms."),
            _(
                "Un agent voit ceux de ses organisations qui ont un service en commun avec lui ; un secrétariat ou un "
                "administrateur, tous ceux de ses organisations ; un administrateur de territoire, tous ceux du sien."
            ),
            limits=_("100 par page."),
            examples=(
                Example(_("Tous"), {}),
                Example(_("Ceux d'une organisation"), {"organisation_id": 1}),
                Example(_("Celui d'un matricule"), {"external_id": "rh:A-17"}),
            ),
        )
    }
    resource = "agents"
    model = Agent
    representation = AGENT
    filters = AgentFilters
    sorts = {"id": "id", "email": "folded_email", "first_name": "folded_first_name", "last_name": "folded_last_name"}
    searched = ("email", "first_name", "last_name")
    expansions = {
        "services": SERVICES_OF_AGENTS,
        "organisations": ORGANISATIONS_OF_AGENTS,
        "organisations.territory": TERRITORY_OF_ORGANISATIONS,
    }


class AgentExternalIds(ResourceViewSet):
    """`/agents/:id/external_ids`: beside the agent, whose own object is for everybody who sees them."""

    group = Agents.group
    operations = {
        "retrieve": Described(
            _("Montrer les identifiants externes d'un agent"),
            _(
                "Ce que d'autres systèmes l'appellent, dans les territoires où l'on peut le savoir ; s'ils diffèrent, "
                "dans celui de l'organisation que l'agent montre."
            ),
            _(
                "L'agent ; un administrateur d'une organisation où il a un rôle, ou de son territoire, pour ce qui est "
                "de ce territoire."
            ),
            name="show_external_ids",
            examples=(Example(_("Ceux du premier"), {"id": 1}),),
        ),
        "update": Described(
            _("Donner à un agent ses identifiants externes"),
            _(
                "Ceux qui sont envoyés remplacent tous les autres, dans chaque territoire où l'agent travaille et où "
                "l'on est administrateur ; PUT et PATCH font la même chose. Un agent supprimé libère les siens."
            ),
            _("Un administrateur d'une organisation où l'agent a un rôle, ou de son territoire."),
            name="update_external_ids",
            examples=(Example(_("Le matricule du premier"), {"id": 1, "external_ids": {"rh": "A-17"}}),),
        ),
    }
    resource = "agents"
    model = Agent
    representation = EXTERNAL_IDS
    serializer_class = AgentExternalIdsSerializer

    def update(self, request: Request, pk: str) -> Response:
        self.params.refuse_unread_body()
        self._ask_of_one()
        return self._once(lambda: self._change(leading_integer(pk)))

    partial_update = update

    def _change(self, pk: int) -> Response:
        agent = Agent.objects.select_for_update(no_key=True).filter(pk=pk, deleted_at=None).first()
        if agent is None:
            raise self.not_found(pk)
        if not places_of(pk, self.request.user):
            raise self._forbidden()
        refuse_stale(self.request, SimpleNamespace(pk=pk, version=_version(self._ids(pk))))
        with gathered():
            return self._save(self._serializer(agent))

    def _row(self, pk: int) -> tuple[Any, ...]:
        if not Agent.objects.filter(pk=pk, deleted_at=None).exists():
            raise self.not_found(pk)
        if pk not in self.request.user.reach.own and not places_of(pk, self.request.user):
            raise self._forbidden()
        ids = self._ids(pk)
        self.row_version = f"{pk}.{_version(ids)}"
        return pk, ids

    def replay(self, kept: KeptAnswer) -> Response:
        """As usual; where it shows an id that is not for the caller to read any more, as it is now."""
        answer = super().replay(kept)
        told = (answer.data or {}).get("agent", {}).get("external_ids")
        if told and kept.row is not None:
            known = AgentExternalId.objects.known_by(self.request.user).filter(agent=kept.row).order_by()
            if not told.items() <= set(known.values_list("system", "value")):
                answer.data = self._answer(self._row(kept.row)).data
        return answer

    def _ids(self, pk: int) -> dict[str, str]:
        return AgentExternalId.objects.known_by(self.request.user).filter(agent=pk).ids()


def _version(ids: Mapping[str, str]) -> int:
    """They have no version of their own: a number that changes with them."""
    return zlib.crc32(orjson.dumps(ids))


class Organisations(NarrowedAlike, ResourceViewSet):
    group = Group("organisations", _("Organisations"), _("Les lieux d'un territoire où travaillent des agents."))
    operations = {
        "list": Described(
            _("Lister les organisations"),
            _("Celles où l'on a un rôle, ou du territoire que l'on administre."),
            _("Tout agent, pour les siennes."),
            limits=_("100 par page."),
            examples=(Example(_("Toutes"), {}),),
        ),
        "retrieve": Described(
            _("Montrer une organisation"),
            _("Ce qu'elle est."),
            _("Un agent de cette organisation, ou un administrateur de son territoire."),
            examples=(Example(_("La première"), {"id": 1}),),
        ),
        "update": Described(
            _("Modifier une organisation"),
            _("Ce qui n'est pas envoyé reste tel quel ; PUT et PATCH font la même chose."),
            _("Un administrateur de cette organisation, ou de son territoire."),
            examples=(Example(_("Changer de téléphone"), {"id": 1, "phone_number": "01 40 00 00 01"}),),
        ),
    }
    resource = "organisations"
    model = Organisation
    representation = ORGANISATION
    serializer_class = OrganisationSerializer
    sorts = {"id": "id", "name": "folded_name", "email": "folded_email", "verticale": "verticale"}
    searched = ("email", "name")
    expansions = {"territory": TERRITORY_OF_ORGANISATIONS}
    forbidden = {
        "retrieve": _("Vous n’avez pas les droits suffisants pour accéder à cette organisation")  # noqa: RUF001
    }

    @classmethod
    def changeable_by(cls, agent: Agent) -> QuerySet[Organisation]:
        return Organisation.objects.updatable_by(agent)

    @classmethod
    def not_found(cls, pk: int) -> RecordNotFound:
        return RecordNotFound(cls.representation.singular, pk)


class Services(NarrowedAlike, ResourceViewSet):
    group = Group("services", _("Services"), _("Les métiers des agents : PMI, service social, secrétariat…"))
    operations = {
        "list": Described(
            _("Lister les services"),
            _("Ceux des agents que l'on voit."),
            _("Tout agent, pour ceux qu'il voit."),
            limits=_("100 par page."),
            examples=(Example(_("Tous"), {}),),
        )
    }
    resource = "services"
    model = Service
    representation = SERVICE
    sorts = {"id": "id", "name": "folded_name", "short_name": "folded_short_name"}
    searched = ("name", "short_name")
