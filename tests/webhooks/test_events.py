"""`GET events`: what webhooks told, to be read again: the same names and bodies, in one order, by who may know it."""

import json
import threading

import pytest
from django.core.management import call_command
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from agents.models import AgentRole
from tests.factories import (
    AbsenceFactory,
    AgentFactory,
    AttemptFactory,
    OrganisationFactory,
    WebhookEndpointFactory,
)
from webhooks import backfill, outbox
from webhooks.models import Attempt, Audience, Delivery, Event, WebhookEndpoint

from .outboxes import send_everything_again

pytestmark = pytest.mark.usefixtures("now")

PATH = "/api/v1/events"


@pytest.fixture
def endpoint(cast):
    return WebhookEndpointFactory(organisation=cast.mds, target_url="https://partenaire.test/hooks")


@pytest.fixture
def martine(cast, sign_in):
    return sign_in(cast.martine)


def read(client, **query):
    answer = client.get(PATH, query)
    assert answer.status_code == 200, answer.content
    return answer.json()


def names(events):
    return [event.name for event in events]


def test_what_was_told_is_read_again_by_the_same_names_and_bodies(cast, endpoint, martine):
    absence = AbsenceFactory(agent=cast.bruno)
    absence.title = "Formation <R&D>"
    absence.save()
    absence.delete()
    answer = martine.get(PATH)
    told = list(Event.objects.order_by("pk"))
    assert answer.json() == {
        "events": [
            {
                "id": event.name,
                "body": json.loads(event.body),
                "object_id": event.object_id,
                "object_version": event.object_version,
                "sequence": event.pk,
                "subscription": "absence",
            }
            for event in told
        ],
        "meta": {"has_more": False, "last": told[-1].name},
    }
    for event in told:
        assert f'"body":{event.body},"object_id"'.encode() in answer.content  # byte for byte
    assert {one.event_id for one in endpoint.deliveries.all()} == {event.pk for event in told}


def test_reading_on_from_the_last_gives_each_once(cast, endpoint, martine):
    for _ in range(5):
        AbsenceFactory(agent=cast.bruno)
    seen, after = [], ""
    for expected_more in (True, True, False):
        page = read(martine, per=2, after=after)
        assert page["meta"]["has_more"] is expected_more
        seen += [one["id"] for one in page["events"]]
        after = page["meta"]["last"]
    assert seen == names(Event.objects.order_by("pk"))
    assert read(martine, after=after) == {"events": [], "meta": {"has_more": False, "last": after}}
    AbsenceFactory(agent=cast.bruno)
    assert [one["id"] for one in read(martine, after=after)["events"]] == names([Event.objects.latest("pk")])


def test_one_reads_on_from_what_a_delivery_was_called(cast, endpoint, martine):
    AbsenceFactory(agent=cast.bruno)
    ping = outbox.ping(endpoint).event
    AbsenceFactory(agent=cast.bruno)
    assert [one["id"] for one in read(martine, after=ping.name)["events"]] == names([Event.objects.latest("pk")])


def test_before_anything_happened_there_is_nothing(martine):
    assert read(martine) == {"events": [], "meta": {"has_more": False, "last": None}}


def test_the_subscription_narrows_it(cast, endpoint, martine):
    AbsenceFactory(agent=cast.bruno)
    cast.bruno.last_name = "AUTRE"
    cast.bruno.save()
    AgentRole.objects.create(agent=cast.etienne, organisation=cast.mds)

    def models(subscription):
        return [one["body"]["meta"]["model"] for one in read(martine, subscription=subscription)["events"]]

    assert models("absence") == ["Absence"]
    assert models("agent") == ["Agent"]
    assert models("agent,agent_role") == ["Agent", "AgentRole"]
    assert models("rdv") == []
    assert models("") == ["Absence", "Agent", "AgentRole"]


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ({"after": "12"}, "after"),
        ({"after": "evt_"}, "after"),
        ({"after": "evt_" + "I" * 26}, "after"),
        ({"after[]": "evt_01JCT5V5G0ZQ7M3N9R8B2K4D6E"}, "after"),
        ({"subscription": "absences"}, "subscription"),
        ({"subscription": "absence,x"}, "subscription"),
    ],
)
def test_what_cannot_be_read_on_from_is_said(martine, query, name):
    answer = martine.get(PATH, query)
    assert answer.status_code == 422
    assert list(answer.json()["errors"]) == [name]


@pytest.mark.parametrize("per", ["0", "-1", "x", "1000", "9" * 30, ""])
def test_a_size_that_is_none_is_the_greatest(cast, endpoint, martine, per):
    AbsenceFactory(agent=cast.bruno)
    assert len(read(martine, per=per)["events"]) == 1


def test_the_end_of_what_is_kept_is_told_and_not_passed_over(cast, endpoint, sign_in, now):
    AbsenceFactory(agent=cast.bruno)
    old = Event.objects.get().name
    now.tick(31 * 24 * 3600)
    call_command("purge_webhooks", verbosity=0)
    martine = sign_in(cast.martine)
    answer = martine.get(PATH, {"after": old})
    assert answer.status_code == 410
    assert answer.json()["errors"] == [{"base": "events_gone"}]
    assert read(martine)["events"] == []


# ── Who may ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_who_may_know_everything_of_an_organisation_reads_what_it_was_told(cast, sign_in, endpoint):
    AbsenceFactory(agent=cast.bruno)
    for agent, count in (
        (cast.martine, 1),  # its admin
        (cast.thierry, 1),  # of its territory
        (cast.bruno, 0),
        (cast.sophie, 0),
        (cast.etienne, 0),
        (AgentFactory(intervenant_in=[cast.mds]), 0),
        (AgentFactory(admin_of=[cast.lille], basic_in=[cast.mds]), 0),
    ):
        assert len(read(sign_in(agent), subscription="absence")["events"]) == count, agent


def test_an_organisation_reads_nothing_that_only_another_was_told(cast, sign_in, endpoint):
    other = OrganisationFactory(territory=cast.nord)
    AgentRole.objects.create(agent=cast.bruno, organisation=other, access_level="basic")
    AbsenceFactory(agent=cast.bruno)  # told at the MDS, where somebody subscribed
    assert read(sign_in(AgentFactory(admin_of=[other])))["events"] == []


def test_what_was_told_stays_readable_when_the_endpoint_is_gone(cast, endpoint, martine):
    AbsenceFactory(agent=cast.bruno)
    WebhookEndpoint.objects.all().delete()
    assert len(read(martine)["events"]) == 1


def test_a_ping_and_what_is_sent_again_are_no_news(cast, endpoint, martine):
    AbsenceFactory(agent=cast.bruno)
    outbox.ping(endpoint)
    backfill.ask(endpoint)
    send_everything_again()
    assert endpoint.deliveries.count() > 2
    assert len(read(martine)["events"]) == 1


def test_nobody_reads_what_is_private(cast, endpoint, martine):
    AbsenceFactory(agent=cast.bruno, title="Chimiothérapie", private=True)
    answer = martine.get(PATH)
    assert "Chimio" not in answer.content.decode()
    assert answer.json()["events"][0]["body"]["data"]["title"] == "Indisponible"


def test_a_page_costs_the_same_however_many_events(cast, endpoint, martine):
    def cost():
        with CaptureQueriesContext(connection) as queries:
            read(martine, after=first)
        return len(queries)

    AbsenceFactory(agent=cast.bruno)
    first = Event.objects.get().name
    read(martine)
    AbsenceFactory(agent=cast.bruno)
    alone = cost()
    assert alone == 4  # the credential; how far one can read; from where; the page
    for _ in range(10):
        AbsenceFactory(agent=cast.bruno)
    assert cost() == alone


@pytest.mark.parametrize("form", [{"prettify": "true"}, {}])
def test_it_can_be_indented_and_put_in_an_envelope(cast, endpoint, martine, form):
    AbsenceFactory(agent=cast.bruno)
    headers = {} if form else {"Accept": "application/vnd.rdv.envelope+json"}
    answer = martine.get(PATH, form, headers=headers).json()
    shown = answer.get("data", answer)
    assert shown["events"][0]["body"]["meta"]["model"] == "Absence"


# ── Order ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has one writer at a time")
@pytest.mark.alone
@pytest.mark.django_db(transaction=True)
def test_what_is_committed_late_is_not_passed_over(cast, sign_in, endpoint):
    client = sign_in(cast.martine)
    begun, go_on = threading.Event(), threading.Event()

    def late():
        try:
            with transaction.atomic():
                AbsenceFactory(agent=cast.bruno, title="Tard")
                begun.set()
                go_on.wait(10)
        finally:
            connection.close()

    writer = threading.Thread(target=late)
    writer.start()
    begun.wait(10)
    AbsenceFactory(agent=cast.chloe, title="Tôt")
    first = read(client)
    go_on.set()
    writer.join()
    second = read(client, after=first["meta"]["last"] or "")
    told = [one["body"]["data"]["title"] for one in first["events"] + second["events"]]
    assert sorted(told) == ["Tard", "Tôt"]


# ── Purge ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_purge_removes_what_is_old_with_all_that_hangs_on_it(cast, endpoint, now, settings, capsys):
    settings.RDV_WEBHOOKS_KEEP_DAYS = 10
    AbsenceFactory(agent=cast.bruno)
    AttemptFactory(delivery=Delivery.objects.get())
    now.tick(9 * 24 * 3600)
    AbsenceFactory(agent=cast.bruno)
    now.tick(2 * 24 * 3600)
    call_command("purge_webhooks")
    assert "1 events removed, of before 2026-11-17 09:00 UTC." in capsys.readouterr().out
    assert [len(model.objects.all()) for model in (Event, Audience, Delivery, Attempt)] == [1, 1, 1, 0]


def test_the_purge_removes_what_an_endpoint_left_behind(cast, endpoint):
    AbsenceFactory(agent=cast.bruno)
    WebhookEndpoint.objects.filter(pk=endpoint.pk)._raw_delete("default")  # as if between the look and the write
    call_command("purge_webhooks", verbosity=0)
    assert not Delivery.objects.exists()
    assert Event.objects.exists()
