"""`/operations`: every operation told and run from a page, through the API, as the agent who is signed in."""

from __future__ import annotations

import html
import json
import re
from types import SimpleNamespace
from typing import Any

import pytest
from django.test import Client
from django.utils import translation

from absences.models import Absence
from agents.authentication import session
from agents.models import AccessKey, Agent
from agents.models.record import RecordEntry
from agents.pages import operations as page
from agents.pages.parameters import offered, value_of
from rdv.api.registry import operations
from tests.conftest import WireClient
from tests.factories import AbsenceFactory

from .conftest import SIGN_IN, csrf_token, shown, signed_in

OPERATIONS = "/operations"
EACH = pytest.mark.parametrize("id", sorted(operations()))
CREATE = {
    "agent_email": "martine@demo.rdv-solidarites.fr",
    "title": "Formation",
    "first_day": "2026-12-10",
    "start_time": "09:00",
    "end_time": "12:30",
}


def address(id: str) -> str:
    return f"{OPERATIONS}/{id}"


def number(client: Client, id: str) -> str:
    """The number of a fresh form; "" where it needs none."""
    found = re.search(r'name="once" value="([^"]+)"', shown(client.get(address(id))))
    return found[1] if found else ""


def run(client: Client, id: str, /, **more: Any) -> Any:
    """The page after its form was sent; what does not begin with `_` is a parameter."""
    form = {f"p-{name}": value for name, value in more.items() if not name.startswith("_")}
    extra = {name[1:]: value for name, value in more.items() if name.startswith("_")}
    return client.post(address(id), {"do": "run", "once": number(client, id)} | extra | form)


def status(answer: Any) -> int | None:
    """That of the API's answer on a page; None when nothing was run."""
    found = re.search(r'id="answer-title".*?<span class="state \w+">(\d+)', shown(answer), re.DOTALL)
    return int(found[1]) if found else None


def body(answer: Any) -> Any:
    found = re.search(r'<pre id="answer-body"[^>]*>(.*?)</pre>', shown(answer), re.DOTALL)
    assert found, shown(answer)
    return json.loads(html.unescape(found[1]))


def lines(answer: Any) -> list[str]:
    return [html.unescape(one) for one in re.findall(r'<pre class="line"[^>]*>(.*?)</pre>', shown(answer), re.DOTALL)]


# What is told.


@pytest.mark.parametrize("there", [OPERATIONS, address("absences.list"), address("absences.create")])
def test_it_is_for_who_is_signed_in(there: str, db: None) -> None:
    answer = Client().get(there)
    assert answer["Location"].startswith(SIGN_IN)
    assert there in answer["Location"]
    assert Client().post(there, {"do": "run"}).status_code in (302, 405)


def test_every_operation_is_on_the_list_and_leads_to_its_page(martine: Client) -> None:
    answer = shown(martine.get(OPERATIONS))
    assert set(re.findall(r'href="/operations/([^"]+)"', answer)) == set(operations())
    assert f'<a href="{OPERATIONS}" aria-current="page">' in answer
    assert 'href="/api/docs"' in answer


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("creer absence nommé agent_email", {"absences.create"}),
        ("ABSENCES.DELETE_OCC", {"absences.delete_occurrence"}),
        ("/api/v1/me", {"me.show"}),
        ("rien de tel nulle part", set()),
        ("é" * 300, set()),
    ],
)
def test_some_are_found_by_their_words_without_accents_or_case(martine: Client, asked: str, found: set[str]) -> None:
    answer = martine.get(OPERATIONS, {"q": asked})
    assert answer.status_code == 200
    assert set(re.findall(r'href="/operations/([^"]+)"', shown(answer))) == found
    assert ("Aucune ne correspond." in shown(answer)) == (not found)


@pytest.mark.any_database
@EACH
def test_a_page_tells_what_the_registry_has(martine: Client, id: str) -> None:
    operation = operations()[id]
    answer = html.unescape(shown(martine.get(address(id))))
    with translation.override("fr"):
        described = operation.described
        for sentence in (described.summary, described.limits, *(one.about for one in described.examples)):
            assert str(sentence).replace("`", "") in re.sub("</?code>", "", answer)
    assert operation.path in answer
    if operation.scope:
        assert f"<code>{operation.scope}</code>" in answer
    for code in {error.code for error in operation.errors} & set(page.PROBLEMS):
        assert f'href="/erreurs/{code}"' in answer
    assert len(lines(martine.get(address(id)))) == 3


@pytest.mark.any_database
@EACH
def test_a_form_has_a_field_for_each_parameter_and_no_other(martine: Client, id: str) -> None:
    answer = shown(martine.get(address(id)))
    fields = set(re.findall(r'name="p-([^":]+)(?::none)?"', answer))
    assert fields == offered()[id] == {one.name for one in operations()[id].parameters}
    labelled = set(re.findall(r'<label for="id_p-([^"]+)"', answer))
    assert labelled == fields


@pytest.mark.any_database
@EACH
def test_a_page_is_in_english_for_who_reads_that(martine: Client, id: str) -> None:
    answer = html.unescape(shown(martine.get(address(id), headers={"Accept-Language": "en"})))
    with translation.override("en"):
        assert str(operations()[id].described.summary) in answer
    assert "The same thing elsewhere" in answer
    # The lines ask for what the page is read in.
    assert all("Accept-Language" in line for line in re.findall(r'<pre class="line".*?</pre>', answer, re.DOTALL))


def test_an_unknown_operation_is_a_page_that_says_so(martine: Client) -> None:
    for there in ("x.y", "absences.list.x", "é"):
        answer = martine.get(address(there))
        assert answer.status_code == 404
        assert "Cette adresse ne mène nulle part." in html.unescape(shown(answer))
        assert martine.post(address(there), {"do": "run"}).status_code == 404


def test_types_become_fields(martine: Client) -> None:
    creating = shown(martine.get(address("absences.create")))
    assert re.search(r'<input type="date" name="p-first_day"[^>]*aria-required="true"', creating)
    assert re.search(r'<input type="time" name="p-start_time"', creating)
    assert re.search(r'<input type="number" name="p-agent_id"', creating)
    assert re.search(r'<input type="checkbox" name="p-end_day:none"', creating)
    assert 'name="p-first_day:none"' not in creating
    changing = shown(martine.get(address("absences.update")))
    assert re.search(r'<input type="date" name="p-first_day"', changing)
    assert re.search(r'<input type="time" name="p-end_time"', changing)
    assert re.search(r'<select name="p-verticale"', shown(martine.get(address("organisations.update"))))
    key = shown(martine.get(address("tokens.create")))
    assert re.search(r'<select name="p-read_only"', key)
    assert re.search(r'<textarea name="p-resources"', key)
    assert re.search(r'list="id_p-expires_at_values"', key)
    assert '<datalist id="id_p-expires_at_values"><option value="7">' in key


@pytest.mark.parametrize(
    ("schema", "text", "value"),
    [
        ({"type": ["integer", "string"]}, "12", 12),
        ({"type": ["integer", "string"]}, "012", "012"),
        ({"type": ["integer", "string"]}, "9" * 19, "9" * 19),
        ({"type": ["string", "number"]}, "2026", "2026"),
        ({"type": ["boolean", "string"], "enum": [True, False, "true", "false"]}, "true", True),
        ({"anyOf": [{"enum": [7, "7", "never"]}, {"type": "string"}]}, "7", 7),
        ({"anyOf": [{"enum": [7, "7", "never"]}, {"type": "string"}]}, "2027-01-01", "2027-01-01"),
        ({"type": ["array", "null"], "items": {"type": "integer"}}, "1\r\n 2 \r\n\r\nx", [1, 2, "x"]),
        ({"type": "boolean"}, "false", False),
        ({"anyOf": [{"type": "boolean"}, {"type": "string", "enum": ["true"]}, {"type": "null"}]}, "true", True),
        ({"anyOf": [{"type": "array", "items": {"type": "integer"}}, {"type": "string"}]}, "1", [1]),
        ({"type": "object"}, '{"a": 1}', {"a": 1}),
        ({"type": "object"}, "{", "{"),
    ],
)
def test_what_is_typed_is_sent_as_what_it_can_be(schema: Any, text: str, value: Any) -> None:
    found = value_of(schema, text)
    assert (found, type(found)) == (value, type(value))


@pytest.mark.any_database
@pytest.mark.parametrize("id", sorted(id for id, one in operations().items() if one.described.examples))
def test_an_example_fills_the_form_without_a_script(martine: Client, id: str) -> None:
    for number, example in enumerate(operations()[id].described.examples):
        answer = martine.get(address(id), {"exemple": number})
        for name, value in example.arguments.items():
            if name != "password":
                assert (str(value) in "".join(lines(answer))) or isinstance(value, bool | list | dict)
                assert f'name="p-{name}"' in shown(answer)
    assert martine.get(address(id), {"exemple": "99"}).status_code == 200
    assert martine.get(address(id), {"exemple": "²"}).status_code == 200


# What is run.


def test_it_runs_as_the_agent_and_shows_what_the_api_answers(cast: SimpleNamespace, sign_in: Any) -> None:
    own, foreign = AbsenceFactory(agent=cast.bruno), AbsenceFactory(agent=cast.etienne)
    answer = run(signed_in(cast.bruno), "absences.list")
    assert status(answer) == 200
    direct = sign_in(cast.bruno).get("/api/v1/absences")
    assert body(answer) == direct.json()
    assert [one["id"] for one in body(answer)["absences"]] == [own.pk]
    assert str(foreign.pk) not in [str(one["id"]) for one in body(answer)["absences"]]
    assert direct["X-Total-Count"] in shown(answer)
    assert answer["X-Request-Id"] in shown(answer)
    assert "no-store" in answer["Cache-Control"]


def test_what_is_run_is_recorded_as_done_by_the_agent_in_their_browser(cast: SimpleNamespace, martine: Client) -> None:
    answer = run(martine, "absences.create", **CREATE, reason="Demandé par téléphone")
    assert status(answer) == 200
    entry = RecordEntry.objects.filter(resource="absence").get()
    assert (entry.action, entry.actor_kind, entry.actor_id) == ("created", "agent", cast.martine.pk)
    assert (entry.credential_kind, entry.method, entry.route) == ("session", "POST", "absences")
    assert (entry.address, entry.reason) == ("127.0.0.1", "Demandé par téléphone")
    assert entry.request_id == answer["X-Request-Id"]
    assert Absence.objects.get().title == "Formation"


def test_what_is_wrong_stands_at_its_field(martine: Client) -> None:
    answer = run(martine, "absences.create", agent_email=CREATE["agent_email"], first_day="2026-12-10", title="Congés")
    assert status(answer) == 422
    assert re.search(r'class="field invalid">\s*<label for="id_p-start_time"', shown(answer))
    assert not re.search(r'class="field invalid">\s*<label for="id_p-title"', shown(answer))
    assert 'value="Congés"' in shown(answer)
    assert 'href="/erreurs/blank"' in shown(answer)
    assert not Absence.objects.exists()


def test_a_right_that_is_missing_is_missing_here_too(cast: SimpleNamespace, martine: Client) -> None:
    foreign = AbsenceFactory(agent=cast.etienne)
    answer = run(martine, "absences.update", id=foreign.pk, title="Autre")
    assert status(answer) == 403
    assert 'href="/erreurs/forbidden"' in shown(answer)
    assert RecordEntry.objects.filter(action="refused", credential_kind="session", actor_id=cast.martine.pk).exists()
    assert status(run(martine, "absences.show", id=10**9)) == 404


def test_a_field_is_emptied_by_its_box_and_left_alone_without(cast: SimpleNamespace) -> None:
    client = signed_in(cast.martine)
    cast.mds.phone_number = "+33140000001"
    cast.mds.save()
    answer = run(client, "organisations.update", id=cast.mds.pk, name="MDS du Parc", **{"phone_number:none": "on"})
    assert status(answer) == 200
    shown_now = body(answer)["organisation"]
    assert (shown_now["name"], shown_now["phone_number"], shown_now["email"]) == (
        "MDS du Parc",
        None,
        cast.mds.email,
    )


def test_a_deletion_is_confirmed_first(cast: SimpleNamespace, martine: Client) -> None:
    absence = AbsenceFactory(agent=cast.martine)
    answer = run(martine, "absences.delete", id=absence.pk)
    assert (answer.status_code, status(answer)) == (422, None)
    assert "Cochez la case qui confirme" in shown(answer)
    assert Absence.objects.filter(pk=absence.pk).exists()
    assert status(run(martine, "absences.delete", id=absence.pk, _confirmed="1")) == 204
    assert not Absence.objects.filter(pk=absence.pk).exists()


def test_an_answer_that_is_loaded_anew_does_nothing_again(martine: Client) -> None:
    form = {f"p-{name}": value for name, value in CREATE.items()} | {
        "do": "run",
        "once": number(martine, "absences.create"),
    }
    assert status(martine.post(address("absences.create"), form)) == 200
    again = martine.post(address("absences.create"), form)
    assert status(again) is None
    assert "rien n'a été refait" in html.unescape(shown(again))
    assert 'value="Formation"' in shown(again)
    assert Absence.objects.count() == 1


def test_a_form_that_comes_twice_at_once_is_run_once(martine: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    form = {f"p-{name}": value for name, value in CREATE.items()} | {
        "do": "run",
        "once": number(martine, "absences.create"),
    }
    # The session of the second was read before the first had kept its own.
    monkeypatch.setattr(page, "spend", lambda session, number: None)
    first, second = (martine.post(address("absences.create"), form) for _time in range(2))
    assert (status(first), status(second)) == (200, 200)
    assert body(first) == body(second)
    assert Absence.objects.count() == 1


def test_preparing_lines_runs_nothing(martine: Client) -> None:
    answer = martine.post(address("absences.create"), {"do": "prepare"} | {f"p-{k}": v for k, v in CREATE.items()})
    assert status(answer) is None
    assert "title=Formation" in lines(answer)[0]
    assert not Absence.objects.exists()


def test_the_session_is_no_credential_but_here(cast: SimpleNamespace, martine: Client) -> None:
    """A cookie opens nothing at the API itself, so that another site's page opens nothing either."""
    assert martine.get("/api/v1/me").status_code == 401
    for headers in ({"session-credential": "1"}, {"Cookie": f"sessionid={martine.session.session_key}"}):
        assert WireClient().get("/api/v1/me", headers=headers).status_code == 401


def test_a_form_of_another_site_runs_nothing(cast: SimpleNamespace) -> None:
    client = signed_in(cast.martine, enforce_csrf_checks=True)
    form = {f"p-{name}": value for name, value in CREATE.items()} | {"do": "run"}
    form["once"] = number(client, "absences.create")
    assert client.post(address("absences.create"), form).status_code == 403
    assert not Absence.objects.exists()
    form["csrfmiddlewaretoken"] = csrf_token(client.get(address("absences.create")))
    assert status(client.post(address("absences.create"), form)) == 200


@pytest.mark.parametrize("end", ["put aside", "password", "signed out"])
def test_what_is_run_while_the_session_ended_is_not_done(
    cast: SimpleNamespace, martine: Client, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    once = number(martine, "absences.create")
    key = martine.session.session_key

    def meanwhile(agent: int) -> None:
        if end == "put aside":
            Agent.objects.filter(pk=agent).update(is_active=False)
        elif end == "password":
            Agent.objects.filter(pk=agent).update(password="plain$Un autre 2026 !")
        else:
            martine.session.delete(key)

    monkeypatch.setattr(session, "hold_rights", meanwhile)
    form = {f"p-{name}": value for name, value in CREATE.items()} | {"do": "run", "once": once}
    answer = martine.post(address("absences.create"), form)
    assert status(answer) == 401
    assert "revoked" in shown(answer)
    assert not Absence.objects.exists()


def test_rights_that_change_while_it_runs_are_those_that_count(
    cast: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = signed_in(cast.bruno)
    once = number(client, "absences.create")
    monkeypatch.setattr(session, "hold_rights", lambda agent: cast.bruno.roles.all().delete())
    form = {f"p-{name}": value for name, value in CREATE.items()} | {"do": "run", "once": once}
    assert status(client.post(address("absences.create"), form)) == 403
    assert not Absence.objects.exists()


def test_who_one_is_tells_of_the_browser(cast: SimpleNamespace, martine: Client) -> None:
    answer = run(martine, "me.show")
    assert body(answer)["agent"]["id"] == cast.martine.pk
    assert body(answer)["credential"]["kind"] == "session"
    assert body(run(martine, "token.show"))["token"]["kind"] == "session"


def test_a_key_that_is_made_is_in_the_answer_alone(martine: Client) -> None:
    answer = run(
        martine, "tokens.create", name="Nuit", resources="absences\r\nagents", read_only="true", expires_at="7"
    )
    assert status(answer) == 200
    token = body(answer)["token"]
    assert (token["resources"], token["read_only"]) == (["absences", "agents"], True)
    assert AccessKey.objects.count() == 1
    assert "no-store" in answer["Cache-Control"]
    assert token["secret"] not in str(dict(martine.session))
    assert token["secret"] not in shown(martine.get(address("tokens.create")))
    assert token["secret"] not in "".join(lines(answer))


@pytest.mark.parametrize(
    "id", ["auth.sign_in", "auth.login", "auth.change_password", "auth.sign_out", "auth.validate_token"]
)
def test_what_gives_ends_or_changes_a_sign_in_is_told_and_not_run(
    cast: SimpleNamespace, martine: Client, id: str
) -> None:
    before = Agent.objects.get(pk=cast.martine.pk).password
    answer = run(
        martine, id, email=cast.martine.email, password="Un secret 2026 !", password_confirmation="Un secret !"
    )
    assert status(answer) is None
    assert "Cette opération ne s'exécute pas ici." in html.unescape(shown(answer))
    assert 'value="run"' not in shown(answer)
    assert "Un secret" not in html.unescape(shown(answer))
    assert Agent.objects.get(pk=cast.martine.pk).password == before
    assert martine.get(OPERATIONS).status_code == 200


def test_lines_have_variables_instead_of_secrets(martine: Client) -> None:
    for line in lines(martine.get(address("absences.list"))):
        assert "API_KEY" in line
    for line in lines(martine.get(address("auth.sign_in"), {"exemple": "0"})):
        assert "PASSWORD" in line
        assert "123456" not in line
        assert "API_KEY" not in line
    for line in lines(martine.get(address("auth.sign_out"))):
        assert "ACCESS_TOKEN" in line


@pytest.mark.parametrize(
    ("id", "sent"),
    [
        ("absences.show", {"id": ""}),
        ("absences.show", {"id": ".."}),
        ("absences.show", {"id": "1\x00"}),
        ("absences.list", {"If-None-Match": "a\r\nX-Evil: 1"}),
    ],
)
def test_what_cannot_be_a_request_is_told_at_its_field(martine: Client, id: str, sent: dict[str, str]) -> None:
    answer = martine.post(address(id), {"do": "run"} | {f"p-{name}": value for name, value in sent.items()})
    assert (answer.status_code, status(answer)) == (422, None)
    assert re.search(rf'class="field invalid">\s*<label for="id_p-{next(iter(sent))}"', shown(answer))


@pytest.mark.parametrize("id", ["absences.list", "absences.create"])
@pytest.mark.parametrize("text", ["é'\"$`\\", "=x", "@/etc/passwd", "a&b=c", "%00", "?#/", "😀" * 50, "<script>"])
def test_whatever_is_typed_is_only_text(martine: Client, id: str, text: str) -> None:
    answer = run(martine, id, title=text)
    assert status(answer) in (200, 422)
    assert "<script>alert" not in shown(answer)
    assert text not in ("<script>",) or "<script><" not in shown(answer)


def test_the_page_stays_in_its_language_whatever_the_api_was_asked_for(martine: Client) -> None:
    answer = run(martine, "absences.create", **{"Accept-Language": "en"})
    assert "can&#x27;t be blank" in shown(answer)
    assert answer["Content-Language"] == "fr"
    assert "La même chose ailleurs" in shown(answer)


def test_where_the_api_is_switched_off_it_refuses_here_too(settings: Any, martine: Client) -> None:
    settings.RDV_API = False
    assert "L'API est désactivée sur ce serveur : elle refusera." in html.unescape(
        shown(martine.get(address("absences.list")))
    )
    answer = run(martine, "absences.list")
    assert status(answer) == 403
    assert body(answer)["errors"] == [{"base": "api_disabled"}]


def test_a_condition_is_answered_as_by_the_api(martine: Client) -> None:
    first = run(martine, "absences.list")
    found = re.search(r"<dt>ETag</dt><dd><code>(.*?)</code>", shown(first))
    assert found
    assert status(run(martine, "absences.list", **{"If-None-Match": html.unescape(found[1])})) == 304


def test_a_public_operation_is_asked_as_anybody(martine: Client) -> None:
    answer = run(martine, "api.discover")
    assert status(answer) == 200
    assert body(answer)["name"] == "RDV"
    assert body(answer)["links"]["documentation"] == "http://testserver/api/docs"
    long = run(martine, "api.describe")
    assert status(long) == 200
    assert "caractères de plus ne sont pas montrés ici" in shown(long)


def test_a_key_of_retries_and_a_state_hold_as_they_do_by_api(martine: Client) -> None:
    retried = CREATE | {"Idempotency-Key": "essai-1"}
    first, second = run(martine, "absences.create", **retried), run(martine, "absences.create", **retried)
    assert body(first) == body(second)
    assert "Idempotency-Replayed" in html.unescape(shown(second))
    assert Absence.objects.count() == 1
    other = run(martine, "absences.create", **retried | {"title": "Autre"})
    assert status(other) == 422
    assert 'href="/erreurs/idempotency_key_reused"' in shown(other)
    stale = run(martine, "absences.update", id=body(first)["absence"]["id"], title="Autre", **{"If-Match": '"1.1-0"'})
    assert status(stale) == 412
    assert Absence.objects.get().title == "Formation"
