"""`GET /api/v1/me`, ours: who the caller is, what they may do where, and the credential they came with."""

from __future__ import annotations

from tests.factories import AgentFactory, OrganisationFactory

ME = "/api/v1/me"


def test_tells_who_one_is_where_and_with_what(now, cast, sign_in):
    martine = sign_in(cast.martine)
    now.tick(60)
    answer = martine.get(ME)
    assert answer.status_code == 200
    assert answer.json() == {
        "agent": {
            "id": cast.martine.pk,
            "email": "martine@demo.rdv-solidarites.fr",
            "first_name": "Martine",
            "inclusion_connect_open_id_sub": None,
            "last_name": "VALIDAY",
            "roles": [
                {
                    "access_level": "admin",
                    "organisation": {
                        "id": cast.mds.pk,
                        "email": None,
                        "name": "MDS Les Tilleuls",
                        "phone_number": None,
                        "verticale": "rdv_solidarites",
                    },
                }
            ],
            "services": [
                {
                    "id": cast.pmi.pk,
                    "name": "PMI (Protection Maternelle Infantile)",
                    "secretariat": False,
                    "short_name": "PMI",
                }
            ],
            "territories": [],
        },
        "credential": {
            "kind": "token",
            "client": martine.triple["client"],
            "created_at": "2026-11-16 10:00:00 +0100",
            "expires_at": "2026-11-17 10:00:00 +0100",
            "last_used_at": "2026-11-16 10:00:00 +0100",
        },
    }


def test_never_tells_the_secret(cast, sign_in):
    martine = sign_in(cast.martine)
    assert martine.triple["access-token"] not in martine.get(ME).content.decode()


def test_a_territorial_admin_sees_their_territory(cast, sign_in):
    agent = sign_in(cast.thierry).get(ME).json()["agent"]
    assert agent["territories"] == [{"id": cast.paris.pk, "departement_number": "75", "name": "Paris"}]
    assert agent["roles"] == []


def test_roles_come_in_the_order_of_the_organisations(cast, sign_in):
    zebra, alpha = OrganisationFactory(name="Zèbre"), OrganisationFactory(name="Alpha")
    agent = AgentFactory(basic_in=[alpha], admin_of=[zebra])
    roles = sign_in(agent).get(ME).json()["agent"]["roles"]
    assert [role["organisation"]["id"] for role in roles] == [zebra.pk, alpha.pk]


def test_an_agent_without_role_is_told_so(sign_in, db):
    agent = sign_in(AgentFactory()).get(ME).json()["agent"]
    assert agent["roles"] == agent["services"] == agent["territories"] == []


def test_costs_four_queries(cast, sign_in, django_assert_num_queries):
    martine = sign_in(cast.martine)
    with django_assert_num_queries(4):  # the token with its agent, roles, services, territories
        martine.get(ME)


def test_refuses_a_stranger(anonymous, db):
    answer = anonymous.get(ME)
    assert answer.status_code == 401
    assert answer.json() == {"errors": ["Vous devez vous connecter ou vous inscrire pour continuer."]}
