"""Walking a list by cursor (ours, beside the pages of contract 1.6): each row once, whatever comes and goes."""

import datetime
import re

import pytest

from tests.factories import AbsenceFactory, AgentFactory, OrganisationFactory

pytestmark = pytest.mark.usefixtures("now")


@pytest.fixture
def martine(cast, sign_in):
    return sign_in(cast.martine)


@pytest.fixture
def absences(cast):
    """23 on few days and hours, so that the order has to be settled by each of its columns."""
    return [
        AbsenceFactory(
            agent=cast.bruno,
            first_day=datetime.date(2026, 12, 1 + number % 3),
            start_time=datetime.time(8 + number % 2),
            title="Congés" if number % 4 else "RTT",
        )
        for number in range(23)
    ]


def steps(client, address):
    """The answers of a walk from `address`, by the `next` links."""
    while address:
        answer = client.get(address)
        assert answer.status_code == 200, answer.content
        yield answer
        link = re.search(r'<http://testserver([^>]+)>; rel="next"', answer["Link"])
        address = link and link[1]


def walked(client, address, plural="absences"):
    return [row["id"] for answer in steps(client, address) for row in answer.json()[plural]]


def listed(client, address, plural="absences"):
    return [row["id"] for row in client.get(address).json()[plural]]


def test_a_walk_is_the_list_in_its_order(martine, absences):
    assert walked(martine, "/api/v1/absences?cursor=&per=7") == listed(martine, "/api/v1/absences")


@pytest.mark.parametrize("plural", ["agents", "organisations", "services"])
def test_every_list_can_be_walked(cast, sign_in, plural):
    others = [OrganisationFactory(territory=cast.paris) for _ in range(5)]
    everywhere = AgentFactory(services=[cast.secretariat], basic_in=[cast.mds, *others])
    client = sign_in(everywhere)
    assert len(listed(client, f"/api/v1/{plural}", plural)) > 2
    assert walked(client, f"/api/v1/{plural}?cursor=&per=2", plural) == listed(client, f"/api/v1/{plural}", plural)


def test_the_filters_are_kept_from_step_to_step(martine, absences):
    path = "/api/v1/absences?title=rtt&from=2026-12-02"
    assert walked(martine, f"{path}&cursor=&per=2") == listed(martine, path)
    assert 2 < len(listed(martine, path)) < len(absences)


def test_each_row_that_stays_is_seen_once_while_others_come_and_go(cast, martine, absences):
    before = listed(martine, "/api/v1/absences")
    seen = []
    for number, answer in enumerate(steps(martine, "/api/v1/absences?cursor=&per=4")):
        seen += [row["id"] for row in answer.json()["absences"]]
        if number == 0:
            AbsenceFactory(agent=cast.bruno, first_day=datetime.date(2027, 1, 1))  # before the place reached
            absences.pop(0).delete()
            gone = seen[-1]  # the very row at which the step ended
            cast.bruno.absences.get(pk=gone).delete()
    stayed = [pk for pk in before if cast.bruno.absences.filter(pk=pk).exists()]
    assert [pk for pk in seen if pk in stayed] == stayed
    assert len(set(seen)) == len(seen)


def test_meta_tells_the_totals_and_where_to_go_on(martine, absences):
    first, *_between, last = steps(martine, "/api/v1/absences?cursor=&per=10")
    meta = first.json()["meta"]
    cursor = meta.pop("next_cursor")
    assert meta == {"current_page": None, "next_page": None, "prev_page": None, "total_pages": 3, "total_count": 23}
    assert first["X-Total-Count"] == "23"
    assert martine.get(f"/api/v1/absences?per=10&cursor={cursor}").json()["absences"]
    assert last.json()["meta"]["next_cursor"] is None
    assert 'rel="next"' not in last["Link"]


def test_a_walk_of_nothing_ends_at_once(martine):
    answer = martine.get("/api/v1/absences?cursor=")
    assert answer.json()["absences"] == []
    assert answer.json()["meta"]["next_cursor"] is None


def test_numbered_pages_know_nothing_of_cursors(martine, absences):
    assert "next_cursor" not in martine.get("/api/v1/absences?per=7").json()["meta"]


@pytest.mark.parametrize(
    "cursor",
    [
        "x",
        "!!!!",
        "W10",  # []
        "WzFd",  # [1]
        "e30",  # {}
        "WyIyMDI2LTAyLTMwIiwiMDg6MDAiLDFd",  # a day that no calendar has
        "WyIyMDI2LTEyLTAxIiwiMDg6MDAiLDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MF0",  # 30 digits
        "WyIyMDI2LTEyLTAxIiwiMDg6MDAiLFsxXV0",  # a list in the place of a number
        "WzIwMjYsIjA4OjAwIiwxXQ",  # [2026,"08:00",1]
        "WyIyMDI2LTEyLTAxIiw4LDFd",  # ["2026-12-01",8,1]
    ],
)
def test_a_cursor_that_we_did_not_write_is_refused(martine, absences, cursor):
    answer = martine.get("/api/v1/absences", {"cursor": cursor})
    assert answer.status_code == 422
    assert answer.json()["errors"] == {"cursor": [{"error": "invalid", "value": cursor}]}


def test_a_cursor_shows_nothing_that_its_caller_may_not_see(cast, sign_in, martine, absences):
    cursor = martine.get("/api/v1/absences?cursor=&per=3").json()["meta"]["next_cursor"]
    assert sign_in(cast.etienne).get("/api/v1/absences", {"cursor": cursor}).json()["absences"] == []


def test_a_step_costs_three_queries(martine, absences, django_assert_num_queries):
    cursor = martine.get("/api/v1/absences?cursor=&per=3").json()["meta"]["next_cursor"]
    with django_assert_num_queries(3):  # the credential; the agents in sight, with the total; the rows
        martine.get("/api/v1/absences", {"cursor": cursor})
