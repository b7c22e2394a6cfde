"""What is still to be sent again to an endpoint, because it was made or changed (contract 5.5)."""

from __future__ import annotations

from django.db import models

from .endpoint import WebhookEndpoint


class Backfill(models.Model):
    """How far one is: it goes through the subscriptions one after the other. Whoever writes it holds the endpoint."""

    endpoint = models.OneToOneField(
        WebhookEndpoint, on_delete=models.CASCADE, primary_key=True, related_name="backfill"
    )
    # The subscription that it is at, "" before the first; of its rows, those that come next, and the last one that was
    # looked up.
    subscription = models.CharField(max_length=30, blank=True)
    ahead = models.JSONField(default=list)
    last = models.BigIntegerField(default=0)
    # Transactions with a lower number did not know of the endpoint, or not as it is: it begins after their end.
    begins_after = models.BigIntegerField(null=True)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.endpoint_id} : {self.subscription} {self.last}"
