"""The page of webhooks (W6): of one's own territories alone; filter, read, send again, try, enable."""

from __future__ import annotations

import datetime
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from agents.models import RecordEntry
from tests.pages.conftest import shown, signed_in
from webhooks.models import Attempt, Delivery, WebhookEndpoint

from .outboxes import delivery, endpoint_at, event, states, work
from .receiver import Receiver, answers

pytestmark = pytest.mark.django_db

S = Delivery.State


@pytest.fixture
def thierry(cast: SimpleNamespace) -> Client:
    return signed_in(cast.thierry)


@pytest.fixture
def endpoint(cast: SimpleNamespace) -> Any:
    return endpoint_at("https://partenaire.test/hooks", cast.mds)


def test_the_endpoints_of_ones_territories_are_shown_without_their_secret(
    cast: SimpleNamespace, thierry: Client, endpoint: Any
) -> None:
    endpoint_at("https://lille.test/", cast.lille)
    delivery(endpoint, state=S.FAILED)
    page = shown(thierry.get("/webhooks"))
    for told in ("https://partenaire.test/hooks", cast.mds.name, "Actif", "Renvoyer les échecs"):
        assert told in page
    for hidden in ("lille.test", "secret-de-webhook", endpoint.secret):
        assert hidden not in page


def test_the_way_there_is_shown_to_those_who_manage_some(cast: SimpleNamespace, thierry: Client) -> None:
    assert 'href="/webhooks"' in shown(thierry.get("/cles"))
    assert 'href="/webhooks"' not in shown(signed_in(cast.martine).get("/cles"))


def test_what_is_not_subscribed_to_any_more_is_not_offered(thierry: Client, endpoint: Any) -> None:
    delivery(endpoint, state=S.CANCELLED)
    assert "Envoyer ce qui attend" in shown(thierry.get("/webhooks"))
    endpoint.subscriptions = ["agent"]
    endpoint.save()
    assert "Envoyer ce qui attend" not in shown(thierry.get("/webhooks"))


ADDRESSES = ("", "/essai", "/activer", "/renvoyer")


@pytest.mark.parametrize("more", ADDRESSES)
def test_another_territorys_endpoint_is_as_none(cast: SimpleNamespace, thierry: Client, more: str) -> None:
    theirs = endpoint_at("https://lille.test/", cast.lille, active=False)
    delivery(theirs, state=S.FAILED)
    for pk in (theirs.pk, 999_999, 10**30):
        answer = thierry.post(f"/webhooks/{pk}{more}") if more else thierry.get(f"/webhooks/{pk}")
        assert answer.status_code == 404
        assert "lille.test" not in shown(answer)
    assert states() == [S.FAILED]
    assert not WebhookEndpoint.objects.get().active


@pytest.mark.parametrize("more", ADDRESSES)
def test_a_stranger_is_asked_to_sign_in(cast: SimpleNamespace, endpoint: Any, more: str) -> None:
    client = Client()
    address = f"/webhooks/{endpoint.pk}{more}"
    answer = client.post(address) if more else client.get(address)
    assert answer["Location"].startswith("/connexion")
    assert client.get("/webhooks")["Location"].startswith("/connexion")
    assert not Delivery.objects.exists()


def test_a_basic_agent_finds_nothing_to_manage(cast: SimpleNamespace, endpoint: Any) -> None:
    client = signed_in(cast.bruno)
    assert "Aucun webhook" in shown(client.get("/webhooks"))
    assert client.get(f"/webhooks/{endpoint.pk}").status_code == 404


def test_attempts_are_read_and_what_a_receiver_says_is_only_text(thierry: Client, endpoint: Any) -> None:
    one = delivery(endpoint, state=S.FAILED)
    Attempt.objects.create(delivery=one, status=500, duration=12, error="status", answer="<script>alert(1)</script>")
    Attempt.objects.create(delivery=one, duration=10_000, error="timeout")
    page = shown(thierry.get(f"/webhooks/{endpoint.pk}"))
    for told in (one.event.name, "2 essais", "<strong>500</strong>", "pas de réponse complète en 10 secondes", "12 ms"):
        assert told in page
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)" in page


def test_the_log_is_filtered(thierry: Client, endpoint: Any) -> None:
    failed = delivery(endpoint, state=S.FAILED)
    ping = delivery(endpoint, of=event(event="ping", model="WebhookEndpoint"), state=S.DELIVERED)
    old = delivery(endpoint, state=S.DELIVERED, created_at=timezone.now() - datetime.timedelta(days=9))
    before = (timezone.now() - datetime.timedelta(days=5)).date()
    for query, expected in (
        ("", {failed, ping, old}),
        ("state=failed", {failed}),
        ("event=ping", {ping}),
        (f"until={before}", {old}),
        (f"since={before}&state=delivered", {ping}),
    ):
        page = shown(thierry.get(f"/webhooks/{endpoint.pk}?{query}"))
        assert {one for one in (failed, ping, old) if one.event.name in page} == expected, query
    for wrong in ("state=zut", "since=hier"):
        assert thierry.get(f"/webhooks/{endpoint.pk}?{wrong}").status_code == 422


def test_the_log_asks_as_much_for_many_as_for_one(thierry: Client, endpoint: Any) -> None:
    def asked() -> int:
        with CaptureQueriesContext(connection) as queries:
            assert thierry.get(f"/webhooks/{endpoint.pk}").status_code == 200
        return len(queries)

    Attempt.objects.create(delivery=delivery(endpoint), duration=1)
    one = asked()
    for _ in range(60):
        Attempt.objects.create(delivery=delivery(endpoint), duration=1)
    assert asked() == one
    assert "Page 1 sur 2" in shown(thierry.get(f"/webhooks/{endpoint.pk}"))


def test_one_is_sent_again(thierry: Client, endpoint: Any) -> None:
    first, _second = delivery(endpoint, state=S.DELIVERED), delivery(endpoint, state=S.DELIVERED)
    answer = thierry.post(f"/webhooks/{endpoint.pk}/renvoyer", {"delivery": first.pk}, follow=True)
    assert "1 envoi va repartir." in shown(answer)
    assert states() == [S.PENDING, S.DELIVERED]


def test_all_that_failed_is_sent_again(thierry: Client, endpoint: Any) -> None:
    for state in (S.FAILED, S.FAILED, S.DELIVERED):
        delivery(endpoint, state=state)
    answer = thierry.post(f"/webhooks/{endpoint.pk}/renvoyer", follow=True)
    assert "2 envois vont repartir." in shown(answer)
    assert states() == [S.PENDING, S.PENDING, S.DELIVERED]


def test_of_another_endpoint_nothing_is(cast: SimpleNamespace, thierry: Client, endpoint: Any) -> None:
    other = delivery(endpoint_at("https://autre.test/", cast.lille), state=S.FAILED)
    for sent in (other.pk, "zut", 10**30):
        thierry.post(f"/webhooks/{endpoint.pk}/renvoyer", {"delivery": sent})
    assert states() == [S.FAILED]


def test_a_try_is_sent_and_its_answer_read(cast: SimpleNamespace, thierry: Client, receiver: Receiver) -> None:
    receiver.does = answers(200, "bien reçu".encode())
    endpoint = endpoint_at(receiver.url, cast.mds)
    answer = thierry.post(f"/webhooks/{endpoint.pk}/essai", follow=True)
    assert "Un essai est parti" in shown(answer)
    work()
    assert receiver.requests[0].verified
    assert receiver.requests[0].json["meta"]["event"] == "ping"
    assert "bien reçu" in shown(thierry.get(f"/webhooks/{endpoint.pk}?event=ping"))


def test_enabling_sends_what_was_held_back(cast: SimpleNamespace, thierry: Client, endpoint: Any) -> None:
    endpoint.switch_off("failing")
    endpoint.save()
    for _ in range(2):
        delivery(endpoint, state=S.CANCELLED)
    page = shown(thierry.get("/webhooks"))
    assert "Désactivé" in page
    assert "les envois échouent depuis trop longtemps".capitalize() in page
    answer = thierry.post(f"/webhooks/{endpoint.pk}/activer", follow=True)
    assert "2 événements restés en attente vont partir." in shown(answer)
    endpoint.refresh_from_db()
    assert endpoint.active
    assert states() == [S.PENDING, S.PENDING]
    assert RecordEntry.objects.filter(resource="webhook_endpoint", actor_id=cast.thierry.pk).exists()


def test_nothing_changes_without_the_token_of_the_form(cast: SimpleNamespace, endpoint: Any) -> None:
    delivery(endpoint, state=S.FAILED)
    client = signed_in(cast.thierry, enforce_csrf_checks=True)
    for more in ADDRESSES[1:]:
        assert client.post(f"/webhooks/{endpoint.pk}{more}").status_code == 403
    assert states() == [S.FAILED]


def test_a_page_is_in_english_for_who_asks(thierry: Client, endpoint: Any) -> None:
    Attempt.objects.create(delivery=delivery(endpoint, state=S.FAILED), duration=1, error="timeout")
    page = shown(thierry.get(f"/webhooks/{endpoint.pk}", headers={"Accept-Language": "en"}))
    for told in ("Deliveries", "1 attempt", "no complete answer within 10 seconds"):
        assert told in page
