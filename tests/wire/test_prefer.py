"""`Prefer` (RFC 7240): how it is read, and what `return=minimal` and `return=representation` get."""

from __future__ import annotations

import time

import pytest
from django.http import HttpResponse
from django.test import RequestFactory
from django.urls import get_resolver

from agents.models import AccessKey, RecordEntry
from rdv.api.prefer import apply, preferences
from tests.factories import AbsenceFactory


def read(header):
    return preferences(RequestFactory().get("/", headers={"Prefer": header}))


def test_no_header_prefers_nothing():
    assert preferences(RequestFactory().get("/")) == {}


@pytest.mark.parametrize(
    ("header", "found"),
    [
        ("return=minimal", {"return": "minimal"}),
        ("Return = minimal", {"return": "minimal"}),
        ('return="minimal"', {"return": "minimal"}),
        (r'return="min\imal"', {"return": "minimal"}),
        ("respond-async", {"respond-async": ""}),
        ('respond-async=""', {"respond-async": ""}),
        ("handling=strict, return=minimal", {"handling": "strict", "return": "minimal"}),
        (",, handling=strict ,\t, return=minimal,", {"handling": "strict", "return": "minimal"}),
        ('return=minimal; foo="some, parameter; \\" more", wait=10', {"return": "minimal", "wait": "10"}),
        ("return=minimal;, wait=10", {"return": "minimal", "wait": "10"}),
        ("return=minimal, return=representation", {"return": "minimal"}),
        ("return=MINIMAL", {"return": "MINIMAL"}),
    ],
)
def test_the_forms_of_rfc_7240(header, found):
    assert read(header) == found


@pytest.mark.parametrize(
    ("header", "found"),
    [
        ("", {}),
        ("=", {}),
        ("return=", {}),
        ('return="minimal', {}),
        ("return minimal", {}),
        ("é=1", {}),
        ("handling=strict, @, return=minimal", {"handling": "strict"}),
        ('return=minimal; "', {}),
    ],
)
def test_what_cannot_be_read_is_left_aside_with_all_that_follows(header, found):
    assert read(header) == found


@pytest.mark.parametrize("piece", ['a="\\",', "a; ; ;", "a=b;\t ", ",", 'a="b",', "a" * 50, '"', "\\"])
def test_a_long_one_is_read_in_no_time(piece):
    started = time.process_time()
    read(piece * 20_000)
    assert time.process_time() - started < 2


def test_what_was_applied_is_told_together():
    response = HttpResponse()
    apply(response, "return", "minimal")
    apply(response, "handling", "strict")
    assert response["Preference-Applied"] == "return=minimal, handling=strict"
    assert response["Vary"] == "Prefer"


# What is preferred of an answer to a change.

NEW = {"title": "Formation", "first_day": "2026-12-01", "start_time": "9:00", "end_time": "10:00"}


@pytest.fixture
def martine(now, cast, sign_in):
    return sign_in(cast.martine)


@pytest.fixture
def absence(cast):
    return AbsenceFactory(agent=cast.bruno, title="Original")


def prefer(client, verb, path, body, preference):
    return getattr(client, verb)(path, body, headers={"Prefer": preference})


@pytest.mark.parametrize("verb", ["put", "patch"])
@pytest.mark.parametrize("resource", ["absences", "organisations"])
def test_a_change_with_return_minimal_is_204_with_the_etag_of_what_it_made(cast, martine, absence, resource, verb):
    path = f"/api/v1/{resource}/{absence.pk if resource == 'absences' else cast.mds.pk}"
    body = {"title": "Autre"} if resource == "absences" else {"name": "Autre"}
    answer = prefer(martine, verb, path, body, "return=minimal")
    assert (answer.status_code, answer.content) == (204, b"")
    assert answer["Preference-Applied"] == "return=minimal"
    assert not {"Content-Type", "Content-Length"} & set(answer.headers)
    shown = martine.get(path)
    assert answer["ETag"] == shown["ETag"]
    assert "Autre" in shown.content.decode()
    assert {name: answer[name] for name in martine.triple} == martine.triple


def test_a_creation_with_return_minimal_is_204_with_its_location_and_etag(cast, martine):
    asked = NEW | {"agent_id": cast.bruno.pk}
    answer = prefer(martine, "post", "/api/v1/absences", asked, "return=minimal")
    assert (answer.status_code, answer.content) == (204, b"")
    assert answer["Preference-Applied"] == "return=minimal"
    shown = martine.get(answer["Location"])
    assert shown.json()["absence"]["title"] == "Formation"
    assert answer["ETag"] == shown["ETag"]


@pytest.mark.parametrize("verb", ["put", "patch"])
def test_return_representation_is_the_usual_answer_and_told(martine, absence, verb):
    path = f"/api/v1/absences/{absence.pk}"
    answer = prefer(martine, verb, path, {"title": "Autre"}, "return=representation")
    assert answer.json()["absence"]["title"] == "Autre"
    assert answer["Preference-Applied"] == "return=representation"
    assert "Prefer" in answer["Vary"]


@pytest.mark.parametrize("preference", ["return=less", "return", "respond-async", '"return=minimal"'])
def test_what_is_not_understood_is_not_told(martine, absence, preference):
    answer = prefer(martine, "patch", f"/api/v1/absences/{absence.pk}", {"title": "Autre"}, preference)
    assert answer.status_code == 200
    assert "Preference-Applied" not in answer


def test_an_error_is_told_in_full(martine, absence):
    answer = prefer(martine, "patch", f"/api/v1/absences/{absence.pk}", {"title": ""}, "return=minimal")
    assert answer.status_code == 422
    assert answer.json()["errors"] == {"title": [{"error": "blank"}]}
    assert "Preference-Applied" not in answer


def test_a_secret_that_is_told_once_is_told(martine):
    answer = prefer(martine, "post", "/api/v1/tokens", {"name": "Tâche de nuit"}, "return=minimal")
    assert answer.json()["token"]["secret"].startswith("rdv_pat_")
    assert "Preference-Applied" not in answer


def test_reading_is_never_minimal(martine, absence):
    answer = martine.get(f"/api/v1/absences/{absence.pk}", headers={"Prefer": "return=minimal"})
    assert answer.status_code == 200
    assert "Preference-Applied" not in answer


# HEAD, the lightest answer.

READ = [
    *("absences", "absences/{absence}", "agents", "organisations", "organisations/{mds}", "services", "me", "token"),
    *("tokens", "tokens/{key}", "audit", "audit/{entry}", "auth/validate_token"),
]


@pytest.mark.parametrize("path", READ)
def test_head_says_what_get_would(cast, martine, absence, path):
    key, _secret = AccessKey.make(cast.martine, name="Tâche de nuit")
    entry = RecordEntry.objects.filter(agent_id=cast.martine.pk).latest("pk")
    address = "/api/v1/" + path.format(absence=absence.pk, mds=cast.mds.pk, key=key.pk, entry=entry.pk)
    shown, head = martine.get(address), martine.head(address)
    assert (shown.status_code, head.status_code, head.content) == (200, 200, b"")
    differs = {"X-Runtime", "X-Request-Id"}
    assert {n: v for n, v in head.items() if n not in differs} == {n: v for n, v in shown.items() if n not in differs}


def test_every_address_that_is_read_has_head(anonymous):
    # Those that only begin something, and the pages of the administration, are not the API's.
    for pattern, view in each_view():
        methods = view.actions if getattr(view, "actions", None) else vars(view.cls)
        if "get" in methods:
            kwargs = dict.fromkeys(pattern.pattern.regex.groupindex, "1")
            answer = anonymous.head(f"/api/v1/{pattern.name.replace('<pk>', kwargs.get('pk', ''))}")
            assert answer.status_code != 405, pattern
            # Known from the first request on, whichever it is.
            assert view.actions.get("head") if getattr(view, "actions", None) else view.cls.get, pattern


def each_view():
    for included in get_resolver().url_patterns:
        if str(included.pattern) == "api/v1/":
            for pattern in included.url_patterns:
                if hasattr(pattern.callback, "cls"):
                    yield pattern, pattern.callback
