"""Who may do what to what, exhaustively (T13): generated worlds, each route and verb, each caller and target, with each
kind of credential, against the oracle. A route or a verb that `MATRIX` does not hold fails the suite.

A seed is a world, always the same, so that a failure names its world.
"""

from __future__ import annotations

import base64
import datetime
import io
import itertools
import json
import random
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any
from unittest import mock
from urllib.parse import parse_qs, urlsplit

import pytest
from django.core import mail
from django.core.cache import cache
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from absences.feeds.reading import target_of
from absences.models import Absence, ExternalId, Feed
from absences.models.external import territories_of
from absences.views import Absences
from agents.authentication import signature
from agents.models import (
    Agent,
    AgentExternalId,
    AgentRole,
    AgentTerritorialRole,
    ApiAccount,
    ClientToken,
    RecordEntry,
)
from agents.record.refusals import bound
from rdv.api.pagination import write_cursor
from rdv.api.versioning import OtherAddresses
from tests import oracle
from tests.conftest import WireClient
from tests.factories import PASSWORD, AbsenceFactory, AgentFactory, FeedFactory
from tests.oracle import Person, World
from tests.worlds import (
    CHANGES,
    COLUMNS,
    KINDS,
    NOBODY,
    TITLES,
    Settled,
    bearing,
    civil,
    credentials,
    email,
    generated,
    key_of,
    mark,
    undone,
)

from .conftest import LONG

SECRET = "cle-de-test"
HEADERS_OF_A_ROW = ("ETag", "Last-Modified", "Location")
GOOD = {"title": "x", "first_day": "2026-12-01", "start_time": "9:00", "end_time": "10:00"}
DAY = datetime.timedelta(days=1)
NO_TRIPLE = ("signature", "key", "jwt")
VOUCHED_FOR = ("signature", "key")  # who came by them did not sign in

# (verb, route) → what holds the server to the oracle there, for one caller of a world.
Check = Callable[[Settled, Person, random.Random], None]
MATRIX: dict[tuple[str, str], Check] = {}
# What each answers to whoever has no right to be heard: without credential, with a false one, put aside, deleted.
TURNED_AWAY: dict[tuple[str, str], int] = {}


def covers(*verbs: str, at: str, turned_away: int | None = 401) -> Callable[[Check], Check]:
    """Declares that the decorated check asks `verbs` of the route `at`; `turned_away` None: it is open to anyone."""

    def declare(check: Check) -> Check:
        for verb in verbs:
            MATRIX[verb, at] = check
            if turned_away:
                TURNED_AWAY[verb, at] = turned_away
        return check

    return declare


@pytest.fixture(autouse=True)
def _shared_secret(settings: Any) -> None:
    settings.RDV_SHARED_SECRET = SECRET


# ── Absences ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def _questions(settled: Settled, dice: random.Random) -> Iterator[dict[str, tuple[Any, Any]]]:
    """Filters of the list, each alone and several together: filter → what is sent, what the oracle understands."""
    world = settled.world
    people = [person.name for person in world.people]
    moment, day = civil(dice.randint(1, 5), dice.choice((0, 9, 10, 13, 17))), civil(dice.randint(1, 5))
    since = datetime.datetime(2026, 11, dice.randint(1, 16), 12, tzinfo=datetime.UTC)
    of = dice.choice(sorted(world.absences) or [""])
    choices: dict[str, list[tuple[Any, Any]]] = {
        "agent_id": [(settled.id("person", name), name) for name in (*people, None)],
        "agent_email": [(email(name), name) for name in people] + [("personne@exemple.test", None)],
        "service_id": [(settled.id("service", name), name) for name in (*world.services, None)],
        "organisation_id": [(settled.id("organisation", name), name) for name in (*world.organisations, None)],
        "title": [(text, text) for text in ("CONGES", "été", "rtt", "nulle part", mark("absence", of))],
        "from": [(moment.isoformat(), moment), (day.date().isoformat(), day)],
        "to": [(moment.isoformat(), moment), (day.date().isoformat(), day + DAY)],
        "starts_after": [(moment.isoformat(), moment), (day.date().isoformat(), day)],
        "starts_before": [(moment.isoformat(), moment), (day.date().isoformat(), day)],
        "changed_since": [(since.isoformat(), since)],
    }
    others = sorted(choices.keys() - {"organisation_id"})
    for filter in ("organisation_id", *dice.sample(others, 2)):  # the one that a place out of reach must empty, always
        for one in choices[filter]:
            yield {filter: one}
    for _ in range(6):
        names = dice.sample(sorted(choices), dice.randint(2, 4))
        yield {filter: dice.choice(choices[filter]) for filter in names}


@covers("GET", "HEAD", at="absences")
def _absences_listed(settled: Settled, caller: Person, dice: random.Random) -> None:
    world, who = settled.world, caller.name
    visible = oracle.in_order(world, oracle.visible_absences(world, caller))
    ids = [settled.absences[name].pk for name in visible]
    assert settled.listed(who, "absences", kinds=settled.all_kinds) == ids
    assert int(settled.ask(who, "HEAD", "absences")["X-Total-Count"]) == len(ids)
    for asked in _questions(settled, dice):
        query = {filter: sent for filter, (sent, _meant) in asked.items()}
        expected = oracle.listed_absences(world, caller, {filter: meant for filter, (_sent, meant) in asked.items()})
        assert settled.listed(who, "absences", query) == [settled.absences[name].pk for name in expected], (who, query)
    # All have the marks of the world among their words; whatever more is shown of them, and in whatever order.
    more = {"q": "ZQ", "sort": dice.choice(("title", "-updated_at")), "expand": ",".join(Absences.expansions)}
    assert sorted(settled.listed(who, "absences", more, kinds=settled.all_kinds)) == sorted(ids)
    hidden = {"q": mark("absence", dice.choice(sorted(world.absences.keys() - set(visible)) or ["none"]))}
    assert settled.listed(who, "absences", hidden) == []
    # Page after page; and from any place in the order, even that of an absence out of sight.
    pages = [settled.ask(who, "GET", "absences", query={"per": 2, "page": page}).json() for page in (1, 2, 3, 4, 5)]
    assert [shown["id"] for page in pages for shown in page["absences"]] == ids
    assert {page["meta"]["total_count"] for page in pages} == {len(ids)}
    everything = oracle.in_order(world, set(world.absences))
    for name in dice.sample(everything, min(2, len(everything))):
        leave = world.absences[name]
        cursor = write_cursor([leave.starts.date(), leave.starts.time(), settled.absences[name].pk])
        step = settled.ask(who, "GET", "absences", query={"cursor": cursor}).json()
        after = [one for one in everything[everything.index(name) + 1 :] if one in visible]
        assert [shown["id"] for shown in step["absences"]] == [settled.absences[one].pk for one in after]
        assert step["meta"]["total_count"] == len(ids)


@covers("GET", "HEAD", at="freebusy")
def _free_and_busy(settled: Settled, caller: Person, dice: random.Random) -> None:
    """Of whom one sees, the hours; of the others, that one may not, under the name that was given, and nothing more."""
    world, who = settled.world, caller.name
    visible = oracle.visible_agents(world, caller)
    period = {"from": "2026-12-01", "to": "2026-12-10"}
    people = [person for person in world.people if not person.deleted]
    ids = {settled.agents[person.name].pk: person.name for person in people}
    emails = {email(person.name): person.name for person in people if person.mail}
    gone = [settled.agents[person.name].pk for person in world.people if person.deleted]
    query = {**period, "agent_ids[]": [*ids, *gone, NOBODY], "emails[]": [*emails, "personne@exemple.test"]}
    told = settled.ask(who, "GET", "freebusy", query=query, kinds=settled.all_kinds).json()["freebusy"]["agents"]
    for one in told:
        name = ids.get(one["id"]) or emails.get(one["email"])
        error = None if name in visible else "forbidden" if name else "not_found"
        assert (one["error"] and one["error"]["code"]) == error, (who, one)
        assert (one["busy"] is None) == (error is not None)
        if error:
            assert None in (one["id"], one["email"]), (who, one)
        else:
            busy = {(leave.starts, leave.ends) for leave in world.absences.values() if leave.agent == name}
            shown = {(_civil(span["starts_at"]), _civil(span["ends_at"])) for span in one["busy"]}
            assert all(any(s <= start and end <= e for s, e in shown) for start, end in busy), (who, name)
    assert {one["id"] for one in told if one["busy"] is not None} == {settled.agents[name].pk for name in visible}
    calendar = settled.ask(who, "GET", "freebusy", query=query, headers={"Accept": "text/calendar"}).content.decode()
    assert calendar.count("REQUEST-STATUS:3.8") == sum((one["error"] or {}).get("code") == "forbidden" for one in told)
    assert settled.ask(who, "HEAD", "freebusy", query=query).status_code == 200


def _civil(shown: str) -> datetime.datetime:
    """The hour of an instant of the wire, in Paris."""
    return datetime.datetime.fromisoformat(shown[:19])


@covers("GET", "HEAD", at="changes")
def _changes_told(settled: Settled, caller: Person, dice: random.Random) -> None:
    """All that one sees and nothing else, whatever is asked; and a token opens to nobody what they do not see."""
    world, who = settled.world, caller.name
    visible = oracle.visible_absences(world, caller)
    organisation = dice.choice(sorted(world.organisations))
    person, service = dice.choice(world.people).name, dice.choice(world.services)
    for query, meant in (
        ({}, {}),
        ({"agent_id": settled.id("person", person)}, {"agent_id": person}),
        ({"service_id": settled.id("service", service)}, {"service_id": service}),
        ({"organisation_id": settled.id("organisation", organisation)}, {"organisation_id": organisation}),
        ({"agent_id": NOBODY}, {"agent_id": None}),
    ):
        shown, token = _replayed(settled, who, query | {"per": dice.choice((1, 2, 100))})
        expected = {settled.absences[name].pk for name in oracle.listed_absences(world, caller, meant)}
        assert shown == expected, (who, query)
        assert settled.ask(who, "GET", "changes", query={"sync_token": token}).json()["changes"] == []
    other = dice.choice([one for one in world.people if oracle.may_sign_in(one)])
    _shown, token = _replayed(settled, other.name, {})
    answer = settled.ask(who, "GET", "changes", query={"sync_token": token})
    alike = oracle.visible_agents(world, other) == oracle.visible_agents(world, caller)
    assert answer.status_code in ((200, 410) if alike else (410,)), (who, other.name)
    assert len(visible) == len(_replayed(settled, who, {}, settled.all_kinds)[0])
    assert settled.ask(who, "HEAD", "changes").status_code == 200


def _replayed(settled: Settled, who: str, query: dict[str, Any], kinds: tuple[str, ...] = ()) -> tuple[set[int], str]:
    """The absences that a full read of the changes tells of, page by page, and the token at its end."""
    shown: set[int] = set()
    while True:
        answer = settled.ask(who, "GET", "changes", query=query, kinds=kinds)
        assert answer.status_code == 200, answer.content
        page = answer.json()
        assert all(change["type"] == "created" for change in page["changes"])
        shown |= {change["absence"]["id"] for change in page["changes"]}
        query = query | {"sync_token": page["meta"]["sync_token"]}
        if not page["meta"]["has_more"]:
            return shown, page["meta"]["sync_token"]


@covers("GET", "HEAD", at="absences/<pk>")
def _absences_shown(settled: Settled, caller: Person, dice: random.Random) -> None:
    visible = oracle.visible_absences(settled.world, caller)
    for name, row in settled.absences.items():
        allowed = 200 if name in visible else 403
        shown = settled.ask(caller.name, "GET", "absences/<pk>", row.pk, kinds=settled.all_kinds)
        assert shown.status_code == allowed, (caller.name, name)
        if allowed == 200:
            assert shown.json()["absence"]["id"] == row.pk
        # Another address of the same row, and one more way to ask, open no other.
        spelling = dice.choice((f"0{row.pk}", f"{row.pk}abc", f"{row.pk}.json", f"{row.pk}/", f"%20{row.pk}"))
        assert settled.ask(caller.name, "GET", "absences/<pk>", spelling).content == shown.content
        assert settled.status(caller.name, "HEAD", "absences/<pk>", name) == allowed
        # A validator, even the right one, is answered for a row in sight only.
        for tag in ("*", shown["ETag"] if allowed == 200 else _validator(settled, name)):
            answer = settled.ask(caller.name, "GET", "absences/<pk>", row.pk, headers={"If-None-Match": tag})
            assert answer.status_code == (304 if allowed == 200 else 403), (caller.name, name, tag)
            assert allowed == 200 or not any(header in answer for header in HEADERS_OF_A_ROW)
    assert settled.ask(caller.name, "GET", "absences/<pk>", NOBODY).status_code == 404


def _validator(settled: Settled, name: str) -> str:
    """The ETag that the absence has for whoever sees it; any, when nobody does."""
    for one in settled.world.people:
        if oracle.may_sign_in(one) and name in oracle.visible_absences(settled.world, one):
            path = f"/api/v1/absences/{settled.absences[name].pk}"
            return str(settled.clients[one.name]["triple"].get(path)["ETag"])
    return 'W/"0123456789abcdef0123456789abcdef"'


def _scattered(dice: random.Random, names: list[str], choices: dict[str, list[Any]]) -> list[dict[str, Any]]:
    """Two sets of parameters that disagree: each of `names` in the first, in the second, in both or in none."""
    sets: list[dict[str, Any]] = [{}, {}]
    for name in names:
        for one in sets:
            if dice.random() < 1 / 2:
                one[name] = dice.choice(choices[name])
    return sets


@covers("PUT", "PATCH", at="absences/<pk>")
def _absences_changed(settled: Settled, caller: Person, dice: random.Random) -> None:
    world, who = settled.world, caller.name
    visible = oracle.visible_absences(world, caller)
    others = [settled.absences[name].pk for name in settled.absences]
    people = [person.name for person in world.people]
    places: list[str | None] = [None, *world.organisations, "unknown"]
    for name, row in settled.absences.items():
        for verb in ("PUT", "PATCH"):
            answer = settled.ask(who, verb, "absences/<pk>", row.pk, body={"title": "Autre"})
            known = oracle.informed(world, caller, world.absences[name])
            assert answer.status_code == ((200 if known else 422) if name in visible else 403), (who, verb, name)
            assert set(answer.changed) == ({("absence", row.pk)} if name in visible and known else set())
        # The address, the query and the body name different absences, agents and organisations.
        meant: list[dict[str, Any]] = _scattered(
            dice,
            ["id", "pk", "agent_id", "agent_email", "agent", "title", "organisation"],
            {
                "id": others,
                "pk": others,
                "agent_id": [settled.id("person", one) for one in people],
                "agent": [settled.id("person", one) for one in people],
                "agent_email": [email(one) for one in people],
                "title": list(TITLES),
                "organisation": places,
            },
        )
        query, body = ({_wire_name(key): _wire(settled, key, one[key]) for key in one} for one in meant)
        status, changes = oracle.updating(world, caller, name, oracle.merged({}, *meant))
        verb, form = dice.choice(("PUT", "PATCH")), dice.random() < 1 / 4
        answer = settled.ask(who, verb, "absences/<pk>", row.pk, query=query, body=body, form=form)
        assert answer.status_code == status, (who, name, query, body, answer.content)
        assert set(answer.changed) == ({("absence", row.pk)} if changes else set()), (who, name, query, body)
        for before, after in answer.changed.values():
            expected = dict(zip(COLUMNS["absence"], before, strict=True))
            if "title" in changes:
                expected["title"] = changes["title"]
            if "organisation" in changes:
                place = changes["organisation"]
                expected["organisation_id"] = settled.id("organisation", place) if place else None
            assert dict(zip(COLUMNS["absence"], after, strict=True)) == expected


def _wire_name(key: str) -> str:
    return "organisation_id" if key == "organisation" else key


def _wire(settled: Settled, key: str, value: Any) -> Any:
    if key == "organisation":
        return settled.id("organisation", value) if value else ""
    return value


@covers("DELETE", at="absences/<pk>")
def _absences_deleted(settled: Settled, caller: Person, dice: random.Random) -> None:
    visible = oracle.visible_absences(settled.world, caller)
    others = [row.pk for row in settled.absences.values()]
    for name, row in settled.absences.items():
        another = {key: dice.choice(others) for key in ("id", "pk", "absence_id")}
        answer = settled.ask(caller.name, "DELETE", "absences/<pk>", row.pk, query=another, body=another)
        assert answer.status_code == (204 if name in visible else 403), (caller.name, name)
        assert set(answer.changed) == ({("absence", row.pk)} if name in visible else set())


@covers("GET", "HEAD", at="absences/deleted")
@covers("POST", at="absences/<pk>/restore")
def _absences_restored(settled: Settled, caller: Person, dice: random.Random) -> None:
    visible = oracle.visible_absences(settled.world, caller)
    with undone():
        for row in settled.absences.values():
            Absence.objects.get(pk=row.pk).delete()
        answer = settled.ask(caller.name, "GET", "absences/deleted", kinds=settled.all_kinds)
        assert {one["id"] for one in answer.json()["deleted_absences"]} == {settled.absences[one].pk for one in visible}
        assert int(settled.ask(caller.name, "HEAD", "absences/deleted")["X-Total-Count"]) == len(visible)
        for name, row in settled.absences.items():
            restored = settled.ask(caller.name, "POST", "absences/<pk>/restore", row.pk)
            assert restored.status_code == (200 if name in visible else 403), (caller.name, name)
            assert set(restored.changed) == ({("absence", row.pk)} if name in visible else set())
    for name, row in settled.absences.items():
        there = settled.ask(caller.name, "POST", "absences/<pk>/restore", row.pk)
        assert there.status_code == (409 if name in visible else 403)
    assert settled.ask(caller.name, "POST", "absences/<pk>/restore", NOBODY).status_code == 404


@covers("GET", "HEAD", at="absences/<pk>/occurrences")
def _occurrences_shown(settled: Settled, caller: Person, dice: random.Random) -> None:
    visible = oracle.visible_absences(settled.world, caller)
    for name, row in settled.absences.items():
        shown = settled.ask(caller.name, "GET", "absences/<pk>/occurrences", row.pk, kinds=settled.all_kinds)
        assert shown.status_code == (200 if name in visible else 403), (caller.name, name)
        if name in visible:
            assert [one["day"] for one in shown.json()["occurrences"]] == [row.first_day.isoformat()]
        window = {"from": "2031-01-01", "to": "2030-01-01"}
        empty = settled.ask(caller.name, "HEAD", "absences/<pk>/occurrences", row.pk, query=window)
        assert empty.status_code == shown.status_code
    assert settled.ask(caller.name, "GET", "absences/<pk>/occurrences", NOBODY).status_code == 404


@covers("PUT", "PATCH", "DELETE", at="absences/<pk>/occurrences/<day>")
def _occurrences_changed(settled: Settled, caller: Person, dice: random.Random) -> None:
    visible = oracle.visible_absences(settled.world, caller)
    others = [row.pk for row in settled.absences.values()]
    route = "absences/<pk>/occurrences/<day>"
    for name, row in settled.absences.items():
        another = {key: dice.choice(others) for key in ("id", "pk", "agent_id")} | {"day": "2026-01-01"}
        for verb in ("PUT", "PATCH", "DELETE"):
            query = another | {"scope": dice.choice(("this", "following", "all"))}
            day = row.first_day.isoformat()
            answer = settled.ask(
                caller.name, verb, route, {"pk": row.pk, "day": day}, query=query, body={"title": "Autre"}
            )
            known = verb == "DELETE" or oracle.informed(settled.world, caller, settled.world.absences[name])
            done = 204 if verb == "DELETE" else 200 if known else 422
            assert answer.status_code == (done if name in visible else 403), (caller.name, verb, name)
            assert set(answer.changed) == ({("absence", row.pk)} if name in visible and known else set())
            # Whether a day is one of an absence's is told to whoever sees it.
            other = settled.ask(caller.name, verb, route, {"pk": row.pk, "day": "1999-01-01"}, body={"title": "Autre"})
            assert other.status_code == (404 if name in visible else 403), (caller.name, verb, name)
    assert settled.ask(caller.name, "DELETE", route, {"pk": NOBODY, "day": "2026-12-01"}).status_code == 404


@covers("POST", at="absences")
def _absences_created(settled: Settled, caller: Person, dice: random.Random) -> None:
    world, who = settled.world, caller.name
    people = [person.name for person in world.people]
    places: list[str | None] = [None, *world.organisations, "unknown"]
    sent = [{"agent_id": name} for name in people] + [{"agent_email": name} for name in people]
    sent += [{"agent_id": name, "organisation": place} for name in people for place in dice.sample(places, 2)]
    pairs = [({}, one) for one in sent]
    names = ["agent_id", "agent_email", "organisation"]
    pairs += [
        tuple(_scattered(dice, names, {"agent_id": ["", *people], "agent_email": people, "organisation": places}))
        for _ in range(6)
    ]
    for query, body in pairs:
        status, target = oracle.creating(world, caller, oracle.merged({}, query, body))
        placed = [{**_named(settled, one)} for one in (query, body)]
        form = dice.random() < 1 / 4
        answer = settled.ask(who, "POST", "absences", query=placed[0], body=GOOD | placed[1], form=form)
        assert answer.status_code == status, (who, query, body, answer.content)
        if target is None:
            assert not answer.changed
            continue
        ((_kind, _pk), (before, after)), *more = answer.changed.items()
        assert before is None
        assert not more
        place = oracle.merged({}, query, body).get("organisation")
        assert after[:2] == (settled.id("person", target), settled.id("organisation", place) if place else None)
    # What is invalid is said first, in the same words whoever it is for (contract 1.3).
    assert settled.ask(who, "POST", "absences", body={}).status_code == 422


def _named(settled: Settled, sent: dict[str, Any]) -> dict[str, Any]:
    """The parameters of a creation as they are sent."""
    wire = {_wire_name(key): _wire(settled, key, value) for key, value in sent.items()}
    if wire.get("agent_id"):
        wire["agent_id"] = settled.id("person", sent["agent_id"])
    if wire.get("agent_email"):
        wire["agent_email"] = email(sent["agent_email"])
    return wire


@covers("POST", at="absences/bulk")
def _absences_created_together(settled: Settled, caller: Person, dice: random.Random) -> None:
    world, who = settled.world, caller.name
    people = [person.name for person in world.people]
    by = dice.choice(("agent_id", "agent_email"))
    asked = [{by: name} for name in dice.sample(people, len(people))]
    if dice.random() < 1 / 2:
        asked = [one | {"organisation": dice.choice([None, *world.organisations])} for one in asked]
    expected = [oracle.creating(world, caller, one) for one in asked]
    for atomic in (False, True):
        body = {"absences": [GOOD | _named(settled, one) for one in asked], "atomic": atomic}
        answer = settled.ask(who, "POST", "absences/bulk", body=body)
        whole = all(status == 200 for status, _target in expected)
        assert answer.status_code == ((200 if whole else 422) if atomic else 207), (who, asked, answer.content)
        assert [one["status"] for one in answer.json()["verdicts"]] == [status for status, _target in expected], who
        written = sorted(after[0] for before, after in answer.changed.values() if before is None)
        targets = [settled.id("person", target) for status, target in expected if status == 200]
        assert written == (sorted(targets) if whole or not atomic else []), (who, asked)
        assert len(written) == len(answer.changed)
    # Of places, whoever works there and is in sight; of nobody in sight, nothing.
    place = dice.choice(sorted(world.organisations))
    in_sight = {name for name in oracle.visible_agents(world, caller) if place in oracle.org(world.person(name))}
    body = {"agents_of_organisation_id": settled.id("organisation", place), "periods": [GOOD]}
    answer = settled.ask(who, "POST", "absences/bulk", body=body)
    assert answer.status_code == (207 if in_sight else 422), (who, place)
    assert {after[0] for _before, after in answer.changed.values()} == {settled.id("person", name) for name in in_sight}


@covers("POST", at="absences/import")
def _absences_imported(settled: Settled, caller: Person, dice: random.Random) -> None:
    world, who = settled.world, caller.name
    people = [person.name for person in world.people]
    for chosen in [*([name] for name in people), people]:
        lines = [f"{settled.id('person', name)};x;2026-12-01" for name in chosen]
        answer = settled.ask(who, "POST", "absences/import", body={"file": "\n".join(["agent_id;titre;du", *lines])})
        expected = [oracle.creating(world, caller, {"agent_id": name})[0] for name in chosen]
        whole = set(expected) == {200}
        assert answer.status_code == (200 if whole else 422), (who, chosen, answer.content)
        written = sorted(after[0] for _before, after in answer.changed.values())
        assert written == (sorted(settled.id("person", name) for name in chosen) if whole else []), (who, chosen)
        told = {one["line"]: one["error"] for one in answer.json()["refusals"]}
        words = {403: "forbidden", 422: "blank"}
        assert told == {line: words[one] for line, one in enumerate(expected, 2) if one != 200}, (who, chosen)


@covers("GET", "HEAD", "PUT", "DELETE", at="absences/by-external-id/<system>/<external_id>")
def _absences_by_name(settled: Settled, caller: Person, dice: random.Random) -> None:
    world, who, route = settled.world, caller.name, "absences/by-external-id/<system>/<external_id>"
    visible = oracle.visible_absences(world, caller)
    named = oracle.nameable_organisations(world, caller)
    territories = {settled.territories[world.organisations[place]].pk for place in named}
    for name in dice.sample(sorted(settled.absences), min(4, len(settled.absences))):
        row = settled.absences[name]
        territory = territories_of([row.agent_id]).get(row.agent_id)
        if territory is None:
            continue
        at = {"system": "rh", "external_id": f"n{row.pk}"}
        within = name in visible and territory in territories
        expected = 200 if within else 403 if territory in territories else 404
        with undone():
            ExternalId.objects.create(territory_id=territory, system="rh", value=f"n{row.pk}", absence=row)
            Absence.objects.filter(pk=row.pk).update(external_ids={"rh": f"n{row.pk}"})
            for verb in ("GET", "HEAD"):
                assert settled.ask(who, verb, route, at).status_code == expected, (who, name)
            answer = settled.ask(who, "PUT", route, at, body={"title": "Autre"})
            assert answer.status_code == (422 if expected == 404 else expected), (who, name, answer.content)
            known = oracle.informed(world, caller, world.absences[name])
            assert set(answer.changed) == ({("absence", row.pk)} if within and known else set()), (who, name)
            answer = settled.ask(who, "DELETE", route, at)
            assert answer.status_code == (204 if within else expected), (who, name)
            assert set(answer.changed) == ({("absence", row.pk)} if within else set()), (who, name)
    for verb in ("GET", "HEAD", "DELETE"):
        assert settled.ask(who, verb, route, {"system": "rh", "external_id": "rien"}).status_code == 404
    assert settled.ask(who, "PUT", route, {"system": "rh", "external_id": "rien"}, body={}).status_code == 422


# ── Agents, organisations, services ──────────────────────────────────────────────────────────────────────────────────


@covers("GET", "HEAD", at="agents")
def _agents_listed(settled: Settled, caller: Person, dice: random.Random) -> None:
    world = settled.world
    everyone = [settled.agents[name].pk for name in sorted(oracle.visible_agents(world, caller))]
    _lists(settled, caller, "agents", everyone)
    for name in (*world.organisations, None):
        expected = oracle.agents_of_organisation(world, caller, name or "")
        found = settled.listed(caller.name, "agents", {"organisation_id": settled.id("organisation", name)})
        assert sorted(found) == sorted(settled.agents[one].pk for one in expected), (caller.name, name)


@covers("GET", "HEAD", "PUT", "PATCH", at="agents/<pk>/external_ids")
def _ids_of_agents(settled: Settled, caller: Person, dice: random.Random) -> None:
    """Each has an id in each territory where they work; who may not read it does not find them by it, nor name them."""
    world, who, route = settled.world, caller.name, "agents/<pk>/external_ids"
    systems = {name: f"t{place}" for place, name in enumerate(sorted(settled.territories))}
    with undone():
        for one in world.people:
            for territory in {world.organisations[place] for place in oracle.org(one)}:
                AgentExternalId.objects.create(
                    agent=settled.agents[one.name],
                    territory=settled.territories[territory],
                    system=systems[territory],
                    value=mark("person", one.name),
                )
        for one in world.people:
            pk, places = settled.agents[one.name].pk, oracle.named_in(world, caller, one)
            known = oracle.names_known_in(world, caller, one) if not one.deleted else set()
            seen = 404 if one.deleted else 200 if places or oracle.oneself(caller, one) else 403
            shown = settled.ask(who, "GET", route, pk, kinds=settled.all_kinds)
            assert shown.status_code == seen, (who, one.name)
            assert settled.ask(who, "HEAD", route, pk).status_code == seen
            if seen == 200:
                ids = {systems[territory]: mark("person", one.name) for territory in known}
                assert shown.json()["agent"] == {"id": pk, "external_ids": ids}, (who, one.name)
            for verb in ("PUT", "PATCH"):
                others = {key: settled.id("person", dice.choice(world.people).name) for key in ("id", "pk", "agent_id")}
                answer = settled.ask(who, verb, route, pk, query=others, body=others | {"external_ids": {"x": "y"}})
                assert answer.status_code == (404 if one.deleted else 200 if places else 403), (who, one.name)
                written = {row for (_kind, _pk), (_before, row) in answer.changed.items() if row is not None}
                expected = {(pk, settled.territories[place].pk, "x", "y") for place in places}
                assert written == (expected if answer.status_code == 200 else set()), (who, one.name)
                assert {before[0] for before, _after in answer.changed.values() if before} <= {pk}
            for territory, system in systems.items():
                name = f"{system}:{mark('person', one.name)}"
                found = territory in known and one.name in oracle.visible_agents(world, caller)
                assert settled.listed(who, "agents", {"external_id": name}) == ([pk] if found else []), (who, name)
                answer = settled.ask(who, "POST", "absences", body=GOOD | {"agent_external_id": name})
                status = oracle.creating(world, caller, {"agent_id": one.name})[0] if territory in known else 404
                assert answer.status_code == status, (who, name, answer.content)
    assert settled.ask(who, "GET", route, NOBODY).status_code == 404


@covers("GET", "HEAD", at="organisations")
def _organisations_listed(settled: Settled, caller: Person, dice: random.Random) -> None:
    visible = sorted(oracle.visible_organisations(caller))
    _lists(settled, caller, "organisations", [settled.organisations[name].pk for name in visible])


@covers("GET", "HEAD", at="services")
def _services_listed(settled: Settled, caller: Person, dice: random.Random) -> None:
    visible = oracle.visible_services(settled.world, caller)
    _lists(settled, caller, "services", [row.pk for name, row in settled.services.items() if name in visible])


def _lists(settled: Settled, caller: Person, plural: str, expected: list[int]) -> None:
    assert sorted(settled.listed(caller.name, plural, kinds=settled.all_kinds)) == sorted(expected), (
        caller.name,
        plural,
    )
    assert int(settled.ask(caller.name, "HEAD", plural)["X-Total-Count"]) == len(expected)
    more = {"agents": "services,organisations.territory", "organisations": "territory", "services": ""}[plural]
    asked = {"q": "ZQ", "sort": "-id", "expand": more}
    assert settled.listed(caller.name, plural, asked, kinds=settled.all_kinds) == sorted(expected, reverse=True)
    # What is no filter of this list narrows nothing, and widens nothing.
    beside = {"id": NOBODY, "pk": NOBODY, "agent_id": NOBODY, "territory_id": 1, "title": "x", "from": "2026-01-01"}
    assert sorted(settled.listed(caller.name, plural, beside)) == sorted(expected)
    # A body is no query: a GET does not read it.
    assert len(settled.ask(caller.name, "GET", plural, body={"page": 2}).json()[plural]) == len(expected)


@covers("GET", "HEAD", at="organisations/<pk>")
def _organisations_shown(settled: Settled, caller: Person, dice: random.Random) -> None:
    for name, row in settled.organisations.items():
        allowed = 200 if name in oracle.visible_organisations(caller) else 403
        others = {"id": dice.choice(list(settled.organisations.values())).pk, "pk": NOBODY}
        shown = settled.ask(caller.name, "GET", "organisations/<pk>", row.pk, query=others)
        assert shown.status_code == allowed, (caller.name, name)
        if allowed == 200:
            assert shown.json()["organisation"]["id"] == row.pk
        assert settled.status(caller.name, "HEAD", "organisations/<pk>", name) == allowed
        known = settled.ask(caller.name, "GET", "organisations/<pk>", row.pk, headers={"If-None-Match": "*"})
        assert known.status_code == (304 if allowed == 200 else 403)


@covers("PUT", "PATCH", at="organisations/<pk>")
def _organisations_changed(settled: Settled, caller: Person, dice: random.Random) -> None:
    for name, row in settled.organisations.items():
        may = name in oracle.changeable_organisations(caller)
        others = [one.pk for one in settled.organisations.values()]
        for verb in ("PUT", "PATCH"):
            beside = {
                "id": dice.choice(others),
                "pk": dice.choice(others),
                "territory_id": dice.choice(list(settled.territories.values())).pk,
                "territory": dice.choice(list(settled.territories.values())).pk,
            }
            body = beside | {"email": "x@exemple.test"}
            answer = settled.ask(caller.name, verb, "organisations/<pk>", row.pk, query=beside, body=body)
            assert answer.status_code == (200 if may else 403), (caller.name, name)
            assert set(answer.changed) == ({("organisation", row.pk)} if may else set())
            for before, after in answer.changed.values():
                assert after == (*before[:2], "x@exemple.test", *before[3:])  # the territory stays


@covers("GET", "HEAD", at="holidays")
def _holidays(settled: Settled, caller: Person, dice: random.Random) -> None:
    for name in settled.organisations:
        query = {"organisation_id": settled.id("organisation", name)}
        allowed = 200 if name in oracle.nameable_organisations(settled.world, caller) else 403
        for verb in ("GET", "HEAD"):
            assert settled.ask(caller.name, verb, "holidays", query=query).status_code == allowed, (caller.name, name)
    assert settled.ask(caller.name, "GET", "holidays", query={"organisation_id": NOBODY}).status_code == 404


@covers("GET", "HEAD", at="whos-out")
def _whos_out(settled: Settled, caller: Person, dice: random.Random) -> None:
    """Absences of a world are in the first week of December, when there is no public holiday."""
    world = settled.world
    days = {"from": "2026-12-01", "to": "2026-12-14", "per": 100}
    visible = oracle.visible_absences(world, caller)
    questions: list[tuple[dict[str, Any], set[str]]] = [({}, {person.name for person in world.people})]
    questions += [
        ({"organisation_id": settled.id("organisation", name)}, oracle.agents_of_organisation(world, caller, name))
        for name in world.organisations
    ]
    questions += [
        ({"service_id": settled.id("service", name)}, oracle.agents_of_service(world, caller, name))
        for name in world.services
    ]
    for query, agents in questions:
        answer = settled.ask(caller.name, "GET", "whos-out", query=days | query)
        told = {(row["agent"]["id"], one["id"]) for row in answer.json()["whos_out"] for one in row["absences"]}
        assert told == {
            (settled.agents[world.absences[name].agent].pk, settled.absences[name].pk)
            for name in visible
            if world.absences[name].agent in agents
        }, (caller.name, query)
    assert settled.ask(caller.name, "HEAD", "whos-out", query=days).status_code == 200


@covers("GET", "HEAD", "PUT", "PATCH", at="organisations/<pk>/absence_policy")
def _absence_policies(settled: Settled, caller: Person, dice: random.Random) -> None:
    route = "organisations/<pk>/absence_policy"
    for name, row in settled.organisations.items():
        seen = 200 if name in oracle.visible_organisations(caller) else 403
        may = 200 if name in oracle.changeable_organisations(caller) else 403
        others = {"id": dice.choice(list(settled.organisations.values())).pk, "pk": NOBODY}
        shown = settled.ask(caller.name, "GET", route, row.pk, query=others)
        assert shown.status_code == seen, (caller.name, name)
        assert seen != 200 or shown.json()["absence_policy"]["organisation_id"] == row.pk
        assert settled.status(caller.name, "HEAD", route, name) == seen
        for verb in ("PUT", "PATCH"):
            with undone():
                body = {"overlap": "refuse", "organisation_id": others["id"], "organisation": others["id"]}
                answer = settled.ask(caller.name, verb, route, row.pk, query=others, body=body)
                assert answer.status_code == may, (caller.name, name)
    assert settled.ask(caller.name, "GET", route, NOBODY).status_code == 404


# ── Oneself, and signing in ──────────────────────────────────────────────────────────────────────────────────────────


@covers("GET", "HEAD", at="me")
def _me(settled: Settled, caller: Person, dice: random.Random) -> None:
    shown = settled.ask(caller.name, "GET", "me", kinds=settled.all_kinds).json()["agent"]
    assert shown["id"] == settled.agents[caller.name].pk
    assert {role["organisation"]["id"]: role["access_level"] for role in shown["roles"]} == {
        settled.organisations[name].pk: level for name, level in caller.roles.items()
    }
    assert {one["id"] for one in shown["services"]} == {settled.services[name].pk for name in caller.services}
    assert {one["id"] for one in shown["territories"]} == {settled.territories[name].pk for name in caller.territories}
    assert settled.ask(caller.name, "HEAD", "me", kinds=("triple",)).status_code == 200


@covers("GET", "HEAD", at="token")
def _credential_told(settled: Settled, caller: Person, dice: random.Random) -> None:
    names = {"triple": "token", "bearer": "token", "signature": "shared_secret", "key": "personal_token"}
    names["jwt"] = "jwt"
    for kind in KINDS:
        told = settled.ask(caller.name, "GET", "token", kinds=(kind,)).json()["token"]
        assert (told["kind"], told["owner"]["id"]) == (names[kind], settled.agents[caller.name].pk)
        assert settled.ask(caller.name, "HEAD", "token", kinds=(kind,)).status_code == 200


@covers("DELETE", at="token")
def _key_given_up(settled: Settled, caller: Person, dice: random.Random) -> None:
    for kind in KINDS:
        answer = settled.ask(caller.name, "DELETE", "token", kinds=(kind,))
        token = ClientToken.objects.get(agent=settled.agents[caller.name]).pk
        own = {"key": {("key", settled.keys(caller.name)[0])}, "jwt": {("token", token)}}.get(kind)
        assert (answer.status_code, set(answer.changed)) == ((204, own) if own else (404, set()))


@covers("GET", "HEAD", at="audit")
def _record_listed(settled: Settled, caller: Person, dice: random.Random) -> None:
    told = _told_to(settled, caller)
    for kind in KINDS:
        client = settled.clients[caller.name][kind]
        answer = client.get("/api/v1/audit")
        assert [entry["id"] for entry in answer.json()["entries"]] == told[:100], (caller.name, kind)
        assert answer.json()["meta"]["total_count"] == len(told)
        assert client.head("/api/v1/audit")["X-Total-Count"] == str(len(told))
    settled.asked |= {("GET", "audit"), ("HEAD", "audit")}


@covers("GET", "HEAD", at="audit/<pk>")
def _record_shown(settled: Settled, caller: Person, dice: random.Random) -> None:
    told = set(_told_to(settled, caller))
    others = set(RecordEntry.objects.values_list("pk", flat=True)) - told
    for entries, status in ((told, 200), (others, 403), ({NOBODY}, 404)):
        for pk in dice.sample(sorted(entries), min(3, len(entries))):
            for client in settled.clients[caller.name].values():
                assert client.get(f"/api/v1/audit/{pk}").status_code == status, (caller.name, pk)
                assert client.head(f"/api/v1/audit/{pk}").status_code == status
    settled.asked |= {("GET", "audit/<pk>"), ("HEAD", "audit/<pk>")}


def _told_to(settled: Settled, caller: Person) -> list[int]:
    """The entries of the record that the caller may read, the newest first: what they did and what is theirs; what is
    of the organisations where they are admin, and of the agents there.
    """
    me, places = settled.agents[caller.name].pk, oracle.adm(caller)
    organisations = {settled.organisations[name].pk for name in places}
    people = {settled.agents[one.name].pk for one in settled.world.people if oracle.org(one) & places}
    people -= {settled.agents[one.name].pk for one in settled.world.people if one.deleted}
    return [
        entry.pk
        for entry in RecordEntry.objects.order_by("-pk")
        if me in (entry.agent_id, entry.acting_for_id)
        or (entry.actor_kind, entry.actor_id) == ("agent", me)
        or entry.organisation_id in organisations
        or (entry.organisation_id is None and entry.agent_id in people)
    ]


@covers("GET", "HEAD", at="tokens")
def _keys_listed(settled: Settled, caller: Person, dice: random.Random) -> None:
    assert settled.listed(caller.name, "tokens", kinds=settled.all_kinds) == settled.keys(caller.name)
    assert settled.ask(caller.name, "HEAD", "tokens").status_code == 200


@covers("POST", at="tokens")
def _keys_made(settled: Settled, caller: Person, dice: random.Random) -> None:
    other = dice.choice(settled.world.people)
    reach = oracle.nameable_organisations(settled.world, caller)
    for name in settled.world.organisations:
        body = {"name": "x", "organisations": [settled.organisations[name].pk]}
        another = {"agent_id": settled.agents[other.name].pk, "agent": settled.agents[other.name].pk}
        for kind in KINDS:
            answer = settled.ask(caller.name, "POST", "tokens", query=another, body=body, kinds=(kind,))
            expected = (200 if name in reach else 422) if kind not in VOUCHED_FOR else 403
            assert answer.status_code == expected, (kind, name)
            owners = {after[0] for _before, after in answer.changed.values()}
            assert owners == ({settled.agents[caller.name].pk} if expected == 200 else set())


@covers("GET", "HEAD", at="tokens/<pk>")
def _keys_shown(settled: Settled, caller: Person, dice: random.Random) -> None:
    for pk, status in _keys(settled, caller):
        assert settled.ask(caller.name, "GET", "tokens/<pk>", pk, kinds=settled.all_kinds).status_code == status
        assert settled.ask(caller.name, "HEAD", "tokens/<pk>", pk).status_code == status


@covers("PUT", "PATCH", "DELETE", at="tokens/<pk>")
def _keys_changed(settled: Settled, caller: Person, dice: random.Random) -> None:
    for verb, (pk, status) in itertools.product(("PUT", "PATCH", "DELETE"), _keys(settled, caller)):
        for kind in KINDS:
            answer = settled.ask(caller.name, verb, "tokens/<pk>", pk, body={"active": False}, kinds=(kind,))
            done = 204 if verb == "DELETE" and status == 200 else status
            assert answer.status_code == (403 if kind in VOUCHED_FOR else done), (verb, kind)
            assert set(answer.changed) == ({("key", pk)} if answer.status_code < 300 else set())


def _keys(settled: Settled, caller: Person) -> Iterator[tuple[int, int]]:
    """Keys, each with what a look at it answers: one's own, others', none."""
    for person in settled.world.people:
        for pk in settled.keys(person.name):
            yield pk, 200 if person is caller else 403
    yield NOBODY, 404


@covers("GET", "HEAD", at="feeds")
def _feeds_listed(settled: Settled, caller: Person, dice: random.Random) -> None:
    seen = [pk for pk, status in _feeds(settled, caller) if status == 200]
    assert settled.listed(caller.name, "feeds", kinds=settled.all_kinds) == seen
    assert settled.ask(caller.name, "HEAD", "feeds").status_code == 200


@covers("POST", at="feeds")
def _feeds_made(settled: Settled, caller: Person, dice: random.Random) -> None:
    """Of whom one sees, oneself and one's own organisations; for oneself, whatever else is said."""
    own = settled.agents[caller.name].pk
    visible = oracle.visible_agents(settled.world, caller)
    people = settled.world.people
    targets = [("agent_id", settled.agents[one.name].pk, one.name in visible or one is caller) for one in people]
    targets += [
        ("organisation_id", settled.organisations[name].pk, name in oracle.org(caller))
        for name in settled.world.organisations
    ]
    for (name, pk, seen), kind in itertools.product(dice.sample(targets, min(4, len(targets))), KINDS):
        body = {"name": "x", "owner_id": NOBODY, "owner": NOBODY, name: pk}
        answer = settled.ask(caller.name, "POST", "feeds", body=body, kinds=(kind,))
        expected = (200 if seen else 422) if kind not in VOUCHED_FOR else 403
        assert answer.status_code == expected, (kind, name, pk)
        assert {after[0] for _before, after in answer.changed.values()} == ({own} if expected == 200 else set())


@covers("GET", "HEAD", at="feeds/<pk>")
def _feeds_shown(settled: Settled, caller: Person, dice: random.Random) -> None:
    for pk, status in _feeds(settled, caller):
        assert settled.ask(caller.name, "GET", "feeds/<pk>", pk, kinds=settled.all_kinds).status_code == status
        assert settled.ask(caller.name, "HEAD", "feeds/<pk>", pk).status_code == status


@covers("PUT", "PATCH", "DELETE", at="feeds/<pk>")
def _feeds_changed(settled: Settled, caller: Person, dice: random.Random) -> None:
    for verb, (pk, status) in itertools.product(("PUT", "PATCH", "DELETE"), _feeds(settled, caller)):
        for kind in KINDS:
            answer = settled.ask(caller.name, verb, "feeds/<pk>", pk, body={"active": False}, kinds=(kind,))
            done = 204 if verb == "DELETE" and status == 200 else status
            assert answer.status_code == (403 if kind in VOUCHED_FOR else done), (verb, kind)
            assert set(answer.changed) == ({("feed", pk)} if answer.status_code < 300 else set())


@covers("POST", at="feeds/<pk>/renew")
def _feeds_renewed(settled: Settled, caller: Person, dice: random.Random) -> None:
    for (pk, status), kind in itertools.product(_feeds(settled, caller), KINDS):
        answer = settled.ask(caller.name, "POST", "feeds/<pk>/renew", pk, kinds=(kind,))
        assert answer.status_code == (403 if kind in VOUCHED_FOR else status), kind
        assert set(answer.changed) == ({("feed", pk)} if answer.status_code < 300 else set())


def _feeds(settled: Settled, caller: Person) -> Iterator[tuple[int, int]]:
    """Feeds, each person's newest first, with what a look at each answers: one's own, others', none."""
    rows = {"agent": settled.agents, "service": settled.services, "organisation": settled.organisations}
    names = {kind: {row.pk: name for name, row in found.items()} for kind, found in rows.items()}
    for person in settled.world.people:
        for feed in Feed.objects.filter(owner=settled.agents[person.name]).order_by("-pk"):
            kind, pk = target_of(feed)
            seen = oracle.sees_feed(settled.world, caller, person, kind, names[kind][pk])
            yield feed.pk, 200 if seen else 403
    yield NOBODY, 404


# ── Webhooks ─────────────────────────────────────────────────────────────────────────────────────────────────────────

ENDPOINTS = "organisations/<organisation_id>/webhook_endpoints"


def _places(settled: Settled, caller: Person) -> tuple[set[str], set[str], set[str]]:
    """ORG, ADM and ORGT (contract 3.2), as far as the key goes that the caller came with."""
    everywhere = (oracle.org(caller), oracle.adm(caller), oracle.orgt(settled.world, caller))
    return tuple(oracle.within(caller, places) for places in everywhere)  # type: ignore[return-value]


@covers("GET", "HEAD", at=ENDPOINTS)
def _endpoints_listed(settled: Settled, caller: Person, dice: random.Random) -> None:
    here, _admin, _territorial = _places(settled, caller)
    for name, row in settled.organisations.items():
        other = {"organisation_id": dice.choice(list(settled.organisations.values())).pk}
        answer = settled.ask(caller.name, "GET", ENDPOINTS, {"organisation_id": row.pk}, query=other)
        assert answer.status_code == (200 if name in here else 404), (caller.name, name)
        if name in here:
            assert [one["id"] for one in answer.json()["webhook_endpoints"]] == [settled.endpoints[name].pk]
        head = settled.ask(caller.name, "HEAD", ENDPOINTS, {"organisation_id": row.pk})
        assert head.status_code == answer.status_code
    assert settled.ask(caller.name, "GET", ENDPOINTS, {"organisation_id": NOBODY}).status_code == 404


@covers("POST", at=ENDPOINTS)
def _endpoints_made(settled: Settled, caller: Person, dice: random.Random) -> None:
    _here, _admin, territorial = _places(settled, caller)
    for name, row in settled.organisations.items():
        body = {"target_url": "https://x.test/", "secret": "x", "organisation_id": NOBODY, "trigger": False}
        answer = settled.ask(caller.name, "POST", ENDPOINTS, {"organisation_id": row.pk}, body=body)
        may = name in territorial
        assert answer.status_code == (200 if may else 403), (caller.name, name)
        assert [after[0] for _before, after in answer.changed.values()] == ([row.pk] if may else [])
    nowhere = settled.ask(caller.name, "POST", ENDPOINTS, {"organisation_id": NOBODY}, body={})
    assert nowhere.status_code == 404


@covers("GET", "HEAD", at="events")
def _events_read_again(settled: Settled, caller: Person, dice: random.Random) -> None:
    _here, admin, territorial = _places(settled, caller)
    expected = [settled.events[name].name for name in settled.organisations if name in admin | territorial]
    answer = settled.ask(caller.name, "GET", "events", query={"organisation_id": NOBODY}, kinds=settled.all_kinds)
    assert [one["id"] for one in answer.json()["events"]] == expected, caller.name
    assert settled.ask(caller.name, "HEAD", "events").status_code == 200


@covers("GET", "HEAD", at=f"{ENDPOINTS}/<pk>")
def _endpoints_shown(settled: Settled, caller: Person, dice: random.Random) -> None:
    here, _admin, territorial = _places(settled, caller)
    for name, endpoint in settled.endpoints.items():
        for verb, place in itertools.product(("GET", "HEAD"), settled.organisations):
            where = {"organisation_id": settled.organisations[place].pk, "pk": endpoint.pk}
            seen = place == name and name in here | territorial
            answer = settled.ask(caller.name, verb, f"{ENDPOINTS}/<pk>", where)
            assert answer.status_code == (200 if seen else 404), (caller.name, verb, name, place)


@covers("PUT", "PATCH", at=f"{ENDPOINTS}/<pk>")
def _endpoints_changed(settled: Settled, caller: Person, dice: random.Random) -> None:
    here, admin, territorial = _places(settled, caller)
    for name, endpoint in settled.endpoints.items():
        for verb, place in (("PUT", name), ("PATCH", dice.choice(list(settled.organisations)))):
            where = {"organisation_id": settled.organisations[place].pk, "pk": endpoint.pk}
            body = {"secret": "autre", "organisation_id": NOBODY, "id": NOBODY, "trigger": False}
            answer = settled.ask(caller.name, verb, f"{ENDPOINTS}/<pk>", where, body=body)
            may = name in territorial and (place == name or place in admin | territorial)
            expected = 404 if name not in here else 200 if may else 403
            assert answer.status_code == expected, (caller.name, verb, name, place)
            after = [after[0] for _before, after in answer.changed.values()]
            assert after == ([settled.organisations[place].pk] if expected == 200 else [])


@covers("GET", "HEAD", at=f"{ENDPOINTS}/<pk>/deliveries")
@covers("POST", at=f"{ENDPOINTS}/<pk>/replay")
def _deliveries_read(settled: Settled, caller: Person, dice: random.Random) -> None:
    here, _admin, territorial = _places(settled, caller)
    asked = (("GET", "/deliveries"), ("HEAD", "/deliveries"), ("POST", "/replay"))
    for (verb, more), (name, endpoint) in itertools.product(asked, settled.endpoints.items()):
        for place in dict.fromkeys((name, dice.choice(list(settled.organisations)))):
            where = {"organisation_id": settled.organisations[place].pk, "pk": endpoint.pk}
            answer = settled.ask(caller.name, verb, f"{ENDPOINTS}/<pk>{more}", where)
            seen = place == name and name in here | territorial
            expected = 404 if not seen else 200 if name in territorial else 403
            assert answer.status_code == expected, (caller.name, verb, more, name, place)
            assert not answer.changed


@covers("DELETE", at=f"{ENDPOINTS}/<pk>")
@covers("POST", at=f"{ENDPOINTS}/<pk>/enable")
@covers("POST", at=f"{ENDPOINTS}/<pk>/rotate")
@covers("POST", at=f"{ENDPOINTS}/<pk>/test")
def _endpoints_managed(settled: Settled, caller: Person, dice: random.Random) -> None:
    here, _admin, territorial = _places(settled, caller)
    asked = [
        ("DELETE", "", 204, 1),
        *(("POST", f"/{verb}", 200, verb == "rotate") for verb in ("enable", "rotate", "test")),
    ]
    for (verb, more, done, changes), (name, endpoint) in itertools.product(asked, settled.endpoints.items()):
        for place in dict.fromkeys((name, dice.choice(list(settled.organisations)))):
            where = {"organisation_id": settled.organisations[place].pk, "pk": endpoint.pk}
            answer = settled.ask(caller.name, verb, f"{ENDPOINTS}/<pk>{more}", where)
            seen = place == name and name in here | territorial
            expected = 404 if not seen else done if name in territorial else 403
            assert answer.status_code == expected, (caller.name, verb, more, name, place)
            assert set(answer.changed) == ({("webhook", endpoint.pk)} if expected == done and changes else set())


@covers("GET", "HEAD", at="auth/validate_token")
def _token_validated(settled: Settled, caller: Person, dice: random.Random) -> None:
    for kind in KINDS:
        allowed = 401 if kind in NO_TRIPLE else 200  # `auth/*` knows the triple only (contract 2.1)
        answer = settled.ask(caller.name, "GET", "auth/validate_token", kinds=(kind,))
        assert answer.status_code == allowed
        assert settled.ask(caller.name, "HEAD", "auth/validate_token", kinds=(kind,)).status_code == allowed
        if allowed == 200:
            _is_the_account_of(settled, caller, answer.json()["data"])


def _is_the_account_of(settled: Settled, caller: Person, data: dict[str, Any]) -> None:
    services = [settled.services[name].pk for name in caller.services]
    assert (data["id"], data["role"], data["service_id"]) == (
        settled.agents[caller.name].pk,
        "admin" if oracle.adm(caller) else "user",
        min(services, default=None),
    )


@covers("POST", at="auth/sign_in", turned_away=None)
def _signed_in(settled: Settled, caller: Person, dice: random.Random) -> None:
    refusals = set()
    for person in settled.world.people:
        # The credential that one has already is not looked at.
        for password in (PASSWORD, "faux"):
            body = {"email": email(person.name), "password": password}
            answer = settled.ask(caller.name, "POST", "auth/sign_in", body=body, kinds=("triple",))
            may = password == PASSWORD and oracle.may_sign_in(person)
            assert answer.status_code == (200 if may else 401), person.name
            if may:
                data = answer.json()["data"]
                assert data["id"] == settled.agents[person.name].pk
            elif password != PASSWORD or not person.mail:
                refusals.add(answer.content)
    answer = settled.ask(
        caller.name, "POST", "auth/sign_in", body={"email": "personne@exemple.test", "password": PASSWORD}
    )
    assert refusals == {answer.content}  # a wrong password tells nothing of whom it was tried on


@covers("DELETE", at="auth/sign_out", turned_away=404)
def _signed_out(settled: Settled, caller: Person, dice: random.Random) -> None:
    own = ClientToken.objects.get(agent=settled.agents[caller.name]).pk
    other = dice.choice(settled.world.people)
    for kind, everywhere in itertools.product(KINDS, ("", "true")):
        query = {"everywhere": everywhere, "agent_id": settled.agents[other.name].pk, "uid": email(other.name)}
        answer = settled.ask(caller.name, "DELETE", "auth/sign_out", query=query, kinds=(kind,))
        expected = (404, set()) if kind in NO_TRIPLE else (200, {("token", own)})
        assert (answer.status_code, set(answer.changed)) == expected


@covers("PUT", "PATCH", at="auth/password")
def _password_changed(settled: Settled, caller: Person, dice: random.Random) -> None:
    fresh = "Rendez-vous 2027 !"
    other = dice.choice(settled.world.people)
    # Whoever else is named, it is one's own that changes.
    another = {"email": email(other.name), "uid": email(other.name), "id": settled.agents[other.name].pk}
    for verb, kind in itertools.product(("PUT", "PATCH"), KINDS):
        body = another | {"password": fresh, "password_confirmation": fresh}
        answer = settled.ask(caller.name, verb, "auth/password", query=another, body=body, kinds=(kind,))
        own = {("password", settled.agents[caller.name].pk)}
        assert (answer.status_code, set(answer.changed)) == ((401, set()) if kind in NO_TRIPLE else (200, own))


@covers("POST", at="auth/password", turned_away=None)
def _password_forgotten(settled: Settled, caller: Person, dice: random.Random) -> None:
    target = dice.choice(settled.world.people)
    cache.clear()  # where the throttle counts
    mail.outbox.clear()
    said = set()
    for address in (email(target.name), "personne@exemple.test"):
        body = {"email": address, "redirect_url": "http://testserver/"}
        answer = settled.ask(caller.name, "POST", "auth/password", body=body, kinds=("triple",))
        said.add((answer.status_code, answer.json()["message"].replace(address, "")))
    assert len(said) == 1  # known or not, the same
    assert [one.to for one in mail.outbox] == ([[email(target.name)]] if oracle.may_sign_in(target) else [])


@covers("GET", "HEAD", at="auth/password/edit", turned_away=None)
def _password_edited(settled: Settled, caller: Person, dice: random.Random) -> None:
    target = dice.choice([person for person in settled.world.people if person.mail] or settled.world.people)
    link = {"redirect_url": "http://testserver/", "reset_password_token": f"{settled.agents[target.name].pk}-abc-def"}
    for verb in ("GET", "HEAD"):
        assert settled.ask(caller.name, verb, "auth/password/edit", query=link, kinds=("triple",)).status_code == 404


@covers("GET", "HEAD", at="openapi", turned_away=None)
def _described(settled: Settled, caller: Person, dice: random.Random) -> None:
    for verb in ("GET", "HEAD"):
        told = settled.ask(caller.name, verb, "openapi", kinds=("triple",))
        anybody = WireClient().generic(verb, "/api/v1/openapi.json")
        assert (told.status_code, told.content) == (200, anybody.content), "the same for everybody"


# ── The worlds ───────────────────────────────────────────────────────────────────────────────────────────────────────

BATCHES = [range(start, start + 20) for start in range(0, 2000, 20)] if LONG else [range(321, 322)]


@contextmanager
def _settled(seed: int) -> Iterator[tuple[Settled, random.Random]]:
    """The world of this seed, in the database; a failure inside names it."""
    with undone():
        settled = Settled(generated(seed))
        try:
            yield settled, random.Random(-seed - 1)
        except AssertionError as failure:
            failure.add_note(f"world {seed}: {settled.world}")
            raise


@pytest.mark.django_db
@pytest.mark.parametrize("seeds", BATCHES, ids=lambda seeds: f"{seeds[0]}-{seeds[-1]}")
def test_the_server_and_the_oracle_agree(seeds: range, now: Any, figure: Any) -> None:
    answers = changes = 0
    asked: set[tuple[str, str]] = set()
    for seed in seeds:
        with _settled(seed) as (settled, dice):
            for caller in settled.world.people:
                if oracle.may_sign_in(caller):
                    for check in dict.fromkeys(MATRIX.values()):
                        check(settled, caller, dice)
                else:
                    _is_turned_away(settled, caller.name)
            # Each change of rights counts at the next request, whatever credential was given before it.
            for _ in range(3):
                changes += bool(_changes(settled, dice))
            answers += settled.answers
            asked |= settled.asked
    assert asked >= MATRIX.keys()
    figure("worlds", len(seeds))
    figure("answers compared", answers)
    figure("changes of rights", changes)


def _is_turned_away(settled: Settled, who: str) -> None:
    """Each credential of an agent who may not come in gets the same as none."""
    for (verb, route), status in TURNED_AWAY.items():
        pk = next(iter(settled.absences.values())).pk if route.startswith("absences") else NOBODY
        answer = settled.ask(who, verb, route, pk, kinds=settled.all_kinds)
        assert answer.status_code == status, (who, verb, route)


# Keys that are not simply an agent's: each gives what carries it, and whom the oracle is to take its holder for.


def _for_some_organisations(settled: Settled, caller: Person, dice: random.Random) -> tuple[dict[str, str], Person]:
    reach = sorted(oracle.nameable_organisations(settled.world, caller))
    bound = frozenset(dice.sample(reach, dice.randint(1, len(reach)))) if reach else frozenset({"O0"})
    chosen = [settled.organisations[name].pk for name in bound]
    owner = settled.agents[caller.name]
    for name in oracle.org(caller):
        FeedFactory(owner=owner, organisation=settled.organisations[name])
    for agent in dice.sample(list(settled.agents.values()), min(3, len(settled.agents))):
        FeedFactory(owner=owner, agent=agent)
    for service in settled.services.values():
        FeedFactory(owner=owner, service=service)
    return {"X-Api-Key": key_of(settled.agents[caller.name], organisations=chosen)}, replace(caller, bound=bound)


def _of_an_account_that_acts_for_them(
    settled: Settled, caller: Person, dice: random.Random
) -> tuple[dict[str, str], Person]:
    account = ApiAccount.objects.create(name=f"Pour {caller.name}")
    account.grants.create(agent=settled.agents[caller.name])
    act_for = dice.choice((str(settled.agents[caller.name].pk), email(caller.name)))
    return {"X-API-Token": key_of(account), "X-RDV-Act-For": act_for}, caller


def _of_an_account_with_their_roles(
    settled: Settled, caller: Person, dice: random.Random
) -> tuple[dict[str, str], Person]:
    account = ApiAccount.objects.create(name=f"Comme {caller.name}")
    for name, level in caller.roles.items():
        account.roles.create(organisation=settled.organisations[name], access_level=level)
    account.services.set(settled.services[name] for name in caller.services)
    return {"x-auth": f"Bearer {key_of(account)}"}, replace(caller, territories=frozenset(), account=True)


@pytest.mark.django_db
@pytest.mark.parametrize(
    "keys", [_for_some_organisations, _of_an_account_that_acts_for_them, _of_an_account_with_their_roles]
)
def test_a_key_opens_what_it_is_for_and_nothing_else(keys: Any, now: Any, at_length: Any, figure: Any) -> None:
    answers = made = 0
    for number in range(3000, 3000 + at_length(1, 60)):
        with _settled(number) as (settled, dice):
            world = settled.world
            for caller in filter(oracle.may_sign_in, world.people):
                headers, holder = keys(settled, caller, dice)
                settled.clients[caller.name]["such a key"] = bearing(headers)
                settled.kinds = settled.all_kinds = ("such a key",)
                people = tuple(holder if one is caller else one for one in world.people)
                # What the account is not given, the agent themselves has still, as somebody who is looked for.
                settled.world = replace(world, people=people)
                for check in dict.fromkeys(
                    check for (verb, route), check in MATRIX.items() if _of_a_resource(verb, route)
                ):
                    check(settled, holder, dice)
                told = settled.ask(caller.name, "GET", "me").json()
                shown = told.get("agent") or told["api_account"]
                assert {role["organisation"]["id"] for role in shown["roles"]} == {
                    settled.organisations[name].pk for name in oracle.within(holder, set(holder.roles))
                }
                settled.world = world
                made += 1
            answers += settled.answers
    figure("keys", made)
    figure("answers compared", answers)


def _of_a_resource(verb: str, route: str) -> bool:
    if route.split("/")[0] == "feeds":  # which a key reads alone
        return verb == "GET"
    return route.split("/")[0] in ("absences", "agents", "events", "organisations", "services")


def _changes(settled: Settled, dice: random.Random) -> str | None:
    one = dice.choice(settled.world.people)
    what = dice.choice(CHANGES)(settled, dice, one)
    for caller in settled.world.people:
        if not oracle.may_sign_in(caller):
            assert settled.ask(caller.name, "GET", "absences", kinds=settled.all_kinds).status_code == 401, what
            continue
        world = settled.world
        visible = oracle.visible_absences(world, caller)
        assert settled.listed(caller.name, "absences", kinds=settled.all_kinds) == [
            settled.absences[name].pk for name in oracle.in_order(world, visible)
        ], (what, caller.name)
        assert {
            plural: set(settled.listed(caller.name, plural)) for plural in ("agents", "organisations", "services")
        } == {
            "agents": {settled.agents[name].pk for name in oracle.visible_agents(world, caller)},
            "organisations": {settled.organisations[name].pk for name in oracle.visible_organisations(caller)},
            "services": {settled.services[name].pk for name in oracle.visible_services(world, caller)},
        }, (what, caller.name)
        for name in dice.sample(sorted(settled.absences), min(3, len(settled.absences))):
            allowed = 200 if name in visible else 403
            assert settled.status(caller.name, "GET", "absences/<pk>", name) == allowed, (what, caller.name, name)
            body = {"title": "Autre"}
            assert settled.status(caller.name, "PATCH", "absences/<pk>", name, body=body) == allowed, what
    return what


def test_the_sample_holds_each_reason_to_see_and_not_to_see() -> None:
    reasons = set()
    for world in map(generated, BATCHES[0]):
        for a, b in itertools.product(world.people, repeat=2):
            shared, service = oracle.org(b), bool(a.services & b.services)
            reasons |= {
                ("admin", bool(oracle.adm(a) & shared)),
                ("territory", bool(oracle.orgt(world, a) & shared)),
                ("secretariat", oracle.sec(world, a) and bool(oracle.org(a) & shared)),
                ("basic, same service", bool(oracle.bas(a) & shared) and service),
                ("basic, another service", bool(oracle.bas(a) & shared) and not service),
                ("not even oneself", a is b and not oracle.sees(world, a, b)),
                ("deleted", b.deleted and bool(oracle.adm(a) & shared)),
                ("put aside", a.mail and not a.deleted and not a.active),
                ("left", a.mail and a.deleted and a.active),
                ("without email", not a.mail and not a.deleted and a.active),
                ("in sight, and absent from a place out of reach", _absent_out_of_reach(world, a, b)),
                ("administrator of the server without a right", a.staff and not oracle.sees(world, a, b)),
            }
    assert {name for name, present in reasons if present} == {name for name, _present in reasons}


def _absent_out_of_reach(world: World, a: Person, b: Person) -> bool:
    """Whether only its being out of reach keeps a filter by organisation from showing `a` an absence of `b`."""
    beyond = oracle.org(b) - oracle.nameable_organisations(world, a)
    kept_for = [leave.organisation for leave in world.absences.values() if leave.agent == b.name]
    asked = oracle.may_sign_in(a) and oracle.sees(world, a, b)
    return asked and any(place in beyond or (beyond and place is None) for place in kept_for)


# ── Nothing is forgotten ─────────────────────────────────────────────────────────────────────────────────────────────

# What is no part of the API of agents, and why its being open to anyone is meant.
OPEN_TO_ANYONE = {
    "": "leads to the pages",
    "admin": "leads to the pages",
    "connexion": "asks who one is",
    "deconnexion": "ends the session of whoever asks",
    "langue": "a cookie of whoever asks",
    "premier-administrateur": "asks for the secret that the server showed",
    "erreurs": "what each code means",
    "erreurs/<slug:code>": "what a code means",
    "versions": "the versions of the API",
    "feeds/<str:secret>.ics": "a calendar, for whoever has its secret address (tests/absences/feeds)",
    r"^api/docs/?\Z": "the API, to try with one's own credential",
    r"^api/docs/reference/?\Z": "the API, to read",
    # Those of JSON Web Tokens (tests/agents/test_jwt.py, test_jwt_keys.py).
    r"api/auth/^login(?:\.json)?/?\Z": "asks who one is",
    r"api/auth/^jwks(?:\.json)?/?\Z": "public keys",
    ".well-known/jwks.json": "public keys",
    r"^api(?:\.json)?/?\Z": "says what this server is, to anybody",
}
# An agent's own pages: each leads a stranger to `connexion`, and shows nothing of anybody else (tests/pages).
OWN_PAGES = {
    *("cles", "cles/nouvelle", "cles/<int:pk>/activer", "cles/<int:pk>/desactiver", "cles/<int:pk>/supprimer"),
    *("calendriers", "calendriers/nouveau", "calendriers/<int:pk>", "calendriers/<int:pk>/renouveler"),
    *("calendriers/<int:pk>/revoquer", "calendriers/<int:pk>/supprimer"),
    *("absences/importer", "activite", "deconnexion/partout", "operations", "operations/<str:id>"),
    *("webhooks", "webhooks/<int:pk>", "webhooks/<int:pk>/essai", "webhooks/<int:pk>/activer"),
    "webhooks/<int:pk>/renvoyer",
}
MODELS = (
    "absences_absence",
    "absences_deletedabsence",
    "absences_feed",
    "agents_accesskey",
    "agents_agent",
    "agents_apiaccount",
    "agents_clienttoken",
    "agents_organisation",
    "agents_recordentry",
    "agents_service",
    "agents_territory",
    "axes_accessattempt",
    "webhooks_webhookendpoint",
)
# The administration pages, by the name of their address: only who administers the server opens them, and the pages of
# rows only with a right.
PAGES = {
    *("index", "logout", "password_change", "password_change_done", "autocomplete", "jsi18n", "view_on_site"),
    *("app_list", "auth_user_password_change", "agents_apiaccount_key"),
    *(f"{model}_{page}" for model in MODELS for page in ("changelist", "add", "history", "delete", "change")),
    None,  # what leads from an address to another, and what is none
}
OPEN_PAGES = {"login"}
VERBS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")


def _routes(resolver: Any = None, before: str = "") -> Iterator[tuple[str, URLPattern]]:
    """Every address that the server has, with what is before its own pattern."""
    for one in (resolver or get_resolver()).url_patterns:
        if isinstance(one, URLResolver):
            yield from _routes(one, before + str(one.pattern))
        else:
            yield before, one


def _verbs(pattern: URLPattern) -> set[str]:
    """The verbs that a view of the API has."""
    view: Any = pattern.callback
    named = getattr(view, "actions", None) or {name: name for name in VERBS_OF_A_VIEW if hasattr(view.cls, name)}
    verbs = {verb.upper() for verb in named}
    return verbs | ({"HEAD"} if "GET" in verbs else set())


OTHER_ADDRESSES = str(OtherAddresses([]).pattern)
VERBS_OF_A_VIEW = [verb.lower() for verb in VERBS if verb != "OPTIONS"]  # OPTIONS: a description, the same for anyone


def test_every_route_and_verb_is_in_the_matrix() -> None:
    found = set()
    of_a_version = []
    for before, pattern in _routes():
        if before == "api/v1/":
            found |= {(verb, str(pattern.name)) for verb in _verbs(pattern)}
            of_a_version.append(pattern)
        elif before == OTHER_ADDRESSES:  # /api/latest/…, /api/…: no view of their own, so no right of their own
            assert pattern in of_a_version, f"an address of no version: {pattern.pattern}"
        elif before.startswith("admin/"):
            assert pattern.name in PAGES | OPEN_PAGES, f"a page that nothing here asks for: {pattern.pattern}"
        else:
            where = before + str(pattern.pattern)
            assert where in OPEN_TO_ANYONE.keys() | OWN_PAGES, f"an address that nothing here asks for: {where}"
    assert found == MATRIX.keys()


def _api() -> list[str]:
    return sorted({route for _verb, route in MATRIX})


@pytest.mark.parametrize("route", _api())
def test_nobody_is_heard_without_a_credential_nor_told_more_by_another_verb(route: str, cast: Any) -> None:
    absence = AbsenceFactory(agent=cast.bruno, title="zq00000000")
    pk = str(absence.pk if route.startswith("absences") else cast.mds.pk)
    path = f"/api/v1/{route.replace('<pk>', pk)}"
    strangers = {
        "nobody": {},
        "a false triple": {"access-token": "A" * 22, "client": "B" * 22, "uid": cast.bruno.email},
        "a false bearer": {"Authorization": "Bearer e30="},
        "a false signature": {"X-Agent-Auth-Signature": "0" * 64, "uid": cast.bruno.email},
    }
    before = Absence.objects.values_list().get()
    for who, headers in strangers.items():
        for verb in VERBS:
            if (verb, route) in MATRIX and (verb, route) not in TURNED_AWAY:
                continue
            answer = bearing(headers).generic(verb, path, json.dumps({"title": "Autre", "agent_id": cast.bruno.pk}))
            expected = TURNED_AWAY.get((verb, route), 200 if verb == "OPTIONS" else 405)
            assert answer.status_code == expected, (who, verb)
            assert "zq00000000" not in answer.content.decode()
            assert cast.bruno.email not in answer.content.decode()
    assert Absence.objects.values_list().get() == before


def test_options_are_the_same_for_anyone_and_for_any_row(cast: Any, sign_in: Any) -> None:
    bruno, hidden = AbsenceFactory(agent=cast.bruno).pk, AbsenceFactory(agent=cast.etienne).pk
    for route in _api():
        answers = {
            client.options(f"/api/v1/{route.replace('<pk>', str(pk))}").content
            for client in (WireClient(), sign_in(cast.bruno), sign_in(cast.martine))
            for pk in (bruno, hidden, NOBODY)
        }
        assert len(answers) == 1, route


def _pages() -> list[tuple[str | None, str]]:
    """Each administration page, with the address of one."""
    pages = []
    for before, pattern in _routes():
        if before.startswith("admin/"):
            route = before.removeprefix("admin/") + str(pattern.pattern)
            route = route.replace("(?P<app_label>agents|axes|absences)", "agents").strip("^$")
            route = re.sub(r"<[^>]*>", "1", route.replace("(?P<url>.*)", "nowhere"))
            pages.append((pattern.name, f"/admin/{route}"))
    return pages


@pytest.mark.parametrize("who", ["nobody", "an agent", "an administrator by token", "an administrator put aside"])
def test_the_pages_open_to_nobody_but_administrators(who: str, cast: Any, sign_in: Any) -> None:
    chief = AgentFactory(email="chef@exemple.test", is_staff=True, is_superuser=True)
    client = Client()
    if who == "an agent":
        client.force_login(cast.martine)
    elif who == "an administrator put aside":
        client.force_login(chief)
        Agent.objects.filter(pk=chief.pk).update(is_active=False)
    elif who == "an administrator by token":
        client = sign_in(chief)
    for (name, path), verb in itertools.product(_pages(), ("get", "post")):
        answer = getattr(client, verb)(path)
        if name in OPEN_PAGES:
            assert answer.status_code == 200, path
        else:
            assert answer.status_code in (301, 302), path
            assert answer["Location"].startswith(("/admin/login/", "/admin/")), path
            assert cast.bruno.email not in answer.content.decode()


def test_an_administrator_without_rights_opens_no_page_of_rows(cast: Any) -> None:
    helper = AgentFactory(email="aide@exemple.test", is_staff=True)
    client = Client()
    client.force_login(helper)
    for name, path in _pages():
        if (name and name.startswith(MODELS)) or name in ("auth_user_password_change", "autocomplete"):
            path = path.replace("/1/", f"/{cast.bruno.pk}/")
            for verb in ("get", "post"):
                answer = getattr(client, verb)(path)
                # 302: a row that there is not; 405: a verb that the page has not
                assert answer.status_code in (302, 403, 404, 405), path
                assert cast.bruno.email not in answer.content.decode(), path


# ── Nothing is told by the work that is done ─────────────────────────────────────────────────────────────────────────


@contextmanager
def _work() -> Iterator[list[str]]:
    """The statements that the database is sent, without their values."""
    seen: list[str] = []

    def note(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        seen.append(re.sub(r"s\d+_x\d+", "savepoint", sql))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(note):
        yield seen


OF_THE_MOMENT = ("X-Runtime", "X-Request-Id", "Link")  # `Link` repeats what was asked


def _observed(settled: Settled, caller: str, kind: str, verb: str, path: str, sent: Any) -> tuple[Any, ...]:
    """All that a caller can observe of a request, but for the clock: for this, the work that it made."""
    client = settled.clients[caller][kind]
    bound.forget()  # of the same refusal, the first is told to the record whatever it is of
    with undone(), _work() as statements:
        if verb in ("GET", "HEAD"):
            headers = {"If-None-Match": sent} if isinstance(sent, str) else {}
            answer = getattr(client, verb.lower())(path, None if headers else sent, headers=headers)
        else:
            answer = getattr(client, verb.lower())(path, sent)
    headers = {name: value for name, value in answer.items() if name not in OF_THE_MOMENT}
    return answer.status_code, answer.content, tuple(sorted(headers.items())), tuple(statements)


def _twins(settled: Settled, caller: Person) -> Iterator[tuple[str, int, list[tuple[str, str, Any]]]]:
    """Requests that must not be told apart: what they are, the status of all, and (verb, path, what is sent) of each.

    What is out of sight answers the same whatever it holds; named in a filter it is as good as nothing.
    """
    world = settled.world
    absences = [name for name in settled.absences if name not in oracle.visible_absences(world, caller)]
    hidden = [one.name for one in world.people if not one.deleted and not oracle.sees(world, caller, one)]
    with_mail = [name for name in hidden if world.person(name).mail]
    deleted = [one.name for one in world.people if one.deleted]
    paths = [f"/api/v1/absences/{settled.absences[name].pk}" for name in absences]
    places = [settled.id("organisation", name) for name in (*world.organisations, None)]
    agents = [settled.id("person", name) for name in hidden]

    yield "show", 403, [("GET", path, None) for path in paths]
    yield "head", 403, [("HEAD", path, None) for path in paths]
    yield (
        "revalidate",
        403,
        [("GET", path, _validator(settled, name)) for path, name in zip(paths, absences, strict=True)],
    )
    yield "change", 403, [(verb, path, {"title": "x"}) for path in paths for verb in ("PUT", "PATCH")]
    yield "change badly", 403, [("PATCH", path, {"first_day": "hier", "title": ""}) for path in paths]
    yield "move", 403, [("PATCH", path, {"organisation_id": place}) for path in paths for place in places]
    yield "delete", 403, [("DELETE", path, None) for path in paths]
    create = "/api/v1/absences"
    yield "create", 403, [("POST", create, GOOD | {"agent_id": pk}) for pk in agents]
    yield "create by email", 403, [("POST", create, GOOD | {"agent_email": email(name)}) for name in with_mail]
    yield "create badly", 422, [("POST", create, {"agent_id": pk, "title": "x"}) for pk in agents]
    # Nor where they work: every organisation, theirs or not, is the same.
    yield (
        "create for a place",
        403,
        [("POST", create, GOOD | {"agent_id": pk, "organisation_id": place}) for pk in agents for place in places],
    )
    gone = [settled.id("person", name) for name in deleted]
    yield "create for the deleted", 422, [("POST", create, GOOD | {"agent_id": pk}) for pk in (*gone, NOBODY)]
    addresses = [email(name) for name in deleted]
    yield (
        "create for the deleted by email",
        404,
        [("POST", create, GOOD | {"agent_email": address}) for address in (*addresses, "personne@exemple.test")],
    )
    yield "filter by agent", 200, [("GET", create, {"agent_id": pk}) for pk in (*agents, *gone, NOBODY)]
    yield (
        "filter by email",
        200,
        [("GET", create, {"agent_email": email(name)}) for name in (*with_mail, *deleted, "nobody")],
    )
    words = [mark("absence", name) for name in absences]
    yield "filter by title", 200, [("GET", create, {"title": word}) for word in (*words, "zq00000000")]
    beyond = [name for name in world.organisations if name not in oracle.nameable_organisations(world, caller)]
    for plural in ("absences", "agents"):
        yield (
            f"filter {plural} by place",
            200,
            [
                ("GET", f"/api/v1/{plural}", {"organisation_id": settled.id("organisation", name)})
                for name in (*beyond, None)
            ],
        )
    idle = [name for name in world.services if not oracle.agents_of_service(world, caller, name)]
    yield (
        "filter by trade",
        200,
        [("GET", create, {"service_id": settled.id("service", name)}) for name in (*idle, None)],
    )
    yield "filter badly", 422, [("GET", create, {"agent_id": pk, "from": "hier"}) for pk in (*agents, NOBODY)]
    organisations = [f"/api/v1/organisations/{settled.id('organisation', name)}" for name in world.organisations]
    unseen = [
        path for path, name in zip(organisations, world.organisations, strict=True) if name not in oracle.org(caller)
    ]
    unchangeable = [
        path for path, name in zip(organisations, world.organisations, strict=True) if name not in oracle.adm(caller)
    ]
    yield "show a place", 403, [("GET", path, None) for path in unseen]
    names = [row.name for row in settled.organisations.values()]
    # Not even whether a name is taken in its territory.
    yield (
        "rename a place",
        403,
        [("PATCH", path, {"name": name}) for path in unchangeable for name in (*names, "", "x")],
    )


@pytest.mark.django_db
def test_what_is_out_of_sight_answers_the_same_whatever_it_holds(now: Any, at_length: Any, figure: Any) -> None:
    assert connection.features.supports_json_field  # SQLite is asked once a process whether it knows JSON
    compared = 0
    kinds = set()
    worlds = at_length(range(321, 322), range(200))
    for seed in worlds:
        with _settled(seed) as (settled, _dice):
            for caller in settled.world.people:
                if not oracle.may_sign_in(caller):
                    continue
                for what, status, twins in _twins(settled, caller):
                    for kind in ("triple", "signature"):
                        seen = {_observed(settled, caller.name, kind, *twin): twin for twin in twins}
                        assert len(seen) <= 1, (caller.name, kind, what, seen)
                        assert all(observed[0] == status for observed in seen), (caller.name, kind, what, seen)
                    compared += 2 * len(twins)
                    if len(twins) > 1:
                        kinds.add(what)
    assert len(kinds) >= 20, kinds
    figure("worlds", len(worlds))
    figure("answers compared with their twins", compared)


# ── Whoever speaks with several tongues ──────────────────────────────────────────────────────────────────────────────


def test_parts_of_two_credentials_make_none(cast: Any, settings: Any) -> None:
    """Every way to mix the credentials of two agents: the answer is one's, all of whose parts were sent, or 401."""
    who = {"bruno": cast.bruno, "etienne": cast.etienne}
    own = {name: AbsenceFactory(agent=agent).pk for name, agent in who.items()}
    sent = {}
    for name, agent in who.items():
        token, secret = ClientToken.objects.issue(agent)
        sent[name] = {"uid": agent.email, "client": token.client, "access-token": secret}
    choices = (None, "bruno", "etienne")
    answered = set()
    for uid, client, token, bearer, signed in itertools.product(choices, repeat=5):
        parts = {"uid": uid, "client": client, "access-token": token}
        headers = {part: sent[of][part] for part, of in parts.items() if of}
        if bearer:
            document = json.dumps(sent[bearer]).encode()
            headers["Authorization"] = f"Bearer {base64.b64encode(document).decode()}"
        if signed:
            headers["X-Agent-Auth-Signature"] = signature(who[signed], SECRET)
            expected = signed if uid == signed else None  # its header closes the way to the tokens (contract 2.1)
        else:
            said = {of or bearer for of in parts.values()}
            expected = said.pop() if len(said) == 1 else None
        answer = bearing(headers).get("/api/v1/absences")
        assert answer.status_code == (200 if expected else 401), parts | {"bearer": bearer, "signature": signed}
        if expected:
            assert [absence["id"] for absence in answer.json()["absences"]] == [own[expected]]
        answered.add(expected)
    assert answered == {None, "bruno", "etienne"}


def test_the_cookie_of_the_pages_opens_nothing_by_api(cast: Any) -> None:
    chief = AgentFactory(is_staff=True, is_superuser=True, admin_of=[cast.mds])
    client = WireClient()
    client.force_login(chief)
    assert client.get("/admin/").status_code == 200
    pks = {"absences/<pk>": AbsenceFactory(agent=cast.bruno).pk, "organisations/<pk>": cast.mds.pk}
    for (verb, route), status in TURNED_AWAY.items():
        path = f"/api/v1/{route.replace('<pk>', str(pks.get(route)))}"
        assert client.generic(verb, path).status_code == status, (verb, route)


# ── The next request ─────────────────────────────────────────────────────────────────────────────────────────────────


def _role(agent: Agent, **changes: Any) -> None:
    role = agent.roles.get()
    for name, value in changes.items():
        setattr(role, name, value)
    role.save()


def _put_aside(agent: Agent) -> None:
    agent.is_active = False
    agent.save()


# What changes: who asks, whose absence, what it answers to them before and after, and the change.
RIGHTS_THAT_CHANGE: dict[str, tuple[str, str, int, int, Callable[[Any], object]]] = {
    "a role is withdrawn": ("martine", "bruno", 200, 403, lambda cast: cast.martine.roles.all().delete()),
    "a role is given": (
        "etienne",
        "bruno",
        403,
        200,
        lambda cast: AgentRole.objects.create(agent=cast.etienne, organisation=cast.mds),
    ),
    "an admin becomes a basic agent": (
        "martine",
        "chloe",
        200,
        403,
        lambda cast: _role(cast.martine, access_level="basic"),
    ),
    "a basic agent becomes an admin": (
        "bruno",
        "chloe",
        403,
        200,
        lambda cast: _role(cast.bruno, access_level="admin"),
    ),
    "a basic agent becomes an intervenant": (
        "bruno",
        "bruno",
        200,
        403,
        lambda cast: _role(cast.bruno, access_level="intervenant"),
    ),
    "a role moves to another place": (
        "martine",
        "bruno",
        200,
        403,
        lambda cast: _role(cast.martine, organisation=cast.lille),
    ),
    "one moves to another service": ("bruno", "martine", 200, 403, lambda cast: cast.bruno.services.set([cast.social])),
    "one joins a service": ("bruno", "chloe", 403, 200, lambda cast: cast.bruno.services.add(cast.social)),
    "one leaves the secretariat": ("sophie", "bruno", 200, 403, lambda cast: cast.sophie.services.clear()),
    "a service is no secretariat any more": (
        "sophie",
        "bruno",
        200,
        403,
        lambda cast: type(cast.secretariat).objects.update(secretariat=False),
    ),
    "a territory is withdrawn": (
        "thierry",
        "bruno",
        200,
        403,
        lambda cast: cast.thierry.territorial_roles.all().delete(),
    ),
    "a territory is given": (
        "etienne",
        "bruno",
        403,
        200,
        lambda cast: AgentTerritorialRole.objects.create(agent=cast.etienne, territory=cast.paris),
    ),
    "an organisation moves to another territory": (
        "thierry",
        "bruno",
        200,
        403,
        lambda cast: type(cast.mds).objects.filter(pk=cast.mds.pk).update(territory=cast.nord),
    ),
    "an organisation is closed": ("martine", "bruno", 200, 403, lambda cast: cast.mds.delete()),
    "a service is closed": ("bruno", "martine", 200, 403, lambda cast: cast.pmi.delete()),
    "the other moves away": ("martine", "bruno", 200, 403, lambda cast: _role(cast.bruno, organisation=cast.lille)),
    "the other comes": ("martine", "etienne", 403, 200, lambda cast: _role(cast.etienne, organisation=cast.mds)),
    "the other leaves for good": ("martine", "bruno", 200, 404, lambda cast: cast.bruno.leave()),
    "the other is put aside": ("martine", "bruno", 200, 200, lambda cast: _put_aside(cast.bruno)),
    "one is put aside": ("martine", "bruno", 200, 401, lambda cast: _put_aside(cast.martine)),
    "one leaves for good": ("martine", "bruno", 200, 401, lambda cast: cast.martine.leave()),
    "one is deleted altogether": ("martine", "bruno", 200, 401, lambda cast: cast.martine.delete()),
    "one's email changes": (
        "martine",
        "bruno",
        200,
        401,
        lambda cast: Agent.objects.filter(pk=cast.martine.pk).update(email="autre@exemple.test"),
    ),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("what", RIGHTS_THAT_CHANGE)
def test_a_right_that_changes_counts_at_the_next_request(what: str, kind: str, cast: Any) -> None:
    who, whose, before, after, change = RIGHTS_THAT_CHANGE[what]
    if kind in ("key", "jwt") and what == "one's email changes":
        after = 200  # it is theirs by whatever name
    client = credentials(getattr(cast, who))[kind]
    path = f"/api/v1/absences/{AbsenceFactory(agent=getattr(cast, whose)).pk}"
    assert client.get(path).status_code == client.patch(path, {"title": "Avant"}).status_code == before
    change(cast)
    assert client.get(path).status_code == client.patch(path, {"title": "Après"}).status_code == after
    assert client.delete(path).status_code == (204 if after == 200 else after)


NEW_PASSWORD = "Rendez-vous 2027 !"


def _by_api(martine: Agent, chief: Client) -> None:
    sent = {"password": NEW_PASSWORD, "password_confirmation": NEW_PASSWORD}
    assert credentials(martine)["triple"].put("/api/v1/auth/password", sent).status_code == 200


def _by_mail(martine: Agent, chief: Client) -> None:
    """Through the link of a mail, with the triple that it gives."""
    WireClient().post("/api/v1/auth/password", {"email": martine.email, "redirect_url": "http://testserver/"})
    link = re.search(r"http://testserver/api/\S+", str(mail.outbox[-1].body))
    assert link
    query = parse_qs(urlsplit(WireClient().get(link[0])["Location"]).query)
    client = bearing({name: query[name][0] for name in ("access-token", "client", "uid")})
    sent = {"password": NEW_PASSWORD, "password_confirmation": NEW_PASSWORD}
    assert client.put("/api/v1/auth/password", sent).status_code == 200


def _on_the_pages(martine: Agent, chief: Client) -> None:
    sent = {"usable_password": "true", "password1": NEW_PASSWORD, "password2": NEW_PASSWORD}
    assert chief.post(f"/admin/agents/agent/{martine.pk}/password/", sent).status_code == 302


def _on_one_s_own_page(martine: Agent, chief: Client) -> None:
    own = Client()
    own.force_login(martine)
    sent = {"old_password": PASSWORD, "new_password1": NEW_PASSWORD, "new_password2": NEW_PASSWORD}
    assert own.post("/admin/password_change/", sent).status_code == 302


def _by_command(martine: Agent, chief: Client) -> None:
    with mock.patch("django.contrib.auth.management.commands.changepassword.Command._get_pass") as typed:
        typed.return_value = NEW_PASSWORD
        call_command("changepassword", martine.email, stdout=io.StringIO())


@pytest.mark.parametrize("change", [_by_api, _by_mail, _on_the_pages, _on_one_s_own_page, _by_command])
def test_a_password_that_changes_counts_at_the_next_request(change: Callable[[Agent, Client], None], cast: Any) -> None:
    """What was opened with the former password is closed. A partner application vouches without one (contract 2.7), and
    a key does not rest on it.
    """
    martine = AgentFactory(email="chef@exemple.test", is_staff=True, admin_of=[cast.mds])
    chief, page = Client(), Client()
    chief.force_login(AgentFactory(is_staff=True, is_superuser=True))
    page.force_login(martine)
    clients = credentials(martine)
    assert page.get("/admin/").status_code == 200
    assert {kind: client.get("/api/v1/me").status_code for kind, client in clients.items()} == dict.fromkeys(KINDS, 200)
    change(martine, chief)
    assert page.get("/admin/").status_code == 302
    assert {kind: client.get("/api/v1/me").status_code for kind, client in clients.items()} == {
        "triple": 401,
        "bearer": 401,
        "signature": 200,
        "key": 200,
        "jwt": 401,
    }
    for password, status in ((PASSWORD, 401), (NEW_PASSWORD, 200)):
        sent = {"email": martine.email, "password": password}
        assert WireClient().post("/api/v1/auth/sign_in", sent).status_code == status


def test_a_signature_dies_with_the_names_that_it_signs(cast: Any) -> None:
    client = credentials(cast.martine)["signature"]
    assert client.get("/api/v1/me").status_code == 200
    Agent.objects.filter(pk=cast.martine.pk).update(last_name="AUTRE")
    assert client.get("/api/v1/me").status_code == 401


def test_a_shared_secret_that_changes_ends_every_signature(cast: Any, settings: Any) -> None:
    client = credentials(cast.martine)["signature"]
    assert client.get("/api/v1/me").status_code == 200
    settings.RDV_SHARED_SECRET = "une autre"
    assert client.get("/api/v1/me").status_code == 401
