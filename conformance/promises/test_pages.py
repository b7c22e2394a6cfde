"""Envelopes, and pages of a hundred."""

from __future__ import annotations

import pytest

from conformance import expect

pytestmark = pytest.mark.contract("1.6")

LISTS = ["absences", "agents", "organisations"]
META = ["current_page", "next_page", "prev_page", "total_pages", "total_count"]


@pytest.fixture
def reader(cast, directory, server):
    """Whoever sees the most absences of the file; with more than a page of them, so that there is a second."""
    able = [one for one in directory.agents if one.can_sign_in]

    def count(agent):
        return sum(
            directory.sees(agent, directory.by_email[one.email])
            for one in directory.absences
            if one.email in directory.by_email
        )

    most = max(able, key=count)
    if count(most) <= 100:
        pytest.skip("nobody of the directory file sees more than 100 of its absences, a page")
    return server.caller(most)


@pytest.mark.parametrize("plural", LISTS)
def test_a_list_is_its_plural_then_meta(worker, plural):
    document = expect.body(worker.get(f"/{plural}"), 200)
    assert list(document) == [plural, "meta"]
    assert isinstance(document[plural], list)
    meta = document["meta"]
    assert [key for key in meta if key in META] == META
    for key in META:
        assert type(meta[key]) is int or (meta[key] is None and key in ("next_page", "prev_page"))


def test_one_record_is_its_singular_alone(worker, absence):
    document = expect.body(worker.get(f"/absences/{absence['id']}"), 200)
    assert list(document) == ["absence"]


@pytest.mark.parametrize("plural", LISTS)
def test_a_list_of_one_page_says_so(cast, worker, plural):
    document = expect.body(worker.get(f"/{plural}"), 200)
    meta = document["meta"]
    assert meta["current_page"] == 1
    assert meta["prev_page"] is None
    assert meta["total_pages"] == -(-meta["total_count"] // 100)
    assert meta["next_page"] == (2 if meta["total_pages"] > 1 else None)
    assert len(document[plural]) == min(meta["total_count"], 100)


@pytest.mark.parametrize("plural", ["absences", "agents", "organisations"])
def test_an_empty_list_has_no_page(cast, plural):
    document = expect.body(cast.roleless.get(f"/{plural}"), 200)
    assert document[plural] == []
    assert [document["meta"][key] for key in META] == [1, None, None, 0, 0]


def test_pages_of_a_hundred_follow_each_other_without_gap_or_repetition(reader):
    first = expect.body(reader.get("/absences"), 200)
    pages, total = first["meta"]["total_pages"], first["meta"]["total_count"]
    assert total > 100
    assert pages == -(-total // 100)
    seen = []
    for number in range(1, min(pages, 3) + 1):
        document = expect.body(reader.get("/absences", params={"page": number}), 200)
        meta = document["meta"]
        assert meta["current_page"] == number
        assert meta["prev_page"] == (number - 1 or None)
        assert meta["next_page"] == (number + 1 if number < pages else None)
        assert len(document["absences"]) == (100 if number < pages else total - 100 * (pages - 1))
        seen += [row["id"] for row in document["absences"]]
    assert len(set(seen)) == len(seen)


@pytest.mark.parametrize("per", ["101", "1000", "0", "-1", "abc"])
def test_a_page_is_a_hundred_at_most_whatever_per_says(reader, per):
    assert len(expect.body(reader.get("/absences", params={"per": per}), 200)["absences"]) == 100


@pytest.mark.parametrize(
    ("page", "served"),
    [("", 1), ("0", 1), ("-3", 1), ("abc", 1), ("1", 1), ("2abc", 2), ("1.9", 1), (" 2", 2)],
)
def test_a_page_is_read_leniently(reader, page, served):
    document = expect.body(reader.get("/absences", params={"page": page}), 200)
    assert document["meta"]["current_page"] == served
    assert document["meta"]["total_count"] > 100


@pytest.mark.parametrize("query", ["page[]=2", "page[x]=2", "page%5B%5D=2"])
def test_a_page_that_is_no_scalar_is_the_first(reader, query):
    assert expect.body(reader.get(f"/absences?{query}"), 200)["meta"]["current_page"] == 1


@pytest.mark.parametrize("plural", LISTS)
def test_beyond_the_end_is_an_empty_page_with_true_totals(worker, plural):
    true = expect.body(worker.get(f"/{plural}"), 200)["meta"]
    beyond = true["total_pages"] + 9
    document = expect.body(worker.get(f"/{plural}", params={"page": beyond}), 200)
    meta = document["meta"]
    assert document[plural] == []
    assert (meta["current_page"], meta["next_page"], meta["prev_page"]) == (beyond, None, None)
    assert (meta["total_pages"], meta["total_count"]) == (true["total_pages"], true["total_count"])


@pytest.mark.parametrize("page", ["99999999999999999999", "9" * 300])
def test_an_astronomical_page_is_empty(worker, page):
    document = expect.body(worker.get("/absences", params={"page": page}), 200)
    assert document["absences"] == []
    assert document["meta"]["total_count"] >= 0
