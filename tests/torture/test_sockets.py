"""Bytes that are no good HTTP, and clients that do not behave, against the real server: what comes back, in what time,
and that the next request is served as if nothing had been.

What granian (hyper) cannot read as HTTP it answers itself, below the application: an empty 400, 414 or 431, and the
connection is closed. Everything else has the shape of the contract.
"""

from __future__ import annotations

import json
import re
import socket
import struct
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import pytest
import requests

from tests.server import Server
from tests.server import server as server

pytestmark = [pytest.mark.live, pytest.mark.any_database]

SOON = 30.0  # seconds: what is answered at once, on a machine that is busy
PASSWORD = "Rendez-vous 2026 !"
PEOPLE = f"""
import datetime
from absences.models import Absence
from agents.models import Agent, AgentRole, Organisation, Territory
mds = Organisation.objects.create(name="MDS", territory=Territory.objects.create(name="Paris"))
martine = Agent.objects.create_user("martine@exemple.test", {PASSWORD!r})
AgentRole.objects.create(agent=martine, organisation=mds, access_level="admin")
days = [datetime.date(2026, 12, 1) + datetime.timedelta(days=number) for number in range(100)]
Absence.objects.bulk_create(
    Absence(agent=martine, title="Congés", first_day=day, end_day=day, start_time="09:00", end_time="12:00")
    for day in days
)
"""


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes


class Said(NamedTuple):
    """What came back until the server closed the connection, and in what time."""

    answers: list[Answer]
    took: float


def address_of(server: Server) -> tuple[str, int]:
    parts = urlsplit(server.address)
    assert parts.hostname
    assert parts.port
    return parts.hostname, parts.port


def connected(server: Server) -> socket.socket:
    return socket.create_connection(address_of(server), SOON)


def heard(connection: socket.socket) -> bytes:
    """Everything until the server closes; that it does not is a failure."""
    whole = b""
    with suppress(ConnectionResetError):  # closed while we still sent
        while part := connection.recv(65536):
            whole += part
    return whole


def parsed(whole: bytes) -> list[Answer]:
    answers = []
    while whole:
        head, _empty, whole = whole.partition(b"\r\n\r\n")
        line, *fields = head.decode("latin-1").split("\r\n")
        match = re.fullmatch(r"HTTP/1\.[01] (\d{3})( .*)?", line)
        assert match, line
        headers = {name.lower(): value for name, _colon, value in (field.partition(": ") for field in fields)}
        length = int(headers.get("content-length", 0))
        answers.append(Answer(int(match[1]), headers, whole[:length]))
        assert len(answers[-1].body) == length
        whole = whole[length:]
    return answers


def say(server: Server, *sent: bytes, done: bool = False) -> Said:
    """Sends that on a connection of its own, and listens until the server closes it. `done`: no more comes."""
    began = time.monotonic()
    with connected(server) as connection:
        with suppress(OSError):  # refused, and closed, before all was sent
            for part in sent:
                connection.sendall(part)
            if done:
                connection.shutdown(socket.SHUT_WR)
        return Said(parsed(heard(connection)), time.monotonic() - began)


@pytest.fixture(scope="module")
def martine(server: Server) -> bytes:
    """Her credential, as lines of headers."""
    server.manage("shell", "--no-imports", "-c", PEOPLE)
    pair = {"email": "martine@exemple.test", "password": PASSWORD}
    answer = requests.post(f"{server.address}/api/v1/auth/sign_in", json=pair, timeout=SOON)
    assert answer.status_code == 200, answer.text
    return b"".join(f"{name}: {answer.headers[name]}\r\n".encode() for name in ("access-token", "client", "uid"))


def absences(server: Server, martine: bytes) -> int:
    (answer,) = say(server, b"GET /api/v1/absences HTTP/1.1\r\n", HOST, martine, CLOSE, b"\r\n").answers
    assert answer.status == 200
    return int(json.loads(answer.body)["meta"]["total_count"])


@pytest.fixture(autouse=True)
def _serves_on(server: Server, martine: bytes) -> Iterator[None]:
    """After each case a normal request is served, nothing was written, and the log tells of no failure."""
    before = absences(server, martine)
    yield
    assert absences(server, martine) == before
    assert not re.search(r"Traceback|panicked| ERROR ", server.log), server.log[-3000:]


HOST = b"Host: 127.0.0.1\r\n"
CLOSE = b"Connection: close\r\n"
ME = b"GET /api/v1/me HTTP/1.1\r\n"
END = b"\r\n"
POST = b"POST /api/v1/absences HTTP/1.1\r\n" + HOST
JSON = b"Content-Type: application/json\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"
TLS_HELLO = bytes.fromhex("160301010001 0000fc0303".replace(" ", "")) + bytes(range(240))

# Refused below the application.
NO_HTTP = {
    "HTTP/0.9": b"GET /api/v1/me\r\n\r\n",
    "TLS": TLS_HELLO,
    "every byte": bytes(range(256)),
    "NUL": b"\0" * 100,
    "bare CR": b"GET /api/v1/me HTTP/1.1\rHost: 127.0.0.1\r\r",
    "HTTP/1.2": b"GET /api/v1/me HTTP/1.2\r\n" + HOST + END,
    "HTTP/9.9": b"GET /api/v1/me HTTP/9.9\r\n" + HOST + END,
    "method that is no token": b"GE@T /api/v1/me HTTP/1.1\r\n" + HOST + END,
    "space in the path": b"GET /api/v1/ me HTTP/1.1\r\n" + HOST + END,
    "Latin-1 in the path": b"GET /api/v1/\xe9 HTTP/1.1\r\n" + HOST + END,
    "Latin-1 in the query": b"GET /api/v1/me?a=\xe9 HTTP/1.1\r\n" + HOST + END,
    "signs that no path has": b'GET /api/v1/"<> HTTP/1.1\r\n' + HOST + END,
    "folded header": ME + HOST + b"X-A: b\r\n c\r\n" + END,
    "space before the colon": ME + HOST + b"X-A : b\r\n" + END,
    "space before the first header": b"GET /api/v1/me HTTP/1.1\r\n X-A: b\r\n" + HOST + END,
    "header without colon": ME + HOST + b"nonsense\r\n" + END,
    "header without name": ME + HOST + b": b\r\n" + END,
    "NUL in a header": ME + HOST + b"X-A: a\0b\r\n" + END,
    "control character in a header": ME + HOST + b"X-A: a\x01b\r\n" + END,
    "length that is no number": POST + b"Content-Length: abc\r\n" + END,
    "negative length": POST + b"Content-Length: -1\r\n" + END,
    "length with a sign": POST + b"Content-Length: +2\r\n" + END + b"{}",
    "hexadecimal length": POST + b"Content-Length: 0x2\r\n" + END + b"{}",
    "empty length": POST + b"Content-Length: \r\n" + END,
    "length beyond 64 bits": POST + b"Content-Length: 99999999999999999999999\r\n" + END,
    "list of equal lengths": POST + b"Content-Length: 2, 2\r\n" + END + b"{}",
    "two lengths": POST + b"Content-Length: 2\r\nContent-Length: 3\r\n" + END + b"{}",
    "chunked in HTTP/1.0": POST.replace(b"1.1", b"1.0") + CHUNKED + END + b"2\r\n{}\r\n0\r\n\r\n",
    "identity": POST + b"Transfer-Encoding: identity\r\n" + END + b"{}",
    "not chunked in the end": POST + b"Transfer-Encoding: chunked, gzip\r\n" + END + b"2\r\n{}\r\n0\r\n\r\n",
    "nearly chunked": POST + b"Transfer-Encoding: xchunked\r\n" + END + b"2\r\n{}\r\n0\r\n\r\n",
}


@pytest.mark.parametrize("case", NO_HTTP)
def test_what_is_no_http_gets_an_empty_400(server: Server, case: str) -> None:
    (answer,) = say(server, NO_HTTP[case]).answers
    assert (answer.status, answer.body, answer.headers["connection"]) == (400, b"", "close")


TOO_MUCH = {
    "an address of 70 kB": (414, b"GET /api/v1/" + b"a" * 70_000 + b" HTTP/1.1\r\n" + HOST + END),
    "a request line of 1 MB": (431, b"GET /api/v1/" + b"a" * 1_000_000 + b" HTTP/1.1\r\n" + HOST + END),
    "a method of 1 MB": (431, b"A" * 1_000_000 + b" /api/v1/me HTTP/1.1\r\n" + HOST + END),
    "a header of 1 MB": (431, ME + HOST + b"X-A: " + b"a" * 1_000_000 + b"\r\n" + END),
    "a name of 1 MB": (431, ME + HOST + b"a" * 1_000_000 + b": b\r\n" + END),
    "101 headers": (431, ME + HOST + b"".join(b"X-%d: a\r\n" % number for number in range(100)) + END),
    "10,000 headers": (431, ME + HOST + b"".join(b"X-%d: a\r\n" % number for number in range(10_000)) + END),
}


@pytest.mark.parametrize("case", TOO_MUCH)
def test_too_much_before_the_body_is_refused_with_an_empty_answer(server: Server, case: str) -> None:
    status, sent = TOO_MUCH[case]
    (answer,) = say(server, sent).answers
    assert (answer.status, answer.body) == (status, b"")


def test_http_2_is_not_spoken(server: Server) -> None:
    assert say(server, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0").answers == []


# Odd, but HTTP: the application's own answer.
ODD = {
    "HTTP/1.0": (401, b"GET /api/v1/me HTTP/1.0\r\n" + HOST + END),
    "HTTP/1.0 without host": (400, b"GET /api/v1/me HTTP/1.0\r\n" + END),
    "without host": (400, ME + CLOSE + END),
    "two hosts": (400, ME + HOST + b"Host: ailleurs.test\r\n" + CLOSE + END),
    "a host that is no ASCII": (400, ME + b"Host: \xe9\r\n" + CLOSE + END),
    "lines before the request": (401, b"\r\n\r\n" + ME + HOST + CLOSE + END),
    "bare LF": (401, (ME + HOST + CLOSE + END).replace(b"\r\n", b"\n")),
    "a path in UTF-8": (404, "GET /api/v1/é HTTP/1.1\r\n".encode() + HOST + CLOSE + END),
    "escapes that are none": (404, b"GET /api/v1/%zz%2 HTTP/1.1\r\n" + HOST + CLOSE + END),
    "an address with a fragment": (401, b"GET /api/v1/me#x HTTP/1.1\r\n" + HOST + CLOSE + END),
    "an absolute address": (401, b"GET http://127.0.0.1/api/v1/me HTTP/1.1\r\n" + HOST + CLOSE + END),
    "an absolute address elsewhere": (400, b"GET http://ailleurs.test/api/v1/me HTTP/1.1\r\n" + CLOSE + END),
    "two slashes": (404, b"GET //ailleurs.test/api/v1/me HTTP/1.1\r\n" + HOST + CLOSE + END),
    "OPTIONS *": (404, b"OPTIONS * HTTP/1.1\r\n" + HOST + CLOSE + END),
    "GET *": (404, b"GET * HTTP/1.1\r\n" + HOST + CLOSE + END),
    "CONNECT to a path": (405, b"CONNECT /api/v1/me HTTP/1.1\r\n" + HOST + CLOSE + END),
    "a method of 10 kB": (405, b"A" * 10_000 + b" /api/v1/me HTTP/1.1\r\n" + HOST + CLOSE + END),
    "a header of 300 kB": (401, ME + HOST + CLOSE + b"X-A: " + b"a" * 300_000 + b"\r\n" + END),
    "98 headers more": (401, ME + HOST + CLOSE + b"".join(b"X-%d: a\r\n" % number for number in range(98)) + END),
    "credentials in Latin-1": (401, ME + HOST + CLOSE + b"uid: \xe9\r\nclient: \xff\r\naccess-token: \xff\r\n" + END),
    "a body for GET": (401, ME + HOST + CLOSE + b"Content-Length: 2\r\n" + END + b"{}"),
    "an expectation of no kind": (401, ME + HOST + CLOSE + b"Expect: 200-ok\r\n" + END),
}


@pytest.mark.parametrize("case", ODD)
def test_what_is_odd_gets_the_contracts_answer(server: Server, case: str) -> None:
    status, sent = ODD[case]
    (answer,) = say(server, sent).answers
    assert answer.status == status
    assert json.loads(answer.body)["errors"]
    assert answer.headers["x-request-id"]


def test_connect_opens_no_tunnel(server: Server) -> None:
    (answer,) = say(server, b"CONNECT 127.0.0.1:22 HTTP/1.1\r\n", HOST, CLOSE, END).answers
    assert answer.status == 403


@pytest.mark.parametrize(
    "upgrade",
    [
        b"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
        b"Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n",
        b"Upgrade: TLS/1.0\r\n",
    ],
)
def test_no_other_protocol_is_changed_to(server: Server, upgrade: bytes) -> None:
    (answer,) = say(server, ME, HOST, b"Connection: Upgrade, close\r\n", upgrade, END).answers
    assert answer.status == 401


# Bodies. What is sent would be an absence, were it whole and the only one.

WHOLE = (
    b'{"agent_email":"martine@exemple.test","title":"a","first_day":"2026-12-10","start_time":"09:00",'
    b'"end_time":"10:00"}'
)
FORM = (
    b"agent_email=martine@exemple.test&title=a&first_day=2026-12-10&start_time=09:00&end_time=10:00&end_day=2026-12-12"
)
AS_FORM = b"Content-Type: application/x-www-form-urlencoded\r\n"
HALF = b"%x\r\n%b\r\n" % (50, WHOLE[:50])
LENGTH = b"Content-Length: %d\r\n"

BROKEN_CHUNKS = {
    "a size that is no number": b"zz\r\n",
    "a negative size": b"-2\r\n{}\r\n0\r\n\r\n",
    "a size with 0x": b"0x2\r\n{}\r\n0\r\n\r\n",
    "a size beyond 64 bits": b"ffffffffffffffffff\r\n{}",
    "no end of line after the data": b"2\r\n{}0\r\n\r\n",
    "lines that end in LF": b"2\n{}\n0\n\n",
    "extensions of 100 kB": b"2;a=" + b"b" * 100_000 + b"\r\n{}\r\n0\r\n\r\n",
    "no size": b"\r\n",
    "a request where a size should be": ME + HOST + END,
}


@pytest.mark.parametrize("first", [b"", HALF], ids=["at once", "after a good chunk"])
@pytest.mark.parametrize("case", BROKEN_CHUNKS)
def test_broken_chunks_write_nothing_and_end_the_connection(
    server: Server, martine: bytes, case: str, first: bytes
) -> None:
    (answer,) = say(server, POST, martine, JSON, CHUNKED, END, first + BROKEN_CHUNKS[case]).answers
    assert answer.status == (400 if first else 422)  # half a document is malformed, none lacks everything
    assert json.loads(answer.body)["success"] is False


@pytest.mark.parametrize("sent", [HALF, HALF + b"20\r\n" + WHOLE[50:60], b""])
def test_chunks_that_break_off_write_nothing(server: Server, martine: bytes, sent: bytes) -> None:
    (answer,) = say(server, POST, martine, JSON, CHUNKED, END, sent, done=True).answers
    assert answer.status == (400 if sent else 422)


@pytest.mark.parametrize("end", [b"", b"0\r\n\r\n", b"zz\r\n"])
def test_a_form_in_chunks_is_refused_since_nobody_sees_whether_it_is_whole(
    server: Server, martine: bytes, end: bytes
) -> None:
    chunk = b"%x\r\n%b\r\n" % (len(FORM), FORM)
    # Who has sent everything and then half closes is taken for gone: the answer may or may not come.
    (answer,) = say(server, POST, martine, AS_FORM, CHUNKED, CLOSE, END, chunk + end, done=not end).answers
    assert answer.status == 411
    assert json.loads(answer.body)["errors"] == [{"base": "length_required"}]


@pytest.mark.parametrize(("kind", "body"), [(JSON, WHOLE), (AS_FORM, FORM)])
@pytest.mark.parametrize("missing", [1, 17, 100])
def test_half_a_body_and_good_bye_writes_nothing(
    server: Server, martine: bytes, kind: bytes, body: bytes, missing: int
) -> None:
    sent = body[:-missing]
    (answer,) = say(server, POST, martine, kind, LENGTH % len(body), END, sent, done=True).answers
    assert answer.status == 400
    assert json.loads(answer.body)["error_messages"] == ["Le corps de la requête est incomplet."]


def test_half_a_form_of_an_administration_page_is_refused(server: Server) -> None:
    head = b"POST /admin/login/ HTTP/1.1\r\n" + HOST + AS_FORM + LENGTH % 100 + END
    (answer,) = say(server, head, b"username=a", done=True).answers
    assert answer.status == 400
    assert json.loads(answer.body)["error_messages"] == ["Le corps de la requête est incomplet."]


SMUGGLED = ME + HOST + END


@pytest.mark.parametrize("lengths", [LENGTH % 4 + CHUNKED, CHUNKED + LENGTH % 4], ids=["before", "after"])
def test_a_length_beside_chunks_does_not_count_and_nothing_is_smuggled(
    server: Server, martine: bytes, lengths: bytes
) -> None:
    """hyper drops the length, reads the chunks, and closes (RFC 9112 6.1): no second request is read."""
    (answer,) = say(server, POST, martine, JSON, lengths, END, b"0\r\n\r\n" + SMUGGLED).answers
    assert answer.status == 422


def test_what_follows_a_body_is_another_request(server: Server) -> None:
    first, second = say(server, POST, JSON, LENGTH % 2, END, b"{}NONSENSE\r\n\r\n").answers
    assert (first.status, second.status, second.body) == (401, 400, b"")


@pytest.mark.parametrize("expect", [b"", b"Expect: 100-continue\r\n"])
def test_a_body_that_announces_too_much_is_not_waited_for(server: Server, martine: bytes, expect: bytes) -> None:
    (answer,) = say(server, POST, martine, JSON, LENGTH % 10**12, expect, END).answers
    assert answer.status == 413


def test_a_client_that_waits_to_be_asked_for_its_body_is_asked(server: Server, martine: bytes) -> None:
    with connected(server) as client:
        client.sendall(POST + martine + JSON + LENGTH % 2 + CLOSE + b"Expect: 100-continue\r\n" + END)
        assert client.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.sendall(b"{}")
        (answer,) = parsed(heard(client))
    assert answer.status == 422


def test_trailers_are_not_headers(server: Server, martine: bytes) -> None:
    trailers = b"2\r\n{}\r\n0\r\n" + martine + b"Content-Length: 5\r\n\r\n"
    (answer,) = say(server, POST, JSON, CHUNKED, CLOSE, END, trailers).answers
    assert answer.status == 401


# Clients.


def test_pipelined_requests_are_answered_in_order(server: Server, martine: bytes) -> None:
    ids = [str(uuid.uuid4()) for _ in range(50)]
    body = json.dumps({}).encode()
    kinds = [
        ME + HOST,
        POST + martine + JSON + LENGTH % len(body),
        b"GET /api/v1/absences HTTP/1.1\r\n" + HOST + martine,
    ]
    sent = b"".join(
        kinds[number % 3] + f"X-Request-Id: {one}\r\n".encode() + END + (body if number % 3 == 1 else b"")
        for number, one in enumerate(ids)
    )
    answers = say(server, sent, ME + HOST + CLOSE + END).answers
    assert [answer.headers["x-request-id"] for answer in answers[:-1]] == ids
    assert [answer.status for answer in answers] == [*([401, 422, 200] * 17)[:50], 401]


def test_who_resets_the_connection_at_once_disturbs_nobody(server: Server, martine: bytes) -> None:
    for sent in (b"", b"GET", ME + HOST + END, POST + martine + JSON + LENGTH % len(WHOLE) + END + WHOLE[:50]) * 25:
        with connected(server) as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            if sent:
                client.sendall(sent)


@pytest.mark.parametrize("sent", [b"", b"G", ME, ME + HOST])
def test_who_leaves_before_the_end_of_the_headers_gets_no_answer(server: Server, sent: bytes) -> None:
    assert say(server, sent, done=True).answers == []


def test_a_slow_but_steady_client_is_served(server: Server) -> None:
    body = json.dumps({"email": "personne@exemple.test", "password": "x"}).encode()
    request = b"POST /api/v1/auth/sign_in HTTP/1.1\r\n" + HOST + JSON + CLOSE + LENGTH % len(body) + END + body
    (answer,) = say(server, *(request[place : place + 1] for place in range(len(request)))).answers
    assert answer.status == 401


def test_600_clients_that_dawdle_hold_nobody_up_and_are_let_go(
    server: Server, martine: bytes, at_length: Callable[[Any, Any], Any], figure: Callable[[str, Any], None]
) -> None:
    """A quarter dawdles over the headers, a quarter over the body, a quarter asks for much and reads nothing, a quarter
    was served and stays. Others are served meanwhile. Headers have 10 s, all else the patience of
    `rdv/api/connections.py`: that is waited for in a long run.
    """
    lists = b"GET /api/v1/absences HTTP/1.1\r\n" + HOST + martine + END
    dawdling = [lists * 4, ME + b"Host: 127", POST + martine + JSON + LENGTH % 1000 + END + b"{", ME + HOST + END]
    with ExitStack() as opened, ThreadPoolExecutor(1) as aside:
        clients = []
        for number in range(600):
            client = opened.enter_context(socket.socket())
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            client.settimeout(SOON)
            client.connect(address_of(server))
            client.sendall(dawdling[number // 150])
            clients.append(client)
            if number < 150 and number % 10 == 9:  # not a crowd at once: that is another promise
                say(server, ME, HOST, CLOSE, END)
        until = time.monotonic() + at_length(3, 40)
        drip = aside.submit(_drip, clients[300:350], until)
        worst = served = 0.0
        while time.monotonic() < until:
            said = say(server, ME, HOST, CLOSE, END)
            assert [answer.status for answer in said.answers] == [401]
            worst, served = max(worst, said.took), served + 1
        drip.result()
        figure("clients that dawdle", len(clients))
        figure("served meanwhile", int(served))
        figure("worst (ms)", round(1000 * worst))
        assert worst < SOON
        if at_length(False, True):
            ended = [_ended(client) for client in clients]
            figure("let go", sum(ended))
            assert all(ended)


def _drip(clients: list[socket.socket], until: float) -> None:
    """A byte each from time to time: who is never quite silent dawdles as well."""
    pause = 1.0
    while time.monotonic() + pause < until:
        time.sleep(pause)
        for client in clients:
            with suppress(OSError):  # let go
                client.send(b" ")


def _ended(client: socket.socket) -> bool:
    client.settimeout(1)
    try:
        heard(client)
    except TimeoutError:
        return False
    return True
