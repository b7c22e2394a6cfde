"""`fields` for less and `expand` for more (row A7), on lists, on single resources, and in the answers to writes."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from absences import ical
from absences.models import Absence
from absences.views import Absences
from agents.models import AccessKey, Agent, AgentRole
from agents.views.directory import Agents, Organisations, Services
from agents.views.keys import Tokens
from agents.views.record import Audit
from tests.factories import AbsenceFactory, AgentFactory, OrganisationFactory

pytestmark = pytest.mark.usefixtures("now")

GOOD = {"title": "Congés", "first_day": "2026-12-01", "start_time": "9:00", "end_time": "10:00"}
VIEWS = (Absences, Agents, Organisations, Services, Tokens, Audit)


@pytest.fixture
def martine(cast, sign_in):
    AccessKey.make(cast.martine, name="Nuit")
    return sign_in(cast.martine)


@pytest.fixture
def absence(cast):
    return AbsenceFactory(agent=cast.bruno, title="Été")


def rows(client, path, plural="absences"):
    answer = client.get(f"/api/v1/{path}")
    assert answer.status_code == 200, answer.content
    return answer.json()[plural]


def test_just_these(martine, absence):
    assert rows(martine, "absences?fields=id,title") == [{"id": absence.pk, "title": "Été"}]


def test_in_their_usual_order_whatever_the_order_they_are_named_in(martine, absence):
    assert martine.get("/api/v1/absences?fields=title,id,title").content == (
        martine.get("/api/v1/absences?fields=id,title").content
    )


@pytest.mark.parametrize("view", VIEWS)
def test_each_name_alone_all_of_them_and_none(cast, martine, absence, view):
    martine.post("/api/v1/absences", GOOD | {"agent_id": cast.bruno.pk})  # for the record
    shown, plural = view.representation, view.representation.plural
    path = "audit" if view is Audit else plural
    everything = rows(martine, path, plural)
    assert everything
    assert list(everything[0]) == list(shown.names)
    for name in shown.names:
        assert rows(martine, f"{path}?fields={name}", plural) == [{name: row[name]} for row in everything]
    whole = martine.get(f"/api/v1/{path}?per=7")
    for query in (f"fields={','.join(shown.names)}", "fields=", "fields=,"):
        assert martine.get(f"/api/v1/{path}?{query}&per=7").content == whole.content, query


def test_all_parts_of_an_absence_are_those_of_the_whole(cast, martine):
    mairie = OrganisationFactory(verticale="rdv_mairie", territory=cast.paris)
    elsewhere = AgentFactory(services=[cast.pmi], basic_in=[cast.mds, mairie], first_name=None)
    AbsenceFactory(agent=elsewhere, organisation=mairie, title="à, la; mairie")
    changed = AbsenceFactory(agent=cast.bruno)
    martine.patch(f"/api/v1/absences/{changed.pk}", {"title": "Autre"})
    for row in rows(martine, "absences"):
        for name, value in row.items():
            (one,) = martine.get(f"/api/v1/absences/{row['id']}?fields={name}").json().values()
            assert one == {name: value}


@pytest.mark.parametrize(
    ("path", "names"),
    [("absences", Absences.representation.names), ("agents", Agents.representation.names)],
)
@pytest.mark.parametrize("asked", ["id,tittle", "tittle", "agent.tittle", "agent__password", "folded_title", "Title"])
def test_an_unknown_name_is_refused_with_those_that_exist(martine, absence, path, names, asked):
    answer = martine.get(f"/api/v1/{path}?fields={asked}")
    assert answer.status_code == 422
    unknown = asked.removeprefix("id,")
    assert answer.json()["errors"] == {"fields": [{"error": "inclusion", "value": unknown, "allowed": list(names)}]}


def test_a_single_one(cast, martine, absence):
    assert martine.get(f"/api/v1/absences/{absence.pk}?fields=title").json() == {"absence": {"title": "Été"}}
    assert martine.get(f"/api/v1/organisations/{cast.mds.pk}?fields=name").json() == {
        "organisation": {"name": "MDS Les Tilleuls"}
    }


def test_the_answers_to_writes(cast, martine, absence):
    made = martine.post("/api/v1/absences?fields=title", GOOD | {"agent_id": cast.bruno.pk})
    assert made.json() == {"absence": {"title": "Congés"}}
    assert Absence.objects.filter(pk=int(made["Location"].rpartition("/")[2]), title="Congés").exists()
    changed = martine.patch(f"/api/v1/absences/{absence.pk}?fields=id,version", {"title": "Autre"})
    assert changed.json() == {"absence": {"id": absence.pk, "version": 2}}


def test_a_new_key_shows_its_secret_whatever_is_asked(martine):
    made = martine.post("/api/v1/tokens?fields=name", {"name": "Nuit"}).json()["token"]
    assert list(made) == ["name", "secret"]


def test_a_body_says_what_the_row_is_to_be_and_not_what_to_show_of_it(cast, martine, absence):
    whole = rows(martine, f"absences/{absence.pk}", "absence")
    changed = martine.patch(f"/api/v1/absences/{absence.pk}", {"fields": "nope", "expand": ["nope"]})
    assert changed.json()["absence"] == whole


@pytest.mark.parametrize("query", ["fields=nope", "expand=nope"])
def test_a_write_whose_answer_cannot_be_given_is_not_done(cast, martine, absence, query):
    assert martine.post(f"/api/v1/absences?{query}", GOOD | {"agent_id": cast.bruno.pk}).status_code == 422
    assert martine.patch(f"/api/v1/absences/{absence.pk}?{query}", {"title": "Autre"}).status_code == 422
    assert list(Absence.objects.values_list("title")) == [("Été",)]


def test_a_calendar_that_is_not_shown_is_not_made(martine, absence, monkeypatch):
    monkeypatch.setattr(ical, "absence_calendar", None)  # whoever calls it fails
    assert rows(martine, "absences?fields=id,title,agent,organisation,updated_at")
    assert martine.get(f"/api/v1/absences/{absence.pk}?fields=id").status_code == 200


def test_columns_that_are_not_shown_are_not_read(martine, absence):
    with CaptureQueriesContext(connection) as queries:
        rows(martine, "absences?fields=id,title")
    page = queries[-1]["sql"]
    assert "agents_organisation" not in page
    assert "start_time" in page  # its place in the order needs it


def test_with_everything_else(cast, martine, absence):
    AbsenceFactory(agent=cast.chloe, title="Hiver")
    path = "absences?fields=title&sort=-title&q=e&from=2026-11-30&per=1&page=2"
    assert rows(martine, path) == [{"title": "Été"}]
    step = martine.get("/api/v1/absences?fields=title&sort=-title&per=1&cursor=").json()
    assert step["absences"] == [{"title": "Hiver"}]
    cursor = step["meta"]["next_cursor"]
    # The place in the order is read though it is not shown.
    assert rows(martine, f"absences?fields=ical_uid&sort=-title&cursor={cursor}") == [
        {"ical_uid": f"absence_{absence.pk}@RDV Solidarités"}
    ]


# More.


def named(things):
    return [one["name"] for one in things]


def test_the_services_of_the_agent_of_an_absence(cast, martine, absence):
    (row,) = rows(martine, "absences?expand=agent.services")
    assert named(row["agent"]["services"]) == ["PMI (Protection Maternelle Infantile)"]
    del row["agent"]["services"]
    assert [row] == rows(martine, "absences")


def test_both_together(cast, martine, absence):
    (row,) = rows(martine, "absences?fields=id,title&expand=agent.services,organisation.territory")
    assert list(row) == ["id", "agent", "organisation", "title"]
    assert row["organisation"]["territory"] == {"id": cast.paris.pk, "departement_number": "75", "name": "Paris"}


def test_an_agent_with_their_services_and_organisations(cast, martine):
    shown = rows(martine, "agents?fields=email&expand=services,organisations.territory", "agents")
    bruno = next(row for row in shown if row["email"] == cast.bruno.email)
    assert list(bruno) == ["email", "services", "organisations"]
    assert named(bruno["services"]) == [cast.pmi.name]
    assert named(bruno["organisations"]) == ["MDS Les Tilleuls"]
    assert bruno["organisations"][0]["territory"]["name"] == "Paris"
    assert "territory" not in rows(martine, "agents?expand=organisations", "agents")[0]["organisations"][0]


def test_what_is_expanded_may_be_named_among_the_fields(martine):
    assert list(rows(martine, "agents?fields=id,services&expand=services", "agents")[0]) == ["id", "services"]
    answer = martine.get("/api/v1/agents?fields=id,services")
    assert answer.json()["errors"]["fields"][0]["value"] == "services"


def test_a_single_one_and_the_answers_to_writes_are_expanded_too(cast, martine, absence):
    one = martine.get(f"/api/v1/organisations/{cast.mds.pk}?expand=territory").json()["organisation"]
    assert one["territory"]["name"] == "Paris"
    changed = martine.patch(f"/api/v1/absences/{absence.pk}?fields=id&expand=agent.organisations", {"title": "Autre"})
    assert named(changed.json()["absence"]["agent"]["organisations"]) == ["MDS Les Tilleuls"]


@pytest.mark.parametrize(
    ("path", "asked", "allowed"),
    [
        ("absences", "agent.password", list(Absences.expansions)),
        ("absences", "agent.organisations.territory", list(Absences.expansions)),
        ("absences", "agent", list(Absences.expansions)),
        ("agents", "organisations.agents", list(Agents.expansions)),
        ("organisations", "agents", list(Organisations.expansions)),
    ],
)
def test_what_cannot_be_expanded_is_refused_with_what_can(martine, path, asked, allowed):
    answer = martine.get(f"/api/v1/{path}?expand={asked}")
    assert answer.status_code == 422
    assert answer.json()["errors"] == {"expand": [{"error": "inclusion", "value": asked, "allowed": allowed}]}


def test_what_the_caller_does_not_see_is_not_embedded(cast, sign_in):
    """Nadia works with Bruno at the MDS, and elsewhere in another trade: of that he is told nothing."""
    nadia = AgentFactory(services=[cast.pmi, cast.social], basic_in=[cast.mds, cast.lille])
    AbsenceFactory(agent=nadia, organisation=cast.lille)
    client = sign_in(cast.bruno)
    path = "absences?expand=agent.services,agent.organisations,organisation.territory"
    (row,) = rows(client, path)
    assert named(row["agent"]["services"]) == [cast.pmi.name]
    assert named(row["agent"]["organisations"]) == ["MDS Les Tilleuls"]
    assert row["organisation"]["name"] == "MDS Lille"  # as without `expand`: an absence shows it
    assert row["organisation"]["territory"] is None
    shown = next(one for one in rows(client, "agents?expand=services,organisations.territory", "agents"))
    assert all(named(one["organisations"]) == ["MDS Les Tilleuls"] for one in [shown])


def test_a_key_for_some_organisations_sees_no_more(cast):
    from tests.conftest import WireClient

    other = OrganisationFactory(territory=cast.nord)
    AgentRole.objects.create(agent=cast.martine, organisation=other, access_level="admin")
    AgentRole.objects.create(agent=cast.bruno, organisation=other)
    _key, secret = AccessKey.make(cast.martine, name="MDS", organisations=[cast.mds.pk])
    client = WireClient()
    client.triple = {"X-Api-Key": secret}
    shown = rows(client, "agents?expand=organisations", "agents")
    assert {name for row in shown for name in named(row["organisations"])} == {"MDS Les Tilleuls"}


COSTS = {
    "absences": 3,
    "absences?fields=id": 3,
    "absences?sort=title&q=e&fields=id,title": 3,
    "absences?expand=agent.services": 4,
    "absences?expand=agent.services,agent.organisations,organisation.territory&sort=title": 6,
    "agents?expand=organisations.territory,services": 6,
    "organisations?expand=territory&sort=name&q=m": 4,
}


@pytest.mark.parametrize(("path", "count"), COSTS.items())
def test_the_number_of_queries_does_not_grow_with_the_rows(cast, martine, path, count):
    """Three for a list, and one for each expansion."""

    def cost():
        with CaptureQueriesContext(connection) as queries:
            assert martine.get(f"/api/v1/{path}").status_code == 200
        return len(queries)

    AbsenceFactory(agent=cast.bruno)
    assert cost() == count
    others = [OrganisationFactory(territory=cast.nord) for _ in range(5)]
    for number in range(40):
        agent = AgentFactory(services=[cast.pmi, cast.social], basic_in=[cast.mds, *others[: number % 5]])
        AbsenceFactory(agent=agent, organisation=others[0] if number % 3 else None)
    AgentRole.objects.bulk_create(AgentRole(agent=cast.martine, organisation=one) for one in others)
    assert cost() == count


def test_agents_without_any_are_shown_with_none(cast, sign_in):
    alone = Agent.objects.create(email="seul@exemple.test")
    AgentRole.objects.create(agent=alone, organisation=cast.mds)
    shown = rows(sign_in(cast.martine), "agents?q=seul&expand=services", "agents")
    assert shown[0]["services"] == []
