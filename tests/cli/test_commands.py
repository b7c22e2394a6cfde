"""Each operation of the server is a command, and its parameters are options (rows K1, K2)."""

from __future__ import annotations

import copy
import json
import shlex

import httpx
import pytest

from rdv.api.openapi import document
from rdv.api.registry import operations
from rdv_cli import offered
from rdv_cli.commands import EXAMPLE_FILE, OperationCommand
from rdv_cli.document import Catalogue

pytestmark = pytest.mark.no_database

EXAMPLES = [
    (operation.id, line, arguments)
    for operation in Catalogue.of(document("en")).operations
    for (_about, line), (_same, arguments) in zip(
        OperationCommand(operation).examples(), operation.examples, strict=True
    )
]


def test_every_operation_of_the_registry_is_a_command_with_all_its_parameters():
    registered = {id: {one.name for one in operation.parameters} for id, operation in operations().items()}
    assert offered(document("fr")) == registered


def test_the_command_line_lacks_what_the_description_lacks():
    changed = copy.deepcopy(document("fr"))
    del changed["components"]["schemas"]["AbsencesCreateBody"]["properties"]["title"]
    assert "title" not in offered(changed)["absences.create"]


def test_a_route_of_tomorrow_is_a_command_without_a_new_release(desk):
    changed = copy.deepcopy(document("en"))
    route = copy.deepcopy(changed["paths"]["/api/v1/services"]["get"])
    route |= {"operationId": "rooms.list", "tags": ["rooms"]}
    route["x-rdv"] |= {"group": "rooms", "action": "list"}
    assert desk("rooms", "list").code == 2
    changed["paths"]["/api/v1/rooms"] = {"get": route}
    desk.described = changed
    assert desk("rooms", "list").code == 0
    assert desk.requests[-1].url.path == "/api/v1/rooms"


@pytest.mark.parametrize(("id", "line", "arguments"), EXAMPLES, ids=[f"{id}: {line}" for id, line, _ in EXAMPLES])
def test_each_example_of_the_manual_sends_what_it_says(desk, monkeypatch, tmp_path, id, line, arguments):
    monkeypatch.chdir(tmp_path)
    (tmp_path / EXAMPLE_FILE).write_text(str(arguments.get("file")), encoding="utf-8")
    secrets = [value for name, value in arguments.items() if name in ("password", "secret")]
    desk.types("".join(f"{secret}\n" for secret in secrets), monkeypatch)
    for secret in secrets:
        assert secret not in shlex.split(line)
    ran = desk(*shlex.split(line)[1:])
    assert ran.code == 0, ran.err
    request = desk.requests[-1]
    operation = operations()[id]
    assert request.method == operation.method
    assert request.url.path == operation.path.format_map(arguments)
    body = json.loads(request.content) if request.content else {}
    for name, value in arguments.items():
        if "{" + name + "}" not in operation.path:
            sent = body.get(name, request.url.params.get(name))
            assert sent == value or str(sent) == str(value)


def test_parameters_go_where_they_belong(desk):
    ran = desk("absences", "update", "7", "--title", "RTT", "--reason", "moved", "--lang", "fr")
    assert ran.code == 0, ran.err
    request = desk.requests[-1]
    assert (request.method, request.url.raw_path) == ("PATCH", b"/api/v1/absences/7?reason=moved")
    assert json.loads(request.content) == {"title": "RTT"}
    assert request.headers["accept-language"] == "fr"
    assert request.headers["authorization"] == "Bearer rdv_pat_secret"


def test_values_have_the_types_of_their_schemas(desk):
    line = "tokens create --name 7 --expires-at 30 --read-only --resources absences --resources agents"
    desk(*line.split(), "--organisations", "1", "--organisations", "2")
    assert json.loads(desk.requests[-1].content) == {
        "name": "7",
        "expires_at": 30,
        "read_only": True,
        "resources": ["absences", "agents"],
        "organisations": [1, 2],
    }
    desk(*["tokens", "update", "1", "--no-active"])
    assert json.loads(desk.requests[-1].content) == {"active": False}
    desk(*["auth", "sign-out", "--everywhere"])
    assert desk.requests[-1].url.params["everywhere"] == "true"


def test_a_value_may_begin_with_a_dash(desk):
    assert desk("absences", "list", "--sort", "-first_day,title").code == 0
    assert desk.requests[-1].url.params["sort"] == "-first_day,title"


def test_underscores_do_where_dashes_are_meant(desk):
    assert desk("auth", "sign_out", "--everywhere").code == 0
    assert desk("absences", "list", "--agent_id", "3").code == 0
    assert desk.requests[-1].url.params["agent_id"] == "3"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["absences", "list", "--titel", "x"], "Perhaps --title?"),
        (["absense", "list"], "Perhaps absences?"),
        (["absences", "lst"], "Perhaps list?"),
        (["absences", "show"], "ID is missing."),
        (["absences", "show", "abc"], 'ID: "abc" is no whole number.'),
        (["absences", "list", "--title"], "--title: its value is missing"),
        (["tokens", "create", "--resources"], "--resources: its value is missing"),
        (["organisations", "update", "1", "--verticale", "rdv_insertio"], "Perhaps rdv_insertion?"),
        (["absences", "list", "--output", "xml"], "table, json, csv, ndjson"),
        (["absences", "list", "--all", "--page", "2"], "--all and --limit go neither"),
    ],
)
def test_what_is_typed_wrongly_is_named_with_what_may_have_been_meant(desk, words, told):
    ran = desk(*words)
    assert (ran.code, ran.out) == (2, "")
    assert told in ran.err
    assert desk.requests == []


def test_it_says_so_in_french_too(desk):
    assert (
        "L'option --titel n'existe pas. Peut-être --title ?"
        in desk("absences", "list", "--titel", "x", "--lang", "fr").err
    )


def test_values_come_from_files_and_from_the_standard_input(desk, monkeypatch, tmp_path):
    (tmp_path / "title").write_text("Congés\n")
    desk("absences", "update", "1", "--title", f"@{tmp_path}/title")
    assert json.loads(desk.requests[-1].content) == {"title": "Congés"}
    desk.types("RTT\n", monkeypatch)
    desk("absences", "update", "1", "--title", "-")
    assert json.loads(desk.requests[-1].content) == {"title": "RTT"}
    desk("absences", "update", "1", "--title", "@@home")
    assert json.loads(desk.requests[-1].content) == {"title": "@home"}
    ran = desk("absences", "update", "1", "--title", f"@{tmp_path}/none")
    assert ran.code == 2
    assert "none" in ran.err


def test_a_whole_body_comes_as_json_and_options_win_over_it(desk, monkeypatch, tmp_path):
    desk.types('{"title": "RTT", "end_day": null}', monkeypatch)
    assert desk("absences", "update", "1", "--data", "-", "--title", "Congés").code == 0
    assert json.loads(desk.requests[-1].content) == {"title": "Congés", "end_day": None}
    (tmp_path / "body").write_text('{"title": "RTT"}')
    assert desk("absences", "update", "1", "--data", f"@{tmp_path}/body").code == 0
    assert json.loads(desk.requests[-1].content) == {"title": "RTT"}


@pytest.mark.parametrize(("text", "told"), [("[1]", "a JSON object is expected"), ("{", "this is no JSON")])
def test_a_body_that_is_no_json_object_is_refused_here(desk, monkeypatch, text, told):
    desk.types(text, monkeypatch)
    ran = desk("absences", "update", "1", "--data", "-")
    assert ran.code == 2
    assert told in ran.err
    assert '"-"' in desk("absences", "update", "1", "--data", '{"title": "x"}').err
    assert desk.requests == []


@pytest.mark.parametrize(
    "words",
    [
        ["auth", "sign-in", "--email", "m@exemple.test", "--password", "hunter2"],
        ["auth", "change-password", "--password", "hunter2", "--password-confirmation", "hunter2"],
        ["auth", "edit-password", "--reset-password-token", "hunter2", "--redirect-url", "https://a.example"],
    ],
)
def test_a_secret_is_no_argument(desk, words):
    ran = desk(*words)
    assert ran.code == 2
    assert "a secret is no argument" in ran.err
    assert "hunter2" not in ran.err
    assert desk.requests == []


def test_a_secret_comes_from_a_file_or_the_standard_input(desk, monkeypatch, tmp_path):
    (tmp_path / "password").write_text("hunter2\n")
    desk("auth", "sign-in", "--email", "m@exemple.test", "--password", f"@{tmp_path}/password")
    assert json.loads(desk.requests[-1].content)["password"] == "hunter2"
    desk.types("one\ntwo\n", monkeypatch)
    desk("auth", "change-password", "--password", "-", "--password-confirmation", "-")
    assert json.loads(desk.requests[-1].content) == {"password": "one", "password_confirmation": "two"}


def test_what_is_for_anybody_is_asked_without_a_credential(desk, monkeypatch):
    desk.types("x\n", monkeypatch)
    desk("auth", "sign-in", "--email", "m@exemple.test", "--password", "-")
    assert "authorization" not in desk.requests[-1].headers


def test_an_identifier_cannot_lead_elsewhere(desk):
    changed = copy.deepcopy(document("en"))
    for parameter in changed["paths"]["/api/v1/absences/{id}"]["get"]["parameters"]:
        if parameter["name"] == "id":
            parameter["schema"] = {"type": "string"}
    desk.described = changed
    assert desk("absences", "show", "../me?x#y").code == 0
    assert desk.requests[-1].url.raw_path == b"/api/v1/absences/..%2Fme%3Fx%23y"


def test_a_parameter_that_is_called_like_an_option_of_ours_keeps_a_name(desk):
    changed = copy.deepcopy(document("en"))
    changed["components"]["schemas"]["AbsencesUpdateBody"]["properties"]["server"] = {"type": "string"}
    desk.described = changed
    assert desk("absences", "update", "1", "--param-server", "x").code == 0
    assert json.loads(desk.requests[-1].content) == {"server": "x"}


def test_described_headers_are_options(desk):
    etag = 'W/"4f"'
    desk.answer = lambda request: httpx.Response(304)
    ran = desk("absences", "show", "1", "--if-none-match", etag)
    assert (ran.code, ran.out) == (0, "")
    assert desk.requests[-1].headers["if-none-match"] == etag


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252"])
def test_a_file_is_named_and_its_text_sent(desk, tmp_path, encoding):
    file = tmp_path / "été.csv"
    file.write_bytes("agent;titre;du\n3;Congés d'été;2026-12-01\n".encode(encoding))
    ran = desk("absences", "import", str(file), "--dry-run", "--agent-id", "3")
    assert ran.code == 0, ran.err
    assert json.loads(desk.requests[-1].content) == {
        "file": "agent;titre;du\n3;Congés d'été;2026-12-01\n",
        "dry_run": True,
        "agent_id": 3,
    }


def test_a_file_that_is_not_there_is_said(desk, tmp_path):
    ran = desk("absences", "import", str(tmp_path / "rien.csv"))
    assert ran.code == 2
    assert "rien.csv" in ran.err
    assert not desk.requests
