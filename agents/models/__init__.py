"""Who: territories, organisations and services, the agents with their roles, and their credentials."""

from .accounts import AccountRole, ApiAccount, Grant
from .agent import Agent, AgentQuerySet
from .credentials import ClientToken, Overtaken, Refused
from .directory import Organisation, Service, Territory
from .external import AgentExternalId
from .keys import AccessKey, KeyState, Scope
from .quotas import QuotaUse
from .record import Action, ActorKind, RecordEntry, RecordPurge
from .recorded import Recorded
from .rights import end_rights, end_tokens, hold_rights
from .roles import AccessLevel, AgentRole, AgentTerritorialRole, ShownOrganisation
from .setup import FirstSecret
from .signing import SigningKey

__all__ = [
    "AccessKey",
    "AccessLevel",
    "AccountRole",
    "Action",
    "ActorKind",
    "Agent",
    "AgentExternalId",
    "AgentQuerySet",
    "AgentRole",
    "AgentTerritorialRole",
    "ApiAccount",
    "ClientToken",
    "FirstSecret",
    "Grant",
    "KeyState",
    "Organisation",
    "Overtaken",
    "QuotaUse",
    "RecordEntry",
    "RecordPurge",
    "Recorded",
    "Refused",
    "Scope",
    "Service",
    "ShownOrganisation",
    "SigningKey",
    "Territory",
    "end_rights",
    "end_tokens",
    "hold_rights",
]
