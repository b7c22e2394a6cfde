"""Who: territories, organisations and services, the agents with their roles, and their credentials."""

from .accounts import AccountRole, ApiAccount, Grant
from .agent import Agent, AgentQuerySet
from .credentials import ClientToken, Overtaken, Refused
from .directory import Organisation, Service, Territory
from .keys import AccessKey, KeyState, Scope
from .record import Action, ActorKind, RecordEntry, RecordPurge
from .recorded import Recorded
from .rights import end_rights, end_tokens, hold_rights
from .roles import AccessLevel, AgentRole, AgentTerritorialRole, ShownOrganisation
from .signing import SigningKey
from .setup import FirstSecret

__all__ = [
    "AccessKey",
    "AccessLevel",
    "AccountRole",
    "Agent",
    "AgentQuerySet",
    "Action",
    "ActorKind",
    "AgentRole",
    "AgentTerritorialRole",
    "ApiAccount",
    "ClientToken",
    "FirstSecret",
    "Grant",
    "KeyState",
    "Organisation",
    "Overtaken",
    "Refused",
    "Scope",
    "Service",
    "RecordEntry",
    "RecordPurge",
    "Recorded",
    "ShownOrganisation",
    "SigningKey",
    "Territory",
    "end_rights",
    "end_tokens",
    "hold_rights",
]
