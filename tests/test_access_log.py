"""RDV_ACCESS_LOG=json: one line of JSON for each request, which tells nothing that was sent (row O6)."""

from __future__ import annotations

import io
import json
import logging
import uuid
from typing import Any

import pytest

from agents.models import AccessKey, ApiAccount, Grant
from agents.views.sessions import Me
from rdv import VERSION
from rdv.api.errors import Busy
from rdv.api.observed import route_of
from rdv.reports import JsonLine
from tests.factories import PASSWORD, AbsenceFactory

from .observing import by, door_of_a_server

ABSENCES = "/api/v1/absences"
KEYS = [
    "time",
    "level",
    "logger",
    "request_id",
    "agent_id",
    "account_id",
    "acts_for",
    "credential",
    "method",
    "route",
    "status",
    "refused",
    "ms",
    "wait_ms",
    "queries",
    "database_ms",
    "bytes",
    "version",
]


class Written:
    """What the access log wrote, as the server's own handler writes it."""

    def __init__(self) -> None:
        self.handler = logging.StreamHandler(io.StringIO())
        self.handler.setFormatter(JsonLine())

    @property
    def text(self) -> str:
        return self.handler.stream.getvalue()

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.text.splitlines()]


@pytest.fixture
def written():
    logger, written = logging.getLogger("rdv.access"), Written()
    logger.addHandler(written.handler)
    yield written
    logger.removeHandler(written.handler)


@pytest.fixture
def door(db, settings):
    settings.RDV_ACCESS_LOG = True
    with door_of_a_server() as door:
        yield door


@pytest.fixture
def martine(cast, sign_in):
    return by(sign_in(cast.martine))


def test_nothing_is_written_unless_it_is_asked_for(db, settings, written, martine):
    assert settings.RDV_ACCESS_LOG is False
    with door_of_a_server() as door:
        assert door.application is door.handler
        assert door.ask("GET", ABSENCES, **martine)[0] == 200
    assert written.text == ""


def test_a_request_is_one_line(cast, door, martine, written):
    AbsenceFactory.create_batch(3, agent=cast.bruno)
    request_id = str(uuid.uuid4())
    door.ask("GET", ABSENCES, **martine)
    status, _headers, body = door.ask("GET", f"{ABSENCES}?per=2", HTTP_X_REQUEST_ID=request_id, **martine)
    assert status == 200
    line = written.lines[-1]
    assert len(written.lines) == 2
    assert list(line) == KEYS
    assert line["request_id"] == request_id
    assert (line["agent_id"], line["account_id"], line["acts_for"]) == (cast.martine.pk, None, None)
    assert (line["credential"], line["method"], line["route"]) == ("token", "GET", ABSENCES)
    assert (line["status"], line["bytes"], line["queries"]) == (200, len(body), 3)
    assert 0 < line["database_ms"] < line["ms"] < 60_000
    assert 0 <= line["wait_ms"] < line["ms"]
    assert (line["version"], line["level"], line["refused"]) == (VERSION, "INFO", None)


def test_the_route_is_the_pattern_not_the_address(door, martine, written):
    for address in (f"{ABSENCES}/12345", f"{ABSENCES}/12345.json", f"{ABSENCES}/67890/?x=1"):
        door.ask("GET", address, **martine)
    assert {line["route"] for line in written.lines} == {f"{ABSENCES}/<pk>"}


def test_an_address_that_leads_nowhere_is_not_repeated(door, written):
    door.ask("GET", "/api/v1/canari-de-l-adresse")
    assert (written.lines[0]["route"], written.lines[0]["status"]) == ("-", 404)


def test_nothing_of_what_was_sent_is_written(cast, door, martine, written):
    secret = "canari-de-l-envoi"
    typed = json.dumps({"email": cast.martine.email, "password": PASSWORD, "title": secret}).encode()
    door.ask("POST", f"/api/v1/auth/sign_in?secret={secret}", typed, HTTP_X_THING=secret)
    door.ask("POST", "/api/v1/auth/sign_in", typed.replace(PASSWORD.encode(), secret.encode()), HTTP_COOKIE=secret)
    door.ask("GET", f"{ABSENCES}/{secret}?{secret}", HTTP_USER_AGENT=secret, HTTP_X_REQUEST_ID=secret, **martine)
    door.ask(secret.upper(), ABSENCES, HTTP_AUTHORIZATION=f"Bearer {secret}")
    door.ask("GET", f"/{secret}", HTTP_REFERER=secret)
    assert [line["status"] for line in written.lines] == [200, 401, 404, 405, 404]
    for kept in (secret, secret.upper(), cast.martine.email, PASSWORD, martine["HTTP_ACCESS_TOKEN"]):
        assert kept not in written.text
    assert written.lines[3]["method"] == "OTHER"


def test_whoever_is_not_known_is_nobody(door, written):
    door.ask("GET", ABSENCES, HTTP_AUTHORIZATION="Bearer nobody")
    line = written.lines[0]
    assert (line["status"], line["agent_id"], line["account_id"], line["credential"]) == (401, None, None, None)


def test_an_account_is_told_from_an_agent_and_from_whom_it_acts_for(cast, door, written):
    account = ApiAccount.objects.create(name="Logiciel")
    Grant.objects.create(account=account, agent=cast.martine)
    _key, secret = AccessKey.make(account, name="clef")
    door.ask("GET", "/api/v1/me", HTTP_AUTHORIZATION=f"Bearer {secret}", HTTP_X_RDV_ACT_FOR=str(cast.martine.pk))
    line = written.lines[0]
    assert (line["status"], line["account_id"], line["agent_id"]) == (200, account.pk, None)
    assert (line["acts_for"], line["credential"]) == (cast.martine.pk, "account_token")


def test_a_page_and_a_static_file_too(door, written):
    door.ask("GET", "/connexion")
    door.ask("GET", "/static/rdv/account.css")
    door.ask("GET", "/admin/agents/agent/12345/change/")
    routes = [line["route"] for line in written.lines]
    assert routes == ["/connexion", "/static/", "/admin/agents/agent/<object_id>/change/"]
    assert written.lines[1]["bytes"] > 0


def test_a_failure_of_ours_is_a_line_too(door, martine, written, monkeypatch):
    def fail(self, request):
        raise RuntimeError("a bug")

    monkeypatch.setattr(Me, "get", fail)
    door.ask("GET", "/api/v1/me", **martine)
    assert (written.lines[0]["status"], written.lines[0]["route"]) == (500, "/api/v1/me")


def test_a_refusal_at_the_door_is_told_with_its_reason(door, martine, written, monkeypatch):
    def full(*, returning=False):
        raise Busy

    monkeypatch.setattr(door.handler.turns, "_take", full)
    status, headers, _body = door.ask("GET", ABSENCES, **martine)
    line = written.lines[0]
    assert status == line["status"] == 503
    assert (line["refused"], line["route"], line["queries"]) == ("service_unavailable", "-", 0)
    assert line["request_id"] == headers["X-Request-Id"]


def test_a_head_sends_no_byte(door, martine, written):
    door.ask("HEAD", ABSENCES, **martine)
    assert (written.lines[0]["method"], written.lines[0]["bytes"]) == ("HEAD", 0)


@pytest.mark.parametrize(
    ("pattern", "route"),
    [
        (r"api/v1/^absences/(?P<pk>[^/]+?)(?:\.json)?/?\Z", "/api/v1/absences/<pk>"),
        (r"^api/(?:(?:1|latest)/)?absences/(?P<pk>[^/]+?)(?:\.json)?/?\Z", "/api/absences/<pk>"),
        ("admin/agents/agent/<path:object_id>/change/", "/admin/agents/agent/<object_id>/change/"),
        (r"admin/(?P<url>.*)$", "/admin/<url>"),
        (r"^(?P<when>(\d+)-(\d+))/end$", "/<when>/end"),
        ("", "/"),
    ],
)
def test_patterns_are_written_as_one_reads_them(pattern, route):
    assert route_of(pattern) == route


# The other lines, with RDV_LOG_FORMAT=json.


def line_of(**record: Any) -> dict[str, Any]:
    made = logging.makeLogRecord({"name": "rdv", "levelname": "ERROR", "correlation_id": "7", **record})
    text = JsonLine().format(made)
    assert "\n" not in text
    return dict(json.loads(text))


def test_another_line_has_its_sentence():
    line = line_of(msg="Not ready: %s", args=("cache",))
    assert list(line) == ["time", "level", "logger", "request_id", "message"]
    assert (line["message"], line["request_id"], line["level"]) == ("Not ready: cache", "7", "ERROR")


def test_and_its_failure_without_the_row():
    planted = "of a value" + "\nDETAIL:  Failing row contains (" + "cana" + "ri)."  # in one piece in no line of source
    try:
        raise ValueError(planted)
    except ValueError as error:
        line = line_of(msg="Unhandled", exc_info=(type(error), error, error.__traceback__))
    assert "ValueError: of a value" in line["failure"]
    assert "canari" not in line["failure"]
    assert "DETAIL: (left out)" in line["failure"]
