"""The worker: everything due is sent, in order, to those who take it; what fails is tried again; nobody is held up."""

from __future__ import annotations

import asyncio
import datetime
import json
import time
from types import SimpleNamespace
from typing import Any

import pytest
from django.core import mail
from django.db import OperationalError
from django.utils import timezone

from webhooks.delivery import claims
from webhooks.delivery import worker as module
from webhooks.delivery.claims import LEASE, claim, record
from webhooks.delivery.due import HELD_UP
from webhooks.delivery.schedule import ATTEMPTS
from webhooks.models import Attempt, Delivery, WebhookEndpoint
from webhooks.sending import Sender

from .outboxes import WorkerOfThisTest, delivery, endpoint_at, event, states, time_passes, work
from .receiver import Handler, Received, Receiver, answers, silence, writes

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _looks_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "POLL", 0.05)


DELIVERED, PENDING, FAILED = Delivery.State.DELIVERED, Delivery.State.PENDING, Delivery.State.FAILED


def test_what_is_due_is_delivered_and_believed(receiver: Receiver) -> None:
    one = delivery(endpoint_at(receiver.url))
    work()
    (request,) = receiver.requests
    assert request.verified
    assert request.id == one.event.name
    assert request.body == one.event.body.encode()
    assert request.headers["webhook-sequence"] == str(one.event_id)
    assert request.headers["webhook-object-version"] == str(one.event.object_version)
    one.refresh_from_db()
    assert (one.state, one.attempts, one.locked_until, one.claimed_by) == (DELIVERED, 1, None, "")
    assert one.delivered_at is not None
    attempt = Attempt.objects.get()
    assert (attempt.delivery_id, attempt.status, attempt.error) == (one.pk, 204, "")


def test_what_is_not_due_waits(receiver: Receiver) -> None:
    delivery(endpoint_at(receiver.url), next_at=timezone.now() + datetime.timedelta(minutes=1))
    work()
    assert receiver.requests == []


def test_what_failed_is_tried_again_later_with_the_same_id_and_body(receiver: Receiver) -> None:
    receiver.does = answers(500, b"panne")
    one = delivery(endpoint_at(receiver.url))
    work()
    one.refresh_from_db()
    assert (one.state, one.attempts, one.claimed_by) == (PENDING, 1, "")
    assert 2 < (one.next_at - Attempt.objects.get().at).total_seconds() < 4
    attempt = Attempt.objects.get()
    assert (attempt.status, attempt.error, attempt.answer) == (500, "status", "panne")
    receiver.does = answers(200)
    time_passes()
    work()
    first, second = receiver.requests
    assert (first.id, first.body) == (second.id, second.body)
    assert first.verified
    assert second.verified
    assert states() == [DELIVERED]


def test_it_is_given_up_after_twenty_times(receiver: Receiver) -> None:
    receiver.does = answers(500)
    one = delivery(endpoint_at(receiver.url), attempts=ATTEMPTS - 1)
    work()
    one.refresh_from_db()
    assert (one.state, one.attempts) == (FAILED, ATTEMPTS)
    time_passes()
    work()
    assert len(receiver.requests) == 1


@pytest.mark.parametrize(
    "does",
    [silence, answers(302, Location="/"), writes(b"zut"), writes(b""), answers(404)],
    ids=["silence", "redirects", "garbage", "nothing", "404"],
)
def test_nothing_but_a_2xx_counts(receiver: Receiver, does: Any) -> None:
    receiver.does = does
    delivery(endpoint_at(receiver.url))
    work(patience=1 if does is silence else 10)
    assert states() == [PENDING]
    assert len(receiver.requests) == 1


def test_an_address_within_is_never_called(settings: Any, receiver: Receiver) -> None:
    settings.RDV_WEBHOOKS_ALLOWED_NETWORKS = []
    delivery(endpoint_at(receiver.url))
    work()
    assert receiver.requests == []
    assert Attempt.objects.get().error == "scheme"


def test_a_rest_that_is_asked_for_is_given(receiver: Receiver) -> None:
    receiver.does = answers(429, Retry_After="600")
    endpoint = endpoint_at(receiver.url)
    one = delivery(endpoint)
    work()
    one.refresh_from_db()
    assert 590 < (one.next_at - timezone.now()).total_seconds() <= 600


# Order.


def test_events_of_one_object_arrive_in_order(receiver: Receiver) -> None:
    endpoint = endpoint_at(receiver.url)
    made = [delivery(endpoint, object_id=number % 3) for number in range(30)]
    work()
    for about in {one.about for one in made}:
        expected = [one.event.name for one in made if one.about == about]
        assert [id for id in receiver.ids() if id in expected] == expected
    assert states() == [DELIVERED] * 30


def test_the_next_event_of_an_object_waits_for_the_one_before(receiver: Receiver) -> None:
    receiver.does = answers(500)
    endpoint = endpoint_at(receiver.url)
    first, _second, other = delivery(endpoint, object_id=1), delivery(endpoint, object_id=1), delivery(endpoint)
    work()
    assert sorted(receiver.ids()) == sorted([first.event.name, other.event.name])


def test_but_not_for_one_that_fails_again_and_again(receiver: Receiver) -> None:
    endpoint = endpoint_at(receiver.url)
    soon = timezone.now() + datetime.timedelta(hours=1)
    delivery(endpoint, object_id=1, attempts=HELD_UP, next_at=soon)
    second = delivery(endpoint, object_id=1)
    work()
    assert receiver.ids() == [second.event.name]


def test_nor_for_the_same_object_at_another_endpoint(receiver: Receiver) -> None:
    one = event(object_id=1)
    soon = timezone.now() + datetime.timedelta(hours=1)
    delivery(endpoint_at("https://ailleurs.test/"), of=one, next_at=soon)
    endpoint = endpoint_at(receiver.url)
    mine = [delivery(endpoint, of=one), delivery(endpoint, object_id=1)]
    work()
    assert receiver.ids() == [each.event.name for each in mine]


# Nobody is held up.


def test_a_receiver_that_says_nothing_holds_nobody_else_up(receiver: Receiver) -> None:
    with Receiver(does=silence) as slow:
        dead = endpoint_at(slow.url)
        for _ in range(200):
            delivery(dead)
        well = endpoint_at(receiver.url)
        for _ in range(200):
            delivery(well)
        worker = WorkerOfThisTest(room=20, sender=lambda: Sender(patience=2))

        async def until_delivered() -> float:
            start = time.monotonic()
            running = asyncio.create_task(worker.run())
            while len(receiver.requests) < 200:
                await asyncio.sleep(0.02)
                assert time.monotonic() - start < 20
            took = time.monotonic() - start
            worker.stop()
            await running
            return took

        took = asyncio.run(until_delivered())
    assert took < 10
    assert len(slow.requests) < 40
    assert Delivery.objects.filter(endpoint=well, state=DELIVERED).count() == 200


def test_an_endpoint_in_trouble_is_asked_one_at_a_time(receiver: Receiver) -> None:
    receiver.does = answers(503)
    endpoint = endpoint_at(receiver.url)
    for _ in range(30):
        delivery(endpoint)
    worker = work()
    assert worker._windows.in_trouble(endpoint.pk)
    receiver.does = answers(200)
    time_passes()
    work()
    assert states() == [DELIVERED] * 30


# Two workers, and one that dies.


def test_what_one_worker_has_another_does_not_take(receiver: Receiver) -> None:
    endpoint = endpoint_at(receiver.url)
    for _ in range(4):
        delivery(endpoint)
    first = claim("one", 3, lambda endpoint: 9)
    second = claim("two", 9, lambda endpoint: 9)
    assert len(first) == 3
    assert len(second) == 1
    assert not {work.delivery for work in first} & {work.delivery for work in second}
    assert claim("three", 9, lambda endpoint: 9) == []


def test_what_a_dead_worker_had_is_sent_by_another_by_the_same_id(receiver: Receiver) -> None:
    one = delivery(endpoint_at(receiver.url))
    (taken,) = claim("dead", 9, lambda endpoint: 9)
    work()
    assert receiver.requests == []
    Delivery.objects.update(locked_until=timezone.now() - datetime.timedelta(seconds=1))
    work()
    assert receiver.ids() == [taken.id] == [one.event.name]
    assert states() == [DELIVERED]


def test_who_comes_back_too_late_changes_nothing(receiver: Receiver) -> None:
    """A worker that stood still for longer than its lease."""
    delivery(endpoint_at(receiver.url))
    (late,) = claim("late", 9, lambda endpoint: 9)
    Delivery.objects.update(locked_until=timezone.now() - LEASE)
    work()
    record("late", [claims.Done(late, claims.Outcome(None, "timeout", "", 10.0), timezone.now())])
    assert states() == [DELIVERED]
    assert Attempt.objects.count() == 1


def test_told_to_stop_it_ends_what_is_under_way(receiver: Receiver) -> None:
    def slowly(handler: Handler, received: Received) -> None:
        time.sleep(0.5)
        answers(200)(handler, received)

    receiver.does = slowly
    endpoint = endpoint_at(receiver.url)
    for _ in range(40):
        delivery(endpoint)
    worker = WorkerOfThisTest(room=4)

    async def stopped() -> None:
        running = asyncio.create_task(worker.run())
        while not receiver.requests:
            await asyncio.sleep(0.01)
        worker.stop()
        await running

    asyncio.run(stopped())
    assert 1 <= len(receiver.requests) <= 4
    assert states().count(DELIVERED) == len(receiver.requests)
    assert not Delivery.objects.exclude(claimed_by="").exists()


# Endpoints that end.


def test_a_410_disables_at_once_and_tells_the_owner(cast: SimpleNamespace, receiver: Receiver) -> None:
    receiver.does = answers(410)
    endpoint = endpoint_at(receiver.url, cast.mds, owner=cast.martine)
    for _ in range(3):
        delivery(endpoint)
    work(room=1)
    endpoint.refresh_from_db()
    assert (endpoint.active, endpoint.disabled_why) == (False, WebhookEndpoint.Why.GONE)
    assert endpoint.disabled_at is not None
    assert states() == [Delivery.State.CANCELLED] * 3
    assert len(receiver.requests) == 1
    (message,) = mail.outbox
    assert message.to == [cast.martine.email]
    assert "410" in message.body
    assert receiver.url in message.body


def test_days_of_failures_disable(settings: Any, cast: SimpleNamespace, receiver: Receiver) -> None:
    settings.RDV_WEBHOOKS_DISABLE_DAYS = 3
    receiver.does = answers(500)
    endpoint = endpoint_at(receiver.url, cast.mds, owner=cast.martine)
    delivery(endpoint)
    work()
    endpoint.refresh_from_db()
    assert endpoint.active
    assert endpoint.failing_since is not None
    WebhookEndpoint.objects.update(failing_since=timezone.now() - datetime.timedelta(days=3))
    time_passes()
    work()
    endpoint.refresh_from_db()
    assert (endpoint.active, endpoint.disabled_why) == (False, WebhookEndpoint.Why.FAILING)
    assert states() == [Delivery.State.CANCELLED]
    assert "3 jours" in mail.outbox[0].body


def test_a_success_in_between_does_not(receiver: Receiver) -> None:
    endpoint = endpoint_at(receiver.url, failing_since=timezone.now() - datetime.timedelta(days=30))
    delivery(endpoint)
    work()
    endpoint.refresh_from_db()
    assert endpoint.active
    assert endpoint.failing_since is None


def test_where_the_owner_is_gone_the_administrators_are_told(cast: SimpleNamespace, receiver: Receiver) -> None:
    receiver.does = answers(410)
    delivery(endpoint_at(receiver.url, cast.mds, owner=cast.martine))
    cast.martine.leave()
    work()
    assert [message.to for message in mail.outbox] == [[cast.thierry.email]]


def test_nothing_is_sent_to_a_disabled_endpoint(receiver: Receiver) -> None:
    delivery(endpoint_at(receiver.url, active=False))
    work()
    assert receiver.requests == []
    assert states() == [PENDING]


def test_each_endpoint_gets_its_own_signed_with_its_own_secret(receiver: Receiver) -> None:
    with Receiver(secret=b"un autre secret") as other:
        mine, theirs = endpoint_at(receiver.url), endpoint_at(other.url, secret="un autre secret")
        to_me, to_them = delivery(mine), delivery(theirs)
        work()
        assert receiver.ids() == [to_me.event.name]
        assert other.ids() == [to_them.event.name]
        assert other.requests[0].verified


def test_a_secret_that_cannot_be_opened_signs_nothing(settings: Any, receiver: Receiver) -> None:
    delivery(endpoint_at(receiver.url))
    settings.SECRET_KEY = "une autre " * 10
    work()
    assert receiver.requests == []
    assert Attempt.objects.get().error == "secret"


def test_a_database_that_is_away_for_a_moment_costs_no_outcome(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    failures = iter([OperationalError("away"), OperationalError("away")])

    def away(name: str, done: Any) -> None:
        if failure := next(failures, None):
            raise failure
        record(name, done)

    monkeypatch.setattr(module, "record", away)
    monkeypatch.setattr(module, "RETRY_DATABASE", 0.01)
    delivery(endpoint_at(receiver.url))
    work()
    assert states() == [DELIVERED]
    assert len(receiver.requests) == 1


def test_the_body_is_that_of_the_event_to_the_byte(receiver: Receiver) -> None:
    body = json.dumps({"data": {"title": "Congés d'été ✈"}}, ensure_ascii=False)
    delivery(endpoint_at(receiver.url), of=event(body=body))
    work()
    assert receiver.requests[0].body == body.encode()
    assert receiver.requests[0].verified


def test_told_to_stop_while_the_database_is_away_it_ends(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(name: str, done: Any) -> None:
        raise OperationalError("away")

    monkeypatch.setattr(module, "record", away)
    monkeypatch.setattr(module, "RETRY_DATABASE", 0.01)
    one = delivery(endpoint_at(receiver.url))
    worker = WorkerOfThisTest()

    async def stopped() -> None:
        running = asyncio.create_task(worker.run())
        while not receiver.requests:
            await asyncio.sleep(0.01)
        worker.stop()
        await asyncio.wait_for(running, 10)

    asyncio.run(stopped())
    one.refresh_from_db()
    assert (one.state, one.claimed_by) == (PENDING, worker.name), "another has it when the lease ends"
