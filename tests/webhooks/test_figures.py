"""What `/metrics` tells of webhooks (docs/running.md)."""

from __future__ import annotations

import datetime
import threading
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from prometheus_client import CollectorRegistry, generate_latest

from rdv.api import stored
from rdv.api.figures import TELLERS, Figure
from rdv.api.stored import FRESH, Stored
from tests.factories import WebhookEndpointFactory
from tests.test_metrics import samples
from webhooks.backfill import ask
from webhooks.delivery.schedule import ATTEMPTS
from webhooks.figures import figures
from webhooks.models import Delivery, Tally

from .outboxes import delivery, endpoint_at, event, time_passes, work
from .receiver import Receiver, answers

pytestmark = pytest.mark.django_db

TOKEN = "jeton-des-mesures-1234"
S = Delivery.State
AGO = datetime.timedelta(minutes=10)


def told() -> dict[str, Any]:
    return {figure.name.removeprefix("rdv_webhook_"): figure.values for figure in figures()}


def test_of_none_there_is_nothing_to_tell() -> None:
    assert told() == {
        "deliveries_pending": 0,
        "oldest_due_seconds": 0,
        "deliveries": {"delivered": 0, "failed": 0},
        "endpoints": {"active": 0, "failing": 0, "disabled": 0},
        "backfills": 0,
    }


def test_what_waits_is_told_and_what_is_over_is_not() -> None:
    endpoint = WebhookEndpointFactory()
    for state in S.values:
        delivery(endpoint, state=state)
    delivery(WebhookEndpointFactory())
    assert told()["deliveries_pending"] == 2


def test_the_oldest_that_could_be_sent_is_told_by_its_age() -> None:
    delivery(WebhookEndpointFactory(), next_at=timezone.now() - AGO)
    delivery(WebhookEndpointFactory(), next_at=timezone.now() - 2 * AGO)
    assert told()["oldest_due_seconds"] == pytest.approx(1200, abs=5)


@pytest.mark.parametrize("why", ["not yet", "under way", "endpoint put aside", "behind an older one", "over"])
def test_what_no_worker_could_send_is_not_overdue(why: str) -> None:
    now = timezone.now()
    endpoint = WebhookEndpointFactory(active=why != "endpoint put aside")
    values: dict[str, Any] = {"next_at": now - AGO}
    if why == "not yet":
        values["next_at"] = now + AGO
    elif why == "under way":
        values["locked_until"] = now + AGO
    elif why == "behind an older one":
        delivery(endpoint, object_id=1, next_at=now + AGO, attempts=1)
    elif why == "over":
        values["state"] = S.FAILED
    delivery(endpoint, of=event(1), **values)
    assert told()["oldest_due_seconds"] == 0


def test_endpoints_are_told_by_how_they_are() -> None:
    WebhookEndpointFactory()
    WebhookEndpointFactory(failing_since=timezone.now())
    WebhookEndpointFactory(active=False, failing_since=timezone.now())
    ask(WebhookEndpointFactory())
    assert told()["endpoints"] == {"active": 2, "failing": 1, "disabled": 1}
    assert told()["backfills"] == 1


def test_what_came_of_deliveries_is_counted_and_outlives_them(settings: Any, receiver: Receiver) -> None:
    settings.RDV_METRICS_TOKEN = TOKEN
    endpoint = endpoint_at(receiver.url)
    for _ in range(3):
        delivery(endpoint)
    work()
    receiver.does = answers(500)
    delivery(endpoint, attempts=ATTEMPTS - 1)
    delivery(endpoint)
    work()
    Delivery.objects.all().delete()
    assert told()["deliveries"] == {"delivered": 3, "failed": 1}
    receiver.does = answers(204)
    delivery(endpoint)
    time_passes()
    work()
    assert told()["deliveries"] == {"delivered": 4, "failed": 1}


def test_where_nobody_measures_nothing_is_counted(receiver: Receiver) -> None:
    delivery(endpoint_at(receiver.url))
    work()
    assert not Tally.objects.exists()


def test_it_costs_the_same_however_much_there_is() -> None:
    def cost() -> int:
        with CaptureQueriesContext(connection) as queries:
            told()
        return len(queries)

    assert cost() == 4
    for _ in range(5):
        delivery(WebhookEndpointFactory())
    assert cost() == 4


def test_the_table_of_deliveries_is_not_read_through() -> None:
    delivery(WebhookEndpointFactory())
    with CaptureQueriesContext(connection) as queries:
        told()
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SET LOCAL enable_seqscan = off")  # of so few rows it would be the quickest
        explain = "EXPLAIN" if connection.vendor == "postgresql" else "EXPLAIN QUERY PLAN"
        cursor.execute(f"{explain} {queries[0]['sql']}")
        plan = repr(cursor.fetchall())
    for scan in ("Seq Scan on webhooks_delivery", "SCAN webhooks_delivery", "SCAN U0", "SCAN V0"):
        assert scan not in plan, plan


# How they are asked.


@pytest.fixture
def tellers(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    found: list[Any] = []
    monkeypatch.setattr(stored, "TELLERS", found)
    return found


def text(of: Stored) -> dict[tuple[str, ...], float]:
    registry = CollectorRegistry()
    registry.register(of)
    return samples(generate_latest(registry).decode())


def test_webhooks_are_among_those_who_tell() -> None:
    assert figures in TELLERS


def test_figures_are_told_as_prometheus_reads_them(tellers: list[Any]) -> None:
    tellers.append(lambda: [Figure("rdv_a", "A", 3), Figure("rdv_b", "B", {"x": 1, "y": 2}, "kind", counted=True)])
    assert text(Stored()) == {("rdv_a",): 3, ("rdv_b_total", "x"): 1, ("rdv_b_total", "y"): 2}


def test_they_are_asked_once_in_a_while(tellers: list[Any]) -> None:
    asked: list[int] = []
    tellers.append(lambda: [Figure("rdv_a", "A", asked.append(1) or len(asked))])
    clock = SimpleNamespace(now=0.0)
    figures_of = Stored(clock=lambda: clock.now)
    assert [text(figures_of) for _ in range(3)] == [{("rdv_a",): 1}] * 3
    clock.now = FRESH
    assert text(figures_of) == {("rdv_a",): 2}


def test_those_that_fail_or_hang_are_left_out(
    tellers: list[Any], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fails() -> Any:
        raise ZeroDivisionError

    tellers += [fails, lambda: [Figure("rdv_a", "A", 3)]]
    assert text(Stored()) == {("rdv_a",): 3}
    assert [record.message for record in caplog.records] == ["Figures that could not be told"]
    monkeypatch.setattr(stored, "PATIENCE", 0.05)
    answer = threading.Event()
    tellers.append(lambda: answer.wait(30) and [])
    assert text(Stored()) == {}
    answer.set()
