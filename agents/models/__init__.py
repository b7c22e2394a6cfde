"""Who: territories, organisations and services, the agents with their roles, and their credentials."""

from .agent import Agent, AgentQuerySet
from .credentials import ClientToken, Refused
from .directory import Organisation, Service, Territory
from .roles import AccessLevel, AgentRole, AgentTerritorialRole, ShownOrganisation

__all__ = [
    "AccessLevel",
    "Agent",
    "AgentQuerySet",
    "AgentRole",
    "AgentTerritorialRole",
    "ClientToken",
    "Organisation",
    "Refused",
    "Service",
    "ShownOrganisation",
    "Territory",
]
