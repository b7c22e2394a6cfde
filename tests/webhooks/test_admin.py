"""The administration pages of webhooks: everything but the secret, which is typed and never shown."""

import pytest
from django.contrib.auth.models import Permission
from django.test import Client

from tests.factories import AbsenceFactory, AgentFactory, WebhookEndpointFactory
from webhooks.models import WebhookEndpoint

LIST = "/admin/webhooks/webhookendpoint/"


@pytest.fixture
def client(db):
    client = Client()
    client.force_login(AgentFactory(is_staff=True, is_superuser=True), "agents.backends.PasswordBackend")
    return client


@pytest.fixture
def endpoint(cast):
    return WebhookEndpointFactory(organisation=cast.mds, signed_with="ancien-secret")


def posted(client, endpoint, **values):
    page = client.get(f"{LIST}{endpoint.pk}/change/")
    form = page.context["adminform"].form
    sent = {
        "organisation": endpoint.organisation_id,
        "target_url": endpoint.target_url,
        "subscriptions": endpoint.subscriptions,
        "active": "on",
        "seen_change": form.fields["seen_change"].initial,
    }
    return client.post(f"{LIST}{endpoint.pk}/change/", {k: v for k, v in (sent | values).items() if v is not None})


def test_the_list_and_the_page_show_no_secret(client, endpoint):
    for path in (LIST, f"{LIST}{endpoint.pk}/change/", f"{LIST}?q=partenaire", f"{LIST}?organisation=1"):
        answer = client.get(path)
        assert answer.status_code == 200
        text = answer.content.decode()
        assert "ancien-secret" not in text
        assert endpoint.secret not in text
    assert endpoint.target_url in client.get(LIST).content.decode()


def test_one_is_made_with_a_secret_and_not_without(client, cast):
    sent = {"organisation": cast.mds.pk, "target_url": "https://partenaire.test/", "subscriptions": ["absence"]}
    answer = client.post(f"{LIST}add/", sent | {"active": "on"})
    assert answer.status_code == 200
    assert "new_secret" in answer.context["adminform"].form.errors
    assert client.post(f"{LIST}add/", sent | {"active": "on", "new_secret": "tapé"}).status_code == 302
    endpoint = WebhookEndpoint.objects.get()
    assert endpoint.signing_secrets() == ["tapé"]
    assert endpoint.subscriptions == ["absence"]


def test_what_is_left_empty_keeps_the_secret(client, endpoint):
    assert posted(client, endpoint, subscriptions=["agent"]).status_code == 302
    endpoint.refresh_from_db()
    assert endpoint.subscriptions == ["agent"]
    assert endpoint.signing_secrets() == ["ancien-secret"]
    assert posted(client, endpoint, new_secret="nouveau").status_code == 302
    assert WebhookEndpoint.objects.get().signing_secrets() == ["nouveau"]


def test_one_that_is_put_aside_is_sent_nothing(client, cast, endpoint):
    AbsenceFactory(agent=cast.bruno)
    assert posted(client, endpoint, active=None).status_code == 302
    endpoint.refresh_from_db()
    assert (endpoint.active, endpoint.disabled_why) == (False, "manual")
    assert [one.state for one in endpoint.deliveries.all()] == ["cancelled"]
    assert posted(client, endpoint).status_code == 302
    endpoint.refresh_from_db()
    assert (endpoint.active, endpoint.disabled_at, endpoint.disabled_why) == (True, None, "")


@pytest.mark.parametrize("url", ["http://partenaire.test/", "https://10.0.0.1/", "nulle part", ""])
def test_an_address_that_would_not_be_called_is_refused(client, endpoint, url):
    answer = posted(client, endpoint, target_url=url)
    assert answer.status_code == 200
    assert "target_url" in answer.context["adminform"].form.errors


def test_an_address_is_there_once_in_an_organisation(client, cast, endpoint):
    other = WebhookEndpointFactory(organisation=cast.mds)
    answer = posted(client, endpoint, target_url=other.target_url)
    assert answer.context["adminform"].form.errors["target_url"] == ["est déjà utilisé"]


def test_without_the_right_there_is_no_page(db, endpoint):
    agent = AgentFactory(is_staff=True)
    client = Client()
    client.force_login(agent, "agents.backends.PasswordBackend")
    assert client.get(LIST).status_code == 403
    agent.user_permissions.add(Permission.objects.get(codename="view_webhookendpoint"))
    assert client.get(LIST).status_code == 200
    assert client.post(f"{LIST}{endpoint.pk}/change/", {"active": ""}).status_code == 403
