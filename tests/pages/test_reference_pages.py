"""The pages that explain the API to anybody: each code of an error, and the versions."""

from __future__ import annotations

import datetime
import html
import json
import re
from typing import Any

import pytest
from django.test import Client

from agents.views.sessions import Me
from rdv.api import versioning
from rdv.api.deprecation import declared_by, deprecated
from rdv.api.examples import codes_of, example_of
from rdv.api.problems import PROBLEMS
from rdv.api.versioning import Version

from .conftest import shown, signed_in

ENGLISH = {"Accept-Language": "en"}


@pytest.fixture
def visitor(db: None) -> Client:
    return Client(raise_request_exception=False)


def bodies(page: str) -> list[Any]:
    return [json.loads(html.unescape(one)) for one in re.findall(r"<pre><code>(.*?)</code></pre>", page, re.DOTALL)]


@pytest.mark.any_database
@pytest.mark.parametrize("code", sorted(PROBLEMS))
def test_each_code_has_a_page_with_an_answer_that_carries_it(visitor: Client, code: str) -> None:
    answer = visitor.get(f"/erreurs/{code}")
    assert answer.status_code == 200
    problem, page = PROBLEMS[code], html.unescape(shown(answer))
    for told in (problem.title, problem.explanation, problem.remedy):
        assert str(told) in page
    error = example_of(code)
    assert code in codes_of(error)
    assert error.status_code == problem.status
    plain, standard = bodies(shown(answer))
    assert plain == json.loads(json.dumps(error.body(), default=str))
    assert standard["status"] == problem.status
    assert standard["type"] == f"http://testserver/erreurs/{error.code}"
    if problem.of_a_value:
        assert code in {one["code"] for one in standard["errors"]}
    else:
        assert (standard["code"], standard["title"]) == (code, str(problem.title))


@pytest.mark.any_database
@pytest.mark.parametrize("code", sorted(PROBLEMS))
def test_each_page_is_in_english_too(visitor: Client, code: str) -> None:
    french, english = shown(visitor.get(f"/erreurs/{code}")), shown(visitor.get(f"/erreurs/{code}", headers=ENGLISH))
    assert "What it means" in english
    heading = re.compile(r"<h1>(.*?)</h1>")
    assert heading.findall(french) != heading.findall(english)
    assert bodies(english)[1]["title"] != bodies(french)[1]["title"]


def test_the_index_leads_to_every_page(visitor: Client) -> None:
    page = shown(visitor.get("/erreurs"))
    assert set(re.findall(r'href="/erreurs/([a-z_]+)"', page)) == set(PROBLEMS)


@pytest.mark.parametrize("code", ["nothing", "BLANK", "blank-", "a" * 3000, "%00", "../etc"])
def test_a_code_that_does_not_exist_is_404(visitor: Client, code: str) -> None:
    assert visitor.get(f"/erreurs/{code}").status_code in (400, 404)


def test_the_pages_cost_no_query(visitor: Client, django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(0):
        for path in ("/erreurs", "/erreurs/blank", "/erreurs/ends_before_start", "/versions"):
            assert visitor.get(path).status_code == 200


def test_they_are_for_whoever_is_signed_in_too(cast: Any) -> None:
    for path in ("/erreurs", "/erreurs/taken", "/versions"):
        assert "Se déconnecter" in shown(signed_in(cast.martine).get(path))


def test_the_versions_are_told(visitor: Client) -> None:
    page = shown(visitor.get("/versions"))
    for told in ("Version 1", "/api/v1/", "Prise en charge", "22 novembre 2026", "Rien n'est déprécié"):
        assert told in page
    assert "Nothing is deprecated today." in shown(visitor.get("/versions", headers=ENGLISH))


def test_what_will_end_is_told(visitor: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    ending = Version("1", datetime.date(2026, 1, 1), datetime.date(2026, 11, 1), datetime.date(2027, 12, 1))
    monkeypatch.setattr(versioning, "VERSIONS", (ending,))
    monkeypatch.setattr("agents.pages.reference.VERSIONS", (ending,))
    ends = deprecated(datetime.date(2026, 11, 1), sunset=datetime.date(2027, 6, 1), field="roles")
    monkeypatch.setattr(Me, "get", ends(lambda self, request: None))
    declared_by.cache_clear()
    page = shown(visitor.get("/versions"))
    declared_by.cache_clear()
    for told in ("Dépréciée", "1 décembre 2027", "GET /api/v1/me", "le champ roles", "fin le 2027-06-01"):
        assert told in page
