"""The administration page of feeds: no address, nor what is kept of one."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from django.test import Client

from absences.models import Feed
from tests.factories import AgentFactory, FeedFactory

from .conftest import ask

LIST = "/admin/absences/feed/"


@pytest.fixture
def browser(db: None) -> Client:
    client = Client()
    client.force_login(AgentFactory(is_staff=True, is_superuser=True), backend="agents.backends.PasswordBackend")
    return client


def test_feeds_are_listed_without_their_addresses(browser: Client, cast: SimpleNamespace) -> None:
    feed = FeedFactory(owner=cast.martine, organisation=cast.mds, name="Équipe")
    for page in (LIST, f"{LIST}?q=quipe", f"{LIST}?q=VALIDAY", f"{LIST}{feed.pk}/change/", f"{LIST}{feed.pk}/delete/"):
        shown = browser.get(page).content.decode()
        assert "Équipe" in shown
        assert feed.secret not in shown
        assert feed.digest not in shown
    assert "Équipe" not in browser.get(f"{LIST}?q=nulle").content.decode()


def test_they_are_neither_made_nor_changed_there(browser: Client, cast: SimpleNamespace) -> None:
    feed = FeedFactory(owner=cast.martine)
    assert browser.get(f"{LIST}add/").status_code == 403
    assert browser.post(f"{LIST}{feed.pk}/change/", {"name": "x", "privacy": "full"}).status_code == 403
    assert Feed.objects.get().name == "Absences"


def test_deleting_one_ends_its_address(browser: Client, cast: SimpleNamespace) -> None:
    feed = FeedFactory(owner=cast.martine)
    assert browser.post(f"{LIST}{feed.pk}/delete/", {"post": "yes"}).status_code == 302
    assert ask(feed).status_code == 404
