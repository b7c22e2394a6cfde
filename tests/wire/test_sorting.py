"""The order of a list, as it is asked for (row A6): total, the same on every database, kept by pages and walks."""

import base64
import datetime
import json
import re
from itertools import chain
from urllib.parse import urlencode

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from absences.models import Absence
from absences.views import Absences
from agents.models import AccessKey, Agent
from agents.views.directory import Agents, Organisations, Services
from agents.views.keys import Tokens
from agents.views.record import Audit
from rdv.api.folded import fill
from rdv.api.folding import fold
from tests.factories import AbsenceFactory, AgentFactory, OrganisationFactory, ServiceFactory
from tests.wire.test_cursor import listed, walked

pytestmark = pytest.mark.usefixtures("now")

VIEWS = (Absences, Agents, Organisations, Services, Tokens, Audit)
TITLES = ["Été", "ETE", "été", "Eté b", "zèbre", "Zoo", "élan", "Œuvre", "oeuf", "_", "Ωmega", "a", "É", "e", "日本"]


@pytest.fixture
def martine(cast, sign_in):
    return sign_in(cast.martine)


@pytest.fixture
def absences(cast):
    """Few days, hours and titles, so that equal ones are many."""
    return [
        AbsenceFactory(
            agent=cast.bruno,
            title=TITLES[number % len(TITLES)],
            first_day=datetime.date(2026, 12, 1 + number % 3),
            start_time=datetime.time(8 + number % 2),
            end_day=datetime.date(2026, 12, 4 + number % 2),
            created_at=datetime.datetime(2026, 11, 1, 12, 0, 0, number % 4, tzinfo=datetime.UTC),
        )
        for number in range(23)
    ]


def path(**query):
    return f"/api/v1/absences?{urlencode(query)}"


def encoded(content):
    return base64.urlsafe_b64encode(json.dumps(content).encode()).decode().rstrip("=")


def test_two_names_each_with_its_direction(martine, absences):
    expected = sorted(absences, key=lambda one: (-one.first_day.toordinal(), fold(one.title), one.pk))
    assert listed(martine, path(sort="-first_day,title")) == [one.pk for one in expected]


def test_order_turns_all_of_them(martine, absences):
    turned = listed(martine, path(sort="first_day,title", order="desc"))
    assert turned == listed(martine, path(sort="-first_day,-title"))
    assert turned == listed(martine, path(sort="first_day,title", order="DESC"))
    assert listed(martine, path(sort="-first_day,title", order="asc")) == listed(martine, path(sort="-first_day,title"))


def test_the_other_way_round_is_the_list_reversed(martine, absences):
    for name in Absences.sorts:
        assert listed(martine, path(sort=f"-{name}")) == listed(martine, path(sort=name))[::-1], name


def test_titles_go_without_accents_or_case_then_by_id(martine, absences):
    expected = sorted(absences, key=lambda one: (fold(one.title), one.pk))
    assert listed(martine, path(sort="title")) == [one.pk for one in expected]


def test_instants_go_by_more_than_is_shown_of_them(martine, absences):
    expected = sorted(absences, key=lambda one: (one.created_at, one.pk))
    assert listed(martine, path(sort="created_at")) == [one.pk for one in expected]


@pytest.mark.parametrize("asked", ["", ",", " , "])
def test_no_name_is_the_own_order_of_the_list(martine, absences, asked):
    assert listed(martine, path(sort=asked)) == listed(martine, "/api/v1/absences")


def test_a_name_that_comes_twice_counts_once_and_nothing_counts_after_the_id(martine, absences):
    assert listed(martine, path(sort="title,-title")) == listed(martine, path(sort="title"))
    assert listed(martine, path(sort="-id,title")) == [one.pk for one in absences][::-1]


def test_names_may_come_as_a_list_and_with_spaces(martine, absences):
    expected = listed(martine, path(sort="-first_day,title"))
    assert listed(martine, "/api/v1/absences?sort[]=-first_day&sort[]=title") == expected
    assert listed(martine, path(sort=" -first_day , title ")) == expected


def test_no_value_comes_last_in_both_directions(cast, sign_in):
    nameless = AgentFactory(last_name=None, services=[cast.pmi], basic_in=[cast.mds])
    empty = AgentFactory(last_name="", services=[cast.pmi], basic_in=[cast.mds])
    client = sign_in(cast.martine)
    last = {nameless.pk, empty.pk}
    for sort in ("last_name", "-last_name"):
        rows = listed(client, f"/api/v1/agents?sort={sort}", "agents")
        assert set(rows[-2:]) == last
        assert walked(client, f"/api/v1/agents?sort={sort}&cursor=&per=1", "agents") == rows


@pytest.mark.parametrize(
    ("query", "name", "value", "allowed"),
    [
        ({"sort": "-first_day,tittle"}, "sort", "tittle", list(Absences.sorts)),
        ({"sort": "--title"}, "sort", "-title", list(Absences.sorts)),
        ({"sort": "folded_title"}, "sort", "folded_title", list(Absences.sorts)),
        ({"sort": "agent__password"}, "sort", "agent__password", list(Absences.sorts)),
        ({"sort": "title", "order": "down"}, "order", "down", ["asc", "desc"]),
        ({"order": "down"}, "order", "down", ["asc", "desc"]),
    ],
)
def test_an_unknown_name_is_refused_with_those_that_exist(martine, absences, query, name, value, allowed):
    answer = martine.get("/api/v1/absences", query)
    assert answer.status_code == 422
    assert answer.json()["errors"] == {name: [{"error": "inclusion", "value": value, "allowed": allowed}]}
    assert all(one in answer.json()["error_messages"][0] for one in allowed)


def test_all_that_is_wrong_is_told_at_once(martine):
    answer = martine.get("/api/v1/absences", {"sort": "x", "order": "y", "q": "z" * 101, "fields": "w", "expand": "v"})
    assert list(answer.json()["errors"]) == ["order", "sort", "q", "expand", "fields"]


def test_a_thousand_unknown_names_make_no_long_answer(martine):
    answer = martine.get("/api/v1/absences", {"sort": ",".join("x" * 200 + str(n) for n in range(30))})
    assert answer.status_code == 422
    assert len(answer.content) < 1000


@pytest.mark.parametrize("name", Absences.sorts)
def test_a_walk_in_any_order_is_the_list_in_that_order(martine, absences, name):
    for sort in (name, f"-{name}", f"{name},-title", f"-title,{name}"):
        everything = listed(martine, path(sort=sort))
        assert len(everything) == 23
        assert walked(martine, path(sort=sort, cursor="", per=4)) == everything
        pages = [listed(martine, path(sort=sort, per=10, page=page)) for page in (1, 2, 3)]
        assert list(chain(*pages)) == everything


def test_the_links_keep_the_order(martine, absences):
    answer = martine.get(path(sort="-title,first_day", order="asc", q="e", per=2))
    for address in re.findall("<([^>]+)>", answer["Link"]):
        assert "sort=-title%2Cfirst_day&order=asc&q=e" in address


def test_a_cursor_goes_on_in_its_own_order_alone(martine, absences):
    def cursor(**query):
        return martine.get(path(cursor="", per=3, **query)).json()["meta"]["next_cursor"]

    orders = [{}, {"sort": "title"}, {"sort": "-title"}, {"sort": "first_day"}, {"sort": "-first_day,-start_time"}]
    for one in orders:
        for other in orders:
            answer = martine.get(path(cursor=cursor(**one), **other))
            assert answer.status_code == (200 if one == other else 422), (one, other)
            if one != other:
                assert list(answer.json()["errors"]) == ["cursor"]


@pytest.mark.parametrize(
    "content",
    [
        {"created_at": ["0001-01-01 00:00:00+14:00", 1]},
        {"created_at": ["2026-01-01 00:00:00", 1]},
        {"created_at": [None, 1]},
        {"created_at": [2026, 1]},
        {"created_at": ["2026-01-01 00:00:00+00:00", None]},
        {"created_at": ["2026-01-01 00:00:00+00:00", 2**70]},
        {"created_at": {}},
        {"title": ["x", 1]},
        ["created_at", 1],
        "created_at",
    ],
)
def test_a_cursor_that_nobody_was_given_is_refused(martine, absences, content):
    assert martine.get(path(sort="created_at", cursor=encoded(content))).status_code == 422


def test_a_cursor_with_what_no_database_takes_is_refused(martine, absences):
    assert martine.get(path(sort="title", cursor=encoded({"title": ["\x00", 1]}))).status_code == 422
    early = encoded(["0001-01-01 00:00:00+14:00", 1])
    assert martine.get("/api/v1/agents", {"cursor": early}).status_code == 422


def test_each_row_that_stays_is_seen_once_while_others_come_and_go(cast, martine, absences):
    before = listed(martine, path(sort="title"))
    seen, cursor = [], ""
    while cursor is not None:
        answer = martine.get(path(sort="title", per=4, cursor=cursor)).json()
        seen += [row["id"] for row in answer["absences"]]
        cursor = answer["meta"]["next_cursor"]
        AbsenceFactory(agent=cast.bruno, title="")
        AbsenceFactory(agent=cast.bruno, title="Été")
        Absence.objects.filter(pk=seen[-1]).delete()  # the very row at which the step ended
    assert [pk for pk in seen if pk in before] == before
    assert len(set(seen)) == len(seen)


@pytest.mark.parametrize(
    ("plural", "view"), [("agents", Agents), ("organisations", Organisations), ("services", Services)]
)
def test_the_directory_goes_in_each_of_its_orders(cast, sign_in, plural, view):
    others = [
        OrganisationFactory(territory=cast.paris, name=name, email=email)
        for name, email in (("Épinay", None), ("epinay 2", "b@exemple.test"), ("Zup", "a@exemple.test"))
    ]
    services = [ServiceFactory(name=name, short_name=name[::-1]) for name in ("Écoute", "ecran", "Éb")]
    for number, service in enumerate(services):
        AgentFactory(services=[service], basic_in=[others[0]], first_name=None if number else "Éva", last_name="Zoé")
    client = sign_in(AgentFactory(services=[cast.secretariat], basic_in=[cast.mds, *others]))
    shown = client.get(f"/api/v1/{plural}").json()[plural]
    for name in view.sorts:
        for sign in ("", "-"):
            expected = in_order(shown, [(name, bool(sign))])
            asked = f"/api/v1/{plural}?sort={sign}{name}"
            assert listed(client, asked, plural) == [row["id"] for row in expected], asked
            assert walked(client, f"{asked}&cursor=&per=2", plural) == [row["id"] for row in expected], asked


def in_order(rows, asked):
    """The rules of this file in plain Python, of rows as they are shown; `asked`: keys, and whether they go down."""
    rows = sorted(rows, key=lambda row: row["id"], reverse=asked[-1][1])
    for name, descending in reversed(asked):

        def value(row, name=name):
            return fold(row[name]) if isinstance(row[name], str) else row[name]

        with_value = [row for row in rows if row[name] not in (None, "")]
        rows = sorted(with_value, key=value, reverse=descending) + [row for row in rows if row[name] in (None, "")]
    return rows


def test_keys_go_by_name_and_by_their_instants(cast, sign_in):
    for number, name in enumerate(("Éa", "eb", "EC")):
        key, _secret = AccessKey.make(cast.martine, name=name)
        last_used = datetime.datetime(2026, 11, 9 - number, tzinfo=datetime.UTC) if number else None
        AccessKey.objects.filter(pk=key.pk).update(last_used_at=last_used)
    client = sign_in(cast.martine)

    def names(sort):
        return [row["name"] for row in client.get(f"/api/v1/tokens?sort={sort}").json()["tokens"]]

    assert names("name") == ["Éa", "eb", "EC"]
    assert names("-name") == ["EC", "eb", "Éa"]
    assert names("last_used_at") == ["EC", "eb", "Éa"]
    assert names("-last_used_at") == ["eb", "EC", "Éa"]


def test_the_record_goes_by_its_instants(cast, sign_in, now):
    client = sign_in(cast.martine)
    for title in "abc":
        now.tick(10)
        client.post(
            "/api/v1/absences",
            {
                "agent_id": cast.bruno.pk,
                "title": title,
                "first_day": "2026-12-01",
                "start_time": "9:00",
                "end_time": "10:00",
            },
        )
    newest = listed(client, "/api/v1/audit", "entries")
    assert len(newest) >= 3
    for sort in ("at", "id"):
        assert listed(client, f"/api/v1/audit?sort={sort}", "entries") == newest[::-1]
        assert listed(client, f"/api/v1/audit?sort=-{sort}", "entries") == newest
        assert walked(client, f"/api/v1/audit?sort={sort}&cursor=&per=2", "entries") == newest[::-1]


def test_the_record_goes_in_order_also_where_it_is_long(cast, sign_in, now, monkeypatch):
    """There it is asked for in another way, along its own order."""
    client = sign_in(cast.martine)
    for number in range(4):
        now.tick(10)
        client.patch(f"/api/v1/organisations/{cast.mds.pk}", {"name": f"MDS {number}"})
    newest = listed(client, "/api/v1/audit", "entries")
    monkeypatch.setattr("agents.views.record.COUNTED", 1)
    for sort in ("at", "id"):
        assert listed(client, f"/api/v1/audit?sort={sort}", "entries") == newest[::-1]
        assert walked(client, f"/api/v1/audit?sort=-{sort}&cursor=&per=2", "entries") == newest


@pytest.mark.parametrize("view", VIEWS)
def test_each_order_has_an_index_or_few_rows(view):
    """Agents, organisations, services and keys are few: those that one caller sees are put in order at once. Of
    absences and of what is recorded there is no end.
    """
    few = (Agents, Organisations, Services, Tokens)
    # Bounded by what the caller sees: kept by the index of the agents, and put in order at each question (docs/api.md).
    bounded = {Absences: {"start_time", "end_day", "end_time", "title", "created_at"}}
    meta = view.model._meta
    indexed = {meta.pk.name, *(index.fields[0] for index in meta.indexes if index.fields)}
    for name, column in view.sorts.items():
        assert column in indexed or view in few or name in bounded.get(view, ()), (view, name)


@pytest.mark.parametrize("view", VIEWS)
def test_names_are_the_names_of_the_wire(view):
    assert set(view.sorts) <= set(view.representation.names)


@pytest.mark.parametrize("query", ["sort=title", "sort=-updated_at,title&page=2&per=10", "sort=end_day&cursor="])
def test_an_ordered_list_costs_three_queries(martine, absences, query):
    with CaptureQueriesContext(connection) as queries:
        assert martine.get(f"/api/v1/absences?{query}").status_code == 200
    assert len(queries) == 3  # the credential; the agents in sight, with the total; the page


@pytest.mark.parametrize("few", [0, 1000])
def test_both_ways_to_ask_give_one_list(martine, absences, few, monkeypatch):
    monkeypatch.setattr("absences.listing.FEW", few)
    expected = sorted(absences, key=lambda one: (fold(one.title), one.pk))
    assert listed(martine, path(sort="title")) == [one.pk for one in expected]
    assert walked(martine, path(sort="title", cursor="", per=5)) == [one.pk for one in expected]


def test_what_is_folded_follows_whatever_is_saved(cast):
    agent = Agent.objects.get(pk=cast.bruno.pk)
    agent.last_name = "ÉLAN"
    agent.save(update_fields=("last_name",))
    assert Agent.objects.get(pk=agent.pk).folded_last_name == "elan"
    read = Agent.objects.defer("folded_last_name").get(pk=agent.pk)
    read.last_name = "Zoé"
    read.save()
    assert Agent.objects.get(pk=agent.pk).folded_last_name == "zoe"


def test_rows_from_before_are_filled_some_at_a_time(cast, monkeypatch):
    monkeypatch.setattr("rdv.api.folded.BATCH", 2)
    names = list(Agent.objects.order_by("pk").values_list("folded_last_name", "folded_email"))
    Agent.objects.update(folded_last_name=None, folded_email="?")
    fill(Agent, "default")
    assert list(Agent.objects.order_by("pk").values_list("folded_last_name", "folded_email")) == names
    assert len(names) > 4
