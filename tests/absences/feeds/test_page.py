"""An agent's calendar feeds on their page: made as by API, their addresses shown once (W4)."""

from __future__ import annotations

import re
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from absences.models import Feed
from tests.factories import AbsenceFactory, FeedFactory
from tests.pages.conftest import shown, signed_in

from .conftest import ask, summaries

PAGE, NEW = "/calendriers", "/calendriers/nouveau"


@pytest.fixture
def martine(cast: SimpleNamespace) -> Client:
    return signed_in(cast.martine)


def once(client: Client, address: str = NEW) -> str:
    found = re.search(r'name="once" value="([^"]+)"', shown(client.get(address)))
    assert found
    return found[1]


def choices(client: Client, **changes: Any) -> dict[str, Any]:
    """What the form sends when nothing but `changes` was chosen."""
    usual = {"name": "Bureau", "whose": "own", "privacy": "busy", "days_back": "30", "days_ahead": "365"}
    return usual | {"which_kinds": "all", "once": once(client)} | changes


def address_in(answer: Any) -> str:
    found = re.search(r"http://testserver(/feeds/[\w-]{22}\.ics)", shown(answer))
    assert found, shown(answer)
    return found[1]


def test_a_feed_made_on_the_page_is_followed(cast: SimpleNamespace, martine: Client) -> None:
    AbsenceFactory(agent=cast.martine)
    answer = martine.post(NEW, choices(martine))
    assert answer.status_code == 200
    path = address_in(answer)
    assert Client().get(path).status_code == 200
    assert f"webcal://testserver{path}" in shown(answer)
    assert answer["Cache-Control"] == "no-store"
    feed = Feed.objects.get()
    assert (feed.owner, feed.agent, feed.privacy, feed.kinds, feed.holidays) == (
        cast.martine, cast.martine, "busy", None, False,
    )  # fmt: skip


def test_its_address_is_shown_in_the_answer_alone(martine: Client) -> None:
    secret = address_in(martine.post(NEW, choices(martine))).split("/")[2]
    pk = Feed.objects.get().pk
    for path in (PAGE, NEW, f"{PAGE}/{pk}", f"{PAGE}/{pk}/renouveler", f"{PAGE}/{pk}/revoquer", "/activite"):
        assert secret.removesuffix(".ics") not in shown(martine.get(path))
    assert secret.removesuffix(".ics") not in str(dict(martine.session))


def test_loading_the_answer_anew_makes_no_second_feed(martine: Client) -> None:
    form = choices(martine)
    martine.post(NEW, form)
    again = martine.post(NEW, form, follow=True)
    assert again.redirect_chain == [(PAGE, 302)]
    assert Feed.objects.count() == 1


@pytest.mark.parametrize("whose", ["agent", "service", "organisation"])
def test_it_can_be_of_whom_one_sees(cast: SimpleNamespace, martine: Client, whose: str) -> None:
    sent = {"agent_email": f" {cast.bruno.email.upper()}", "service": cast.pmi.pk, "organisation": cast.mds.pk}
    martine.post(NEW, choices(martine, whose=whose, **sent))
    feed = Feed.objects.get()
    expected = {"agent": cast.bruno.pk, "service": cast.pmi.pk, "organisation": cast.mds.pk}
    assert {name: getattr(feed, f"{name}_id") for name in expected} == {
        name: pk if name == whose else None for name, pk in expected.items()
    }


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"name": ""}, "name"),
        ({"whose": "agent"}, "agent_email"),
        ({"whose": "agent", "agent_email": "etienne@exemple.test"}, "agent_email"),
        ({"whose": "service"}, "service"),
        ({"whose": "organisation", "organisation": "999999"}, "organisation"),
        ({"whose": "elsewhere"}, "whose"),
        ({"privacy": "everything"}, "privacy"),
        ({"days_back": "-1"}, "days_back"),
        ({"days_ahead": "soon"}, "days_ahead"),
        ({"which_kinds": "chosen"}, "kinds"),
        ({"kinds": ["sick"]}, "kinds"),
        ({"which_kinds": "chosen", "kinds": ["party"]}, "kinds"),
        ({"name": "a\x00b"}, "name"),
    ],
)
def test_what_it_cannot_be_is_told_beside_its_field(martine: Client, changes: dict[str, Any], field: str) -> None:
    answer = martine.post(NEW, choices(martine, **changes))
    assert answer.status_code == 422
    assert list(answer.context["form"].errors) == [field]
    assert not Feed.objects.exists()


def test_it_is_changed(cast: SimpleNamespace, martine: Client) -> None:
    AbsenceFactory(agent=cast.martine, kind="holiday")
    feed = FeedFactory(owner=cast.martine)
    sent = choices(martine, name="Maison", privacy="titles", which_kinds="chosen", kinds=["holiday"], holidays="on")
    answer = martine.post(f"{PAGE}/{feed.pk}", sent, follow=True)
    assert answer.redirect_chain == [(PAGE, 302)]
    assert "Maison" in shown(answer)
    feed.refresh_from_db()
    assert (feed.name, feed.privacy, feed.kinds, feed.holidays) == ("Maison", "titles", ["holiday"], True)
    assert "Congés" in summaries(feed)
    page = shown(martine.get(f"{PAGE}/{feed.pk}"))
    assert re.search(r'value="titles"[^>]*checked', page)


def test_a_change_that_will_not_do_changes_nothing(cast: SimpleNamespace, martine: Client) -> None:
    feed = FeedFactory(owner=cast.martine)
    answer = martine.post(f"{PAGE}/{feed.pk}", choices(martine, name="Maison", days_back="x"))
    assert answer.status_code == 422
    feed.refresh_from_db()
    assert feed.name == "Absences"


def test_its_address_is_renewed(cast: SimpleNamespace, martine: Client) -> None:
    feed = FeedFactory(owner=cast.martine)
    path = f"{PAGE}/{feed.pk}/renouveler"
    form = {"once": once(martine, path)}
    renewed = address_in(martine.post(path, form))
    assert ask(feed).status_code == 404
    assert Client().get(renewed).status_code == 200
    martine.post(path, form)
    assert Client().get(renewed).status_code == 200  # loading it anew renews nothing


def test_its_address_is_revoked(cast: SimpleNamespace, martine: Client) -> None:
    feed = FeedFactory(owner=cast.martine)
    answer = martine.post(f"{PAGE}/{feed.pk}/revoquer", follow=True)
    assert ask(feed).status_code == 404
    assert "Révoqué" in shown(answer)


def test_it_is_deleted(cast: SimpleNamespace, martine: Client) -> None:
    feed = FeedFactory(owner=cast.martine)
    assert "Supprimer" in shown(martine.get(f"{PAGE}/{feed.pk}/supprimer"))
    assert Feed.objects.exists()
    martine.post(f"{PAGE}/{feed.pk}/supprimer")
    assert not Feed.objects.exists()


PATHS = ["", "/renouveler", "/revoquer", "/supprimer"]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("who", ["bruno", "nobody"])
def test_nobody_else_gets_there(cast: SimpleNamespace, who: str, path: str) -> None:
    feed = FeedFactory(owner=cast.martine)
    client = Client() if who == "nobody" else signed_in(cast.bruno)
    status = 302 if who == "nobody" else 404
    sent = {} if who == "nobody" else choices(client)
    assert client.get(f"{PAGE}/{feed.pk}{path}").status_code == status
    assert client.post(f"{PAGE}/{feed.pk}{path}", sent).status_code == status
    assert ask(feed).status_code == 200
    assert Feed.objects.get().name == "Absences"


def test_whose_it_is_has_a_name_only_while_one_sees_them(cast: SimpleNamespace, martine: Client) -> None:
    FeedFactory(owner=cast.martine, agent=cast.bruno)
    assert str(cast.bruno) in shown(martine.get(PAGE))
    cast.bruno.roles.all().delete()
    assert str(cast.bruno) not in shown(martine.get(PAGE))


def test_the_page_tells_each_program(martine: Client) -> None:
    page = shown(martine.get(PAGE))
    for program in ("Google", "Outlook", "Zimbra", "Apple", "Thunderbird"):
        assert program in page


def test_the_page_costs_the_same_whatever_it_lists(cast: SimpleNamespace, martine: Client) -> None:
    counts = []
    for _ in range(2):
        for target in ({"agent": cast.bruno}, {"service": cast.pmi}, {"organisation": cast.mds}):
            FeedFactory(owner=cast.martine, **target)
        martine.get(PAGE)
        with CaptureQueriesContext(connection) as asked:
            martine.get(PAGE)
        counts.append(len(asked))
    assert counts[0] == counts[1]


def test_the_navigation_leads_there(martine: Client) -> None:
    assert f'<a href="{PAGE}"' in shown(martine.get("/cles"))
