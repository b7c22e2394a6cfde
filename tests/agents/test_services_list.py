"""`GET /services`: the trades that one meets: one's own, and those at work in what is wholly open to one."""

import pytest
from django.utils import timezone

from ..factories import AgentFactory, ServiceFactory

SEEN_BY = {
    "etienne": {"pmi"},
    "nora": set(),  # no role
    "ines": set(),  # intervenant
    "bruno": {"pmi"},
    "chloe": {"social"},
    "sophie": {"pmi", "social", "secretariat"},
    "martine": {"pmi", "social", "secretariat"},
    "thierry": {"pmi", "social", "secretariat"},
}


@pytest.fixture(autouse=True)
def _at_a_standstill(now):
    """Nothing here depends on the day when it runs."""


@pytest.fixture
def cast(cast):
    cast.ines = AgentFactory(services=[cast.pmi], intervenant_in=[cast.mds])
    cast.nora = AgentFactory(services=[cast.pmi])
    return cast


def test_anonymous_is_asked_to_sign_in(anonymous):
    answer = anonymous.get("/api/v1/services")
    assert (answer.status_code, answer.json()) == (
        401,
        {"errors": ["Vous devez vous connecter ou vous inscrire pour continuer."]},
    )


@pytest.mark.parametrize("who", SEEN_BY)
def test_ones_own_or_those_at_work_where_all_is_open(cast, sign_in, who):
    answer = sign_in(getattr(cast, who)).get("/api/v1/services")
    shown = [service["id"] for service in answer.json()["services"]]
    assert (answer.status_code, shown) == (200, sorted(getattr(cast, name).pk for name in SEEN_BY[who]))


def test_a_service_where_nobody_works_is_not_shown(cast, sign_in):
    idle = ServiceFactory()
    shown = sign_in(cast.martine).get("/api/v1/services").json()["services"]
    assert idle.pk not in {service["id"] for service in shown}


def test_nor_one_whose_only_agent_was_deleted(cast, sign_in, now):
    # Even if the deletion left links behind, as an import by hand could.
    last = ServiceFactory()
    AgentFactory(services=[last], basic_in=[cast.mds], deleted_at=timezone.now())
    shown = sign_in(cast.martine).get("/api/v1/services").json()["services"]
    assert last.pk not in {service["id"] for service in shown}


def test_how_a_service_looks(cast, sign_in):
    answer = sign_in(cast.bruno).get("/api/v1/services")
    assert answer.content.decode() == (
        f'{{"services":[{{"id":{cast.pmi.pk},"name":"PMI (Protection Maternelle Infantile)","secretariat":false,'
        '"short_name":"PMI"}],'
        '"meta":{"current_page":1,"next_page":null,"prev_page":null,"total_pages":1,"total_count":1}}'
    )
    assert answer["X-Total-Count"] == "1"


@pytest.mark.parametrize("verb", ["post", "put", "patch", "delete"])
def test_services_are_only_read(cast, sign_in, verb):
    answer = getattr(sign_in(cast.martine), verb)("/api/v1/services")
    assert (answer.status_code, "GET" in answer["Allow"]) == (405, True)
