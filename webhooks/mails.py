"""The mails about webhooks."""

from __future__ import annotations

from django.conf import settings

from agents.mails import send
from agents.models import Agent

from .models import WebhookEndpoint


def send_disabled(endpoint: WebhookEndpoint) -> None:
    """Tell whoever made the endpoint that it is disabled; where they are gone, who administers its territory."""
    context = {
        "endpoint": endpoint,
        "gone": endpoint.disabled_why == WebhookEndpoint.Why.GONE,
        "days": settings.RDV_WEBHOOKS_DISABLE_DAYS,
        "page": f"{settings.RDV_PUBLIC_URL}/webhooks/{endpoint.pk}" if settings.RDV_PUBLIC_URL else "",
    }
    for recipient in recipients(endpoint):
        send("webhooks/disabled.txt", context, recipient, settings.LANGUAGE_CODE)


def recipients(endpoint: WebhookEndpoint) -> list[str]:
    if endpoint.owner is not None and endpoint.owner.may_come_in:
        return [str(endpoint.owner.email)]
    there = Agent.objects.filter(territorial_roles__territory__organisations=endpoint.organisation_id).distinct()
    return sorted(str(agent.email) for agent in there if agent.may_come_in)
