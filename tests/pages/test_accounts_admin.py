"""API accounts and everybody's keys on the administration pages."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from agents.models import AccessKey, AccessLevel, AccountRole, Agent, ApiAccount, Grant
from tests.conftest import WireClient
from tests.factories import AgentFactory

from .conftest import choices, secret_in, shown, signed_in

pytestmark = pytest.mark.django_db

ACCOUNTS, KEYS = "/admin/agents/apiaccount/", "/admin/agents/accesskey/"


@pytest.fixture
def odile(db: None) -> Agent:
    return AgentFactory(email="odile@exemple.test", is_staff=True, is_superuser=True)


@pytest.fixture
def browser(odile: Agent) -> Client:
    return signed_in(odile)


@pytest.fixture
def intranet(cast: SimpleNamespace) -> ApiAccount:
    account = ApiAccount.objects.create(name="Intranet")
    AccountRole.objects.create(account=account, organisation=cast.mds, access_level=AccessLevel.ADMIN)
    return account


def making(account: ApiAccount) -> str:
    return reverse("admin:agents_apiaccount_key", args=(account.pk,))


def make(browser: Client, account: ApiAccount, **changes: Any) -> Any:
    address = making(account)
    return browser.post(address, choices(browser, address, **changes))


def me(secret: str) -> Any:
    return WireClient().get("/api/v1/me", headers={"Authorization": f"Bearer {secret}"})


def test_an_account_is_made_with_its_roles_and_for_whom_it_may_act(browser: Client, cast: SimpleNamespace) -> None:
    form = {
        "name": "Intranet",
        "note": "",
        "is_active": "on",
        "services": [cast.pmi.pk],
        "roles-TOTAL_FORMS": 1,
        "roles-INITIAL_FORMS": 0,
        "roles-0-organisation": cast.mds.pk,
        "roles-0-access_level": "admin",
        "grants-TOTAL_FORMS": 1,
        "grants-INITIAL_FORMS": 0,
        "grants-0-agent": cast.martine.pk,
    }
    assert browser.post(f"{ACCOUNTS}add/", form).status_code == 302
    account = ApiAccount.objects.get()
    assert [(role.organisation, role.access_level) for role in account.roles.all()] == [(cast.mds, "admin")]
    assert [grant.agent for grant in account.grants.all()] == [cast.martine]
    assert list(account.services.all()) == [cast.pmi]
    assert cast.mds.name in shown(browser.get(f"{ACCOUNTS}{account.pk}/change/"))


def test_a_key_of_an_account_is_shown_once(browser: Client, intranet: ApiAccount) -> None:
    answer = make(browser, intranet, name="Synchronisation", access="false")
    secret = secret_in(answer)
    assert secret.startswith("rdv_api_")
    assert "no-store" in answer["Cache-Control"]
    assert me(secret).json()["api_account"]["id"] == intranet.pk
    key = AccessKey.objects.get()
    for address in (f"{KEYS}{key.pk}/change/", KEYS, f"{ACCOUNTS}{intranet.pk}/change/", making(intranet)):
        page = shown(browser.get(address))
        assert secret not in page
        assert key.digest not in page
    told = LogEntry.objects.get(object_id=str(intranet.pk))
    assert "Synchronisation" in told.change_message
    assert secret not in told.change_message


def test_loading_the_answer_anew_makes_no_second_key(browser: Client, intranet: ApiAccount) -> None:
    form = choices(browser, making(intranet))
    secret_in(browser.post(making(intranet), form))
    assert browser.post(making(intranet), form).status_code == 302
    assert AccessKey.objects.count() == 1


def test_a_key_of_an_account_is_judged_as_an_agents(
    browser: Client, intranet: ApiAccount, cast: SimpleNamespace
) -> None:
    beyond = {"which_organisations": "chosen", "organisations": [cast.lille.pk]}
    answer = make(browser, intranet, name="", end="date", end_day="2020-01-01", **beyond)
    assert answer.status_code == 422
    assert set(answer.context["form"].errors) == {"name", "end_day", "organisations"}
    assert not AccessKey.objects.exists()


def test_no_key_is_made_where_that_is_switched_off(settings: Any, browser: Client, intranet: ApiAccount) -> None:
    settings.RDV_KEY_CREATION = False
    answer = browser.get(making(intranet), follow=True)
    assert "La création de clés est désactivée sur ce serveur." in shown(answer)


def test_no_key_is_made_for_no_account(browser: Client) -> None:
    for pk in ("999999", "0", "x", "9" * 30):
        assert browser.get(f"{ACCOUNTS}{pk}/key/").status_code == 404


def test_an_account_that_is_switched_off_is_refused_at_once(
    browser: Client, intranet: ApiAccount, cast: SimpleNamespace
) -> None:
    _key, secret = AccessKey.make(intranet, name="Nuit")
    assert me(secret).status_code == 200
    role = intranet.roles.get()
    form = {
        "name": "Intranet",
        "seen_change": intranet.updated_at.isoformat(),
        "roles-TOTAL_FORMS": 1,
        "roles-INITIAL_FORMS": 1,
        "roles-0-id": role.pk,
        "roles-0-account": intranet.pk,
        "roles-0-organisation": cast.mds.pk,
        "roles-0-access_level": "admin",
        "grants-TOTAL_FORMS": 0,
        "grants-INITIAL_FORMS": 0,
    }
    assert browser.post(f"{ACCOUNTS}{intranet.pk}/change/", form).status_code == 302
    refused = me(secret)
    assert refused.status_code == 401
    assert "account_disabled" in refused["WWW-Authenticate"]


def test_an_account_is_deleted_with_its_keys(browser: Client, intranet: ApiAccount, cast: SimpleNamespace) -> None:
    AccessKey.make(intranet, name="Nuit")
    Grant.objects.create(account=intranet, agent=cast.martine)
    address = f"{ACCOUNTS}{intranet.pk}/delete/"
    assert "Intranet" in shown(browser.get(address))
    assert browser.post(address, {"post": "yes"}).status_code == 302
    assert not ApiAccount.objects.exists()
    assert not AccessKey.objects.exists()


# Everybody's keys.


@pytest.fixture
def keys(cast: SimpleNamespace, intranet: ApiAccount) -> list[tuple[AccessKey, str]]:
    return [AccessKey.make(owner, name=f"De {owner}") for owner in (cast.martine, cast.bruno, intranet)]


@pytest.mark.parametrize("how", ["page", "action"])
def test_a_key_is_revoked_for_good(browser: Client, keys: Any, how: str) -> None:
    (key, secret), (_other, kept), _account = keys
    if how == "page":
        assert "Révoquer cette clé" in shown(browser.get(f"{KEYS}{key.pk}/change/"))
        browser.post(f"{KEYS}{key.pk}/change/", {"_revoke": "1"})
    else:
        browser.post(KEYS, {"action": "revoke", "_selected_action": [key.pk]})
    refused = me(secret)
    assert refused.status_code == 401
    assert "revoked" in refused["WWW-Authenticate"]
    assert me(kept).status_code == 200
    assert LogEntry.objects.get().change_message == "Révoquée."
    assert "Révoquer cette clé" not in shown(browser.get(f"{KEYS}{key.pk}/change/"))


def test_keys_are_neither_made_changed_nor_deleted_on_their_page(browser: Client, keys: Any) -> None:
    key = keys[0][0]
    assert browser.get(f"{KEYS}add/").status_code == 403
    assert browser.post(f"{KEYS}{key.pk}/delete/", {"post": "yes"}).status_code == 403
    browser.post(f"{KEYS}{key.pk}/change/", {"name": "Autre", "read_only": "", "expires_at": ""})
    assert AccessKey.objects.get(pk=key.pk).name == key.name


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", {"Martine", "bruno", "Intranet"}),
        ("q=valid", {"Martine"}),
        ("q=intra", {"Intranet"}),
        ("agent={martine}", {"Martine"}),
        ("account={intranet}", {"Intranet"}),
        ("state=active", {"bruno", "Intranet"}),
        ("state=deactivated", {"Martine"}),
        ("state=revoked", set()),
        ("state=expired", set()),
    ],
)
def test_keys_are_found_by_whose_they_are_and_their_state(
    browser: Client, keys: Any, cast: SimpleNamespace, intranet: ApiAccount, query: str, expected: set[str]
) -> None:
    keys[0][0].switch(on=False)
    Agent.objects.filter(pk=cast.bruno.pk).update(first_name="bruno", last_name="DIALLO")
    page = browser.get(f"{KEYS}?{query.format(martine=cast.martine.pk, intranet=intranet.pk)}")
    owners = {str(key.owner).split()[0] for key in page.context["cl"].result_list}
    assert owners == expected


def test_the_digests_do_not_leave_the_database(browser: Client, keys: Any) -> None:
    with CaptureQueriesContext(
        connection,
    ) as asked:
        page = browser.get(KEYS)
        browser.get(f"{KEYS}{keys[0][0].pk}/change/")
    assert page.status_code == 200
    assert not [query for query in asked if '"digest"' in query["sql"]]


@pytest.mark.parametrize("page", [ACCOUNTS, KEYS])
def test_the_lists_ask_as_much_for_many_as_for_one(
    browser: Client, intranet: ApiAccount, cast: SimpleNamespace, page: str
) -> None:
    def asked() -> int:
        with CaptureQueriesContext(connection) as queries:
            assert browser.get(page).status_code == 200
        return len(queries)

    AccessKey.make(intranet, name="Une")
    one = asked()
    for number in range(12):
        account = ApiAccount.objects.create(name=f"Compte {number}")
        AccessKey.make(account, name=f"Clé {number}", organisations=[cast.mds.pk])
    assert asked() == one


def test_who_may_only_look_at_accounts_makes_no_key(intranet: ApiAccount) -> None:
    helper = AgentFactory(email="renfort@exemple.test", is_staff=True)
    helper.user_permissions.set(Permission.objects.filter(codename="view_apiaccount"))
    client = signed_in(helper)
    assert client.get(f"{ACCOUNTS}{intranet.pk}/change/").status_code == 200
    for answer in (client.get(making(intranet)), client.post(making(intranet), {"name": "Nuit", "once": "x"})):
        assert answer.status_code == 403
    assert client.get(KEYS).status_code == 403


def test_who_may_revoke_keys_does_no_more(keys: Any, intranet: ApiAccount) -> None:
    helper = AgentFactory(email="renfort@exemple.test", is_staff=True)
    helper.user_permissions.set(Permission.objects.filter(codename__in=("view_accesskey", "change_accesskey")))
    client = signed_in(helper)
    client.post(KEYS, {"action": "revoke", "_selected_action": [keys[0][0].pk]})
    assert AccessKey.objects.get(pk=keys[0][0].pk).revoked_at is not None
    assert client.get(making(intranet)).status_code == 403
