"""A feed as a calendar reads it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from icalendar import Calendar

from absences.models import Feed


def address(feed: Any) -> str:
    return f"/feeds/{feed.secret}.ics"


def ask(feed: Any, **headers: str) -> Any:
    """The answer to a program without a credential."""
    return Client(raise_request_exception=False).get(address(feed), headers=headers)


def read(feed: Any) -> Calendar:
    """What icalendar makes of the feed."""
    answer = ask(feed)
    assert answer.status_code == 200, answer.content
    calendar = Calendar.from_ical(answer.content)
    assert not calendar.errors
    for component in calendar.walk():
        assert not component.errors, component.errors
    return calendar


def events(feed: Any) -> list[Any]:
    return list(read(feed).walk("VEVENT"))


def summaries(feed: Any) -> list[str]:
    return [str(event["SUMMARY"]) for event in events(feed)]


@pytest.fixture(autouse=True)
def _morning(now: Any) -> None:
    """Feeds are of the days around today."""


@pytest.fixture
def change() -> Callable[..., Feed]:
    """Change a feed as its owner would."""

    def changed(feed: Any, **values: Any) -> Any:
        row = Feed.objects.get(pk=feed.pk)
        for name, value in values.items():
            setattr(row, name, value)
        row.save()
        row.secret = feed.secret  # type: ignore[attr-defined]
        return row

    return changed
