"""What RDV has beside the contract. A server that does not offer one of these is no worse: its tests are skipped."""

from __future__ import annotations

import uuid

import pytest

from conformance import expect
from conformance.cast import Cast
from conformance.expect import offered
from conformance.material import day, made, titled

SERVICES = pytest.mark.contract("+services")
PAGES = pytest.mark.contract("+pages")
FILTERS = pytest.mark.contract("+filters")
REASONS = pytest.mark.contract("+reasons")
WRITES = pytest.mark.contract("+writes")
PROBLEMS = pytest.mark.contract("+problems")
LANGUAGES = pytest.mark.contract("+languages")
LIMITS = pytest.mark.contract("+limits")


@SERVICES
@pytest.mark.parametrize("kind", sorted(Cast.KINDS))
def test_the_services_of_those_whom_one_reaches(cast, directory, kind):
    caller = getattr(cast, kind)
    offered(caller.get("/services").status_code != 404, "the list of services")
    rows = list(caller.walk("/services", "services"))
    for row in rows:
        assert [key for key in row if key in ("id", "name", "secretariat", "short_name")] == [
            *("id", "name", "secretariat", "short_name")
        ]
    listed = {row["name"].lower(): row for row in rows}
    expected = directory.services_shown_to(caller.who)
    assert set(listed) & set(directory.services) == expected
    for name in expected:
        assert listed[name]["secretariat"] == (name in directory.secretariats)


@PAGES
@pytest.mark.parametrize("plural", ["absences", "agents", "organisations"])
def test_headers_say_what_meta_says(worker, plural):
    answer = worker.get(f"/{plural}")
    offered("X-Total-Count" in answer.headers, "X-Total-Count and Link")
    meta = expect.body(answer, 200)["meta"]
    assert answer.headers["X-Total-Count"] == str(meta["total_count"])
    assert {"first", "last"} <= set(answer.links)
    assert ("next" in answer.links) == (meta["next_page"] is not None)
    assert "prev" not in answer.links


@PAGES
def test_a_page_may_be_shorter_and_links_lead_on(worker, asked):
    for number in range(3):
        made(worker, asked, first_day=day(number))
    answer = worker.get("/absences", params={"per": 2})
    rows = expect.body(answer, 200)["absences"]
    offered(len(rows) <= 2, "per")
    assert len(rows) == 2
    second = worker.server.ask("GET", _path(worker, answer.links["next"]["url"]), headers=worker.triple)
    document = expect.body(second, 200)
    assert document["meta"]["current_page"] == 2
    assert not {row["id"] for row in document["absences"]} & {row["id"] for row in rows}


@PAGES
def test_a_walk_by_cursor_shows_everything_once(worker, asked):
    mine = {made(worker, asked, first_day=day(number))["id"] for number in range(3)}
    document = expect.body(worker.get("/absences", params={"cursor": "", "per": 2}), 200)
    offered("next_cursor" in document["meta"], "walks by cursor")
    seen = []
    for _step in range(10):
        seen += [row["id"] for row in document["absences"]]
        cursor = document["meta"]["next_cursor"]
        if cursor is None or mine <= set(seen):
            break
        document = expect.body(worker.get("/absences", params={"cursor": cursor, "per": 2}), 200)
    assert mine <= set(seen)
    assert len(set(seen)) == len(seen)


def _path(caller, url):
    """What `ask` takes for an absolute address of this server."""
    assert "/api/v1/" in url
    return url.split("/api/v1", 1)[1]


@FILTERS
def test_filters_narrow_the_list(worker, asked, cast):
    row = made(worker, asked, first_day=day(10), end_day=day(12), title=titled("Été à Lyon"))
    other = made(worker, asked, first_day=day(20), title=titled("Hiver"))
    nobody = expect.body(worker.get("/absences", params={"agent_id": 0}), 200)
    offered(nobody["absences"] == [], "filters of absences")
    for params, kept in (
        ({"agent_id": asked["agent_id"]}, {row["id"], other["id"]}),
        ({"agent_email": cast.seen(worker).email}, {row["id"], other["id"]}),
        ({"from": day(11), "to": day(11)}, {row["id"]}),
        ({"from": day(13), "to": day(19)}, set()),
        ({"starts_after": day(15)}, {other["id"]}),
        ({"starts_before": day(15), "starts_after": day(9)}, {row["id"]}),
        ({"title": "ete a lyon"}, {row["id"]}),
    ):
        listed = {one["id"] for one in worker.walk("/absences", "absences", **params)}
        assert listed & {row["id"], other["id"]} == kept, params


@FILTERS
def test_a_filter_that_cannot_be_read_never_widens_the_list(worker):
    answer = worker.get("/absences", params={"from": "demain"})
    offered(answer.status_code == 422, "filters of absences")
    assert list(expect.body(answer, 422)["errors"]) == ["from"]


@REASONS
def test_a_401_says_why(server, anonymous, cast):
    offered("WWW-Authenticate" in anonymous.get("/agents").headers, "reasons in WWW-Authenticate")
    assert anonymous.get("/agents").headers["WWW-Authenticate"].startswith("Bearer")
    unknown = {"uid": cast.newcomer.email, "client": "x" * 22, "access-token": "y" * 22}
    assert 'error_description="unknown"' in anonymous.get("/agents", headers=unknown).headers["WWW-Authenticate"]
    caller = server.sign_in(cast.newcomer)
    caller.delete("/auth/sign_out")
    assert 'error_description="revoked"' in caller.get("/agents").headers["WWW-Authenticate"]


@REASONS
def test_a_creation_says_where_it_is(worker, asked):
    answer = worker.post("/absences", json=asked)
    offered("Location" in answer.headers, "Location")
    row = expect.body(answer, 200)["absence"]
    assert answer.headers["Location"].endswith(f"/api/v1/absences/{row['id']}")
    assert row["url"] == answer.headers["Location"]


@REASONS
def test_malformed_json_is_told_where(worker):
    headers = {"Content-Type": "application/json"}
    document = expect.body(worker.post("/absences", content=b'{\n "title": }', headers=headers), 400)
    offered("hint" in document, "hints")
    assert "2" in document["hint"]


@REASONS
def test_an_update_that_is_not_read_does_not_pass_for_an_empty_one(worker, absence):
    headers = {"Content-Type": "text/plain"}
    answer = worker.patch(f"/absences/{absence['id']}", content=b'{"title": "x"}', headers=headers)
    offered(answer.status_code != 200, "415")
    document = expect.body(answer, 415)
    assert document["errors"] == [{"base": "unsupported_media_type"}]


@WRITES
def test_a_creation_that_is_sent_again_with_its_key_is_done_once(worker, asked):
    headers = {"Idempotency-Key": str(uuid.uuid4())}
    asked["title"] = titled(uuid.uuid4().hex)
    first, again = (worker.post("/absences", json=asked, headers=headers) for _time in range(2))
    offered("Idempotency-Replayed" in again.headers, "Idempotency-Key")
    assert again.headers["Idempotency-Replayed"] == "true"
    assert "Idempotency-Replayed" not in first.headers
    assert expect.body(again, 200) == expect.body(first, 200)
    rows = expect.body(worker.get("/absences"), 200)["absences"]
    assert len([row for row in rows if row["title"] == asked["title"]]) == 1
    other = worker.post("/absences", json=asked | {"title": titled("Autre")}, headers=headers)
    assert expect.body(other, 422)["errors"] == [{"base": "idempotency_key_reused"}]


@WRITES
@pytest.mark.parametrize("verb", ["PUT", "PATCH", "DELETE"])
def test_a_change_of_what_changed_meanwhile_is_refused(worker, absence, verb):
    path = f"/absences/{absence['id']}"
    stale = worker.get(path).headers["ETag"]
    offered(stale.startswith('"'), "If-Match")
    fresh = worker.patch(path, json={"title": titled("Entre-temps")}, headers={"If-Match": stale})
    assert expect.body(fresh, 200)["absence"]["title"] == titled("Entre-temps")
    refused = worker.ask(verb, path, json={"title": titled("Trop tard")}, headers={"If-Match": stale})
    assert expect.body(refused, 412)["errors"] == [{"base": "precondition_failed"}]
    now = worker.get(path)
    assert expect.body(now, 200)["absence"]["title"] == titled("Entre-temps")
    assert worker.delete(path, headers={"If-Match": now.headers["ETag"]}).status_code == 204


@WRITES
def test_a_change_may_be_answered_without_a_body(worker, absence):
    path = f"/absences/{absence['id']}"
    answer = worker.patch(path, json={"title": titled("Peu")}, headers={"Prefer": "return=minimal"})
    offered("Preference-Applied" in answer.headers, "Prefer: return=minimal")
    assert (answer.status_code, answer.content) == (204, b"")
    shown = worker.get(path)
    assert expect.body(shown, 200)["absence"]["title"] == titled("Peu")
    assert answer.headers["ETag"] == shown.headers["ETag"]


@PROBLEMS
@pytest.mark.parametrize(("path", "status"), [("/absences/0", 404), ("/agents?page=%FF", 400)])
def test_an_error_as_a_problem_says_its_status_and_type(worker, path, status):
    answer = worker.get(path, headers={"Accept": "application/problem+json"})
    offered(expect.media(answer).startswith("application/problem+json"), "application/problem+json")
    document = expect.body(answer, status)
    assert document["status"] == status
    assert all(isinstance(document[key], str) and document[key] for key in ("type", "title", "code"))


@PROBLEMS
def test_a_problem_points_at_each_parameter(worker):
    answer = worker.post("/absences", json={}, headers={"Accept": "application/problem+json"})
    offered(expect.media(answer).startswith("application/problem+json"), "application/problem+json")
    pointers = {one["pointer"].removeprefix("#").removeprefix("/") for one in expect.body(answer, 422)["errors"]}
    assert {"title", "first_day", "start_time", "end_time"} <= pointers


@LANGUAGES
def test_sentences_in_english_and_codes_as_ever(worker, anonymous):
    english = {"Accept-Language": "en"}
    answer = anonymous.get("/agents", headers=english)
    offered(answer.headers.get("Content-Language") == "en", "English")
    (sentence,) = expect.body(answer, 401)["errors"]
    assert sentence != expect.SIGN_IN_FIRST
    french = expect.body(worker.post("/absences"), 422)
    document = expect.body(worker.post("/absences", headers=english), 422)
    assert document["errors"] == french["errors"]
    assert document["error_messages"] != french["error_messages"]


@LANGUAGES
@pytest.mark.parametrize("language", ["fr", "fr-FR,fr;q=0.9,en;q=0.1", "de", "*", "nonsense;q=x"])
def test_french_unless_english_is_asked_for(anonymous, language):
    expect.unauthenticated(anonymous.get("/agents", headers={"Accept-Language": language}))


@LIMITS
def test_a_body_that_is_too_long_is_refused(worker):
    answer = worker.post("/absences", json={"title": "x" * (1 << 20)})
    offered(answer.status_code == 413, "a limit of one mebibyte")
    assert expect.body(answer, 413)["errors"] == [{"base": "payload_too_large"}]


@LIMITS
def test_too_many_levels_are_refused(worker):
    content = b'{"a":' * 200 + b"1" + b"}" * 200
    answer = worker.post("/absences", content=content, headers={"Content-Type": "application/json"})
    offered(answer.status_code != 422, "a limit of a hundred levels")
    expect.bad_request(answer)


@LIMITS
def test_who_guesses_passwords_is_slowed_down(anonymous):
    """For an email that nobody has, so that nobody is kept out."""
    values = {"email": f"{uuid.uuid4().hex}@conformance.invalid", "password": "x"}
    for _try in range(11):
        answer = anonymous.post("/auth/sign_in", json=values, patient=False)
        if answer.status_code != 401:
            break
    offered(answer.status_code == 429, "a limit of guesses")
    assert answer.headers["Content-Type"] == "application/json"
    assert int(answer.headers["Retry-After"]) > 0
    expect.only(expect.body(answer, 429), {"errors": ["Limite d'appels API atteinte. Merci de patienter.\n"]})
