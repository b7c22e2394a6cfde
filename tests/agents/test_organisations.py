"""Organisations: list and show where one has a role, update where one is admin (contract 3.3, 4.4)."""

import pytest

from agents.models import Organisation

from ..factories import AgentFactory, OrganisationFactory

UNKNOWN_CALLER = {"errors": ["Vous devez vous connecter ou vous inscrire pour continuer."]}
CANNOT_SHOW = {
    "errors": [{"base": "forbidden"}],
    "error_messages": ["Vous n’avez pas les droits suffisants pour accéder à cette organisation"],
}
CANNOT_CHANGE = {
    "errors": [{"base": "forbidden"}],
    "error_messages": [
        "Vous n’avez pas les droits suffisants pour accéder à cette page ou effectuer cette action",
    ],
}
# (sees the MDS, may change it)
RIGHTS = {
    "etienne": (False, False),  # unrelated
    "nora": (False, False),  # no role
    "thierry": (False, False),  # territorial admin: sees its agents, not the organisation
    "ines": (True, False),  # intervenant
    "chloe": (True, False),  # basic
    "sophie": (True, False),  # secretariat
    "martine": (True, True),  # admin
}
climbed = pytest.mark.parametrize("who", RIGHTS)
both_verbs = pytest.mark.parametrize("verb", ["put", "patch"])


@pytest.fixture(autouse=True)
def _at_a_standstill(now):
    """Nothing here depends on the day when it runs."""


@pytest.fixture
def cast(cast):
    cast.ines = AgentFactory(services=[cast.pmi], intervenant_in=[cast.mds])
    cast.nora = AgentFactory(services=[cast.pmi])
    return cast


@pytest.fixture
def change(cast, sign_in):
    """Martine changes the MDS; gives the answer's status and body."""
    martine = sign_in(cast.martine)

    def of(verb="patch", **values):
        answer = getattr(martine, verb)(f"/api/v1/organisations/{cast.mds.pk}", values)
        return answer.status_code, answer.json()

    return of


class TestList:
    def test_anonymous_is_asked_to_sign_in(self, anonymous):
        answer = anonymous.get("/api/v1/organisations")
        assert (answer.status_code, answer.json()) == (401, UNKNOWN_CALLER)

    @climbed
    def test_those_where_one_has_a_role(self, cast, sign_in, who):
        answer = sign_in(getattr(cast, who)).get("/api/v1/organisations")
        shown = {organisation["id"] for organisation in answer.json()["organisations"]}
        assert (answer.status_code, cast.mds.pk in shown) == (200, RIGHTS[who][0])

    def test_an_agent_without_role_gets_an_empty_list(self, cast, sign_in):
        assert sign_in(cast.nora).get("/api/v1/organisations").json() == {
            "organisations": [],
            "meta": {"current_page": 1, "next_page": None, "prev_page": None, "total_pages": 0, "total_count": 0},
        }

    def test_by_id_each_once_and_whole(self, cast, sign_in):
        mairie = OrganisationFactory(
            name="Mairie du Nord",
            territory=cast.nord,
            email="accueil@mairie.test",
            phone_number="0102030405",
            verticale="rdv_mairie",
        )
        cast.martine.roles.create(organisation=mairie, access_level="basic")
        assert sign_in(cast.martine).get("/api/v1/organisations").json()["organisations"] == [
            {
                "id": cast.mds.pk,
                "email": None,
                "name": "MDS Les Tilleuls",
                "phone_number": None,
                "verticale": "rdv_solidarites",
            },
            {
                "id": mairie.pk,
                "email": "accueil@mairie.test",
                "name": "Mairie du Nord",
                "phone_number": "0102030405",
                "verticale": "rdv_mairie",
            },
        ]

    def test_at_most_100_a_page(self, cast, sign_in):
        organisations = Organisation.objects.bulk_create(
            OrganisationFactory.build(name=f"MDS n° {n}", territory=cast.nord) for n in range(120)
        )
        roles = cast.martine.roles
        roles.bulk_create(roles.model(agent=cast.martine, organisation=organisation) for organisation in organisations)
        answer = sign_in(cast.martine).get("/api/v1/organisations?page=2")
        assert (len(answer.json()["organisations"]), answer["X-Total-Count"]) == (21, "121")


class TestShow:
    def test_anonymous_is_asked_to_sign_in(self, anonymous, cast):
        answer = anonymous.get(f"/api/v1/organisations/{cast.mds.pk}")
        assert (answer.status_code, answer.json()) == (401, UNKNOWN_CALLER)

    @climbed
    def test_where_one_has_a_role(self, cast, sign_in, who):
        answer = sign_in(getattr(cast, who)).get(f"/api/v1/organisations/{cast.mds.pk}")
        if RIGHTS[who][0]:
            assert (answer.status_code, answer.json()["organisation"]["name"]) == (200, "MDS Les Tilleuls")
        else:
            assert (answer.status_code, answer.json()) == (403, CANNOT_SHOW)

    def test_the_example_of_the_contract_byte_for_byte(self, cast, sign_in):
        tilleuls = OrganisationFactory(
            id=5,
            territory=cast.nord,
            email="accueil@mds-tilleuls.test",
            name="MDS Les Tilleuls",
            phone_number="0102030405",
        )
        cast.martine.roles.create(organisation=tilleuls)
        assert sign_in(cast.martine).get("/api/v1/organisations/5").content.decode() == (
            '{"organisation":{"id":5,"email":"accueil@mds-tilleuls.test","name":"MDS Les Tilleuls",'
            '"phone_number":"0102030405","verticale":"rdv_solidarites"}}'
        )

    @pytest.mark.parametrize("pk", ["999", "0"])
    def test_what_does_not_exist_is_not_found(self, cast, sign_in, pk):
        answer = sign_in(cast.martine).get(f"/api/v1/organisations/{pk}")
        assert (answer.status_code, answer.json()) == (
            404,
            {"success": False, "errors": [f"Couldn't find Organisation with 'id'={pk}"]},
        )

    @pytest.mark.parametrize("pk", ["inconnue", "-1", "9" * 30])
    def test_what_cannot_exist_is_not_found_in_the_same_shape(self, cast, sign_in, pk):
        answer = sign_in(cast.martine).get(f"/api/v1/organisations/{pk}")
        assert (answer.status_code, answer.json()["success"]) == (404, False)
        assert answer.json()["errors"][0].startswith("Couldn't find Organisation with 'id'=")

    def test_an_identifier_is_read_up_to_its_last_digit(self, cast, sign_in):
        answer = sign_in(cast.martine).get(f"/api/v1/organisations/{cast.mds.pk}-mds")
        assert answer.json()["organisation"]["id"] == cast.mds.pk


class TestUpdate:
    @both_verbs
    def test_anonymous_is_asked_to_sign_in(self, anonymous, cast, verb):
        answer = getattr(anonymous, verb)(f"/api/v1/organisations/{cast.mds.pk}", {"name": "Autre"})
        assert (answer.status_code, answer.json()) == (401, UNKNOWN_CALLER)

    @both_verbs
    @climbed
    def test_where_one_is_admin(self, cast, sign_in, who, verb):
        answer = getattr(sign_in(getattr(cast, who)), verb)(
            f"/api/v1/organisations/{cast.mds.pk}", {"email": "accueil@exemple.test"}
        )
        cast.mds.refresh_from_db()
        if RIGHTS[who][1]:
            assert (answer.status_code, cast.mds.email) == (200, "accueil@exemple.test")
        else:
            assert (answer.status_code, answer.json(), cast.mds.email) == (403, CANNOT_CHANGE, None)

    def test_an_admin_elsewhere_who_is_basic_here_may_not(self, cast, sign_in):
        here_and_there = AgentFactory(basic_in=[cast.mds], admin_of=[cast.lille])
        answer = sign_in(here_and_there).patch(f"/api/v1/organisations/{cast.mds.pk}", {"name": "Autre"})
        assert (answer.status_code, answer.json()) == (403, CANNOT_CHANGE)

    @both_verbs
    def test_what_does_not_exist_is_not_found(self, cast, sign_in, verb):
        answer = getattr(sign_in(cast.martine), verb)("/api/v1/organisations/999", {"name": ""})
        assert (answer.status_code, answer.json()) == (
            404,
            {"success": False, "errors": ["Couldn't find Organisation with 'id'=999"]},
        )

    @both_verbs
    @pytest.mark.parametrize(
        ("name", "sent", "shown"),
        [
            ("name", "  MDS du parc ", "MDS du parc"),
            ("phone_number", "01 02 03 04 05", "01 02 03 04 05"),
            ("phone_number", "+33102030405", "+33102030405"),
            ("phone_number", "0590 12 34 56", "0590 12 34 56"),  # Guadeloupe
            ("phone_number", "3949", "3949"),
            ("phone_number", "", None),
            ("phone_number", None, None),
            ("email", "accueil@exemple.test", "accueil@exemple.test"),
            ("email", "", None),
            ("verticale", "rdv_mairie", "rdv_mairie"),
        ],
    )
    def test_only_what_is_sent_changes_and_the_answer_is_whole(self, cast, change, verb, name, sent, shown):
        Organisation.objects.filter(pk=cast.mds.pk).update(email="avant@exemple.test", phone_number="0101010101")
        before = {
            "id": cast.mds.pk,
            "email": "avant@exemple.test",
            "name": "MDS Les Tilleuls",
            "phone_number": "0101010101",
            "verticale": "rdv_solidarites",
        }
        assert change(verb, **{name: sent}) == (200, {"organisation": before | {name: shown}})

    def test_nothing_sent_writes_nothing(self, cast, change, now):
        now.tick(60)
        status, _body = change()
        assert status == 200
        assert Organisation.objects.get(pk=cast.mds.pk).updated_at == cast.mds.updated_at

    @pytest.mark.parametrize("name", ["id", "territory", "territory_id", "external_id"])
    def test_the_rest_is_ignored(self, cast, change, name):
        status, body = change(**{name: 999})
        assert (status, body["organisation"]["id"]) == (200, cast.mds.pk)
        assert Organisation.objects.get(pk=cast.mds.pk).territory == cast.paris

    @pytest.mark.parametrize(
        ("values", "errors", "messages"),
        [
            ({"name": ""}, {"name": [{"error": "blank"}]}, ["name doit être rempli(e)"]),
            ({"name": None}, {"name": [{"error": "blank"}]}, ["name doit être rempli(e)"]),
            ({"name": "  "}, {"name": [{"error": "blank"}]}, ["name doit être rempli(e)"]),
            ({"name": ["x"]}, {"name": [{"error": "invalid", "value": ["x"]}]}, ["name n'est pas valide"]),
            (
                {"name": "x" * 256},
                {"name": [{"error": "too_long", "count": 255}]},
                ["name est trop long (pas plus de 255 caractères)"],
            ),
            (
                {"name": "MDS du canal"},
                {"name": [{"error": "taken", "value": "MDS du canal"}]},
                ["name est déjà utilisé"],
            ),
            ({"phone_number": "123"}, {"phone_number": [{"error": "invalid"}]}, ["phone_number n'est pas valide"]),
            ({"phone_number": "bonjour"}, {"phone_number": [{"error": "invalid"}]}, ["phone_number n'est pas valide"]),
            ({"phone_number": "٣٩٤٩"}, {"phone_number": [{"error": "invalid"}]}, ["phone_number n'est pas valide"]),
            (
                {"email": "accueil"},
                {"email": [{"error": "invalid", "value": "accueil"}]},
                ["email n'est pas valide"],
            ),
            (
                {"verticale": "rdv_inconnu"},
                {"verticale": [{"error": "inclusion", "value": "rdv_inconnu"}]},
                ["verticale n'est pas inclus(e) dans la liste"],
            ),
            ({"verticale": None}, {"verticale": [{"error": "blank"}]}, ["verticale doit être rempli(e)"]),
            ({"verticale": " "}, {"verticale": [{"error": "blank"}]}, ["verticale doit être rempli(e)"]),
            (
                {"verticale": "x", "email": "x", "phone_number": "x", "name": ""},
                {
                    "name": [{"error": "blank"}],
                    "phone_number": [{"error": "invalid"}],
                    "email": [{"error": "invalid", "value": "x"}],
                    "verticale": [{"error": "inclusion", "value": "x"}],
                },
                [
                    "name doit être rempli(e)",
                    "phone_number n'est pas valide",
                    "email n'est pas valide",
                    "verticale n'est pas inclus(e) dans la liste",
                ],
            ),
        ],
    )
    def test_what_is_refused_and_how(self, cast, change, values, errors, messages):
        OrganisationFactory(name="MDS du canal", territory=cast.paris)
        assert change(**values) == (422, {"success": False, "errors": errors, "error_messages": messages})
        kept = Organisation.objects.get(pk=cast.mds.pk)
        assert (kept.name, kept.verticale, kept.email) == ("MDS Les Tilleuls", "rdv_solidarites", None)

    def test_a_name_may_be_taken_in_another_territory(self, cast, change):
        status, body = change(name=cast.lille.name)
        assert (status, body["organisation"]["name"]) == (200, "MDS Lille")

    def test_its_own_name_is_not_taken(self, cast, change):
        assert change(name=cast.mds.name)[0] == 200


@pytest.mark.parametrize("verb", ["post", "delete"])
def test_organisations_are_neither_created_nor_deleted_here(cast, sign_in, verb):
    path = {"post": "organisations", "delete": f"organisations/{cast.mds.pk}"}[verb]
    answer = getattr(sign_in(cast.martine), verb)(f"/api/v1/{path}")
    assert (answer.status_code, "GET" in answer["Allow"]) == (405, True)
