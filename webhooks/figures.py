"""What Prometheus is told of webhooks: what waits and for how long, what came of the rest, which ends are broken."""

from __future__ import annotations

from collections.abc import Iterator

from django.db.models import Case, Count, OuterRef, Subquery, Value, When
from django.utils import timezone

from rdv.api.figures import Figure

from .delivery.due import due, in_turn
from .models import Backfill, Delivery, Tally, WebhookEndpoint


def figures() -> Iterator[Figure]:
    """Four queries, each of an index or of a small table."""
    pending, overdue = _waiting()
    yield Figure("rdv_webhook_deliveries_pending", "Deliveries still to be sent", pending)
    yield Figure(
        "rdv_webhook_oldest_due_seconds",
        "For how long the oldest delivery that a worker could send has been due",
        overdue,
    )
    yield Figure(
        "rdv_webhook_deliveries",
        "Deliveries that were received, or given up",
        {"delivered": 0, "failed": 0} | dict(Tally.objects.values_list("state", "count")),
        label="state",
        counted=True,
    )
    yield Figure("rdv_webhook_endpoints", "Endpoints", _endpoints(), label="state")
    yield Figure(
        "rdv_webhook_backfills", "Endpoints for which everything is being sent again", Backfill.objects.count()
    )


def _waiting() -> tuple[int, float]:
    """How much, and for how long the oldest has been due: not of those that wait for an older event of the same object,
    nor of those that a worker is at. Asked by endpoint, as the indexes are.
    """
    now = timezone.now()
    pending = Delivery.objects.filter(endpoint=OuterRef("pk"), state=Delivery.State.PENDING).order_by()
    first = in_turn(due(now).filter(endpoint=OuterRef("pk"), endpoint__active=True)).order_by("next_at", "pk")
    rows = WebhookEndpoint.objects.order_by().values_list(
        Subquery(pending.values("endpoint").annotate(count=Count("pk")).values("count")),
        Subquery(first.values("next_at")[:1]),
    )
    found = list(rows)
    oldest = min((due_at for _count, due_at in found if due_at), default=now)
    return sum(count or 0 for count, _due_at in found), (now - oldest).total_seconds()


def _endpoints() -> dict[str, float]:
    found = {"active": 0.0, "failing": 0.0, "disabled": 0.0}
    state = Case(
        When(active=False, then=Value("disabled")),
        When(failing_since=None, then=Value("active")),
        default=Value("failing"),
    )
    rows = WebhookEndpoint.objects.order_by().annotate(state=state).values_list("state")
    return found | dict(rows.annotate(Count("pk")))
