"""Agents, organisations and services (contract 4.3, 4.4)."""

from __future__ import annotations

from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _

from agents.expansions import ORGANISATIONS_OF_AGENTS, SERVICES_OF_AGENTS, TERRITORY_OF_ORGANISATIONS
from agents.filters import AgentFilters
from agents.models import Agent, Organisation, Service
from agents.serializers import AGENT, ORGANISATION, SERVICE, OrganisationSerializer
from rdv.api.errors import RecordNotFound
from rdv.api.narrowing import NarrowedAlike
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
