"""How agents, organisations and services look on the wire, and how organisations are written (contract 4.1, 4.4)."""

from __future__ import annotations

from typing import Any

from rdv.api.fields import TextField
from rdv.api.renderers import Representation
from rdv.api.serializers import WireSerializer

from .models import Agent, Organisation

AGENT_COLUMNS = ("id", "email", "first_name", "inclusion_connect_open_id_sub", "last_name")
ORGANISATION_COLUMNS = ("id", "email", "name", "phone_number", "verticale")


def render_agent(
    id: int, email: str | None, first_name: str | None, open_id: str | None, last_name: str | None
) -> dict[str, Any]:
    """The Agent object; the arguments are `AGENT_COLUMNS`."""
    return {
        "id": id,
        "email": email,
        "first_name": first_name,
        "inclusion_connect_open_id_sub": open_id,
        "last_name": last_name,
    }


def render_organisation(
    id: int, email: str | None, name: str, phone_number: str | None, verticale: str
) -> dict[str, Any]:
    """The Organisation object; the arguments are `ORGANISATION_COLUMNS`."""
    return {"id": id, "email": email, "name": name, "phone_number": phone_number, "verticale": verticale}


def render_service(id: int, name: str, secretariat: bool, short_name: str) -> dict[str, Any]:
    return {"id": id, "name": name, "secretariat": secretariat, "short_name": short_name}


AGENT = Representation("agent", "agents", AGENT_COLUMNS, lambda base, *row: render_agent(*row))
ORGANISATION = Representation(
    "organisation", "organisations", ORGANISATION_COLUMNS, lambda base, *row: render_organisation(*row)
)
SERVICE = Representation(
    "service", "services", ("id", "name", "secretariat", "short_name"), lambda base, *row: render_service(*row)
)


class OrganisationSerializer(WireSerializer):
    """The writable attributes of contract 4.4, all optional."""

    model = Organisation

    name = TextField()
    phone_number = TextField()
    email = TextField()
    verticale = TextField()


def account(agent: Agent) -> dict[str, Any]:
    """The eleven keys of `sign_in` and `validate_token`, in their order (contract 2.3)."""
    return {
        "id": agent.pk,
        "deleted_at": agent.deleted_at,
        "email": agent.email,
        "provider": agent.provider,
        "service_id": agent.first_service_id,
        "role": "admin" if agent.is_admin_somewhere else "user",
        "last_name": agent.last_name,
        "first_name": agent.first_name,
        "uid": agent.uid,
        "email_original": agent.email_original,
        "allow_password_change": agent.allow_password_change,
    }
