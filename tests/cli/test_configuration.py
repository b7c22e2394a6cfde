"""Where the server is and who one is: environment, files, profiles (row K3)."""

from __future__ import annotations

import json
import stat

import httpx
import pytest

pytestmark = pytest.mark.no_database

CONFIG = """
profile = "prod"

[profiles.prod]
server = "https://rdv.agence.example"
token = "rdv_pat_prod"
output = "ndjson"
timeout = 5

[profiles.demo]
server = "http://127.0.0.1:8000/api/v1/"
"""


@pytest.fixture
def bare(desk):
    """Nobody said anything in the environment."""
    del desk.environment["RDVCLI_SERVER"], desk.environment["RDVCLI_TOKEN"]
    return desk


def address(desk) -> str:
    return f"{desk.requests[-1].url.scheme}://{desk.requests[-1].url.netloc.decode()}"


def test_a_file_has_profiles(bare):
    bare.write("config.toml", CONFIG)
    bare.answer = lambda request: httpx.Response(200, json={"me": {"id": 1}})
    assert bare("me", "show").out == '{"id": 1}\n'
    assert address(bare) == "https://rdv.agence.example"
    assert bare.requests[-1].headers["authorization"] == "Bearer rdv_pat_prod"
    assert bare("me", "show", "--profile", "demo").json == {"me": {"id": 1}}
    assert address(bare) == "http://127.0.0.1:8000"
    assert bare.requests[-1].url.path == "/api/v1/me"
    bare.environment["RDVCLI_PROFILE"] = "demo"
    bare("me", "show")
    assert address(bare) == "http://127.0.0.1:8000"


def test_options_win_over_the_environment_and_the_environment_over_files(bare):
    bare.write("config.toml", CONFIG)
    bare.environment |= {"RDVCLI_SERVER": "https://b.example", "RDVCLI_TOKEN": "rdv_pat_env", "RDVCLI_OUTPUT": "json"}
    assert bare("me", "show").json == {}
    assert (address(bare), bare.requests[-1].headers["authorization"]) == ("https://b.example", "Bearer rdv_pat_env")
    bare("me", "show", "--server", "https://c.example")
    assert address(bare) == "https://c.example"
    bare("me", "show", "--server=https://d.example")
    assert address(bare) == "https://d.example"


def test_a_key_that_is_kept_beside_an_address_goes_nowhere_else(bare):
    bare.write("config.toml", CONFIG)
    triple = {"server": "https://e.example", "access-token": "s", "client": "c", "uid": "u"}
    bare.write("credentials.json", json.dumps({"prod": triple, "demo": triple}))
    bare("me", "show", "--server", "https://other.example")
    sent = bare.requests[-1].headers
    assert "authorization" not in sent
    assert "access-token" not in sent
    bare("me", "show", "--profile", "demo", "--server", "https://e.example")
    assert bare.requests[-1].headers["access-token"] == "s"


@pytest.mark.parametrize(
    ("name", "mode"), [("config.toml", 0o640), ("config.toml", 0o604), ("credentials.json", 0o644)]
)
def test_a_secret_that_others_can_read_is_refused(bare, name, mode):
    triple = {"server": "https://e.example", "access-token": "s", "client": "c", "uid": "u"}
    text = CONFIG if name == "config.toml" else json.dumps({"default": triple})
    path = bare.write(name, text, mode)
    ran = bare("me", "show")
    assert (ran.code, bare.requests) == (2, [])
    assert f"chmod 600 {path}" in ran.err


def test_a_file_without_a_secret_may_be_read_but_not_written_by_others(bare):
    text = '[profiles.default]\nserver = "https://rdv.agence.example"\n'
    bare.write("config.toml", text, 0o644)
    assert bare("me", "show").code == 0
    bare.write("config.toml", text, 0o664)
    assert "may be changed by others" in bare("me", "show").err


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[profiles.default]\nservr = 'x'", "profiles.default.servr is unknown. Perhaps server?"),
        ("[profile]\n", "profile will not do"),
        ("profils = 1", "profils is unknown. Perhaps profile"),
        ("[profiles.default]\nserver = 1", "profiles.default.server will not do"),
        ("[profiles.default]\ntimeout = true", "profiles.default.timeout will not do"),
        ("[profiles.default]\noutput = 'xml'", "table, json, csv, ndjson"),
        ("profile = ", "config.toml"),
        ("profiles = 3", "profiles will not do"),
        ("[profiles]\ndefault = 3", "profiles.default will not do"),
    ],
)
def test_what_a_file_says_wrongly_is_named(bare, text, told):
    bare.write("config.toml", text)
    ran = bare("me", "show", "--server", "https://rdv.agence.example")
    assert ran.code == 2
    assert told in ran.err


@pytest.mark.parametrize(("text", "code"), [("[]", 0), ('{"default": 3}', 0), ("{", 2)])
def test_what_was_kept_and_is_unreadable_is_nobodys_session(bare, text, code):
    bare.write("credentials.json", text)
    ran = bare("me", "show", "--server", "https://rdv.agence.example")
    assert ran.code == code
    assert ("Delete it, then rdv sign-in." in ran.err) == bool(code)


@pytest.mark.parametrize(
    "text",
    ["rdv.agence.example", "ftp://a.example", "https://", "https://a.example:x", "https://m:p@a.example", "\x1b"],
)
def test_what_is_no_address_is_refused(desk, text):
    desk.environment["RDVCLI_SERVER"] = text
    ran = desk("me", "show")
    assert (ran.code, desk.requests) == (2, [])
    assert "RDVCLI_SERVER" in ran.err


@pytest.mark.parametrize("token", ["a b", "é", "a\nb"])
def test_what_is_no_key_is_refused_without_being_shown(desk, token):
    desk.environment["RDVCLI_TOKEN"] = token
    ran = desk("me", "show")
    assert ran.code == 2
    assert "RDVCLI_TOKEN does not hold a key" in ran.err
    assert token not in ran.err


def test_a_profile_that_is_not_there_is_told(bare):
    bare.write("config.toml", CONFIG)
    assert "There is no profile dmo. Perhaps demo?" in bare("me", "show", "--profile", "dmo").err


def test_an_address_may_have_a_folder(desk):
    desk.environment["RDVCLI_SERVER"] = "https://agence.example/rdv/"
    desk.described = False
    desk.answer = lambda request: httpx.Response(404)
    desk("me", "show")
    assert desk.requests[-1].url.path == "/rdv/api/v1/openapi.json"


def test_an_account_acts_for_an_agent(desk):
    desk("me", "show", "--act-for", "m@exemple.test")
    assert desk.requests[-1].headers["x-rdv-act-for"] == "m@exemple.test"
    desk.environment["RDVCLI_ACT_FOR"] = "7"
    desk("me", "show")
    assert desk.requests[-1].headers["x-rdv-act-for"] == "7"


def test_a_key_in_clear_is_warned_of_but_not_on_this_machine(desk):
    desk.environment["RDVCLI_SERVER"] = "http://rdv.agence.example"
    assert "travels in clear" in desk("me", "show").err
    desk.environment["RDVCLI_SERVER"] = "http://127.0.0.1:8000"
    assert desk("me", "show").err == ""


def test_the_exchange_is_shown_without_its_secrets(desk):
    desk.environment |= {"RDVCLI_TOKEN": "rdv_pat_hidden"}
    desk.answer = lambda request: httpx.Response(
        200, json={}, headers={"Set-Cookie": "hidden", "access-token": "hidden"}
    )
    ran = desk(
        "auth", "edit-password", "--redirect-url", "https://a.example", "--reset-password-token", "@/dev/null", "-v"
    )
    assert "> GET https://rdv.agence.example/api/v1/auth/password/edit?" in ran.err
    ran = desk("me", "show", "--verbose")
    assert "> GET https://rdv.agence.example/api/v1/me" in ran.err
    assert "> authorization: …" in ran.err
    assert "< 200 OK" in ran.err
    assert "hidden" not in ran.err


def test_what_is_kept_of_the_description_is_ones_own(desk):
    desk("me", "show")
    (kept,) = (desk.home / ".cache" / "rdv").iterdir()
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert "rdv_pat_secret" not in kept.read_text()


def test_two_servers_are_not_taken_for_one_another(desk):
    desk("me", "show")
    desk("me", "show", "--server", "https://b.example")
    assert desk.descriptions == 2
