"""The log of an endpoint by API: each attempt, what came of it, and sending it again (I4)."""

from __future__ import annotations

import datetime
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from agents.models import AgentRole
from tests.factories import OrganisationFactory
from webhooks.models import Attempt, Delivery

from .outboxes import delivery, endpoint_at, event, states, work
from .receiver import Receiver, answers

pytestmark = pytest.mark.django_db

S = Delivery.State
DAY = datetime.timedelta(days=1)


@pytest.fixture
def client(cast: SimpleNamespace, sign_in: Any) -> Any:
    return sign_in(cast.thierry)


@pytest.fixture
def endpoint(cast: SimpleNamespace) -> Any:
    return endpoint_at("https://partenaire.test/hooks", cast.mds)


@pytest.fixture
def path(endpoint: Any) -> str:
    return f"/api/v1/organisations/{endpoint.organisation_id}/webhook_endpoints/{endpoint.pk}"


def log(client: Any, path: str, **query: Any) -> Any:
    answer = client.get(f"{path}/deliveries", query)
    assert answer.status_code == 200, answer.content
    return answer.json()["deliveries"]


def test_each_attempt_is_told_with_what_the_receiver_said(
    cast: SimpleNamespace, client: Any, receiver: Receiver
) -> None:
    receiver.does = answers(500, "Désolé".encode())
    endpoint = endpoint_at(receiver.url, cast.mds)
    one = delivery(endpoint)
    work()
    receiver.does = answers(200, b"ok")
    Delivery.objects.update(next_at=timezone.now())
    work()
    path = f"/api/v1/organisations/{cast.mds.pk}/webhook_endpoints/{endpoint.pk}"
    (told,) = log(client, path)
    assert (told["id"], told["event_id"], told["sequence"]) == (one.pk, one.event.name, one.event_id)
    assert (told["model"], told["object_id"], told["event"]) == ("Absence", one.event.object_id, "updated")
    assert (told["state"], told["attempts"], told["next_at"]) == ("delivered", 2, None)
    assert [(each["status"], each["error"], each["answer"]) for each in told["tries"]] == [
        (500, "status", "Désolé"), (200, None, "ok"),
    ]  # fmt: skip


def test_the_newest_is_first_and_the_log_asks_as_much_for_many_as_for_one(
    client: Any, path: str, endpoint: Any
) -> None:
    def asked() -> int:
        with CaptureQueriesContext(connection) as queries:
            log(client, path)
        return len(queries)

    first = delivery(endpoint)
    Attempt.objects.create(delivery=first, duration=1)
    one = asked()
    for _ in range(20):
        Attempt.objects.create(delivery=delivery(endpoint), duration=1)
    assert asked() == one
    ids = [each["id"] for each in log(client, path)]
    assert ids == sorted(ids, reverse=True)
    assert ids[-1] == first.pk


def test_it_is_filtered(now: Any, client: Any, path: str, endpoint: Any) -> None:
    failed = delivery(endpoint, state=S.FAILED)
    old = delivery(endpoint, state=S.DELIVERED, created_at=timezone.now() - 10 * DAY)
    ping = delivery(endpoint, of=event(event="ping", model="WebhookEndpoint"), state=S.DELIVERED)
    today, before = timezone.now().date(), (timezone.now() - 5 * DAY).date()
    for query, expected in (
        ({"state": "failed"}, [failed]),
        ({"event": "ping"}, [ping]),
        ({"event_id": old.event.name}, [old]),
        ({"model": "WebhookEndpoint"}, [ping]),
        ({"to": before}, [old]),
        ({"from": before}, [ping, failed]),
        ({"from": before, "to": today, "state": "delivered"}, [ping]),
        ({"state": "zut"}, []),
    ):
        assert [each["id"] for each in log(client, path, **query)] == [one.pk for one in expected], query
    assert client.get(f"{path}/deliveries?from=zut").status_code == 422


def test_nobody_elses_deliveries_are_told(cast: SimpleNamespace, client: Any, path: str, endpoint: Any) -> None:
    mine = delivery(endpoint)
    delivery(endpoint_at("https://autre.test/", cast.mds))
    elsewhere = endpoint_at("https://autre.test/", cast.lille)
    delivery(elsewhere)
    assert [each["id"] for each in log(client, path)] == [mine.pk]
    lille = f"/api/v1/organisations/{cast.lille.pk}/webhook_endpoints/{elsewhere.pk}"
    wrong = f"/api/v1/organisations/{cast.mds.pk}/webhook_endpoints/{elsewhere.pk}"
    for address in (lille, wrong):
        assert client.get(f"{address}/deliveries").status_code == 404
        assert client.post(f"{address}/replay").status_code == 404


def test_who_only_sees_the_endpoint_reads_nothing_of_it(
    cast: SimpleNamespace, sign_in: Any, path: str, endpoint: Any
) -> None:
    delivery(endpoint, state=S.FAILED)
    client = sign_in(cast.bruno)
    assert client.get(f"{path}/deliveries").status_code == 403
    assert client.post(f"{path}/replay").status_code == 403
    assert states() == [S.FAILED]


# Again.


def test_all_that_failed_is_sent_again_by_the_same_ids(cast: SimpleNamespace, client: Any, receiver: Receiver) -> None:
    endpoint = endpoint_at(receiver.url, cast.mds)
    failed = [delivery(endpoint, state=S.FAILED, attempts=20) for _ in range(3)]
    delivery(endpoint, state=S.DELIVERED)
    path = f"/api/v1/organisations/{cast.mds.pk}/webhook_endpoints/{endpoint.pk}"
    answer = client.post(f"{path}/replay")
    assert (answer.status_code, answer.json()) == (200, {"replayed": 3, "left": 0})
    work()
    assert sorted(receiver.ids()) == sorted(one.event.name for one in failed)
    assert states() == [S.DELIVERED] * 4


def test_one_delivery_whatever_came_of_it(client: Any, path: str, endpoint: Any) -> None:
    delivered, _other = delivery(endpoint, state=S.DELIVERED), delivery(endpoint, state=S.DELIVERED)
    assert client.post(f"{path}/replay", {"delivery_id": delivered.pk}).json()["replayed"] == 1
    assert states() == [S.PENDING, S.DELIVERED]
    delivered.refresh_from_db()
    assert (delivered.attempts, delivered.delivered_at) == (0, None)


def test_a_period(client: Any, path: str, endpoint: Any) -> None:
    for state, days in ((S.DELIVERED, 9), (S.FAILED, 3), (S.DELIVERED, 3), (S.CANCELLED, 0)):
        delivery(endpoint, state=state, created_at=timezone.now() - days * DAY)
    period = {"from": str((timezone.now() - 5 * DAY).date()), "to": str((timezone.now() - DAY).date())}
    assert client.post(f"{path}/replay", period | {"state": "failed"}).json()["replayed"] == 1
    assert client.post(f"{path}/replay", period).json()["replayed"] == 1
    assert states() == [S.DELIVERED, S.PENDING, S.PENDING, S.CANCELLED]


@pytest.mark.parametrize("sent", [{"delivery_id": 10**30}, {"delivery_id": "zut"}, {"delivery_id": 999_999}])
def test_a_delivery_that_is_none_sends_nothing(client: Any, path: str, endpoint: Any, sent: Any) -> None:
    delivery(endpoint, state=S.FAILED)
    assert client.post(f"{path}/replay", sent).json() == {"replayed": 0, "left": 0}
    assert states() == [S.FAILED]


def test_another_endpoints_delivery_is_not_sent_again(
    cast: SimpleNamespace, client: Any, path: str, endpoint: Any
) -> None:
    other = delivery(endpoint_at("https://autre.test/", cast.mds), state=S.FAILED)
    assert client.post(f"{path}/replay", {"delivery_id": other.pk}).json()["replayed"] == 0
    assert states() == [S.FAILED]


def test_what_is_under_way_is_left_alone(client: Any, path: str, endpoint: Any) -> None:
    one = delivery(endpoint, attempts=3)
    assert client.post(f"{path}/replay", {"delivery_id": one.pk}).json()["replayed"] == 0
    one.refresh_from_db()
    assert one.attempts == 3


def test_a_replay_with_an_idempotency_key_is_one(client: Any, path: str, endpoint: Any) -> None:
    delivery(endpoint, state=S.FAILED)
    headers = {"Idempotency-Key": "une-fois-pour-toutes-1"}
    for _ in range(2):
        assert client.post(f"{path}/replay", headers=headers).json()["replayed"] == 1
        Delivery.objects.update(state=S.FAILED)
    assert states() == [S.FAILED]


def test_an_administrator_of_an_organisation_alone_does_not_read_it(
    cast: SimpleNamespace, sign_in: Any, path: str, endpoint: Any
) -> None:
    other = OrganisationFactory(territory=cast.paris)
    AgentRole.objects.create(agent=cast.martine, organisation=other, access_level="admin")
    assert sign_in(cast.martine).get(f"{path}/deliveries").status_code == 403
