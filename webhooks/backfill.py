"""Everything that an endpoint subscribes to, sent to it again as `created` (contract 5.5).

The request notes that it is due; a worker makes the events, a batch in a transaction, each from where the one before
has left off: one that is killed has made a batch or it has not.

A row is read and its event numbered while the row is held, as who changes it holds it: what an endpoint is sent of an
object is in order, whoever tells it. Rows that somebody else holds are passed over and come again later, so that
neither waits for the other. It begins when every transaction is over that may have told its changes without knowing of
the endpoint: so nothing is missed in between.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from django.db import transaction

from rdv.api.committed import under_way

from .models import Backfill, Delivery, Event, WebhookEndpoint
from .outbox import Place, draft, publish
from .sources import SOURCES, Source

BATCH = 200  # events in a transaction
KEYS = 5000  # that are looked up at once
# Of what an endpoint has still to be sent: no more is made before, so that what changes now is not far behind it.
AHEAD = 1000

NAMES = [source.subscription for source in SOURCES]


def ask(endpoint: WebhookEndpoint) -> None:
    """From the beginning, by a worker; the endpoint is held, or new."""
    Backfill.objects.update_or_create(
        endpoint=endpoint, defaults={"subscription": "", "ahead": [], "last": 0, "begins_after": None}
    )


def advance(turn: int = 0) -> bool:
    """A batch for one of the endpoints, another one first each `turn`; whether there was anything to do."""
    asked = list(Backfill.objects.order_by("pk").values_list("pk", flat=True))
    start = turn % len(asked) if asked else 0
    return any(_advance(pk) for pk in asked[start:] + asked[:start])


@transaction.atomic
def _advance(pk: int) -> bool:
    endpoint = WebhookEndpoint.objects.select_for_update(skip_locked=True, no_key=True).filter(pk=pk).first()
    backfill = Backfill.objects.select_for_update(skip_locked=True).filter(pk=pk).first()
    if endpoint is None or backfill is None:  # another worker is at it; or somebody changes it
        return False
    oldest, next_one = under_way()
    if backfill.begins_after is None or backfill.begins_after > next_one:  # or it is of another cluster
        backfill.begins_after = next_one
        backfill.save(update_fields=["begins_after"])
        return True
    if oldest is not None and oldest < backfill.begins_after:
        return False
    if endpoint.active and _many_wait(endpoint):
        return False
    source = _look_up(backfill, endpoint)
    if source is None:
        backfill.delete()
        return True
    batch, rest = backfill.ahead[:BATCH], backfill.ahead[BATCH:]
    left = _tell(endpoint, source, batch)
    backfill.ahead = rest + left
    backfill.save()
    return len(left) < len(batch)


def _many_wait(endpoint: WebhookEndpoint) -> bool:
    waiting = endpoint.deliveries.filter(state=Delivery.State.PENDING).order_by().values("pk")  # type: ignore[attr-defined]
    return bool(waiting[AHEAD - 1 : AHEAD])


def _look_up(backfill: Backfill, endpoint: WebhookEndpoint) -> Source | None:
    """The source of the rows that come next, which are looked up where they are not; None after the last."""
    start = NAMES.index(backfill.subscription) if backfill.subscription else 0
    for source in SOURCES[start:]:
        if source.subscription != backfill.subscription:
            backfill.subscription, backfill.ahead, backfill.last = source.subscription, [], 0
        if source.subscription not in endpoint.subscriptions:
            continue
        if not backfill.ahead:
            rows = source.of_organisation(endpoint.organisation_id)
            backfill.ahead = list(rows.filter(pk__gt=backfill.last)[:KEYS])
        if backfill.ahead:
            backfill.last = max(backfill.last, *backfill.ahead)
            return source
    return None


def _tell(endpoint: WebhookEndpoint, source: Source, batch: Sequence[int]) -> list[int]:
    """The events of those rows that are still the organisation's, to `endpoint` alone; gives those that others hold."""
    rows = source.of_organisation(endpoint.organisation_id).filter(pk__among=batch)
    held = list(rows.select_for_update(skip_locked=True, no_key=True, of=("self",)))
    passed_over = set(batch) - set(held)
    if passed_over:
        passed_over &= set(source.of_organisation(endpoint.organisation_id).filter(pk__among=sorted(passed_over)))
    place = Place(endpoint.pk, endpoint.organisation_id, endpoint.active)
    drafts = [draft(source, pk, Event.What.CREATED, row, [place]) for pk, row in source.read(held).items()]
    publish([replace(one, kept=False) for one in drafts])
    return sorted(passed_over)
