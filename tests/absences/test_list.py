"""`GET /absences`: all that one may see, latest first, at most 100 a page (contract 1.6, 4.2)."""

import datetime

import pytest

from absences.models import Absence

from ..factories import AbsenceFactory, AgentFactory, OrganisationFactory
from .ladder import UNKNOWN_CALLER, climbed


@pytest.fixture
def many(cast):
    """250 absences of Bruno, one a day: `Absence 0` is the latest."""
    first = datetime.date(2027, 12, 31)
    Absence.objects.bulk_create(
        AbsenceFactory.build(agent=cast.bruno, title=f"Absence {n}", first_day=first - datetime.timedelta(days=n))
        for n in range(250)
    )


def test_anonymous_is_asked_to_sign_in(anonymous, afternoon):
    answer = anonymous.get("/api/v1/absences")
    assert (answer.status_code, answer.json()) == (401, UNKNOWN_CALLER)


@climbed
def test_one_sees_the_absences_of_the_agents_one_sees(who, reaches, cast, sign_in, afternoon):
    answer = sign_in(getattr(cast, who)).get("/api/v1/absences")
    assert answer.status_code == 200
    assert [absence["id"] for absence in answer.json()["absences"]] == ([afternoon.pk] if reaches else [])


def test_an_agent_without_role_gets_an_empty_list_not_even_their_own(cast, sign_in):
    AbsenceFactory(agent=cast.nora)
    answer = sign_in(cast.nora).get("/api/v1/absences")
    assert answer.status_code == 200
    assert answer.json() == {
        "absences": [],
        "meta": {"current_page": 1, "next_page": None, "prev_page": None, "total_pages": 0, "total_count": 0},
    }
    assert answer["X-Total-Count"] == "0"


def test_a_role_lost_is_lost_at_once(cast, sign_in, afternoon):
    sophie = sign_in(cast.sophie)
    assert sophie.get("/api/v1/absences").json()["meta"]["total_count"] == 1
    cast.sophie.roles.all().delete()
    assert sophie.get("/api/v1/absences").json()["meta"]["total_count"] == 0


def test_latest_first_day_first_then_latest_start_then_latest_row(cast, listed):
    for title, day, start in (
        ("milieu, première", 10, 9),
        ("tard", 11, 8),
        ("milieu, seconde", 10, 9),
        ("milieu, tôt", 10, 8),
        ("milieu, après-midi", 10, 14),
    ):
        AbsenceFactory(
            agent=cast.bruno, title=title, first_day=datetime.date(2027, 6, day), start_time=datetime.time(start)
        )
    assert listed() == ["tard", "milieu, après-midi", "milieu, seconde", "milieu, première", "milieu, tôt"]


def test_past_absences_are_listed_too(cast, listed):
    AbsenceFactory(agent=cast.bruno, title="passée", first_day=datetime.date(2019, 1, 2))
    assert listed() == ["passée"]


def test_each_absence_is_shown_as_by_itself(martine, afternoon):
    alone = martine.get(f"/api/v1/absences/{afternoon.pk}").json()["absence"]
    assert martine.get("/api/v1/absences").json()["absences"] == [alone]


def test_an_absence_is_listed_once_whatever_the_roles_and_services_of_its_agent(cast, sign_in):
    other = OrganisationFactory(territory=cast.paris)
    busy = AgentFactory(services=[cast.pmi, cast.social], basic_in=[cast.mds], admin_of=[other])
    AbsenceFactory(agent=busy)
    caller = AgentFactory(
        services=[cast.pmi, cast.social, cast.secretariat],
        basic_in=[cast.mds],
        admin_of=[other],
        territorial_admin_of=[cast.paris],
    )
    answer = sign_in(caller).get("/api/v1/absences").json()
    assert (len(answer["absences"]), answer["meta"]["total_count"]) == (1, 1)


def test_the_first_page_holds_100_and_says_where_it_stands(martine, many):
    answer = martine.get("/api/v1/absences")
    assert [absence["title"] for absence in answer.json()["absences"]] == [f"Absence {n}" for n in range(100)]
    assert answer.json()["meta"] == {
        "current_page": 1,
        "next_page": 2,
        "prev_page": None,
        "total_pages": 3,
        "total_count": 250,
    }
    assert answer["X-Total-Count"] == "250"
    assert answer["Link"] == (
        '<http://testserver/api/v1/absences?page=1>; rel="first", '
        '<http://testserver/api/v1/absences?page=2>; rel="next", '
        '<http://testserver/api/v1/absences?page=3>; rel="last"'
    )


def test_the_last_page_holds_the_rest(martine, many):
    answer = martine.get("/api/v1/absences?page=3")
    assert [absence["title"] for absence in answer.json()["absences"]] == [f"Absence {n}" for n in range(200, 250)]
    assert answer.json()["meta"] == {
        "current_page": 3,
        "next_page": None,
        "prev_page": 2,
        "total_pages": 3,
        "total_count": 250,
    }


def test_links_keep_the_filters(martine, many):
    links = martine.get("/api/v1/absences?title=absence&from=2027-01-01&page=2")["Link"]
    assert '<http://testserver/api/v1/absences?title=absence&from=2027-01-01&page=1>; rel="prev"' in links
    assert '<http://testserver/api/v1/absences?title=absence&from=2027-01-01&page=3>; rel="next"' in links


def test_following_next_reads_everything_once(martine, many):
    titles, page = [], 1
    while page:
        answer = martine.get("/api/v1/absences", {"page": page}).json()
        titles += [absence["title"] for absence in answer["absences"]]
        page = answer["meta"]["next_page"]
    assert titles == [f"Absence {n}" for n in range(250)]


@pytest.mark.parametrize(
    ("page", "served"),
    [("", 1), ("0", 1), ("-3", 1), ("abc", 1), ("2abc", 2), ("1.9", 1), (" 3", 3), ("٢", 1), ("02", 2)],
)
def test_page_is_read_leniently(martine, many, page, served):
    assert martine.get("/api/v1/absences", {"page": page}).json()["meta"]["current_page"] == served


@pytest.mark.parametrize("query", ["page[]=2", "page[x]=2", "page%5B%5D=2"])
def test_a_page_that_is_no_scalar_is_page_1(martine, many, query):
    assert martine.get(f"/api/v1/absences?{query}").json()["meta"]["current_page"] == 1


@pytest.mark.parametrize("page", ["9", "4", "99999999999", "9" * 30, "1" + "0" * 400])
def test_beyond_the_end_is_an_empty_page_with_true_totals(martine, many, page):
    answer = martine.get("/api/v1/absences", {"page": page})
    assert answer.status_code == 200
    meta = answer.json()["meta"]
    assert answer.json()["absences"] == []
    assert (meta["next_page"], meta["prev_page"], meta["total_pages"], meta["total_count"]) == (None, None, 3, 250)
    if len(page) < 12:
        assert meta["current_page"] == int(page)


@pytest.mark.parametrize(
    ("per", "length"), [("10", 10), ("100", 100), ("101", 100), ("5000", 100), ("0", 100), ("-5", 100), ("x", 100)]
)
def test_per_may_ask_for_less_than_100_never_for_more(martine, many, per, length):
    assert len(martine.get("/api/v1/absences", {"per": per}).json()["absences"]) == length


def test_unknown_parameters_are_ignored(listed, afternoon):
    assert listed(departement="75", format="xml", limit="1") == ["Congé formation"]


@pytest.mark.parametrize("path", ["absences/", "absences.json", "absences.json/"])
def test_the_address_is_forgiving(martine, afternoon, path):
    assert martine.get(f"/api/v1/{path}").json()["meta"]["total_count"] == 1
