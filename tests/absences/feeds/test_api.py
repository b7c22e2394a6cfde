"""`/api/v1/feeds`: an agent's own feeds, their addresses told once (C1, C2, C5)."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from django.test import Client

from absences.models import Feed
from agents import tokens
from agents.models import AccessKey, AgentRole, ApiAccount, RecordEntry
from tests.conftest import WireClient
from tests.factories import AbsenceFactory, AgentFactory, FeedFactory
from tests.worlds import bearing, key_of

from .conftest import ask, summaries

FEEDS = "/api/v1/feeds"
KEYS = [
    *("id", "agent_id", "created_at", "days_ahead", "days_back", "holidays", "kinds", "last_read_at", "name"),
    *("organisation_id", "privacy", "revoked_at", "service_id", "state", "updated_at"),
]


@pytest.fixture
def martine(cast: SimpleNamespace, sign_in: Any) -> WireClient:
    client: WireClient = sign_in(cast.martine)
    return client


def made(client: WireClient, **fields: Any) -> dict[str, Any]:
    answer = client.post(FEEDS, {"name": "Absences"} | fields)
    assert answer.status_code == 200, answer.content
    feed: dict[str, Any] = answer.json()["feed"]
    return feed


def test_a_feed_is_made_with_a_name_alone(cast: SimpleNamespace, martine: WireClient) -> None:
    AbsenceFactory(agent=cast.martine, title="Congés")
    answer = martine.post(FEEDS, {"name": "Mes absences"})
    feed = answer.json()["feed"]
    assert list(feed) == [*KEYS, "ics_address", "webcal_address"]
    assert feed | {"agent_id": cast.martine.pk, "privacy": "busy", "days_back": 30, "days_ahead": 365} == feed
    assert feed | {"kinds": None, "holidays": False, "state": "active", "last_read_at": None} == feed
    assert answer["Cache-Control"] == "no-store"
    assert answer["Location"].endswith(f"{FEEDS}/{feed['id']}")


def test_both_its_addresses_are_told(martine: WireClient) -> None:
    feed = made(martine)
    secret = feed["ics_address"].removeprefix("http://testserver/feeds/").removesuffix(".ics")
    assert tokens.well_formed(secret)
    assert feed["webcal_address"] == f"webcal://testserver/feeds/{secret}.ics"
    assert Client().get(f"/feeds/{secret}.ics").status_code == 200


def test_the_public_address_of_the_server_is_told(martine: WireClient, settings: Any) -> None:
    settings.RDV_PUBLIC_URL = "https://rdv.agence.example"
    feed = made(martine)
    assert feed["ics_address"].startswith("https://rdv.agence.example/feeds/")
    assert feed["webcal_address"].startswith("webcal://rdv.agence.example/feeds/")


def test_its_address_is_told_once(martine: WireClient) -> None:
    feed = made(martine)
    path = f"{FEEDS}/{feed['id']}"
    for answer in (martine.get(path), martine.get(FEEDS), martine.patch(path, {"name": "Autre"})):
        assert "_address" not in answer.content.decode()
        assert "/feeds/" not in answer.json().get("feed", {}).get("name", "")


def test_renewing_ends_the_address_before_and_tells_the_next(martine: WireClient) -> None:
    feed = made(martine)
    answer = martine.post(f"{FEEDS}/{feed['id']}/renew")
    renewed = answer.json()["feed"]
    assert renewed["id"] == feed["id"]
    assert answer["Cache-Control"] == "no-store"
    local = [one["ics_address"].removeprefix("http://testserver") for one in (feed, renewed)]
    assert [Client().get(path).status_code for path in local] == [404, 200]


def test_revoking_ends_the_address_and_renewing_gives_another(martine: WireClient) -> None:
    feed = made(martine)
    path = f"{FEEDS}/{feed['id']}"
    revoked = martine.patch(path, {"active": False}).json()["feed"]
    assert revoked["state"] == "revoked"
    assert revoked["revoked_at"]
    before = feed["ics_address"].removeprefix("http://testserver")
    assert Client().get(before).status_code == 404
    refused = martine.patch(path, {"active": True})
    assert refused.status_code == 422
    assert refused.json()["errors"]["active"][0]["error"] == "address_revoked"
    renewed = martine.post(f"{path}/renew").json()["feed"]
    assert (renewed["state"], renewed["revoked_at"]) == ("active", None)
    after = renewed["ics_address"].removeprefix("http://testserver")
    assert [Client().get(one).status_code for one in (before, after)] == [404, 200]


def test_deleting_ends_the_address(martine: WireClient) -> None:
    feed = made(martine)
    assert martine.delete(f"{FEEDS}/{feed['id']}").status_code == 204
    assert Client().get(feed["ics_address"].removeprefix("http://testserver")).status_code == 404
    assert martine.get(f"{FEEDS}/{feed['id']}").status_code == 404


def test_several_feeds_of_the_same_have_their_own_addresses(martine: WireClient) -> None:
    first, second = made(martine, name="Bureau"), made(martine, name="Maison")
    assert first["ics_address"] != second["ics_address"]
    assert [one["name"] for one in martine.get(FEEDS).json()["feeds"]] == ["Maison", "Bureau"]


@pytest.mark.parametrize("target", ["agent", "service", "organisation"])
def test_it_is_of_what_its_owner_sees(cast: SimpleNamespace, martine: WireClient, target: str) -> None:
    seen = {"agent": cast.bruno, "service": cast.pmi, "organisation": cast.mds}[target]
    feed = made(martine, **{f"{target}_id": seen.pk})
    assert {name: feed[f"{name}_id"] for name in ("agent", "service", "organisation")} == {
        name: seen.pk if name == target else None for name in ("agent", "service", "organisation")
    }


@pytest.mark.parametrize("target", ["agent", "service", "organisation"])
def test_what_is_out_of_sight_is_refused_as_what_is_not_there(cast: SimpleNamespace, sign_in: Any, target: str) -> None:
    bruno, hidden = sign_in(cast.bruno), {"agent": cast.chloe, "service": cast.social, "organisation": cast.lille}
    answers = [bruno.post(FEEDS, {"name": "x", f"{target}_id": pk}) for pk in (hidden[target].pk, 10**9)]
    assert [answer.status_code for answer in answers] == [422, 422]
    assert [list(answer.json()["errors"]) for answer in answers] == [[f"{target}_id"]] * 2
    assert {answer.json()["errors"][f"{target}_id"][0]["error"] for answer in answers} == {"inclusion"}
    assert not Feed.objects.exists()


def test_one_s_own_absences_can_be_followed_without_a_role(cast: SimpleNamespace, sign_in: Any) -> None:
    cast.thierry.territorial_roles.all().delete()
    assert made(sign_in(cast.thierry))["agent_id"] == cast.thierry.pk


@pytest.mark.parametrize(
    ("fields", "failing"),
    [
        ({"name": ""}, "name"),
        ({"privacy": "everything"}, "privacy"),
        ({"days_back": -1}, "days_back"),
        ({"days_ahead": "1e3"}, "days_ahead"),
        ({"days_ahead": 10_000}, "days_ahead"),
        ({"days_back": True}, "days_back"),
        ({"kinds": ["holiday", "party"]}, "kinds"),
        ({"kinds": []}, "kinds"),
        ({"holidays": "perhaps"}, "holidays"),
        ({"agent_id": 1, "service_id": 1}, "service_id"),
        ({"agent_id": "x"}, "agent_id"),
    ],
)
def test_what_it_cannot_be_is_refused(martine: WireClient, fields: dict[str, Any], failing: str) -> None:
    answer = martine.post(FEEDS, {"name": "Absences"} | fields)
    assert answer.status_code == 422
    assert list(answer.json()["errors"]) == [failing]
    assert not Feed.objects.exists()


def test_of_what_it_is_does_not_change(cast: SimpleNamespace, martine: WireClient) -> None:
    path = f"{FEEDS}/{made(martine)['id']}"
    assert martine.patch(path, {"agent_id": cast.martine.pk}).status_code == 200
    refused = martine.patch(path, {"agent_id": cast.bruno.pk})
    assert refused.status_code == 422
    assert refused.json()["errors"]["agent_id"][0]["error"] == "fixed"


def test_what_it_tells_changes_for_whoever_has_the_address(cast: SimpleNamespace, martine: WireClient) -> None:
    AbsenceFactory(agent=cast.martine, title="Congés")
    feed = FeedFactory(owner=cast.martine)
    assert summaries(feed) == ["Indisponible"]
    assert martine.patch(f"{FEEDS}/{feed.pk}", {"privacy": "titles"}).status_code == 200
    assert summaries(feed) == ["Congés"]


def test_an_agent_s_feeds_are_theirs_alone(cast: SimpleNamespace, martine: WireClient, sign_in: Any) -> None:
    feed, thierry = made(martine), sign_in(cast.thierry)
    path = f"{FEEDS}/{feed['id']}"
    assert thierry.get(FEEDS).json()["feeds"] == []
    for answer in (
        thierry.get(path), thierry.patch(path, {"name": "x"}), thierry.delete(path), thierry.post(f"{path}/renew"),
    ):  # fmt: skip
        assert answer.status_code == 403
    assert Client().get(feed["ics_address"].removeprefix("http://testserver")).status_code == 200


def test_a_key_reads_feeds_and_makes_none(cast: SimpleNamespace) -> None:
    feed = FeedFactory(owner=cast.martine)
    _key, secret = AccessKey.make(cast.martine, name="Nuit")
    client, headers = WireClient(), {"Authorization": f"Bearer {secret}"}
    assert [one["id"] for one in client.get(FEEDS, headers=headers).json()["feeds"]] == [feed.pk]
    path = f"{FEEDS}/{feed.pk}"
    for answer in (
        client.post(FEEDS, {"name": "x"}, headers=headers),
        client.patch(path, {"privacy": "full"}, headers=headers),
        client.post(f"{path}/renew", headers=headers),
        client.delete(path, headers=headers),
    ):
        assert answer.status_code == 403
    assert ask(feed).status_code == 200


def test_a_key_for_some_organisations_knows_no_feed_of_others(cast: SimpleNamespace) -> None:
    """Not by its name either."""
    AgentRole.objects.create(agent=cast.bruno, organisation=cast.lille, access_level="basic")
    colleague = AgentFactory(basic_in=[cast.mds], services=cast.bruno.services.all())
    theirs = [
        FeedFactory(owner=cast.bruno, name="Lille", organisation=cast.lille),
        FeedFactory(owner=cast.bruno, name="Étienne", agent=cast.etienne),
    ]
    ours = [
        FeedFactory(owner=cast.bruno, name="MDS", organisation=cast.mds),
        FeedFactory(owner=cast.bruno, name="Moi"),
        FeedFactory(owner=cast.bruno, name="Collègue", agent=colleague),
        FeedFactory(owner=cast.bruno, name="Service", service=cast.bruno.services.first()),
    ]
    every = {one.pk for one in (*theirs, *ours)}

    def read(**scope: Any) -> WireClient:
        return bearing({"Authorization": f"Bearer {key_of(cast.bruno, **scope)}"})

    def listed(client: WireClient) -> set[int]:
        answer = client.get(FEEDS)
        assert answer.json()["meta"]["total_count"] == len(answer.json()["feeds"])
        return {one["id"] for one in answer.json()["feeds"]}

    client = read(organisations=[cast.mds.pk])
    assert listed(client) == {one.pk for one in ours}
    for feed in theirs:
        answer = client.get(f"{FEEDS}/{feed.pk}")
        assert answer.status_code == 403
        assert feed.name not in answer.content.decode()
    assert {client.get(f"{FEEDS}/{feed.pk}").status_code for feed in ours} == {200}
    assert listed(read()) == listed(read(organisations=[cast.mds.pk, cast.lille.pk])) == every


def test_an_account_has_no_feeds(cast: SimpleNamespace) -> None:
    FeedFactory(owner=cast.martine)
    _key, secret = AccessKey.make(ApiAccount.objects.create(name="Logiciel"), name="clef")
    headers = {"Authorization": f"Bearer {secret}"}
    assert WireClient().get(FEEDS, headers=headers).json()["feeds"] == []
    assert WireClient().post(FEEDS, {"name": "x"}, headers=headers).status_code == 403


def test_a_change_that_knows_another_state_is_refused(martine: WireClient) -> None:
    path = f"{FEEDS}/{made(martine)['id']}"
    etag = martine.get(path)["ETag"]
    assert martine.patch(path, {"name": "Un"}, headers={"If-Match": etag}).status_code == 200
    assert martine.patch(path, {"name": "Deux"}, headers={"If-Match": etag}).status_code == 412


def test_the_record_tells_what_was_done_and_no_address(cast: SimpleNamespace, martine: WireClient) -> None:
    feed = made(martine)
    martine.post(f"{FEEDS}/{feed['id']}/renew")
    martine.patch(f"{FEEDS}/{feed['id']}", {"active": False})
    Client().get(feed["ics_address"].removeprefix("http://testserver"))
    entries = list(RecordEntry.objects.filter(resource="feed").order_by("pk"))
    assert [entry.action for entry in entries] == ["created", "updated", "updated"]
    assert {entry.agent_id for entry in entries} == {cast.martine.pk}
    assert entries[1].changes["digest"] == ["***", "***"]
    secret = feed["ics_address"].rpartition("/")[2].removesuffix(".ics")
    told = str([vars(entry) for entry in RecordEntry.objects.all()])
    assert secret not in told
    assert tokens.digest(secret) not in told


def test_a_list_costs_three_queries(martine: WireClient, cast: SimpleNamespace, django_assert_num_queries: Any) -> None:
    FeedFactory.create_batch(5, owner=cast.martine)
    martine.get(FEEDS)
    with django_assert_num_queries(3):
        assert len(martine.get(FEEDS).json()["feeds"]) == 5
