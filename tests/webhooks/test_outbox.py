"""A change and its events are one: written together or not at all, told to whom it concerns, as the contract has it
(contract 4.1, 5.5).
"""

import datetime
import json
from contextlib import contextmanager, nullcontext

import pytest
from django.core.management import call_command
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from absences.models import Absence, DeletedAbsence
from agents.models import Agent, AgentRole, Organisation
from agents.record import gathered
from agents.signals import for_retention
from tests.factories import AbsenceFactory, AgentFactory, OrganisationFactory, WebhookEndpointFactory
from webhooks.models import Audience, Delivery, Event, WebhookEndpoint

pytestmark = pytest.mark.usefixtures("now")


@pytest.fixture
def endpoint(cast):
    return WebhookEndpointFactory(organisation=cast.mds)


@contextmanager
def events():
    """The events of what is done meanwhile: (model, event, data), in their order."""
    found = []
    last = Event.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
    yield found
    for event in Event.objects.filter(pk__gt=last):
        body = json.loads(event.body)
        assert (body["meta"]["model"], body["meta"]["event"]) == (event.model, event.event)
        found.append((event.model, event.event, body["data"]))


@contextmanager
def asked():
    """The queries about webhooks that are made meanwhile."""
    found = []

    def note(execute, sql, *rest):
        if "webhooks_" in sql:
            found.append(sql)
        return execute(sql, *rest)

    with connection.execute_wrapper(note):
        yield found


def shown(client, absence):
    return {
        name: value
        for name, value in client.get(f"/api/v1/absences/{absence.pk}").json()["absence"].items()
        if name not in ("ical", "url")
    }


def of(data):
    return {name: value for name, value in data.items() if name not in ("ical", "url")}


# ── The body ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_body_has_data_and_the_four_keys_of_meta_in_their_order(cast, endpoint):
    AbsenceFactory(agent=cast.bruno)
    body = Event.objects.get().body
    assert list(json.loads(body)) == ["data", "meta"]
    assert body.endswith(
        ',"meta":{"model":"Absence","event":"created","webhook_reason":null,"timestamp":"2026-11-16 10:00:00 +0100"}}'
    )


def test_the_body_is_plain_json_without_escapes_of_html(cast, endpoint):
    AbsenceFactory(agent=cast.bruno, title="Congés <R&D>")
    assert '"title":"Congés <R&D>"' in Event.objects.get().body


def test_an_absence_is_told_as_it_is_shown(cast, endpoint, sign_in):
    client = sign_in(cast.martine)
    absence = AbsenceFactory(agent=cast.bruno)
    with events() as told:
        absence.title = "Formation"
        absence.save()
    ((model, event, data),) = told
    assert (model, event, of(data)) == ("Absence", "updated", shown(client, absence))
    assert "SUMMARY:RDV Solidarités Formation" in data["ical"]


def test_a_destroyed_absence_is_told_as_it_was(cast, endpoint, sign_in):
    client = sign_in(cast.martine)
    absence = AbsenceFactory(agent=cast.bruno)
    before = shown(client, absence)
    with events() as told:
        assert client.delete(f"/api/v1/absences/{absence.pk}").status_code == 204
    ((model, event, data),) = told
    assert (model, event, of(data)) == ("Absence", "destroyed", before)


def test_what_a_private_absence_is_leaves_the_server_in_no_body(cast, endpoint):
    absence = AbsenceFactory(agent=cast.bruno, title="Chimiothérapie", kind="sick", private=True)
    absence.title = "Opération"
    absence.save()
    absence.delete()
    assert [json.loads(event.body)["data"]["title"] for event in Event.objects.all()] == ["Indisponible"] * 3
    for event in Event.objects.all():
        assert not any(word in event.body for word in ("Chimio", "Opération", "sick")), event.body


def test_an_organisation_is_told_as_it_is_shown(cast, endpoint, sign_in):
    client = sign_in(cast.martine)
    with events() as told:
        client.patch(f"/api/v1/organisations/{cast.mds.pk}", {"email": "accueil@exemple.test"})
    answer = client.get(f"/api/v1/organisations/{cast.mds.pk}").json()["organisation"]
    assert told == [("Organisation", "updated", answer)]


def test_a_role_is_told_with_its_agent_and_organisation(cast, endpoint):
    with events() as told:
        role = AgentRole.objects.create(agent=cast.etienne, organisation=cast.mds, access_level="basic")
    ((model, event, data),) = told
    assert (model, event) == ("AgentRole", "created")
    assert list(data) == ["id", "access_level", "agent", "organisation"]
    assert data["id"] == role.pk
    assert data["access_level"] == "basic"
    assert data["agent"] == {
        "id": cast.etienne.pk,
        "email": "etienne@exemple.test",
        "first_name": cast.etienne.first_name,
        "inclusion_connect_open_id_sub": None,
        "last_name": cast.etienne.last_name,
    }
    assert data["organisation"] == {
        "id": cast.mds.pk,
        "email": None,
        "name": "MDS Les Tilleuls",
        "phone_number": None,
        "verticale": "rdv_solidarites",
    }


def test_what_is_destroyed_to_keep_no_longer_says_rgpd(cast, endpoint):
    absence = AbsenceFactory(agent=cast.bruno)
    token = for_retention.set(True)
    try:
        absence.delete()
    finally:
        for_retention.reset(token)
    event = Event.objects.get(event="destroyed")
    assert event.webhook_reason == "rgpd"
    assert json.loads(event.body)["meta"]["webhook_reason"] == "rgpd"


def test_what_is_left_of_a_deleted_absence_goes_without_a_word(cast, endpoint, now):
    AbsenceFactory(agent=cast.bruno).delete()
    assert [one.event for one in Event.objects.order_by("pk")] == ["created", "destroyed"]
    now.tick(91 * 24 * 3600)
    with events() as told:
        call_command("purge_deleted_absences")
    assert told == []
    assert not DeletedAbsence.objects.exists()


# ── Who is told ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_absence_is_told_in_every_organisation_of_its_agent_and_nowhere_else(cast):
    other = OrganisationFactory(territory=cast.nord)
    AgentRole.objects.create(agent=cast.bruno, organisation=other, access_level="intervenant")
    told = [WebhookEndpointFactory(organisation=one, subscriptions=["absence"]) for one in (cast.mds, other)]
    WebhookEndpointFactory(organisation=cast.lille, subscriptions=["absence"])
    AbsenceFactory(agent=cast.bruno, organisation=cast.mds)
    event = Event.objects.get()
    assert {one.endpoint for one in event.deliveries.all()} == set(told)
    assert {one.organisation_id for one in event.audience.all()} == {cast.mds.pk, other.pk}


def test_an_agent_is_told_in_each_of_their_organisations(cast):
    agent = AgentFactory(basic_in=[cast.mds, cast.lille])
    told = [WebhookEndpointFactory(organisation=one, subscriptions=["agent"]) for one in (cast.mds, cast.lille)]
    agent.last_name = "AUTRE"
    agent.save()
    assert {one.endpoint for one in Delivery.objects.all()} == set(told)
    assert json.loads(Event.objects.get().body)["data"]["last_name"] == "AUTRE"


def test_only_what_is_subscribed_to_is_told(cast):
    WebhookEndpointFactory(organisation=cast.mds, subscriptions=["rdv", "plage_ouverture", "agent_role"])
    with events() as told:
        AbsenceFactory(agent=cast.bruno)
        cast.bruno.first_name = "Autre"
        cast.bruno.save()
        cast.mds.name = "Autre"
        cast.mds.save()
    assert told == []


def test_an_endpoint_that_is_not_active_is_kept_what_it_would_have_been_told(cast):
    endpoint = WebhookEndpointFactory(organisation=cast.mds, active=False)
    AbsenceFactory(agent=cast.bruno)
    assert [one.state for one in endpoint.deliveries.all()] == ["cancelled"]


def test_a_role_that_moves_ends_where_it_was_and_begins_where_it_is(cast):
    for organisation in (cast.mds, cast.lille):
        WebhookEndpointFactory(organisation=organisation, subscriptions=["agent_role"])
    role = AgentRole.objects.get(agent=cast.chloe)
    with events() as told:
        role.organisation = cast.lille
        role.access_level = "admin"
        role.save()
    assert [(event, data["organisation"]["name"], data["access_level"]) for _model, event, data in told] == [
        ("destroyed", "MDS Les Tilleuls", "basic"),
        ("created", "MDS Lille", "admin"),
    ]
    audiences = [[one.organisation_id for one in event.audience.all()] for event in Event.objects.all()]
    assert audiences == [[cast.mds.pk], [cast.lille.pk]]


def test_an_absence_given_to_another_agent_leaves_the_organisations_of_the_first(cast):
    for organisation in (cast.mds, cast.lille):
        WebhookEndpointFactory(organisation=organisation, subscriptions=["absence"])
    absence = AbsenceFactory(agent=cast.bruno)
    with events() as told:
        absence.agent = cast.etienne
        absence.save()
    assert [(event, data["agent"]["email"]) for _model, event, data in told] == [
        ("destroyed", "bruno@exemple.test"),
        ("created", "etienne@exemple.test"),
    ]


# ── What is no change for others ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("column", ["last_login", "password", "is_active"])
def test_what_an_agent_shows_to_nobody_is_told_to_nobody(cast, endpoint, column):
    value = {"last_login": datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC), "password": "!", "is_active": False}
    with events() as told:
        setattr(cast.bruno, column, value[column])
        cast.bruno.save()
    assert told == []


def test_a_row_saved_as_it_was_is_told_to_nobody(cast, endpoint, sign_in):
    absence = AbsenceFactory(agent=cast.bruno)
    with events() as told:
        sign_in(cast.martine).patch(f"/api/v1/absences/{absence.pk}", {"title": absence.title})
        Organisation.objects.get(pk=cast.mds.pk).save()
    assert told == []


# ── Together or not at all ───────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("gathering", [nullcontext, gathered])
def test_what_is_rolled_back_was_never_told(cast, endpoint, gathering):
    def begin_and_fail():
        with transaction.atomic(), gathering():
            AbsenceFactory(agent=cast.bruno)
            raise ZeroDivisionError

    with events() as told, pytest.raises(ZeroDivisionError):
        begin_and_fail()
    assert told == []
    assert not Event.objects.exists()
    assert not Delivery.objects.exists()


def test_a_refused_change_is_told_to_nobody(cast, endpoint, sign_in):
    absence = AbsenceFactory(agent=cast.bruno)
    with events() as told:
        client = sign_in(cast.etienne)
        assert client.delete(f"/api/v1/absences/{absence.pk}").status_code == 403
        body = {"agent_id": cast.bruno.pk, "title": "X", "first_day": "2026-12-01"}
        answer = client.post("/api/v1/absences", body | {"start_time": "09:00", "end_time": "10:00"})
        assert answer.status_code == 403
    assert told == []


def test_what_is_gathered_is_told_once_of_each_row_as_it_is_in_the_end(cast, endpoint):
    kept, gone = AbsenceFactory(agent=cast.bruno), AbsenceFactory(agent=cast.bruno)
    with events() as told, transaction.atomic(), gathered():
        for title in ("Un", "Deux"):
            kept.title = title
            kept.save()
        gone.title = "Trois"
        gone.save()
        number = gone.pk
        gone.delete()
        new = AbsenceFactory(agent=cast.bruno, title="Quatre")
        new.title = "Cinq"
        new.save()
        AbsenceFactory(agent=cast.bruno).delete()
    assert [(event, data["id"], data["title"]) for _model, event, data in told] == [
        ("updated", kept.pk, "Deux"),
        ("destroyed", number, "Trois"),
        ("created", new.pk, "Cinq"),
    ]


def test_an_agent_made_with_their_roles_is_told_where_they_are(cast, endpoint):
    with events() as told, transaction.atomic(), gathered():
        AgentFactory(basic_in=[cast.mds])
    assert [(model, event) for model, event, _data in told] == [("Agent", "created"), ("AgentRole", "created")]


# ── Endings ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_of_an_agent_who_leaves_the_roles_and_absences_are_told_as_they_were(cast, endpoint):
    absence = AbsenceFactory(agent=cast.bruno)
    with events() as told:
        Agent.objects.get(pk=cast.bruno.pk).leave()
    assert [(model, event, data["agent"]["email"]) for model, event, data in told] == [
        ("AgentRole", "destroyed", "bruno@exemple.test"),
        ("Absence", "destroyed", "bruno@exemple.test"),
    ]
    assert told[1][2]["id"] == absence.pk
    assert told[1][2]["organisation"]["name"] == "MDS Les Tilleuls"


def test_each_organisation_is_told_of_its_own_roles_of_one_who_leaves(cast):
    agent = AgentFactory(basic_in=[cast.mds, cast.lille])
    for organisation in (cast.mds, cast.lille):
        WebhookEndpointFactory(organisation=organisation, subscriptions=["agent_role"])
    with events() as told:
        agent.leave()
    told_in = [
        (delivery.endpoint.organisation_id, json.loads(delivery.event.body)["data"]["organisation"]["id"])
        for delivery in Delivery.objects.all()
    ]
    assert len(told) == 2
    assert all(endpoint == role for endpoint, role in told_in)


def test_an_agent_who_is_deleted_row_and_all_takes_the_rest_along(cast, endpoint):
    AbsenceFactory(agent=cast.bruno)
    with events() as told:
        cast.bruno.delete()
    assert sorted((model, event) for model, event, _data in told) == [
        ("Absence", "destroyed"),
        ("Agent", "destroyed"),
        ("AgentRole", "destroyed"),
    ]


def test_an_organisation_takes_its_endpoints_along_and_nobody_is_told(cast, endpoint):
    elsewhere = WebhookEndpointFactory(organisation=cast.lille)
    with events() as told:
        cast.mds.delete()
    assert told == []
    assert list(WebhookEndpoint.objects.all()) == [elsewhere]


# ── Order and names ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_two_changes_in_one_second_are_tellable_and_in_order(cast, endpoint):
    absence = AbsenceFactory(agent=cast.bruno)
    for title in ("Un", "Deux"):
        absence.title = title
        absence.save()
    number = absence.pk
    absence.delete()
    told = list(Event.objects.filter(model="Absence", object_id=number).order_by("pk"))
    assert [event.object_version for event in told] == [1, 2, 3, 4]
    assert len({event.name for event in told}) == 4
    assert {delivery.about for delivery in Delivery.objects.all()} == {f"Absence:{number}"}


# ── What it costs ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_where_nobody_subscribes_a_change_costs_one_query_more(cast, endpoint):
    absence = AbsenceFactory(agent=cast.etienne)
    with asked() as queries:
        absence.title = "Autre"
        absence.save()
    assert len(queries) == 1
    with asked() as queries:
        absence.delete()
    assert len(queries) == 1


def test_an_agent_who_leaves_costs_one_query_more_however_many_absences_they_have(cast, endpoint):
    for _ in range(5):
        AbsenceFactory(agent=cast.etienne)
    with asked() as queries:
        cast.etienne.leave()
    assert len(queries) == 1


def test_what_is_gathered_costs_one_query_more_however_many_rows(cast, endpoint):
    with asked() as queries, transaction.atomic(), gathered():
        for _ in range(5):
            AbsenceFactory(agent=cast.etienne)
    assert len(queries) == 1


def test_a_told_change_costs_the_same_however_many_are_told(cast):
    def cost():
        with CaptureQueriesContext(connection) as queries:
            AbsenceFactory(agent=cast.bruno)
        return len(queries)

    WebhookEndpointFactory(organisation=cast.mds)
    AbsenceFactory(agent=cast.bruno)
    alone = cost()
    for _ in range(5):
        WebhookEndpointFactory(organisation=cast.mds)
    assert cost() == alone
    assert Audience.objects.count() == Event.objects.count()


def test_rows_written_in_bulk_are_told_like_any_other(cast, endpoint):
    from absences.provision import provision

    document = {
        "absences": [
            {
                "agent_email": "bruno@exemple.test",
                "title": f"Congés {n}",
                "first_day": "2026-12-01",
                "start_time": "09:00",
                "end_time": "17:00",
            }
            for n in range(3)
        ]
    }
    with events() as told:
        provision(document)
    assert [(model, event, data["title"]) for model, event, data in told] == [
        ("Absence", "created", f"Congés {n}") for n in range(3)
    ]
    assert Absence.objects.count() == 3
