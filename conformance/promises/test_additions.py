"""What RDV has beside the contract. A server that does not offer one of these is no worse: its tests are skipped."""

from __future__ import annotations

import uuid

import pytest

from conformance import expect
from conformance.cast import Cast
from conformance.material import day, made, titled

SERVICES = pytest.mark.contract("+services")
PAGES = pytest.mark.contract("+pages")
FILTERS = pytest.mark.contract("+filters")
REASONS = pytest.mark.contract("+reasons")
LANGUAGES = pytest.mark.contract("+languages")
LIMITS = pytest.mark.contract("+limits")


def offered(is_offered, what):
    if not is_offered:
        pytest.skip(f"an addition that this server does not offer: {what}")


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
