"""What an endpoint that was made or changed is sent again: noted in the request, made by a worker, in batches."""

from __future__ import annotations

import asyncio
import json
import random
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import OperationalError, connection, transaction

from absences.models import Absence
from agents.models import AgentRole
from tests.factories import AbsenceFactory, AgentFactory, OrganisationFactory, WebhookEndpointFactory
from webhooks import backfill
from webhooks.backfill import advance, ask
from webhooks.delivery import worker as module
from webhooks.models import Backfill, Delivery, Event, WebhookEndpoint

from .outboxes import WorkerOfThisTest, delivery, endpoint_at, send_everything_again, work
from .receiver import Receiver

pytestmark = pytest.mark.alone  # it waits for transactions that may not have known of the endpoint, wherever they are


@pytest.fixture
def endpoint(cast: SimpleNamespace) -> Any:
    return WebhookEndpointFactory(organisation=cast.mds, subscriptions=["absence"])


@pytest.fixture
def absences(cast: SimpleNamespace) -> list[Absence]:
    return [AbsenceFactory(agent=cast.bruno, title=f"Congés {number}") for number in range(5)]


@pytest.fixture
def _two_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backfill, "BATCH", 2)
    monkeypatch.setattr(backfill, "KEYS", 3)


def told(endpoint: WebhookEndpoint) -> list[tuple[int, str, str]]:
    """What it was told of absences: number, event, title; in the order of the events."""
    events = Event.objects.filter(deliveries__endpoint=endpoint).order_by("pk")
    return [(one.object_id, one.event, json.loads(one.body)["data"]["title"]) for one in events]


def change(absence: Absence, title: str) -> None:
    row = Absence.objects.get(pk=absence.pk)
    row.title = title
    row.save()


# The request.


def test_a_request_only_notes_that_it_is_due(cast: SimpleNamespace, absences: Any, sign_in: Any) -> None:
    AgentRole.objects.create(agent=cast.thierry, organisation=cast.mds, access_level="basic")
    path = f"/api/v1/organisations/{cast.mds.pk}/webhook_endpoints"
    sent = {"target_url": "https://partenaire.test/hooks", "secret": "x", "subscriptions": ["absence"]}
    assert sign_in(cast.thierry).post(path, sent).status_code == 200
    assert not Event.objects.exists()
    assert Backfill.objects.get().endpoint_id == WebhookEndpoint.objects.get().pk
    send_everything_again()
    assert [number for number, _event, _title in told(WebhookEndpoint.objects.get())] == [one.pk for one in absences]
    assert not Backfill.objects.exists()


def test_a_request_that_is_undone_has_noted_nothing(endpoint: Any, absences: Any) -> None:
    with transaction.atomic():
        ask(endpoint)
        transaction.set_rollback(True)
    assert send_everything_again() == 0


# The batches.


@pytest.mark.usefixtures("_two_at_once")
def test_each_batch_is_small_and_together_they_are_everything_once(endpoint: Any, absences: Any) -> None:
    Delivery.objects.all().delete()
    ask(endpoint)
    most, before = 0, 0
    while advance():
        most, before = max(most, Delivery.objects.count() - before), Delivery.objects.count()
    assert most == 2
    assert told(endpoint) == [(one.pk, "created", one.title) for one in absences]


@pytest.mark.usefixtures("_two_at_once")
def test_a_batch_that_did_not_come_to_its_end_is_made_anew(
    endpoint: Any, absences: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    Delivery.objects.all().delete()
    ask(endpoint)
    publish = backfill.publish

    def dies(drafts: Any) -> None:
        publish(drafts)
        raise KeyboardInterrupt

    for _ in range(3):
        monkeypatch.setattr(backfill, "publish", dies)
        with pytest.raises(KeyboardInterrupt):
            send_everything_again()
        monkeypatch.setattr(backfill, "publish", publish)
        advance()
    send_everything_again()
    assert told(endpoint) == [(one.pk, "created", one.title) for one in absences]


@pytest.mark.usefixtures("_two_at_once")
def test_the_last_that_is_told_of_an_object_is_its_state(endpoint: Any, absences: Any) -> None:
    Delivery.objects.all().delete()
    first, *_rest, last = absences
    ask(endpoint)
    while first.pk not in {number for number, *_ in told(endpoint)}:
        assert advance()
    change(first, "Après")
    change(last, "Avant")
    send_everything_again()
    assert [one[1:] for one in told(endpoint) if one[0] == first.pk] == [("created", first.title), ("updated", "Après")]
    assert [one[1:] for one in told(endpoint) if one[0] == last.pk] == [("updated", "Avant"), ("created", "Avant")]
    assert {one.about for one in endpoint.deliveries.all()} == {f"Absence:{one.pk}" for one in absences}


@pytest.mark.usefixtures("_two_at_once")
def test_what_leaves_the_organisation_meanwhile_is_not_told(cast: SimpleNamespace, endpoint: Any) -> None:
    agents = [AgentFactory(basic_in=[cast.mds]) for _ in range(3)]
    absences = [AbsenceFactory(agent=agent) for agent in agents]
    Delivery.objects.all().delete()
    ask(endpoint)
    while not told(endpoint):
        assert advance()
    AgentRole.objects.filter(agent=agents[2]).delete()
    send_everything_again()
    assert [number for number, *_ in told(endpoint)] == [one.pk for one in absences[:2]]


def test_of_an_endpoint_that_is_not_active_it_is_kept(cast: SimpleNamespace, absences: Any) -> None:
    endpoint = WebhookEndpointFactory(organisation=cast.mds, subscriptions=["absence"], active=False)
    ask(endpoint)
    send_everything_again()
    assert Counter(one.state for one in endpoint.deliveries.all()) == {"cancelled": 5}


@pytest.mark.usefixtures("_two_at_once")
def test_no_more_is_made_than_can_be_sent(endpoint: Any, absences: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backfill, "AHEAD", 3)
    Delivery.objects.all().delete()
    ask(endpoint)
    send_everything_again()
    assert endpoint.deliveries.count() == 3
    endpoint.deliveries.update(state="delivered")
    send_everything_again()
    assert endpoint.deliveries.count() == 5


# What happens meanwhile.


class TestMeanwhile:
    @pytest.fixture(autouse=True)
    def _begun(self, endpoint: Any, absences: Any, _two_at_once: None) -> None:
        Delivery.objects.all().delete()
        ask(endpoint)
        while not told(endpoint):
            assert advance()

    def test_asked_for_again_it_begins_anew(self, endpoint: Any) -> None:
        ask(endpoint)
        send_everything_again()
        assert len(told(endpoint)) == 2 + 5

    def test_what_is_subscribed_to_no_more_is_not_told(self, endpoint: Any) -> None:
        endpoint.subscriptions = ["organisation"]
        endpoint.save()
        send_everything_again()
        models = [one.event.model for one in endpoint.deliveries.order_by("event")]
        assert models == ["Absence", "Absence", "Organisation"]

    def test_one_that_moves_is_told_nothing_of_where_it_was(self, cast: SimpleNamespace, endpoint: Any) -> None:
        endpoint.organisation = cast.lille
        endpoint.save()
        assert send_everything_again() == 0

    def test_one_that_is_deleted_is_told_nothing(self, endpoint: Any) -> None:
        endpoint.delete()
        assert send_everything_again() == 0
        assert not Backfill.objects.exists()

    def test_others_have_their_turn(self, cast: SimpleNamespace, endpoint: Any) -> None:
        other = WebhookEndpointFactory(organisation=cast.mds, subscriptions=["absence"])
        ask(other)
        for turn in range(6):
            assert advance(turn)
        assert len(told(endpoint)) > 2
        assert told(other)


# The worker.


@pytest.mark.usefixtures("_two_at_once")
@pytest.mark.django_db
def test_the_worker_makes_and_sends_it(receiver: Receiver) -> None:
    organisation = OrganisationFactory()
    absences = [AbsenceFactory(agent=AgentFactory(basic_in=[organisation])) for _ in range(5)]
    endpoint = endpoint_at(receiver.url, organisation, subscriptions=["absence"])
    ask(endpoint)
    work()
    assert sorted(json.loads(one.body)["data"]["id"] for one in receiver.requests) == [one.pk for one in absences]
    assert {json.loads(one.body)["meta"]["event"] for one in receiver.requests} == {"created"}


@pytest.mark.parametrize("error", [ValueError, OperationalError])
def test_one_that_cannot_be_made_keeps_nothing_else_from_being_sent(
    error: type[Exception],
    receiver: Receiver,
    endpoint: Any,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fails(turn: int) -> bool:
        raise error(turn)

    monkeypatch.setattr(module, "advance", fails)
    AbsenceFactory(agent=AgentFactory(basic_in=[endpoint_at(receiver.url).organisation]))
    work()
    assert len(receiver.requests) == 1
    assert [record.message for record in caplog.records] == ["What is to be sent again could not be made"]


def test_those_that_wait_are_not_looked_at_each_time_that_a_busy_worker_comes_round(
    receiver: Receiver, endpoint: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[int] = []
    monkeypatch.setattr(module, "advance", lambda turn: looks.append(turn) or False)
    monkeypatch.setattr(module, "POLL", 1)
    at = endpoint_at(receiver.url)
    for _ in range(12):
        delivery(at)
    worker = WorkerOfThisTest(room=1)

    async def until_all_are_sent() -> None:
        running = asyncio.create_task(worker.run())
        async with asyncio.timeout(20):
            while len(receiver.requests) < 12:
                await asyncio.sleep(0.01)
        worker.stop()
        await running

    asyncio.run(until_all_are_sent())
    assert len(looks) < 6


# Two at once.


two_writers = pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite's writers are one after the other")


def in_another_thread(work: Any) -> Any:
    def asked() -> Any:
        try:
            return work()
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asked).result(30)


@two_writers
@pytest.mark.django_db(transaction=True)
def test_a_row_that_another_changes_is_told_when_that_is_done(endpoint: Any, absences: Any) -> None:
    Delivery.objects.all().delete()
    changed, *others = absences
    ask(endpoint)
    assert advance()  # it may begin now
    with transaction.atomic():
        change(changed, "Nouveau")
        in_another_thread(send_everything_again)
        assert Backfill.objects.get().ahead == [changed.pk]
    send_everything_again()
    created = [(one.pk, "created", one.title) for one in others]
    assert told(endpoint) == [(changed.pk, "updated", "Nouveau"), *created, (changed.pk, "created", "Nouveau")]


@two_writers
@pytest.mark.django_db(transaction=True)
def test_it_begins_when_who_did_not_know_of_the_endpoint_is_done(cast: SimpleNamespace, absences: Any) -> None:
    def made() -> WebhookEndpoint:
        endpoint = WebhookEndpointFactory(organisation=cast.mds, subscriptions=["absence"])
        ask(endpoint)
        send_everything_again()
        return endpoint

    with transaction.atomic():
        change(absences[0], "Inconnu")
        new = AbsenceFactory(agent=cast.bruno, title="Nouveau")
        endpoint = in_another_thread(made)
        assert told(endpoint) == []
    send_everything_again()
    titles = {number: title for number, _event, title in told(endpoint)}
    assert titles[absences[0].pk] == "Inconnu"
    assert titles[new.pk] == "Nouveau"
    assert len(titles) == 6


@two_writers
@pytest.mark.django_db(transaction=True)
def test_whoever_writes_meanwhile_the_last_event_of_each_is_its_state(cast: SimpleNamespace, endpoint: Any) -> None:
    absences = [AbsenceFactory(agent=cast.bruno).pk for _ in range(30)]
    over = threading.Event()

    def writes(seed: int) -> int:
        dice, count = random.Random(seed), 0
        try:
            while not over.is_set():
                with transaction.atomic():
                    row = Absence.objects.select_for_update(no_key=True).get(pk=dice.choice(absences))
                    time.sleep(dice.uniform(0, 0.005))
                    row.title = f"{seed} {count}"
                    row.save()
                    time.sleep(dice.uniform(0, 0.01))
                count += 1
        finally:
            connection.close()
        return count

    with ThreadPoolExecutor(3) as threads:
        writers = [threads.submit(writes, seed) for seed in range(3)]
        try:
            for _ in range(15):
                with transaction.atomic():
                    ask(WebhookEndpoint.objects.select_for_update(no_key=True).get(pk=endpoint.pk))
                until = time.monotonic() + 60
                while Backfill.objects.exists():
                    advance()
                    assert time.monotonic() < until
        finally:
            over.set()
        assert all(writer.result(30) for writer in writers)
    found = told(endpoint)
    assert sum(event == "created" for _number, event, _title in found) == 16 * 30
    assert {number: title for number, _event, title in found} == dict(Absence.objects.values_list("pk", "title"))
