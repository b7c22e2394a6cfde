"""Webhooks: who wants to be told of what, what happened, and what came of telling it (contract 5.5)."""

from .backfill import Backfill
from .delivery import Attempt, Delivery
from .endpoint import SUBSCRIPTIONS, WebhookEndpoint
from .event import Audience, Event
from .tally import Tally

__all__ = ["SUBSCRIPTIONS", "Attempt", "Audience", "Backfill", "Delivery", "Event", "Tally", "WebhookEndpoint"]
