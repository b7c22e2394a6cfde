"""Lists that are narrowed alike share what is compiled, and nothing of what was asked or by whom."""

import datetime

import pytest
from django.db.models.sql.compiler import SQLCompiler

from ..factories import AbsenceFactory, AgentFactory, OrganisationFactory


@pytest.fixture
def compiled(monkeypatch):
    """Grows each time that a queryset is made into SQL."""
    made = []
    as_sql = SQLCompiler.as_sql
    monkeypatch.setattr(
        SQLCompiler, "as_sql", lambda self, *args, **kwargs: made.append(self) or as_sql(self, *args, **kwargs)
    )
    return made


@pytest.fixture
def asking(now, sign_in):
    """Two callers, each admin of another organisation; in each Bruno has a week off, and is out each Friday."""
    callers = []
    for week in (7, 14):
        place = OrganisationFactory()
        bruno = AgentFactory(basic_in=[place])
        AbsenceFactory(agent=bruno, title=f"Congé {week}", first_day=datetime.date(2027, 6, week))
        AbsenceFactory(
            agent=bruno, title=f"École {week}", first_day=datetime.date(2027, 6, week + 4), rrule="FREQ=WEEKLY"
        )
        client = sign_in(AgentFactory(admin_of=[place]))

        def ask(client=client, **query):
            answer = client.get("/api/v1/absences", query)
            assert answer.status_code == 200, answer.content
            return [row["title"] for row in answer.json()["absences"]]

        callers.append(ask)
    return callers


def test_the_second_list_that_is_narrowed_alike_compiles_nothing(asking, compiled):
    first, second = asking
    assert first(**{"from": "2027-06-01", "to": "2027-06-30", "title": "cong"}) == ["Congé 7"]
    assert compiled
    compiled.clear()
    assert second(**{"from": "2027-06-14", "to": "2027-06-15", "title": "CONGÉ 1"}) == ["Congé 14"]
    assert first(**{"from": "2027-06-08", "to": "2027-06-15", "title": "con"}) == []
    assert not compiled


def test_it_is_another_list_with_one_bound_or_one_word_more(asking):
    first, second = asking
    for ask, week in ((first, 7), (second, 14)):
        assert ask(**{"from": "2027-06-18", "to": "2027-06-18"}) == [f"École {week}"]
        assert ask(to="2027-06-13") == ["École 7", "Congé 7"][week - 7 :]
        assert ask(**{"from": "2028-06-14"}) == [f"École {week}"]
        assert ask(q=f"{week}") == [f"École {week}", f"Congé {week}"]
        assert ask(q=f"ecole {week}") == [f"École {week}"]
        assert ask(q=f"ecole {week}", to="2027-06-01") == []


def test_a_title_of_accents_alone_is_in_none(asking):
    assert asking[0](title="\u0301") == []
    assert asking[0](title="\u0301", **{"from": "2027-06-01"}) == []


def test_a_walk_that_is_narrowed_shows_once_each_row_without_a_value(now, sign_in):
    place = OrganisationFactory()
    names = ["Martin", None, "Dupont", None, None, ""]
    agents = [AgentFactory(basic_in=[place], last_name=name) for name in names]
    client = sign_in(AgentFactory(admin_of=[place], last_name="Zorro"))
    for order, sort in (("asc", "last_name"), ("desc", "last_name"), ("asc", "-last_name,first_name")):
        query = {"organisation_id": place.pk, "sort": sort, "order": order}
        whole = [row["id"] for row in client.get("/api/v1/agents", query).json()["agents"]]
        assert len(whole) == len(agents) + 1
        walked, cursor = [], ""
        while cursor is not None and len(walked) <= len(whole):
            body = client.get("/api/v1/agents", {**query, "per": 1, "cursor": cursor}).json()
            walked += [row["id"] for row in body["agents"]]
            cursor = body["meta"]["next_cursor"]
        assert walked == whole
