"""`rdv sign-in` and `rdv sign-out`: what is asked, kept, renewed and forgotten (row K3)."""

from __future__ import annotations

import json
import stat

import httpx
import pytest

from .conftest import ADDRESS

pytestmark = pytest.mark.no_database

TRIPLE = {"access-token": "secret-1", "client": "client-1", "uid": "m@exemple.test"}
SIGN_IN = ("sign-in", "--email", "m@exemple.test", "--password-stdin")


@pytest.fixture
def bare(desk):
    del desk.environment["RDVCLI_TOKEN"]
    return desk


def answers(headers: dict[str, str], status: int = 200, body: object = None):
    return lambda request: httpx.Response(status, json=body if body is not None else {}, headers=headers)


def kept(desk) -> dict[str, dict[str, str]]:
    return json.loads((desk.folder / "credentials.json").read_text())


def test_the_triple_is_kept_for_oneself_and_the_password_is_not(bare, monkeypatch):
    bare.types("hunter2\n", monkeypatch)
    bare.answer = answers(TRIPLE | {"expiry": "1795447403"})
    ran = bare(*SIGN_IN)
    assert (ran.code, ran.out) == (0, "")
    assert "Signed in at https://rdv.agence.example: m@exemple.test" in ran.err
    assert json.loads(bare.requests[-1].content) == {"email": "m@exemple.test", "password": "hunter2"}
    path = bare.folder / "credentials.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert kept(bare)["default"].items() >= (TRIPLE | {"server": ADDRESS}).items()
    for file in bare.home.rglob("*"):
        assert not file.is_file() or "hunter2" not in file.read_text()
    assert "secret-1" not in ran.err
    # From here on the address and the triple are known.
    del bare.environment["RDVCLI_SERVER"]
    bare("me", "show")
    assert {name: bare.requests[-1].headers[name] for name in TRIPLE} == TRIPLE
    assert str(bare.requests[-1].url).startswith(ADDRESS)


def test_a_refused_password_keeps_nothing(bare, monkeypatch):
    bare.types("wrong\n", monkeypatch)
    bare.answer = answers({}, 401, {"success": False, "errors": ["Wrong password."]})
    ran = bare(*SIGN_IN)
    assert ran.code == 3
    assert "Wrong password." in ran.err
    assert not (bare.folder / "credentials.json").exists()


def test_what_the_server_renews_takes_its_place(bare, monkeypatch):
    bare.types("hunter2\n", monkeypatch)
    bare.answer = answers(TRIPLE)
    bare(*SIGN_IN)
    bare.answer = answers(TRIPLE | {"access-token": "secret-2"})
    bare("me", "show")
    assert kept(bare)["default"]["access-token"] == "secret-2"
    # Within a batch the server repeats nothing (contract 2.5).
    bare.answer = answers(TRIPLE | {"access-token": " "})
    bare("me", "show")
    assert bare.requests[-1].headers["access-token"] == "secret-2"
    assert kept(bare)["default"]["access-token"] == "secret-2"


def test_a_triple_of_the_environments_key_is_never_kept(desk):
    desk.answer = answers(TRIPLE)
    desk("me", "show")
    assert not (desk.folder / "credentials.json").exists()


def test_a_session_that_lives_is_renewed_in_its_place(bare, monkeypatch):
    bare.types("hunter2\nhunter2\nhunter2\n", monkeypatch)
    bare.answer = answers(TRIPLE)
    bare(*SIGN_IN)
    assert "client" not in bare.requests[-1].headers
    bare(*SIGN_IN)
    assert bare.requests[-1].headers["client"] == "client-1"
    bare("sign-in", "--email", "other@exemple.test", "--password-stdin")
    assert "client" not in bare.requests[-1].headers


def test_a_key_is_tried_before_it_is_kept(bare, monkeypatch):
    bare.types("rdv_pat_bad\nrdv_pat_good\n", monkeypatch)
    bare.answer = answers({}, 401, {"errors": ["No."]})
    assert bare("sign-in", "--key").code == 3
    assert not (bare.folder / "credentials.json").exists()
    bare.answer = answers({}, 200, {"token": {"kind": "personal_token", "owner": {"email": "m@exemple.test"}}})
    ran = bare("sign-in", "--key")
    assert ran.code == 0
    assert bare.requests[-1].headers["authorization"] == "Bearer rdv_pat_good"
    assert kept(bare)["default"]["token"] == "rdv_pat_good"
    assert "rdv_pat_good" not in ran.err + ran.out


def test_profiles_are_kept_side_by_side(bare, monkeypatch):
    bare.types("one\ntwo\n", monkeypatch)
    bare.answer = answers(TRIPLE)
    bare(*SIGN_IN)
    bare(*SIGN_IN, "--profile", "demo", "--server", "http://127.0.0.1:8000")
    assert [(name, one["server"]) for name, one in kept(bare).items()] == [
        ("default", ADDRESS),
        ("demo", "http://127.0.0.1:8000"),
    ]


def test_sign_out_ends_the_session_and_forgets_it(bare, monkeypatch):
    bare.types("hunter2\n", monkeypatch)
    bare.answer = answers(TRIPLE)
    bare(*SIGN_IN)
    bare.answer = answers({}, 200, {"success": True})
    assert bare("sign-out", "--everywhere").code == 0
    request = bare.requests[-1]
    assert (request.method, request.url.raw_path) == ("DELETE", b"/api/v1/auth/sign_out?everywhere=true")
    assert request.headers["access-token"] == "secret-1"
    assert kept(bare) == {}
    assert "Nobody was signed in." in bare("sign-out").err


@pytest.mark.parametrize(("status", "code"), [(401, 0), (404, 0), (500, 8)])
def test_a_session_that_had_ended_is_forgotten_all_the_same(bare, monkeypatch, status, code):
    bare.types("hunter2\n", monkeypatch)
    bare.answer = answers(TRIPLE)
    bare(*SIGN_IN)
    bare.answer = answers({}, status, {"success": False, "errors": ["No."]})
    assert bare("sign-out").code == code
    assert ("default" in kept(bare)) == bool(code)


def test_a_key_is_forgotten_without_being_ended(bare, monkeypatch):
    bare.types("rdv_pat_good\n", monkeypatch)
    bare.answer = answers({}, 200, {"token": {}})
    bare("sign-in", "--key")
    before = len(bare.requests)
    assert bare("sign-out", "--everywhere").code == 2
    assert bare("sign-out").code == 0
    assert (len(bare.requests), kept(bare)) == (before, {})


def test_what_is_missing_is_not_waited_for_where_nobody_types(bare, monkeypatch):
    bare.types("", monkeypatch)
    ran = bare("sign-in")
    assert ran.code == 2
    assert "--email" in ran.err
    del bare.environment["RDVCLI_SERVER"]
    assert bare("sign-in").code == 2


def test_a_home_that_cannot_be_written_is_told(bare, monkeypatch):
    bare.types("hunter2\n", monkeypatch)
    bare.answer = answers(TRIPLE)
    (bare.home / ".config").write_text("a file, where a folder should be")
    ran = bare(*SIGN_IN)
    assert ran.code in (1, 2)
    assert ".config" in ran.err
