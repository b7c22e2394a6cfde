"""Contract 1.6: pages of at most 100, what `page` means, `meta`; ours: `per`, `Link`, `X-Total-Count`."""

from __future__ import annotations

import datetime
from urllib.parse import parse_qsl, urlsplit

import pytest

from absences.models import Absence
from tests.factories import AgentFactory

AGENTS = "/api/v1/agents"


@pytest.fixture
def martine(cast, sign_in):
    """Sees five agents: those of the cast who have a role in the MDS, and Zoé."""
    AgentFactory(first_name="Zoé", intervenant_in=[cast.mds])
    return sign_in(cast.martine)


def ids(answer):
    return [agent["id"] for agent in answer.json()["agents"]]


def links(answer):
    """The query of each `Link`, by relation."""
    return {
        part.split('rel="')[1].rstrip('"'): dict(parse_qsl(urlsplit(part.split(">")[0].lstrip(" <")).query))
        for part in answer["Link"].split(",")
    }


def test_meta_has_five_keys_in_their_order(martine):
    assert martine.get(AGENTS).content.endswith(
        b'"meta":{"current_page":1,"next_page":null,"prev_page":null,"total_pages":1,"total_count":5}}'
    )


def test_pages_follow_each_other_without_gap_or_repetition(martine):
    everyone = ids(martine.get(AGENTS))
    pages = [martine.get(f"{AGENTS}?per=2&page={page}") for page in (1, 2, 3)]
    assert [id for page in pages for id in ids(page)] == everyone
    assert [page.json()["meta"] for page in pages] == [
        {"current_page": 1, "next_page": 2, "prev_page": None, "total_pages": 3, "total_count": 5},
        {"current_page": 2, "next_page": 3, "prev_page": 1, "total_pages": 3, "total_count": 5},
        {"current_page": 3, "next_page": None, "prev_page": 2, "total_pages": 3, "total_count": 5},
    ]


@pytest.mark.parametrize("page", ["", "0", "-3", "abc", "1", "1.9", "01", " 1"])
def test_what_means_the_first_page(martine, page):
    answer = martine.get(AGENTS, {"per": 2, "page": page})
    assert answer.json()["meta"]["current_page"] == 1
    assert len(ids(answer)) == 2


@pytest.mark.parametrize("page", ["2", "2abc", " 2", "2.9", "0002", "0" * 30 + "2"])
def test_what_means_the_second_page(martine, page):
    assert martine.get(AGENTS, {"per": 2, "page": page}).json()["meta"]["current_page"] == 2


@pytest.mark.parametrize("query", ["page[]=2", "page[x]=2", "page%5B%5D=2", "page"])
def test_a_page_that_is_no_scalar_means_the_first(martine, query):
    answer = martine.get(f"{AGENTS}?per=2&{query}")
    assert answer.status_code == 200
    assert answer.json()["meta"]["current_page"] == 1


@pytest.mark.parametrize("page", ["4", "9", "4294967296", "9" * 18, "9" * 19, "9" * 100, "9" * 5000])
def test_beyond_the_end_the_page_is_empty_and_the_totals_true(martine, page):
    answer = martine.get(f"{AGENTS}?per=2&page={page}")
    assert answer.status_code == 200
    assert ids(answer) == []
    meta = answer.json()["meta"]
    assert meta["current_page"] == min(int(page[:18]), 2**53 - 1)
    assert meta == {
        "current_page": meta["current_page"],
        "next_page": None,
        "prev_page": None,
        "total_pages": 3,
        "total_count": 5,
    }


def test_an_empty_list_has_no_page(sign_in, db):
    assert sign_in(AgentFactory()).get(AGENTS).json() == {
        "agents": [],
        "meta": {"current_page": 1, "next_page": None, "prev_page": None, "total_pages": 0, "total_count": 0},
    }


@pytest.mark.parametrize("per", ["", "0", "-1", "abc", "100", "101", "9" * 30])
def test_a_page_holds_at_most_100_whatever_per_says(cast, sign_in, per):
    day, nine, ten = datetime.date(2026, 12, 1), datetime.time(9), datetime.time(10)
    Absence.objects.bulk_create(
        Absence(agent=cast.bruno, title="Congés", first_day=day, end_day=day, start_time=nine, end_time=ten)
        for _ in range(101)
    )
    answer = sign_in(cast.martine).get("/api/v1/absences", {"per": per})
    assert len(answer.json()["absences"]) == 100
    assert answer.json()["meta"]["total_pages"] == 2


def test_links_lead_to_the_other_pages_with_the_same_filters(cast, martine):
    answer = martine.get(f"{AGENTS}?organisation_id={cast.mds.pk}&page=2&per=2&x=%26%C3%A9")
    same = {"organisation_id": str(cast.mds.pk), "per": "2", "x": "&é"}
    assert links(answer) == {
        "first": same | {"page": "1"},
        "prev": same | {"page": "1"},
        "next": same | {"page": "3"},
        "last": same | {"page": "3"},
    }
    assert answer["Link"].startswith("<http://testserver/api/v1/agents?")


def test_the_ends_have_no_further_link(martine):
    assert links(martine.get(f"{AGENTS}?per=2")).keys() == {"first", "next", "last"}
    assert links(martine.get(f"{AGENTS}?per=2&page=3")).keys() == {"first", "prev", "last"}
    assert links(martine.get(f"{AGENTS}?per=2&page=9")).keys() == {"first", "last"}


def test_the_total_is_a_header_too(martine):
    assert martine.get(f"{AGENTS}?per=2&page=9")["X-Total-Count"] == "5"


def test_a_list_costs_three_queries(martine, django_assert_num_queries):
    with django_assert_num_queries(3):  # the token with its agent, the count, the page
        martine.get(AGENTS)


def test_filters_too_long_for_a_header_are_not_repeated_in_links(cast, sign_in):
    answer = sign_in(cast.martine).get(f"/api/v1/agents?search={'a' * 3000}")
    assert answer.status_code == 200
    assert "Link" not in answer
    assert answer.json()["meta"]["current_page"] == 1
