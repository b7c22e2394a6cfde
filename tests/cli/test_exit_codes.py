"""Exit codes, and errors in the server's own sentences (row K5)."""

from __future__ import annotations

from pathlib import Path

import click
import httpx
import pytest

from rdv_cli import failures
from rdv_cli.main import main

from .conftest import ADDRESS, OURS

pytestmark = pytest.mark.no_database

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("status", "code"),
    [
        *[(status, 1) for status in (400, 405, 413, 415)],
        *[(401, 3), (403, 4), (404, 5), (422, 6)],
        *[(status, 7) for status in (409, 412, 428)],
        *[(status, 8) for status in (429, 500, 503)],
    ],
)
def test_each_status_has_its_exit_code(desk, status, code):
    desk.answer = lambda request: httpx.Response(status, json={"success": False, "errors": ["No."]})
    ran = desk("absences", "delete", "1")
    assert (ran.code, ran.out) == (code, "")
    assert f"rdv: No. ({status}" in ran.err
    assert f"Request {OURS['X-Request-Id']}" in ran.err


def test_the_manual_and_the_docs_list_the_exit_codes():
    page = (ROOT / "docs" / "cli.md").read_text()
    for code in failures.exit_codes():
        assert f"| {code} |" in page


def test_problems_are_told_field_by_field(desk):
    desk.answer = lambda request: httpx.Response(
        422,
        json={
            "title": "Some values will not do",
            "status": 422,
            "detail": "title must be filled; end_time is before start_time",
            "code": "invalid_parameters",
            "errors": [
                {"pointer": "#/title", "code": "blank", "detail": "title must be filled"},
                {"pointer": "#/end_time", "code": "x", "detail": "must come later"},
                {"pointer": "#", "code": "x", "detail": "on the whole"},
            ],
        },
        headers={"Content-Type": "application/problem+json"},
    )
    ran = desk("absences", "create")
    assert ran.code == 6
    assert ran.err.splitlines()[:4] == [
        "rdv: Some values will not do (422 invalid_parameters)",
        "  title must be filled",
        "  end_time : must come later",
        "  on the whole",
    ]
    assert "application/problem+json" in desk.requests[-1].headers["accept"]


def test_the_older_form_of_errors_is_read_as_well(desk):
    body = {"success": False, "errors": {"title": [{"error": "blank"}]}, "error_messages": ["title must be filled"]}
    desk.answer = lambda request: httpx.Response(422, json=body)
    assert "  title must be filled\n" in desk("absences", "create").err
    desk.answer = lambda request: httpx.Response(404, json={"not_found": "absence"})
    assert desk("absences", "show", "1").err.startswith("rdv: Not found: absence (404)\n")
    desk.answer = lambda request: httpx.Response(502, text="<html>")
    assert "rdv: Bad Gateway (502)\n" in desk("absences", "delete", "1").err


@pytest.mark.parametrize(
    ("reason", "told"),
    [
        ("expired", "has ended"),
        ("revoked", "was revoked"),
        ("deactivated", "put aside"),
        ("agent_disabled", "may not come in"),
        ("account_disabled", "API account was put aside"),
        ("unknown", "unknown to this server"),
        (None, "Sign in: rdv sign-in."),
    ],
)
def test_a_401_says_why_and_what_to_do(desk, reason, told):
    challenge = f'Bearer error="invalid_token", error_description="{reason}", realm="rdv"' if reason else "Bearer"
    desk.answer = lambda request: httpx.Response(401, json={"errors": ["No."]}, headers={"WWW-Authenticate": challenge})
    ran = desk("me", "show")
    assert ran.code == 3
    assert told in ran.err


def test_an_interruption_has_its_own(desk):
    def interrupted(request):
        raise KeyboardInterrupt

    desk.answer = interrupted
    assert desk("me", "show").code == 130


def test_a_question_that_is_left_is_an_interruption(desk, monkeypatch):
    monkeypatch.setattr("rdv_cli.session.sign_in", lambda app, **given: (_ for _ in ()).throw(click.Abort()))
    assert desk("sign-in").code == 130


def test_no_answer_is_one(desk):
    def away(request):
        raise httpx.ConnectError("refused") from ConnectionRefusedError()

    desk.answer = away
    ran = desk("me", "show")
    assert ran.code == 8
    assert f"{ADDRESS} does not answer: connection refused" in ran.err


def test_without_an_address_nothing_is_asked(desk):
    desk.environment.pop("RDVCLI_SERVER")
    ran = desk("me", "show")
    assert ran.code == 2
    assert "rdv sign-in --server" in ran.err


def test_the_version_is_told(capsys):
    assert main(["--version"], {}) == 0
    assert capsys.readouterr().out == "rdv 0.1.0\n"
