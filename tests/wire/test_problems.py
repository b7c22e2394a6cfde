"""RFC 9457 (P3): the same errors as `application/problem+json` for whoever prefers that, and the catalogue of codes."""

from __future__ import annotations

import ast
import io
import json
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings as django_settings
from django.db import OperationalError

from agents.views.sessions import Me
from rdv.api.errors import Busy, WireError
from rdv.api.handler import _Refusal
from rdv.api.problems import PROBLEMS, Problem, declare
from tests.factories import PASSWORD, AbsenceFactory, AgentFactory

PROBLEM = "application/problem+json"
ASKED = {"Accept": PROBLEM}
ROOT = Path(django_settings.ROOT)


@pytest.fixture
def martine(cast, sign_in):
    return sign_in(cast.martine)


def is_a_problem(answer, status, code):
    """The document, which holds to section 3 of the RFC and to the catalogue."""
    assert answer.status_code == status, answer.content
    assert answer["Content-Type"] == PROBLEM
    document = answer.json()
    assert document["type"] == f"http://testserver/erreurs/{code}"
    assert (document["status"], document["code"]) == (status, code)
    assert PROBLEMS[code].status == status
    assert document["title"] == str(PROBLEMS[code].title)
    assert document["detail"]
    assert document["detail"] == document["detail"].strip()
    assert document["request_id"] == answer["X-Request-Id"]
    assert document["instance"] == f"urn:uuid:{uuid.UUID(document['request_id'])}"
    assert "Accept" in answer["Vary"].split(", ")
    return document


# ── From everywhere ──────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("verb", "path", "sent", "status", "code"),
    [
        ("POST", "/api/v1/absences", "{", 400, "bad_request"),
        ("GET", "/api/absences", "", 400, "unknown_version"),
        ("GET", "/api/v1/organisations/{lille}", "", 403, "forbidden"),
        ("GET", "/api/v1/absences/999999", "", 404, "not_found"),
        ("GET", "/api/v1/organisations/999999", "", 404, "not_found"),
        ("GET", "/api/v1/nulle-part", "", 404, "not_found"),
        ("GET", "/api/v2/absences", "", 404, "not_found"),
        ("GET", "/nulle-part", "", 404, "not_found"),
        ("DELETE", "/api/v1/agents", "", 405, "method_not_allowed"),
        ("GET", "/api/v1/auth/sign_in", "", 405, "method_not_allowed"),
        ("POST", "/api/v1/absences", " " * (2**20 + 1), 413, "payload_too_large"),
        ("POST", "/api/v1/absences", "{}", 422, "invalid_parameters"),
        ("GET", "/api/v1/absences?from=hier", "", 422, "invalid_parameters"),
        ("GET", "/api/v1/absences?cursor=?", "", 422, "invalid_parameters"),
        ("PUT", "/api/v1/auth/password", "{}", 422, "passwords_missing"),
        ("POST", "/api/v1/auth/password", "{}", 401, "redirect_url_missing"),
        ("POST", "/api/v1/auth/password", '{"redirect_url": "/"}', 401, "email_missing"),
        ("POST", "/api/v1/auth/password", '{"redirect_url": "x:", "email": "a"}', 422, "redirect_not_allowed"),
        ("POST", "/api/v1/auth/sign_in", "{}", 401, "bad_credentials"),
        ("POST", "/api/auth/login", "{}", 401, "bad_credentials"),
        ("GET", "/connexion?next=%00", "", 400, "bad_request"),
    ],
)
def test_each_error_is_a_problem_for_whoever_asks(cast, martine, verb, path, sent, status, code):
    path = path.format(lille=cast.lille.pk)
    headers = ASKED | ({"X-API-Version": "99"} if code == "unknown_version" else {})
    is_a_problem(martine.generic(verb, path, sent, headers=headers), status, code)


@pytest.mark.parametrize(
    ("verb", "path", "status", "code"),
    [
        ("GET", "/api/v1/agents", 401, "unauthenticated"),
        ("GET", "/api/v1/auth/validate_token", 401, "unauthenticated"),
        ("PUT", "/api/v1/auth/password", 401, "unauthenticated"),
        ("DELETE", "/api/v1/auth/sign_out", 404, "not_signed_in"),
    ],
)
def test_a_stranger_is_refused_alike(anonymous, db, verb, path, status, code):
    answer = anonymous.generic(verb, path, headers=ASKED)
    is_a_problem(answer, status, code)
    assert ("WWW-Authenticate" in answer) is (status == 401)


def test_a_body_of_another_type_is_told_with_its_hint(cast, martine):
    path = f"/api/v1/organisations/{cast.mds.pk}"
    answer = martine.put(path, '{"name": "x"}', content_type="text/plain", headers=ASKED)
    assert is_a_problem(answer, 415, "unsupported_media_type")["hint"] == "Content-Type: application/json"


def test_two_credentials_are_a_problem(martine):
    headers = ASKED | {"Authorization": f"Bearer rdv_pat_{'a' * 36}"}
    is_a_problem(martine.get("/api/v1/me", headers=headers), 400, "conflicting_credentials")


def test_too_many_failed_sign_ins_are_a_problem(cast, anonymous):
    sent = {"email": cast.bruno.email, "password": "faux"}
    answers = [anonymous.post("/api/v1/auth/sign_in", sent, headers=ASKED) for _try in range(11)]
    is_a_problem(answers[0], 401, "bad_credentials")
    is_a_problem(answers[10], 429, "too_many_requests")
    assert int(answers[10]["Retry-After"]) > 800


def test_an_account_to_be_confirmed_is_a_problem(anonymous, db):
    AgentFactory(email="invite@exemple.test", is_active=False)
    sent = {"email": "invite@exemple.test", "password": PASSWORD}
    is_a_problem(anonymous.post("/api/v1/auth/sign_in", sent, headers=ASKED), 401, "account_not_confirmed")


@pytest.mark.parametrize(
    ("raised", "status", "code"),
    [
        (RuntimeError("a bug"), 500, "internal_server_error"),
        (OperationalError("away"), 503, "database_unavailable"),
        (Busy(), 503, "service_unavailable"),
    ],
)
def test_what_goes_wrong_here_is_a_problem_too(martine, monkeypatch, raised, status, code):
    def fail(self, request):
        raise raised

    monkeypatch.setattr(Me, "get", fail)
    answer = martine.get("/api/v1/me", headers=ASKED)
    is_a_problem(answer, status, code)
    assert b"a bug" not in answer.content


def test_a_bug_outside_of_any_view_is_a_problem_too(anonymous, db, monkeypatch):
    def fail(*args):
        raise RuntimeError("a bug")

    monkeypatch.setattr("rdv.api.middleware.SwitchMiddleware.__call__", fail)
    is_a_problem(anonymous.get("/api/v1/me", headers=ASKED), 500, "internal_server_error")


def test_an_api_that_is_switched_off_is_a_problem(anonymous, settings):
    settings.RDV_API = False
    is_a_problem(anonymous.get("/api/v1/me", headers=ASKED), 403, "api_disabled")


def test_of_a_host_that_is_refused_no_address_is_told(anonymous, db):
    answer = anonymous.get("/api/v1/me", headers=ASKED | {"Host": "ailleurs.test"})
    assert answer.status_code == 400
    assert answer["Content-Type"] == PROBLEM
    assert answer.json()["type"] == "/erreurs/bad_request"
    assert b"ailleurs" not in answer.content


def test_the_address_of_a_code_is_the_public_one(anonymous, settings, db):
    settings.RDV_PUBLIC_URL = "https://rdv.agence.fr"
    document = anonymous.get("/api/v1/me", headers=ASKED).json()
    assert document["type"] == "https://rdv.agence.fr/erreurs/unauthenticated"


@pytest.mark.parametrize(("language", "title"), [("fr", "Longueur manquante"), ("en", "Length missing")])
def test_the_door_refuses_with_a_problem_too(door, language, title):
    told = {}
    id = str(uuid.uuid4())
    environ = {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": "/api/v1/absences",
        "CONTENT_TYPE": "application/x-www-form-urlencoded",
        "HTTP_TRANSFER_ENCODING": "chunked",
        "HTTP_HOST": "testserver",
        "HTTP_ACCEPT": PROBLEM,
        "HTTP_ACCEPT_LANGUAGE": language,
        "HTTP_X_REQUEST_ID": id,
        "SERVER_NAME": "testserver",
        "SERVER_PORT": "80",
        "wsgi.input": io.BytesIO(b"a=1"),
        "wsgi.url_scheme": "http",
    }
    body = b"".join(door(environ, lambda status, headers: told.update({"status": status}, **dict(headers))))
    document = json.loads(body)
    assert told["status"] == "411 Length Required"
    assert (told["Content-Type"], told["Content-Length"]) == (PROBLEM, str(len(body)))
    assert (document["title"], document["code"], document["request_id"]) == (title, "length_required", id)
    assert document["type"] == "http://testserver/erreurs/length_required"


def test_a_request_that_gets_no_turn_is_told_of_a_problem_whatever_it_names():
    refusal = _Refusal(Busy())
    for host in ("testserver", "ailleurs.test", "", "[", "a b"):
        environ = {"REQUEST_METHOD": "GET", "PATH_INFO": "/\xff", "HTTP_HOST": host, "HTTP_ACCEPT": PROBLEM}
        environ |= {"wsgi.input": io.BytesIO(), "wsgi.url_scheme": "http", "SERVER_NAME": "x", "SERVER_PORT": "80"}
        (body,) = refusal(environ, lambda status, headers: None)
        assert json.loads(body)["code"] == "service_unavailable"


# ── What it says ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_each_parameter_is_pointed_at_with_its_code_and_what_explains_it(cast, martine):
    sent = {"agent_id": cast.bruno.pk, "first_day": "2021-02-30", "start_time": "9:00", "end_time": "10:00"}
    sent["title"] = "x" * 256
    document = is_a_problem(martine.post("/api/v1/absences", sent, headers=ASKED), 422, "invalid_parameters")
    assert document["errors"] == [
        {
            "pointer": "#/first_day",
            "code": "invalid",
            "detail": "first_day n'est pas une date valide (format attendu : YYYY-MM-DD, par exemple 2021-10-21)",
            "value": "2021-02-30",
            "format": "YYYY-MM-DD",
        },
        {
            "pointer": "#/title",
            "code": "too_long",
            "detail": "title est trop long (pas plus de 255 caractères)",
            "count": 255,
        },
    ]
    assert document["detail"] == "; ".join(one["detail"] for one in document["errors"])


def test_a_rule_without_a_code_in_the_contract_has_one_here(cast, martine):
    sent = {"agent_id": cast.bruno.pk, "title": "x", "first_day": "2026-12-02", "start_time": "9:00"}
    sent |= {"end_day": "2026-12-01", "end_time": "10:00"}
    (ends,) = martine.post("/api/v1/absences", sent, headers=ASKED).json()["errors"]
    # What is shown as `ends_time` was sent as `end_time`.
    assert (ends["pointer"], ends["code"]) == ("#/end_time", "ends_before_start")
    assert ends["detail"] == "ends_time doit être après le début."
    sent |= {"first_day": "1926-12-02", "end_day": "9926-12-02"}
    errors = martine.post("/api/v1/absences", sent, headers=ASKED).json()["errors"]
    assert [(one["pointer"], one["code"]) for one in errors] == [
        ("#/first_day", "too_long_ago"),
        ("#/end_day", "too_far_ahead"),
    ]


def test_the_contracts_own_form_says_nothing_of_it(cast, martine):
    sent = {"agent_id": cast.bruno.pk, "title": "x", "first_day": "1926-12-02", "start_time": "9:00"}
    answer = martine.post("/api/v1/absences", sent | {"end_time": "8:00"})
    assert answer.json() == {
        "success": False,
        "errors": {
            "ends_time": [{"error": "doit être après le début."}],
            "first_day": [{"error": "ne peut pas être avant 2018"}],
            "end_day": [{"error": "ne peut pas être avant 2018"}],
        },
        "error_messages": [
            "ends_time doit être après le début.",
            "first_day ne peut pas être avant 2018",
            "end_day ne peut pas être avant 2018",
        ],
    }


def test_an_agent_who_is_missing_is_pointed_at_by_the_parameter_to_send(martine):
    errors = martine.post("/api/v1/absences", {}, headers=ASKED).json()["errors"]
    assert {"pointer": "#/agent_id", "code": "blank", "detail": "agent doit exister"} in errors
    assert martine.post("/api/v1/absences", {}).json()["errors"]["agent"] == [{"error": "blank"}]


def test_a_parameter_of_the_address_is_named_as_one(martine):
    (error,) = martine.get("/api/v1/absences?from=hier", headers=ASKED).json()["errors"]
    assert (error["pointer"], error["parameter"], error["value"]) == ("#/from", "from", "hier")
    sent = {"title": "x"}
    errors = martine.post("/api/v1/absences?first_day=hier", sent, headers=ASKED).json()["errors"]
    assert {one["pointer"]: one.get("parameter") for one in errors} == {
        "#/first_day": "first_day",
        "#/start_time": None,
        "#/end_time": None,
        "#/agent_id": None,
    }


def test_a_reason_is_to_be_in_the_address_and_is_named_there(cast, martine, settings):
    settings.RDV_REASON = "required"
    path = f"/api/v1/absences/{AbsenceFactory(agent=cast.bruno).pk}"
    (error,) = martine.patch(path, {"title": "x"}, headers=ASKED).json()["errors"]
    assert (error["parameter"], error["code"]) == ("reason", "reason_required")
    (error,) = martine.patch(f"{path}?reason={'x' * 1001}", {"title": "x"}, headers=ASKED).json()["errors"]
    assert (error["parameter"], error["code"], error["count"]) == ("reason", "too_long", 1000)
    assert "in_address" not in error
    assert martine.patch(path, {"title": "x"}).json()["errors"] == {"reason": [{"error": "reason_required"}]}


def test_a_password_that_is_refused_is_told_rule_by_rule(martine):
    sent = {"password": "court", "password_confirmation": "autre"}
    document = is_a_problem(martine.put("/api/v1/auth/password", sent, headers=ASKED), 422, "invalid_password")
    codes = [(one["pointer"], one["code"]) for one in document["errors"]]
    assert codes[-1] == ("#/password_confirmation", "mismatch")
    assert set(codes[:-1]) == {("#/password", "invalid")}
    assert len(codes) > 3


def test_what_is_not_found_is_named(martine):
    document = martine.get("/api/v1/absences/999999", headers=ASKED).json()
    assert document["resource"] == "absence"
    assert document["detail"] == "Ce que nomme la requête n'existe pas : absence."


def test_the_versions_there_are_come_along(anonymous, db):
    document = anonymous.get("/api/me", headers=ASKED | {"X-API-Version": "3.14"}).json()
    assert [version["version"] for version in document["versions"]] == ["1"]


def test_in_english(anonymous, db):
    document = anonymous.get("/api/v1/me", headers=ASKED | {"Accept-Language": "en"}).json()
    assert document["title"] == "Credential needed"
    assert document["detail"] == "You need to sign in or sign up before continuing."


# ── For whom ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "accept",
    [
        *("*/*", "application/json", "application/*", "text/html", "", "nonsense", "application/problem+json;q=0"),
        *("application/json, application/problem+json;q=0.9", "application/json, text/plain, */*", "a/b,,;q=x"),
    ],
)
def test_everybody_else_gets_the_contracts_bytes(martine, accept):
    for path in ("/api/v1/absences/999999", "/api/v1/nulle-part", "/api/v1/absences?from=hier"):
        usual, answer = martine.get(path), martine.get(path, headers={"Accept": accept})
        assert (answer.status_code, answer.content) == (usual.status_code, usual.content)
        assert answer["Content-Type"] == "application/json; charset=utf-8"


@pytest.mark.parametrize(
    "accept",
    [
        "application/problem+json, application/json",
        "application/json;q=0.5, application/problem+json",
        "APPLICATION/PROBLEM+JSON",
        "text/html, application/problem+json;q=0.1",
    ],
)
def test_whoever_names_it_no_lower_than_json_gets_it(martine, accept):
    is_a_problem(martine.get("/api/v1/nulle-part", headers={"Accept": accept}), 404, "not_found")


def test_a_success_stays_what_it_is_and_varies_as_before(martine):
    usual, asked = martine.get("/api/v1/absences"), martine.get("/api/v1/absences", headers=ASKED)
    assert asked.content == usual.content
    assert asked["Content-Type"] == "application/json; charset=utf-8"
    assert "Accept" not in usual["Vary"].split(", ")
    assert asked["Vary"] == usual["Vary"]


def test_a_problem_can_be_shown_indented(martine):
    answer = martine.get("/api/v1/nulle-part?prettify=true", headers=ASKED)
    assert answer["Content-Type"] == PROBLEM
    assert answer.content.startswith(b'{\n  "type": ')


# ── The catalogue ────────────────────────────────────────────────────────────────────────────────────────────────────

# Said on the pages alone, by their forms.
PAGES = ("agents/admin", "agents/pages", "agents/management", "agents/provision", "absences/admin.py", "rdv/admin.py")
# Raised by a rule of a model that no address of the API writes; and what a base class has.
NEVER_SENT = {"last_admin", "error"}


def _sent() -> Iterator[str]:
    """Every code that the source says: of a class, of a failure, of a refusal."""
    for app in ("rdv", "agents", "absences", "webhooks"):
        for path in (ROOT / app).rglob("*.py"):
            name = path.relative_to(ROOT).as_posix()
            if name.startswith(PAGES) or "migrations" in path.parts or name.endswith(("problems.py", "examples.py")):
                continue
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                for value in _said_by(node):
                    yield from (one for one in map(_text, ast.walk(value)) if one.isidentifier())


def _said_by(node: ast.AST) -> list[ast.AST]:
    """What stands where a code does: `code = …` in a class, `code=…`, `"problem": …`, `SwitchedOff(…`, `(401, …`."""
    match node:
        case ast.ClassDef():
            set_there = [one for one in node.body if isinstance(one, ast.Assign) and _text(one.value)]
            return [one.value for one in set_there if [getattr(name, "id", "") for name in one.targets] == ["code"]]
        case ast.Call():
            named = [one.value for one in node.keywords if one.arg in ("code", "violation_error_code")]
            if getattr(node.func, "id", "") == "SwitchedOff":
                return [*named, *node.args[:1]]
            if len(node.args) > 1 and isinstance(node.args[0], ast.Constant) and node.args[0].value in range(400, 600):
                return [*named, node.args[1]]
            return named
        case ast.Dict():
            return [value for key, value in zip(node.keys, node.values, strict=True) if _text(key) == "problem"]
    return []


def _text(node: ast.AST | None) -> str:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def _kinds(of: type[WireError]) -> Iterator[type[WireError]]:
    for kind in of.__subclasses__():
        yield kind
        yield from _kinds(kind)


def test_every_code_that_can_be_sent_is_in_the_catalogue():
    codes = {
        kind.code
        for kind in _kinds(WireError)
        if kind.__module__.startswith(("rdv.", "agents.", "absences.", "webhooks."))
    }
    missing = (codes | set(_sent())) - PROBLEMS.keys() - NEVER_SENT
    assert not missing, "declare them in a problems.py"


def test_the_catalogue_has_no_code_that_nobody_sends():
    codes = {kind.code for kind in _kinds(WireError)} | set(_sent())
    # These two one endpoint chooses by itself.
    assert PROBLEMS.keys() - codes - {"not_signed_in", "mismatch"} == set()


def test_a_status_is_that_of_its_class():
    for kind in _kinds(WireError):
        if kind.__module__.startswith(("rdv.", "agents.", "absences.", "webhooks.")) and kind.code in PROBLEMS:
            assert PROBLEMS[kind.code].status == kind.status_code, kind


def test_a_code_means_one_thing():
    with pytest.raises(ValueError, match="blank"):
        declare(Problem("blank", 422, "a", "b", "c"))
