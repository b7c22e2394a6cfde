"""The address of a feed: a secret that opens one calendar, until it is renewed, revoked, or its owner is gone (C2)."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from absences.models import Feed
from agents import tokens
from agents.models import Agent
from tests.factories import AbsenceFactory, FeedFactory

from .conftest import address, ask


@pytest.fixture
def feed(cast: SimpleNamespace) -> Any:
    AbsenceFactory(agent=cast.martine)
    return FeedFactory(owner=cast.martine)


def answer_at(path: str, method: str = "GET") -> Any:
    return Client(raise_request_exception=False).generic(method, path)


def test_a_program_without_a_credential_gets_the_calendar(feed: Any) -> None:
    answer = ask(feed)
    assert answer.status_code == 200
    assert answer["Content-Type"] == "text/calendar; charset=utf-8"
    assert answer.content.startswith(b"BEGIN:VCALENDAR\r\n")
    assert answer.content.endswith(b"END:VCALENDAR\r\n")


def test_no_cookie_and_no_session(feed: Any) -> None:
    client = Client()
    answer = client.get(address(feed))
    assert not answer.cookies
    assert not client.cookies
    assert "Vary" not in answer


def test_head_tells_the_same_without_the_calendar(feed: Any) -> None:
    usual, head = ask(feed), answer_at(address(feed), "HEAD")
    assert head.status_code == 200
    assert head.content == b""
    for name in ("Content-Type", "ETag", "Last-Modified", "Cache-Control"):
        assert head[name] == usual[name]


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_it_can_only_be_read(feed: Any, method: str) -> None:
    for path in (address(feed), "/feeds/AAAAAAAAAAAAAAAAAAAAAA.ics"):
        answer = answer_at(path, method)
        assert (answer.status_code, answer["Allow"]) == (405, "GET, HEAD")


def test_the_secret_is_kept_as_a_digest_alone(feed: Any) -> None:
    assert tokens.well_formed(feed.secret)  # 128 random bits
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM absences_feed")
        kept = str(cursor.fetchall())
    assert feed.secret not in kept
    assert tokens.digest(feed.secret) in kept


def _renewed(feed: Any) -> None:
    row = Feed.objects.get(pk=feed.pk)
    row.new_address()
    row.save()


def _revoked(feed: Any) -> None:
    row = Feed.objects.get(pk=feed.pk)
    row.revoke()
    row.save()


ENDS = {
    "renewed": _renewed,
    "revoked": _revoked,
    "deleted": lambda feed: Feed.objects.get(pk=feed.pk).delete(),
    "its owner left": lambda feed: Agent.objects.get(pk=feed.owner_id).leave(),
    "its owner was put aside": lambda feed: Agent.objects.filter(pk=feed.owner_id).update(is_active=False),
    "its owner has no email": lambda feed: Agent.objects.filter(pk=feed.owner_id).update(email=None),
}


@pytest.mark.parametrize("end", ENDS)
def test_an_address_that_ended_is_like_one_that_never_was(feed: Any, end: str) -> None:
    unknown = answer_at("/feeds/AAAAAAAAAAAAAAAAAAAAAA.ics")
    assert ask(feed).status_code == 200
    ENDS[end](feed)
    answer = ask(feed)
    assert answer.status_code == unknown.status_code == 404
    assert answer.content == unknown.content
    changing = {"X-Request-Id", "X-Runtime"}
    assert {name for name, value in answer.items() if unknown[name] != value} <= changing


@pytest.mark.parametrize("end", ENDS)
def test_an_address_that_ended_is_looked_for_as_one_that_never_was(feed: Any, end: str) -> None:
    ENDS[end](feed)
    for path in (address(feed), "/feeds/AAAAAAAAAAAAAAAAAAAAAA.ics"):
        with CaptureQueriesContext(
            connection,
        ) as asked:
            answer_at(path)
        assert len(asked) == 1


def test_a_renewed_address_works_at_once(feed: Any) -> None:
    row = Feed.objects.get(pk=feed.pk)
    row.secret = row.new_address()
    row.save()
    assert ask(row).status_code == 200


WRONG = [
    *("/feeds/{}", "/feeds/{}.ics/", "/feeds/{}.ICS", "/Feeds/{}.ics", "/feeds/x/{}.ics", "/feeds/{}x.ics"),
    *("/feeds/.ics", "/feeds/%00.ics", "/feeds/{}%0A.ics", "/feeds/-.ics", "/feeds/é{}.ics", "/feeds/"),
    "/feeds/" + "a" * 5000 + ".ics",
]


@pytest.mark.parametrize("path", WRONG)
def test_nothing_but_the_address_itself_leads_there(feed: Any, path: str) -> None:
    assert answer_at(path.format(feed.secret)).status_code == 404


def test_a_feed_that_has_not_been_used_opens_nothing_else(feed: Any) -> None:
    for headers in ({"Authorization": f"Bearer {feed.secret}"}, {"X-Api-Key": feed.secret}):
        assert Client().get("/api/v1/me", headers=headers).status_code == 401
