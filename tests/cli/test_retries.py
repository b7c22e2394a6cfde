"""What is tried again, with its key, how often and how long (rows K5, P9)."""

from __future__ import annotations

import copy
from collections.abc import Iterator

import httpx
import pytest

from rdv.api.openapi import document
from rdv_cli.client import PATIENCE, TRIES

pytestmark = pytest.mark.no_database

NEW = ("absences", "create", "--title", "RTT")
BUSY = {"success": False, "errors": [{"base": "service_unavailable"}], "error_messages": ["Busy."]}
AWAY = {"success": False, "errors": [{"base": "database_unavailable"}], "error_messages": ["Away."]}
RUNNING = {"success": False, "errors": [{"base": "idempotency_in_progress"}], "error_messages": ["Running."]}
FINE = httpx.Response(200, json={"absence": {"id": 1}})


def refused() -> httpx.ConnectError:
    error = httpx.ConnectError("refused")
    error.__cause__ = ConnectionRefusedError()
    return error


def lost() -> httpx.RemoteProtocolError:
    return httpx.RemoteProtocolError("Server disconnected")


def keyed(known: bool):
    """The description of a server that knows Idempotency-Key, or does not."""
    changed = copy.deepcopy(document("en"))
    for path in changed["paths"].values():
        for method, operation in path.items():
            parameters = [one for one in operation["parameters"] if one["name"] != "Idempotency-Key"]
            if known and method != "get":
                parameters.append({"name": "Idempotency-Key", "in": "header", "schema": {"type": "string"}})
            operation["parameters"] = parameters
    return changed


@pytest.fixture
def after(desk):
    """The server does these, one after another, then answers."""

    def plan(*events: object) -> None:
        coming: Iterator[object] = iter([*events, *[FINE] * 10])

        def answer(request: httpx.Request) -> httpx.Response:
            event = next(coming)
            if isinstance(event, Exception):
                raise event
            assert isinstance(event, httpx.Response)
            return httpx.Response(event.status_code, content=event.content, headers=event.headers)

        desk.answer = answer

    desk.described = keyed(known=True)
    return plan


def keys(desk) -> list[str]:
    return [request.headers["idempotency-key"] for request in desk.requests]


@pytest.mark.parametrize(
    "event",
    [
        refused(),
        lost(),
        httpx.ReadTimeout("slow"),
        httpx.Response(429, json={"errors": ["Wait."]}, headers={"Retry-After": "2"}),
        httpx.Response(503, json=BUSY, headers={"Retry-After": "2"}),
        httpx.Response(503, json=AWAY, headers={"Retry-After": "2"}),
        httpx.Response(502),
        httpx.Response(409, json=RUNNING, headers={"Retry-After": "1"}),
    ],
    ids=["refused", "lost", "timeout", "429", "busy", "database", "proxy", "in progress"],
)
def test_a_write_is_sent_again_with_its_own_key(desk, after, event):
    after(event, event)
    ran = desk(*NEW)
    assert ran.code == 0, ran.err
    assert len(desk.requests) == 3
    assert len(set(keys(desk))) == 1
    assert len({request.content for request in desk.requests}) == 1
    assert len(desk.slept) == 2
    assert "next try in" in ran.err
    desk(*NEW)
    assert len(set(keys(desk))) == 2


def test_the_wait_is_the_one_that_the_server_asks_for(desk, after):
    after(httpx.Response(503, json=BUSY, headers={"Retry-After": "7"}))
    desk(*NEW)
    assert desk.slept == [7.0]


def test_tries_are_counted(desk, after):
    after(*[refused()] * 10)
    ran = desk("me", "show")
    assert ran.code == 8
    assert len(desk.requests) == TRIES
    assert desk.slept == [0.5, 1, 2, 4]


def test_patience_ends(desk, after):
    after(httpx.Response(429, json={"errors": ["Wait."]}, headers={"Retry-After": "900"}))
    ran = desk("me", "show")
    assert ran.code == 8
    assert desk.slept == []
    assert "To be sent again after 900 s." in ran.err
    after(*[httpx.Response(503, json=BUSY, headers={"Retry-After": "25"})] * 9)
    desk("me", "show")
    assert sum(desk.slept) <= PATIENCE


@pytest.mark.parametrize(
    "event", [lost(), httpx.Response(503, json=AWAY, headers={"Retry-After": "1"}), httpx.Response(502)]
)
def test_a_write_whose_fate_is_unknown_is_not_repeated_where_keys_are_unknown(desk, after, event):
    desk.described = keyed(known=False)
    after(event)
    assert desk(*NEW).code == 8
    assert len(desk.requests) == 1


@pytest.mark.parametrize("event", [refused(), httpx.Response(503, json=BUSY, headers={"Retry-After": "1"})])
def test_one_that_did_nothing_is_repeated_there_too(desk, after, event):
    desk.described = keyed(known=False)
    after(event)
    assert desk(*NEW).code == 0
    assert len(desk.requests) == 2


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 412, 422, 500])
def test_an_answer_is_an_answer(desk, after, status):
    after(*[httpx.Response(status, json={"errors": ["No."]})] * 3)
    desk(*NEW)
    assert len(desk.requests) == 1


def test_who_gives_up_is_told_the_key_to_go_on_with(desk, after):
    after(*[lost()] * 10)
    ran = desk(*NEW)
    assert ran.code == 8
    (key,) = set(keys(desk))
    assert f"--idempotency-key {key} will not do it twice" in ran.err
    after()
    desk(*NEW, "--idempotency-key", key)
    assert keys(desk)[-1] == key


def test_reads_carry_no_key(desk, after):
    after()
    desk("me", "show")
    assert "idempotency-key" not in desk.requests[-1].headers


def test_a_name_that_does_not_exist_is_asked_for_once(desk, after):
    error = httpx.ConnectError("Name or service not known")
    error.__cause__ = __import__("socket").gaierror(-2, "Name or service not known")
    after(error)
    ran = desk("me", "show")
    assert (ran.code, len(desk.requests)) == (8, 1)
    assert "there is no such name" in ran.err
