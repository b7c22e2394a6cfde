"""Who: territories, organisations and services, the agents with their roles, and their credentials."""

from .agent import Agent, AgentQuerySet
from .credentials import ClientToken, Overtaken, Refused
from .directory import Organisation, Service, Territory
from .rights import end_rights, end_tokens, hold_rights
from .roles import AccessLevel, AgentRole, AgentTerritorialRole, ShownOrganisation

__all__ = [
    "AccessLevel",
    "Agent",
    "AgentQuerySet",
    "AgentRole",
    "AgentTerritorialRole",
    "ClientToken",
    "Organisation",
    "Overtaken",
    "Refused",
    "Service",
    "ShownOrganisation",
    "Territory",
    "end_rights",
    "end_tokens",
    "hold_rights",
]
