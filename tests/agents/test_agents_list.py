"""`GET /agents`: whom one may see, in the order in which they arrived (contract 3.3, 4.3)."""

import pytest
from django.utils import timezone

from agents.models import Agent

from ..factories import AgentFactory, OrganisationFactory

# Of the cast's MDS and beyond: whom each sees.
SEEN_BY = {
    "etienne": {"etienne"},  # unrelated
    "nora": set(),  # no role: not even herself
    "ines": set(),  # intervenant
    "bruno": {"bruno", "martine", "ines"},  # basic: his service, roles of any kind
    "chloe": {"chloe"},  # basic, alone of her service there
    "sophie": {"bruno", "chloe", "martine", "sophie", "ines"},  # secretariat
    "martine": {"bruno", "chloe", "martine", "sophie", "ines"},  # admin
    "thierry": {"bruno", "chloe", "martine", "sophie", "ines"},  # territorial admin, without a role: not himself
}


@pytest.fixture(autouse=True)
def _at_a_standstill(now):
    """Nothing here depends on the day when it runs."""


@pytest.fixture
def cast(cast):
    cast.ines = AgentFactory(email="ines@exemple.test", services=[cast.pmi], intervenant_in=[cast.mds])
    cast.nora = AgentFactory(email="nora@exemple.test", services=[cast.pmi])
    return cast


@pytest.fixture
def seen(sign_in):
    """The ids that `agent` is shown."""

    def of(agent, **query):
        answer = sign_in(agent).get("/api/v1/agents", query)
        assert answer.status_code == 200, answer.content
        ids = [shown["id"] for shown in answer.json()["agents"]]
        assert answer.json()["meta"]["total_count"] == len(ids)
        return ids

    return of


def test_anonymous_is_asked_to_sign_in(anonymous):
    answer = anonymous.get("/api/v1/agents")
    assert (answer.status_code, answer.json()) == (
        401,
        {"errors": ["Vous devez vous connecter ou vous inscrire pour continuer."]},
    )


@pytest.mark.parametrize("who", SEEN_BY)
def test_one_sees_ones_service_or_the_whole_organisation(cast, seen, who):
    assert set(seen(getattr(cast, who))) == {getattr(cast, name).pk for name in SEEN_BY[who]}


def test_the_example_of_the_contract_byte_for_byte(cast, sign_in):
    odile = AgentFactory(
        id=42,
        email="odile.mercier@exemple.test",
        first_name="Odile",
        last_name="MERCIER",
        services=[cast.social],
        basic_in=[OrganisationFactory(territory=cast.nord)],
    )
    assert sign_in(odile).get("/api/v1/agents").content.decode() == (
        '{"agents":[{"id":42,"email":"odile.mercier@exemple.test","first_name":"Odile",'
        '"inclusion_connect_open_id_sub":null,"last_name":"MERCIER"}],'
        '"meta":{"current_page":1,"next_page":null,"prev_page":null,"total_pages":1,"total_count":1}}'
    )


def test_in_the_order_of_creation_then_of_ids(cast, seen, now):
    late = AgentFactory(services=[cast.pmi], basic_in=[cast.mds], created_at=timezone.now())
    now.tick(-3600)
    early = AgentFactory(services=[cast.pmi], basic_in=[cast.mds], created_at=timezone.now())
    now.tick(3600)
    assert seen(cast.bruno) == [early.pk, cast.martine.pk, cast.bruno.pk, cast.ines.pk, late.pk]


def test_an_agent_of_many_roles_and_services_is_listed_once(cast, seen):
    other = OrganisationFactory(territory=cast.paris)
    for agent in (cast.martine, cast.bruno):
        agent.services.add(cast.social, cast.secretariat)
        agent.roles.create(organisation=other, access_level="admin")
    ids = seen(cast.martine)
    assert sorted(ids) == sorted(set(ids))


def test_invited_agents_are_listed(cast, seen):
    invited = AgentFactory(services=[cast.pmi], basic_in=[cast.mds], is_active=False)
    assert invited.pk in seen(cast.bruno)


def test_deleted_agents_are_not(cast, seen):
    cast.bruno.leave()
    assert cast.bruno.pk not in seen(cast.martine)


def test_an_intervenant_without_email_is_shown_with_null(cast, sign_in):
    AgentFactory(email=None, intervenant_in=[cast.mds])
    shown = sign_in(cast.martine).get("/api/v1/agents").json()["agents"]
    assert [agent["email"] for agent in shown].count(None) == 1


def test_admin_here_and_basic_there(cast, seen):
    # Roles are per organisation (contract 3.2).
    there = OrganisationFactory(territory=cast.paris)
    colleague = AgentFactory(services=[cast.pmi], basic_in=[there])
    stranger = AgentFactory(services=[cast.social], basic_in=[there])
    cast.martine.roles.create(organisation=there)
    ids = seen(cast.martine)
    assert colleague.pk in ids
    assert stranger.pk not in ids
    assert cast.chloe.pk in ids


class TestByOrganisation:
    @pytest.fixture
    def canal(self, cast):
        canal = OrganisationFactory(name="MDS du canal", territory=cast.paris)
        cast.martine.roles.create(organisation=canal)
        cast.bruno.roles.create(organisation=canal, access_level="intervenant")
        return canal

    def test_those_with_any_role_there(self, cast, canal, seen):
        assert set(seen(cast.martine, organisation_id=canal.pk)) == {cast.martine.pk, cast.bruno.pk}

    def test_it_shows_nobody_whom_the_list_hides(self, cast, canal, seen):
        assert set(seen(cast.chloe, organisation_id=cast.mds.pk)) == {cast.chloe.pk}

    @pytest.mark.parametrize("which", ["foreign", "unknown", "unreadable", "of 30 digits"])
    def test_out_of_reach_there_is_nobody(self, cast, seen, which):
        # The original would drop the filter; a query is never silently wider (design decision 1).
        sent = {"foreign": cast.lille.pk, "unknown": 999_999, "unreadable": "toutes", "of 30 digits": "9" * 30}[which]
        assert seen(cast.martine, organisation_id=sent) == []

    def test_a_territorial_admin_may_name_any_of_the_territory(self, cast, canal, seen):
        assert set(seen(cast.thierry, organisation_id=canal.pk)) == {cast.martine.pk, cast.bruno.pk}

    def test_empty_is_no_filter(self, cast, seen):
        assert seen(cast.bruno, organisation_id="") == seen(cast.bruno)


def test_at_most_100_a_page(cast, sign_in):
    agents = Agent.objects.bulk_create(Agent(email=f"{n}@exemple.test", password="!") for n in range(150))
    cast.martine.roles.model.objects.bulk_create(
        cast.martine.roles.model(agent=agent, organisation=cast.mds) for agent in agents
    )
    martine = sign_in(cast.martine)
    pages = [martine.get("/api/v1/agents", {"page": page}) for page in (1, 2)]
    assert [len(page.json()["agents"]) for page in pages] == [100, 55]
    assert pages[0].json()["meta"] == {
        "current_page": 1,
        "next_page": 2,
        "prev_page": None,
        "total_pages": 2,
        "total_count": 155,
    }
    assert pages[0]["X-Total-Count"] == "155"
    assert 'page=2>; rel="next"' in pages[0]["Link"]


@pytest.mark.parametrize("verb", ["post", "put", "patch", "delete"])
def test_agents_are_only_read(cast, sign_in, verb):
    answer = getattr(sign_in(cast.martine), verb)("/api/v1/agents")
    assert (answer.status_code, "GET" in answer["Allow"]) == (405, True)
