"""One request to a receiver of any kind: what came of it, within ten seconds and few bytes."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from webhooks.sending import KEPT_OF_ANSWER, Outcome, Sender

from .receiver import Behaviour, Receiver, answers, silence, writes

pytestmark = pytest.mark.no_database

OK = b"HTTP/1.1 200 OK\r\n"


def post(receiver: Receiver, times: int = 1, patience: float = 10, url: str = "") -> Outcome:
    async def all_of_them() -> Outcome:
        async with Sender(patience=patience) as sender:
            for _ in range(times):
                outcome = await sender.post(url or receiver.url, b'{"a":1}', {"X-Lapin-Signature": "abc"})
            return outcome

    return asyncio.run(all_of_them())


def test_a_receiver_gets_the_very_bytes(receiver: Receiver) -> None:
    outcome = post(receiver)
    assert (outcome.status, outcome.error, outcome.answer) == (204, "", "")
    (request,) = receiver.requests
    assert request.body == b'{"a":1}'
    assert request.headers["content-type"] == "application/json; charset=utf-8"
    assert request.headers["host"] == f"127.0.0.1:{receiver.port}"
    assert request.headers["x-lapin-signature"] == "abc"
    assert request.headers["user-agent"].startswith("RDV/")


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_any_2xx_is_a_success(receiver: Receiver, status: int) -> None:
    receiver.does = answers(status)
    assert post(receiver).succeeded


@pytest.mark.parametrize("status", [400, 401, 404, 410, 422, 429, 500, 503])
def test_nothing_else_is(receiver: Receiver, status: int) -> None:
    receiver.does = answers(status, b"pas ici")
    outcome = post(receiver)
    assert (outcome.status, outcome.error, outcome.answer) == (status, "status", "pas ici")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_a_failure_and_is_not_followed(receiver: Receiver, status: int) -> None:
    with Receiver() as elsewhere:
        receiver.does = answers(status, Location=elsewhere.url)
        outcome = post(receiver)
        assert (outcome.status, outcome.error) == (status, "redirect")
        assert elsewhere.requests == []


def test_connections_are_used_again(receiver: Receiver) -> None:
    post(receiver, times=5)
    assert len({request.connection for request in receiver.requests}) == 1


def test_cookies_are_not_kept(receiver: Receiver) -> None:
    receiver.does = answers(200, Set_Cookie="a=b")
    post(receiver, times=2)
    assert all("cookie" not in request.headers for request in receiver.requests)


@pytest.mark.parametrize(
    ("does", "error"),
    [
        (silence, "timeout"),
        (writes(b"H", b"T", *[b"T"] * 400, every=0.05), "timeout"),  # a drip, within the time between two reads
        (writes(OK + b"Content-Length: 1000\r\n\r\n", *[b"."] * 400, every=0.05), "timeout"),
        (writes(*[b"HTTP/1.1 100 Continue\r\n\r\n"], every=0.01, endlessly=True), "timeout"),
        (writes(OK, b"X-A: " + b"a" * 1000 + b"\r\n", endlessly=True), "protocol"),
        (writes(b"bonjour\r\n\r\n"), "protocol"),
        (writes(b"\x16\x03\x01\x00\x00"), "protocol"),
        (writes(b"HTTP/1.1 quatre OK\r\n\r\n"), "protocol"),
        (writes(OK + b"Content-Length: -1\r\n\r\n"), "protocol"),
        (writes(OK + b"Content-Length: 100\r\n\r\n", b"trop court"), "protocol"),
        (writes(OK + b"Transfer-Encoding: chunked\r\n\r\nzut\r\n"), "protocol"),
        (writes(b""), "protocol"),
    ],
)
def test_an_answer_that_is_none_is_a_failure(receiver: Receiver, does: Behaviour, error: str) -> None:
    receiver.does = does
    start = time.monotonic()
    outcome = post(receiver, patience=0.5 if error == "timeout" else 10)
    assert outcome.error == error
    assert outcome.status is None
    assert time.monotonic() - start < 10


def test_of_an_endless_answer_little_is_read(receiver: Receiver) -> None:
    receiver.does = writes(OK + b"Content-Length: 100000000000\r\n\r\n", b"a" * 65536, endlessly=True)
    outcome = post(receiver, patience=5)
    assert outcome.succeeded
    assert len(outcome.answer) == KEPT_OF_ANSWER
    assert outcome.seconds < 4


def test_an_answer_is_kept_as_text_that_a_database_takes(receiver: Receiver) -> None:
    receiver.does = answers(500, b"\0\xff\xc3" + b"a" * 100000)
    assert post(receiver).answer.startswith("\ufffd\ufffd\ufffda")


def test_nobody_listens(receiver: Receiver) -> None:
    with Receiver() as other:
        gone = other.url
    assert post(receiver, url=gone).error == "connection"


def test_when_to_come_back_is_heard(receiver: Receiver) -> None:
    receiver.does = answers(503, Retry_After="120")
    assert post(receiver).retry_after == "120"


def test_a_receiver_without_tls_where_tls_is_asked_for(receiver: Receiver) -> None:
    assert post(receiver, url=receiver.url.replace("http", "https")).error == "tls"


def test_a_proxy_of_the_environment_is_not_asked(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert post(receiver).succeeded


def test_an_outcome_holds_no_more_than_is_kept(receiver: Receiver) -> None:
    receiver.does = answers(503, b"", Retry_After="9" * 500)
    outcome: Any = post(receiver)
    assert len(outcome.retry_after) == 64
