"""What is kept of an endpoint and of an event: secrets that only the server can read, names in the order of time."""

import datetime

import pytest
from django.db import IntegrityError, connection

from agents.models import RecordEntry
from tests.factories import DeliveryFactory, WebhookEndpointFactory
from webhooks.models import WebhookEndpoint
from webhooks.models.event import new_name

pytestmark = pytest.mark.django_db


def test_a_secret_is_encrypted_where_it_is_kept():
    endpoint = WebhookEndpointFactory(signed_with="tres-secret")
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM webhooks_webhookendpoint")
        assert "tres-secret" not in repr(cursor.fetchall())
    assert WebhookEndpoint.objects.get(pk=endpoint.pk).signing_secrets() == ["tres-secret"]


def test_another_key_of_the_server_opens_no_secret(settings):
    endpoint = WebhookEndpointFactory()
    settings.SECRET_KEY = "another" * 10
    assert endpoint.signing_secrets() == []


def test_both_secrets_sign_during_the_overlap_and_the_new_one_alone_afterwards(now):
    endpoint = WebhookEndpointFactory(signed_with="ancien")
    endpoint.give_secret("nouveau", datetime.timedelta(hours=24))
    endpoint.save()
    assert endpoint.signing_secrets() == ["nouveau", "ancien"]
    now.tick(24 * 3600 - 1)
    assert endpoint.signing_secrets() == ["nouveau", "ancien"]
    now.tick(1)
    assert endpoint.signing_secrets() == ["nouveau"]


def test_the_record_tells_that_a_secret_changed_and_never_what_it_was():
    endpoint = WebhookEndpoint.objects.get(pk=WebhookEndpointFactory(signed_with="ancien").pk)
    endpoint.give_secret("nouveau", datetime.timedelta(hours=24))
    endpoint.save()
    entry = RecordEntry.objects.filter(resource="webhook_endpoint", action="updated").get()
    assert entry.changes["secret"] == ["***", "***"]
    told = repr(list(RecordEntry.objects.values()))
    assert "ancien'" not in told
    assert "nouveau" not in told
    assert endpoint.secret not in told


def test_the_names_of_events_sort_by_time(now):
    first = new_name()
    now.tick(1)
    assert first < new_name()
    assert len(first) == 30


def test_an_event_goes_to_an_endpoint_once():
    delivery = DeliveryFactory()
    with pytest.raises(IntegrityError):
        DeliveryFactory(event=delivery.event, endpoint=delivery.endpoint)
