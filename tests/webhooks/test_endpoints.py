"""The endpoints of an organisation, by API: those of contract 4.10, and ours beside them."""

import json

import pytest

from agents.models import AgentRole, AgentTerritorialRole
from tests.factories import AbsenceFactory, AgentFactory, OrganisationFactory, WebhookEndpointFactory
from webhooks.models import Attempt, Delivery, Event, WebhookEndpoint
from webhooks.models.endpoint import model_of
from webhooks.sources import SOURCES

from .outboxes import send_everything_again

pytestmark = pytest.mark.usefixtures("now")

SENT = {"target_url": "https://partenaire.test/hooks", "secret": "secret-de-webhook"}
KEYS = ("id", "organisation_id", "subscriptions", "target_url")


@pytest.fixture
def thierry(cast):
    """Territorial admin of Paris, who also has a role at the MDS."""
    AgentRole.objects.create(agent=cast.thierry, organisation=cast.mds, access_level="basic")
    return cast.thierry


@pytest.fixture
def client(thierry, sign_in):
    return sign_in(thierry)


@pytest.fixture
def path(cast):
    return f"/api/v1/organisations/{cast.mds.pk}/webhook_endpoints"


@pytest.fixture
def endpoint(cast):
    return WebhookEndpointFactory(organisation=cast.mds, signed_with="ancien")


def told(endpoint):
    return [(delivery.event.model, delivery.event.event) for delivery in endpoint.deliveries.order_by("pk")]


# ── List ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_list_has_the_endpoints_of_the_organisation(cast, client, path, endpoint):
    other = OrganisationFactory(territory=cast.paris)
    AgentRole.objects.create(agent=cast.thierry, organisation=other, access_level="admin")
    WebhookEndpointFactory(organisation=other)
    answer = client.get(path).json()
    (shown,) = answer["webhook_endpoints"]
    assert {name: shown[name] for name in KEYS} == {
        "id": endpoint.pk,
        "organisation_id": cast.mds.pk,
        "subscriptions": endpoint.subscriptions,
        "target_url": endpoint.target_url,
    }
    assert list(shown) == ["id", *sorted(shown.keys() - {"id"})]
    assert answer["meta"]["total_count"] == 1


def test_the_list_is_of_who_has_any_role_there(cast, sign_in, path, endpoint):
    for agent in (cast.bruno, cast.martine, AgentFactory(intervenant_in=[cast.mds])):
        assert len(sign_in(agent).get(path).json()["webhook_endpoints"]) == 1


def test_the_list_of_an_organisation_without_a_role_is_not_found(cast, sign_in, path, endpoint):
    for agent in (cast.etienne, cast.thierry):
        answer = sign_in(agent).get(path)
        assert answer.status_code == 404
        assert answer.json() == {
            "success": False,
            "errors": [f"Couldn't find Organisation with 'id'={cast.mds.pk}"],
        }


@pytest.mark.parametrize("number", ["0", "999999", "inconnue", "9" * 30])
def test_the_list_of_no_organisation_is_not_found(client, number):
    assert client.get(f"/api/v1/organisations/{number}/webhook_endpoints").status_code == 404


def test_the_list_is_narrowed_by_the_exact_address(cast, client, path, endpoint):
    WebhookEndpointFactory(organisation=cast.mds)
    found = client.get(path, {"target_url": endpoint.target_url}).json()["webhook_endpoints"]
    assert [one["id"] for one in found] == [endpoint.pk]
    for other in (endpoint.target_url + "/", endpoint.target_url[:-1], endpoint.target_url.upper()):
        assert client.get(path, {"target_url": other}).json()["webhook_endpoints"] == []


def test_the_list_has_pages(cast, client, path):
    for _ in range(3):
        WebhookEndpointFactory(organisation=cast.mds)
    answer = client.get(path, {"page": 2, "per": 2}).json()
    assert len(answer["webhook_endpoints"]) == 1
    assert answer["meta"] | {"current_page": 2, "prev_page": 1, "next_page": None, "total_pages": 2} == answer["meta"]


# ── Create ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_creation_answers_200_with_the_endpoint_and_without_its_secret(cast, client, path):
    answer = client.post(path, SENT | {"subscriptions": ["rdv", "absence"]})
    assert answer.status_code == 200
    shown = answer.json()["webhook_endpoint"]
    endpoint = WebhookEndpoint.objects.get()
    assert {name: shown[name] for name in KEYS} == {
        "id": endpoint.pk,
        "organisation_id": cast.mds.pk,
        "subscriptions": ["rdv", "absence"],
        "target_url": SENT["target_url"],
    }
    assert "secret-de-webhook" not in answer.content.decode()
    assert endpoint.signing_secrets() == ["secret-de-webhook"]
    assert endpoint.owner == cast.thierry
    assert answer["Location"].endswith(f"{path}/{endpoint.pk}")


def test_the_default_subscriptions_are_those_of_the_contract(client, path):
    shown = client.post(path, SENT).json()["webhook_endpoint"]
    assert shown["subscriptions"] == ["rdv", "absence", "plage_ouverture"]


def test_every_subscription_of_the_contract_is_accepted(client, path):
    names = ["rdv", "plage_ouverture", "motif", "lieu", "user_profile", "agent_role", "organisation", "absence"]
    names += ["agent", "user", "referent_assignation"]
    assert client.post(path, SENT | {"subscriptions": names}).json()["webhook_endpoint"]["subscriptions"] == names


def test_a_query_string_will_do(client, path):
    answer = client.post(f"{path}?target_url=https://x.test/&secret=y&subscriptions[]=absence&subscriptions[]=agent")
    assert answer.json()["webhook_endpoint"]["subscriptions"] == ["absence", "agent"]


def test_a_creation_needs_an_address_and_a_secret_and_known_subscriptions(client, path):
    answer = client.post(path, {"subscriptions": ["absences"]})
    wrong = "la liste des abonnements choisis contient une ou plusieurs valeurs incorrectes"
    assert answer.status_code == 422
    assert answer.json() == {
        "success": False,
        "errors": {"target_url": [{"error": "blank"}], "base": [{"error": wrong}], "secret": [{"error": "blank"}]},
        "error_messages": ["target_url doit être rempli(e)", f"base {wrong}", "secret doit être rempli(e)"],
    }


def test_an_address_is_there_once_in_an_organisation(client, path, endpoint):
    answer = client.post(path, SENT | {"target_url": endpoint.target_url})
    assert answer.status_code == 422
    assert answer.json()["errors"] == {"target_url": [{"error": "taken", "value": endpoint.target_url}]}
    assert answer.json()["error_messages"] == ["target_url est déjà utilisé"]


def test_another_organisation_may_have_the_same_address(cast, client, path):
    WebhookEndpointFactory(target_url=SENT["target_url"])
    assert client.post(path, SENT).status_code == 200


@pytest.mark.parametrize(
    "url",
    [
        *("http://partenaire.test/", "https://", "partenaire.test", "ftp://partenaire.test", "javascript:alert(1)"),
        *("https://nom:mot@partenaire.test/", "https://127.0.0.1/", "https://[::1]/", "https://10.1.2.3/"),
        *("https://169.254.169.254/latest", "https://partenaire.test:22/", "https://pàrtenaire.test/", "https://x y/"),
        *("https://partenaire.test:99999/", "https://partenaire.test/#x", "https://x.test/" + "a" * 2000),
    ],
)
def test_an_address_that_would_not_be_called_is_refused(client, path, url):
    answer = client.post(path, SENT | {"target_url": url})
    assert answer.status_code == 422
    assert answer.json()["errors"]["target_url"][0]["error"] in ("invalid", "too_long")


@pytest.mark.parametrize(
    "subscriptions", [["absence", 3], [["absence"]], [{"a": 1}], {"absence": 1}, "nonsense", [None], 3, True]
)
def test_subscriptions_of_any_form_are_judged(client, path, subscriptions):
    answer = client.post(path, SENT | {"subscriptions": subscriptions})
    assert answer.status_code == 422
    assert list(answer.json()["errors"]) == ["base"]


@pytest.mark.parametrize("secret", [None, "", "   ", [], {}, True, "x" * 501])
def test_a_secret_that_is_none_is_refused(client, path, secret):
    assert list(client.post(path, SENT | {"secret": secret}).json()["errors"]) == ["secret"]


def test_who_administers_the_territory_creates_and_nobody_else(cast, sign_in, path):
    for agent in (cast.martine, cast.bruno, cast.etienne, cast.sophie):
        assert sign_in(agent).post(path, SENT).status_code == 403
    # Without a role in the organisation as well: the territory decides.
    assert sign_in(cast.thierry).post(path, SENT).status_code == 200


def test_who_may_not_create_is_told_so_before_the_values(cast, sign_in, path):
    answer = sign_in(cast.martine).post(path, {})
    assert answer.status_code == 403
    assert answer.json() == {
        "errors": [{"base": "forbidden"}],
        "error_messages": ["Vous n’avez pas les droits suffisants pour accéder à cette page ou effectuer cette action"],
    }


def test_a_creation_in_no_organisation_is_not_found(client):
    answer = client.post("/api/v1/organisations/999999/webhook_endpoints", SENT)
    assert answer.status_code == 404
    assert answer.json()["errors"] == ["Couldn't find Organisation with 'id'=999999"]


# ── Everything that is subscribed to, sent again ─────────────────────────────────────────────────────────────────────


def test_a_creation_sends_all_that_is_subscribed_to_as_created(cast, client, path):
    absences = [AbsenceFactory(agent=cast.bruno), AbsenceFactory(agent=cast.martine)]
    AbsenceFactory(agent=cast.etienne)
    names = ["absence", "organisation", "agent", "agent_role"]
    client.post(path, SENT | {"subscriptions": names})
    send_everything_again()
    endpoint = WebhookEndpoint.objects.get()
    agents = [cast.martine, cast.bruno, cast.chloe, cast.sophie, cast.thierry]
    assert sorted(told(endpoint)) == sorted(
        [("Absence", "created")] * 2
        + [("Agent", "created")] * 5
        + [("Organisation", "created")]
        + [("AgentRole", "created")] * 5
    )
    events = Event.objects.order_by("pk")
    assert [event.object_id for event in events if event.model == "Absence"] == [one.pk for one in absences]
    assert [event.object_id for event in events if event.model == "Agent"] == [one.pk for one in agents]
    shown = client.get(f"/api/v1/absences/{absences[0].pk}").json()["absence"]
    data = json.loads(events[0].body)["data"]
    assert {**data, "ical": "", "url": ""} == {**shown, "ical": "", "url": ""}


def test_what_is_sent_again_goes_to_that_endpoint_alone_and_is_no_change(cast, client, path):
    before = WebhookEndpointFactory(organisation=cast.mds)
    AbsenceFactory(agent=cast.bruno)
    client.post(path, SENT)
    send_everything_again()
    assert len(told(before)) == 1
    assert told(WebhookEndpoint.objects.latest("pk")) == [("Absence", "created")]
    assert [len(event.audience.all()) for event in Event.objects.order_by("pk")] == [1, 0]


@pytest.mark.parametrize("trigger", [False, "false", 0, "0", "f", "off"])
def test_trigger_false_sends_nothing(cast, client, path, trigger):
    AbsenceFactory(agent=cast.bruno)
    client.post(path, SENT | {"trigger": trigger})
    client.patch(f"{path}/{WebhookEndpoint.objects.get().pk}", {"trigger": trigger, "secret": "autre"})
    send_everything_again()
    assert not Event.objects.exists()


@pytest.mark.parametrize("sent", [{}, {"trigger": True}, {"trigger": None}, {"trigger": ""}, {"trigger": "oui"}])
def test_each_update_sends_everything_again(cast, client, path, endpoint, sent):
    AbsenceFactory(agent=cast.bruno)
    endpoint.deliveries.all().delete()
    endpoint.subscriptions = ["absence"]
    endpoint.save()
    assert client.patch(f"{path}/{endpoint.pk}", sent).status_code == 200
    send_everything_again()
    assert told(endpoint) == [("Absence", "created")]


def test_a_private_absence_is_sent_again_without_what_it_is(cast, client, path):
    AbsenceFactory(agent=cast.bruno, title="Chimiothérapie", private=True)
    client.post(path, SENT)
    send_everything_again()
    assert "Chimio" not in Event.objects.get().body


# ── Update ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("verb", ["put", "patch"])
def test_an_update_changes_what_is_sent_and_keeps_the_rest(client, path, endpoint, verb):
    answer = getattr(client, verb)(f"{path}/{endpoint.pk}", {"subscriptions": ["absence"]})
    assert answer.status_code == 200
    assert answer.json()["webhook_endpoint"]["subscriptions"] == ["absence"]
    assert answer.json()["webhook_endpoint"]["target_url"] == endpoint.target_url
    assert WebhookEndpoint.objects.get().signing_secrets() == ["ancien"]


def waiting(endpoint):
    return {(one.event.model, one.state) for one in endpoint.deliveries.all()}


def test_what_is_not_subscribed_to_any_more_is_not_sent(cast, client, path, endpoint):
    AbsenceFactory(agent=cast.bruno)
    cast.bruno.last_name = "AUTRE"
    cast.bruno.save()
    kept = WebhookEndpointFactory(organisation=cast.mds)
    AbsenceFactory(agent=cast.bruno)
    client.patch(f"{path}/{endpoint.pk}", {"subscriptions": ["agent", "organisation"], "trigger": False})
    assert waiting(endpoint) == {("Absence", "cancelled"), ("Agent", "pending")}
    assert waiting(kept) == {("Absence", "pending")}


def test_what_was_sent_already_stays_as_it_went(cast, client, path, endpoint):
    AbsenceFactory(agent=cast.bruno)
    endpoint.deliveries.update(state="delivered")
    client.patch(f"{path}/{endpoint.pk}", {"subscriptions": [], "trigger": False})
    assert waiting(endpoint) == {("Absence", "delivered")}


def test_what_is_not_subscribed_to_is_not_offered_until_it_is_again(cast, client, path, endpoint):
    AbsenceFactory(agent=cast.bruno)
    client.post(f"{path}/{endpoint.pk}/test")
    client.patch(f"{path}/{endpoint.pk}", {"subscriptions": ["agent"], "active": False})
    assert waiting(endpoint) == {("Absence", "cancelled"), ("WebhookEndpoint", "cancelled")}
    assert client.post(f"{path}/{endpoint.pk}/enable").json()["backlog"] == 1
    assert client.post(f"{path}/{endpoint.pk}/enable", {"backlog": True}).json()["backlog"] == 1
    assert waiting(endpoint) == {("Absence", "cancelled"), ("WebhookEndpoint", "pending")}
    client.patch(f"{path}/{endpoint.pk}", {"subscriptions": ["absence"], "trigger": False})
    assert client.post(f"{path}/{endpoint.pk}/enable", {"backlog": True}).json()["backlog"] == 1
    assert waiting(endpoint) == {("Absence", "pending"), ("WebhookEndpoint", "pending")}


def test_each_subscription_has_the_name_of_its_model():
    assert {source.subscription: source.name for source in SOURCES} == {
        source.subscription: model_of(source.subscription) for source in SOURCES
    }


def test_an_update_with_another_secret_has_it_sign_alone(client, path, endpoint):
    client.patch(f"{path}/{endpoint.pk}", {"secret": "nouveau"})
    assert WebhookEndpoint.objects.get().signing_secrets() == ["nouveau"]


def test_an_update_cannot_take_the_secret_away(client, path, endpoint):
    answer = client.patch(f"{path}/{endpoint.pk}", {"secret": ""})
    assert answer.status_code == 422
    assert answer.json()["error_messages"] == ["secret doit être rempli(e)"]


def test_an_update_moves_the_endpoint_to_the_organisation_of_the_path(cast, client, endpoint):
    other = OrganisationFactory(territory=cast.paris)
    answer = client.patch(f"/api/v1/organisations/{other.pk}/webhook_endpoints/{endpoint.pk}", {"trigger": False})
    assert answer.status_code == 200
    assert answer.json()["webhook_endpoint"]["organisation_id"] == other.pk


def test_one_that_moves_leaves_what_was_sent_of_its_former_organisation_behind(cast, client, endpoint):
    """Or whoever administers the new one reads it, and has it sent to an address of theirs."""
    AbsenceFactory(agent=cast.bruno, title="Congés")
    assert endpoint.deliveries.exists()
    client.patch(f"/api/v1/organisations/{cast.mds.pk}/webhook_endpoints/{endpoint.pk}", {"trigger": False})
    assert endpoint.deliveries.exists()
    other = OrganisationFactory(territory=cast.paris)
    client.patch(f"/api/v1/organisations/{other.pk}/webhook_endpoints/{endpoint.pk}", {"trigger": False})
    assert not endpoint.deliveries.exists()
    log = client.get(f"/api/v1/organisations/{other.pk}/webhook_endpoints/{endpoint.pk}/deliveries")
    assert log.json()["deliveries"] == []


def test_an_address_that_is_taken_where_it_moves_is_refused(cast, client, endpoint):
    other = OrganisationFactory(territory=cast.paris)
    WebhookEndpointFactory(organisation=other, target_url=endpoint.target_url)
    answer = client.patch(f"/api/v1/organisations/{other.pk}/webhook_endpoints/{endpoint.pk}", {})
    assert answer.json()["error_messages"] == ["target_url est déjà utilisé"]


def test_nobody_moves_an_endpoint_to_where_they_may_not_know_everything(cast, client, endpoint):
    AgentRole.objects.create(agent=cast.thierry, organisation=cast.lille, access_level="basic")
    path = f"/api/v1/organisations/{cast.lille.pk}/webhook_endpoints/{endpoint.pk}"
    assert client.patch(path, {}).status_code == 403
    AgentRole.objects.filter(agent=cast.thierry, organisation=cast.lille).update(access_level="admin")
    assert client.patch(path, {}).status_code == 200


def test_an_update_into_no_organisation_is_not_found(client, endpoint):
    answer = client.patch(f"/api/v1/organisations/999999/webhook_endpoints/{endpoint.pk}", {})
    assert answer.status_code == 404
    assert answer.json()["errors"] == ["Couldn't find Organisation with 'id'=999999"]


def test_an_endpoint_where_the_caller_has_no_role_is_not_found(cast, sign_in, path, endpoint):
    for agent in (cast.etienne, AgentFactory(territorial_admin_of=[cast.paris])):
        answer = sign_in(agent).patch(f"{path}/{endpoint.pk}", {})
        assert answer.status_code == 404
        assert answer.json() == {
            "success": False,
            "errors": [f"Couldn't find WebhookEndpoint with 'id'={endpoint.pk}"],
        }


def test_who_does_not_administer_the_territory_may_not_update(cast, sign_in, path, endpoint):
    for agent in (cast.martine, cast.bruno):
        assert sign_in(agent).patch(f"{path}/{endpoint.pk}", {}).status_code == 403
    assert WebhookEndpoint.objects.get().version == 1


def test_an_update_of_what_somebody_changed_meanwhile_is_refused(client, path, endpoint):
    etag = client.get(f"{path}/{endpoint.pk}")["ETag"]
    client.patch(f"{path}/{endpoint.pk}", {"secret": "autre"})
    answer = client.patch(f"{path}/{endpoint.pk}", {"secret": "troisième"}, headers={"If-Match": etag})
    assert answer.status_code == 412


# ── Show and delete ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_endpoint_is_shown_to_its_organisation_and_territory(cast, client, sign_in, path, endpoint):
    for agent in (cast.thierry, cast.bruno, AgentFactory(territorial_admin_of=[cast.paris])):
        assert sign_in(agent).get(f"{path}/{endpoint.pk}").json()["webhook_endpoint"]["id"] == endpoint.pk
    assert sign_in(cast.etienne).get(f"{path}/{endpoint.pk}").status_code == 404
    assert client.get(f"{path}/999999").status_code == 404
    other = OrganisationFactory(territory=cast.paris)
    assert client.get(f"/api/v1/organisations/{other.pk}/webhook_endpoints/{endpoint.pk}").status_code == 404


def test_a_deletion_takes_the_deliveries_along(cast, client, path, endpoint):
    AbsenceFactory(agent=cast.bruno)
    assert client.delete(f"{path}/{endpoint.pk}").status_code == 204
    assert not WebhookEndpoint.objects.exists()
    assert not Delivery.objects.exists()


def test_who_does_not_administer_the_territory_may_not_delete(cast, sign_in, path, endpoint):
    assert sign_in(cast.martine).delete(f"{path}/{endpoint.pk}").status_code == 403
    assert sign_in(cast.etienne).delete(f"{path}/{endpoint.pk}").status_code == 404
    assert WebhookEndpoint.objects.exists()


# ── Off and on again ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_endpoint_put_aside_is_sent_nothing_more(cast, client, path, endpoint):
    AbsenceFactory(agent=cast.bruno)
    shown = client.patch(f"{path}/{endpoint.pk}", {"active": False}).json()["webhook_endpoint"]
    assert (shown["active"], shown["disabled_why"]) == (False, "manual")
    assert shown["disabled_at"] == "2026-11-16 10:00:00 +0100"
    AbsenceFactory(agent=cast.bruno)
    assert [one.state for one in endpoint.deliveries.all()] == ["cancelled"] * 2


def test_enabling_offers_what_was_missed(cast, client, path, endpoint):
    client.patch(f"{path}/{endpoint.pk}", {"active": False})
    for _ in range(3):
        AbsenceFactory(agent=cast.bruno)
    answer = client.post(f"{path}/{endpoint.pk}/enable")
    assert answer.json()["backlog"] == 3
    assert (
        answer.json()["webhook_endpoint"] | {"active": True, "disabled_why": None} == answer.json()["webhook_endpoint"]
    )
    assert {one.state for one in endpoint.deliveries.all()} == {"cancelled"}
    assert client.post(f"{path}/{endpoint.pk}/enable", {"backlog": True}).json()["backlog"] == 3
    assert {one.state for one in endpoint.deliveries.all()} == {"pending"}
    assert client.post(f"{path}/{endpoint.pk}/enable", {"backlog": True}).json()["backlog"] == 0


# ── Rotation ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_rotation_answers_the_new_secret_once_and_both_sign_for_a_day(client, path, endpoint, now):
    answer = client.post(f"{path}/{endpoint.pk}/rotate")
    shown = answer.json()["webhook_endpoint"]
    assert answer["Cache-Control"] == "no-store"
    assert shown["secret"].startswith("whsec_")
    assert shown["former_secret_until"] == "2026-11-17 10:00:00 +0100"
    assert WebhookEndpoint.objects.get().signing_secrets() == [shown["secret"], "ancien"]
    assert "secret" not in client.get(f"{path}/{endpoint.pk}").json()["webhook_endpoint"]
    now.tick(24 * 3600)
    assert WebhookEndpoint.objects.get().signing_secrets() == [shown["secret"]]


def test_a_rotation_to_a_secret_of_the_callers_does_not_repeat_it(client, path, endpoint):
    answer = client.post(f"{path}/{endpoint.pk}/rotate", {"secret": "nouveau"})
    assert "nouveau" not in answer.content.decode()
    assert WebhookEndpoint.objects.get().signing_secrets() == ["nouveau", "ancien"]


@pytest.mark.parametrize("secret", ["   ", [], {"a": 1}, True, "x" * 501])
def test_a_rotation_to_no_secret_is_refused(client, path, endpoint, secret):
    answer = client.post(f"{path}/{endpoint.pk}/rotate", {"secret": secret})
    assert answer.status_code == 422
    assert WebhookEndpoint.objects.get().signing_secrets() == ["ancien"]


# ── A test event ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_test_sends_a_ping_to_that_endpoint_alone(cast, client, path, endpoint):
    WebhookEndpointFactory(organisation=cast.mds)
    answer = client.post(f"{path}/{endpoint.pk}/test")
    delivery = Delivery.objects.get()
    event = delivery.event
    assert answer.json() == {
        "delivery": {
            "id": delivery.pk,
            "event": event.name,
            "state": "pending",
            "status": None,
            "error": None,
            "answer": None,
            "duration_ms": None,
        }
    }
    assert delivery.endpoint == endpoint
    body = json.loads(event.body)
    assert body["meta"] == {
        "model": "WebhookEndpoint",
        "event": "ping",
        "webhook_reason": None,
        "timestamp": "2026-11-16 10:00:00 +0100",
    }
    assert body["data"]["id"] == endpoint.pk
    assert not event.audience.exists()


def test_a_test_that_waits_shows_the_answer(client, path, endpoint, monkeypatch):
    def receive(seconds):
        delivery = Delivery.objects.get()
        Attempt.objects.create(delivery=delivery, status=200, duration=48, answer="merci")
        Delivery.objects.update(state="delivered")

    monkeypatch.setattr("webhooks.views.time.sleep", receive)
    shown = client.post(f"{path}/{endpoint.pk}/test", {"wait": True}).json()["delivery"]
    assert (shown["state"], shown["status"], shown["answer"], shown["duration_ms"]) == ("delivered", 200, "merci", 48)


def test_a_test_does_not_wait_for_ever(client, path, endpoint, monkeypatch):
    monkeypatch.setattr("webhooks.views.PATIENCE", 0.0)
    shown = client.post(f"{path}/{endpoint.pk}/test", {"wait": True}).json()["delivery"]
    assert (shown["state"], shown["status"]) == ("pending", None)


@pytest.mark.parametrize("verb", ["enable", "rotate", "test"])
def test_who_does_not_administer_the_territory_may_do_none_of_this(cast, sign_in, path, endpoint, verb):
    assert sign_in(cast.martine).post(f"{path}/{endpoint.pk}/{verb}").status_code == 403
    assert sign_in(cast.etienne).post(f"{path}/{endpoint.pk}/{verb}").status_code == 404
    assert sign_in(cast.thierry).post(f"{path}/999999/{verb}").status_code == 404
    assert sign_in(cast.thierry).post(f"{path}/{endpoint.pk}/{verb}").status_code == 200
    AgentTerritorialRole.objects.all().delete()
    assert sign_in(cast.thierry).post(f"{path}/{endpoint.pk}/{verb}").status_code == 404


# ── Nothing that is sent breaks anything ─────────────────────────────────────────────────────────────────────────────


def test_a_test_that_is_sent_again_with_its_key_sends_one_ping(client, path, endpoint, monkeypatch):
    monkeypatch.setattr("webhooks.views.PATIENCE", 0.0)
    answers = [
        client.post(f"{path}/{endpoint.pk}/test", {"wait": True}, headers={"Idempotency-Key": "un-essai"})
        for _ in range(2)
    ]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert answers[0].json() == answers[1].json()
    assert Delivery.objects.count() == 1


@pytest.mark.parametrize("number", ["0", "x", "9" * 40, "%00", "%F0%9F%92%A9", "-1"])
@pytest.mark.parametrize("verb", ["", "/enable", "/rotate", "/test"])
def test_a_number_that_is_none_is_not_found(client, path, endpoint, number, verb):
    call = client.post if verb else client.get
    assert call(f"{path}/{number}{verb}").status_code in (400, 404)
    elsewhere = f"/api/v1/organisations/{number}/webhook_endpoints/{endpoint.pk}{verb}"
    assert call(elsewhere).status_code in (400, 404)


@pytest.mark.parametrize("value", [[], {}, [[]], {"a": {"b": 1}}, 1.5, True, "é" * 3000, -1, 1e300])
def test_a_value_of_any_form_is_answered(client, path, endpoint, value):
    for name in ("target_url", "secret", "subscriptions", "trigger", "active", "organisation_id", "id"):
        for answer in (
            client.post(path, SENT | {"trigger": False, name: value}),
            client.patch(f"{path}/{endpoint.pk}", {"trigger": False, name: value}),
        ):
            assert answer.status_code in (200, 422), (name, value)
        WebhookEndpoint.objects.exclude(pk=endpoint.pk).delete()
    for verb, name in (("enable", "backlog"), ("rotate", "secret")):
        assert client.post(f"{path}/{endpoint.pk}/{verb}", {name: value}).status_code in (200, 422)
