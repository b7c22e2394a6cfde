"""`q` (row A6): words in the texts of a resource, without accents or case, of what one sees and nothing else."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from absences.views import Absences
from agents.models import AccessKey
from rdv.api.searching import LONGEST
from tests.factories import AbsenceFactory, AgentFactory, OrganisationFactory, ServiceFactory
from tests.wire.test_cursor import walked

pytestmark = pytest.mark.usefixtures("now")


@pytest.fixture
def martine(cast, sign_in):
    return sign_in(cast.martine)


@pytest.fixture
def zoe(cast):
    return AgentFactory(
        email="zoe.lefevre@exemple.test",
        first_name="Zoé",
        last_name="LEFÈVRE",
        services=[cast.pmi],
        basic_in=[cast.mds],
    )


@pytest.fixture
def absences(cast, zoe):
    return [
        AbsenceFactory(agent=agent, title=title)
        for agent, title in (
            (cast.bruno, "Congé d'été"),
            (cast.bruno, "RTT"),
            (zoe, "Formation été 100 %"),
            (zoe, "Cœur_de_ville"),
        )
    ]


def found(client, q, plural="absences", key="title", **query):
    answer = client.get(f"/api/v1/{plural}", {"q": q, **query})
    assert answer.status_code == 200, answer.content
    rows = answer.json()[plural]
    assert answer.json()["meta"]["total_count"] == len(rows)
    return {row[key] for row in rows}


@pytest.mark.parametrize(
    ("q", "titles"),
    [
        ("ete", {"Congé d'été", "Formation été 100 %"}),
        ("ÉTÉ", {"Congé d'été", "Formation été 100 %"}),
        ("e\u0301te\u0301", {"Congé d'été", "Formation été 100 %"}),  # decomposed, as some machines type it
        ("conge ete", {"Congé d'été"}),
        ("été  congé", {"Congé d'été"}),
        ("ete rtt", set()),
        ("lefevre", {"Formation été 100 %", "Cœur_de_ville"}),
        ("zoé formation", {"Formation été 100 %"}),
        ("bruno@exemple.test", {"Congé d'été", "RTT"}),
        ("@exemple.test", {"Congé d'été", "RTT", "Formation été 100 %", "Cœur_de_ville"}),
        ("100 %", {"Formation été 100 %"}),
        ("%", {"Formation été 100 %"}),
        ("_", {"Cœur_de_ville"}),
        ("\\", set()),
        ("'", {"Congé d'été"}),
        ("zoelefevre", set()),  # a word is not looked for across two columns
        ("e é E È", {"Congé d'été", "Formation été 100 %", "Cœur_de_ville", "RTT"}),
    ],
)
def test_all_words_wherever_they_are(martine, absences, q, titles):
    assert found(martine, q) == titles


@pytest.mark.parametrize("q", ["", " ", "\t\u00a0 "])
def test_nothing_to_look_for_is_everything(martine, absences, q):
    assert len(found(martine, q)) == 4


def test_of_accents_alone_nothing_is_found(martine, absences):
    assert found(martine, "\u0301") == set()


def test_with_filters_order_pages_and_walks(martine, zoe, absences):
    assert found(martine, "ete", agent_id=zoe.pk) == {"Formation été 100 %"}
    assert found(martine, "ete", title="conge") == {"Congé d'été"}
    in_order = [absences[3].pk, absences[2].pk]
    assert walked(martine, "/api/v1/absences?q=zoe&sort=title&cursor=&per=1") == in_order
    assert martine.get("/api/v1/absences?q=zoe&sort=title&per=1&page=2").json()["absences"][0]["id"] == in_order[1]


@pytest.mark.parametrize(
    ("query", "error"),
    [
        ("q=" + "é" * (LONGEST + 1), {"error": "too_long", "count": LONGEST}),
        ("q[]=a", {"error": "invalid", "value": ["a"]}),
    ],
)
def test_what_cannot_be_looked_for_is_refused(martine, absences, query, error):
    answer = martine.get(f"/api/v1/absences?{query}")
    assert answer.status_code == 422
    assert answer.json()["errors"] == {"q": [error]}


def test_as_many_words_as_there_is_room_for(martine, absences):
    assert found(martine, " ".join("abcdefghijklmnopqrstuvwxyz0123456789")) == set()


def test_the_directory(cast, sign_in, zoe):
    place = OrganisationFactory(territory=cast.paris, name="Mairie d'Évry", email="accueil@evry.test")
    service = ServiceFactory(name="Écoute des aînés", short_name="Écoute")
    AgentFactory(services=[service], basic_in=[place])
    client = sign_in(AgentFactory(services=[cast.secretariat], basic_in=[cast.mds, place]))
    assert found(client, "zoe LEFEVRE", "agents", "last_name") == {"LEFÈVRE"}
    assert found(client, "evry", "organisations", "name") == {"Mairie d'Évry"}
    assert found(client, "accueil mairie", "organisations", "name") == {"Mairie d'Évry"}
    assert found(client, "aines", "services", "name") == {"Écoute des aînés"}


def test_keys(cast, sign_in):
    AccessKey.make(cast.martine, name="Tâche de nuit", note="Sauvegarde")
    AccessKey.make(cast.martine, name="Tableur")
    AccessKey.make(cast.bruno, name="Tâche de Bruno")
    client = sign_in(cast.martine)
    assert found(client, "tache", "tokens", "name") == {"Tâche de nuit"}
    assert found(client, "TACHE sauve", "tokens", "name") == {"Tâche de nuit"}


def test_the_record_is_not_searched(cast, sign_in):
    """It grows for ever; its filters are for that."""
    client = sign_in(cast.martine)
    everything = client.get("/api/v1/audit").json()["meta"]["total_count"]
    assert client.get("/api/v1/audit?q=nothing+of+the+kind").json()["meta"]["total_count"] == everything


def test_nobody_finds_what_they_do_not_see(cast, sign_in, absences):
    AbsenceFactory(agent=cast.etienne, title="Été à Lille")
    assert "Été à Lille" not in found(sign_in(cast.martine), "ete")
    assert found(sign_in(cast.martine), "lille") == set()
    assert found(sign_in(cast.martine), "etienne", "agents", "email") == set()
    assert found(sign_in(cast.martine), "lille", "organisations", "name") == set()
    assert found(sign_in(cast.etienne), "ete") == {"Été à Lille"}


def test_columns_that_are_not_shown_are_not_looked_into(cast, sign_in, absences):
    cast.bruno.email_original = "ancien@exemple.test"
    cast.bruno.inclusion_connect_open_id_sub = "sub-secret"
    cast.bruno.save()
    client = sign_in(cast.martine)
    for word in ("ancien", "sub-secret", "plain", "argon2"):
        assert found(client, word) == set(), word
        assert found(client, word, "agents", "email") == set(), word


def test_a_name_that_changed_is_found_by_its_new_one_alone(cast, sign_in, zoe, absences):
    zoe.last_name = "MÜLLER"
    zoe.save()
    client = sign_in(cast.martine)
    assert len(found(client, "muller")) == 2
    assert found(client, "fevre -x") == set()


def test_what_is_written_by_the_api_is_found(cast, martine):
    body = {
        "agent_id": cast.bruno.pk,
        "title": "Pâques",
        "first_day": "2027-03-29",
        "start_time": "8:00",
        "end_time": "9:00",
    }
    pk = martine.post("/api/v1/absences", body).json()["absence"]["id"]
    assert found(martine, "paques") == {"Pâques"}
    martine.patch(f"/api/v1/absences/{pk}", {"title": "Noël"})
    assert found(martine, "paques") == set()
    assert found(martine, "noel") == {"Noël"}
    martine.patch(f"/api/v1/organisations/{cast.mds.pk}", {"name": "Maison Élan"})
    assert found(martine, "elan", "organisations", "name") == {"Maison Élan"}


def test_a_search_costs_as_much_as_a_filter(martine, absences):
    counts = []
    for query in ("title=ete", "q=ete", "q=ete+zoe+form&sort=title&agent_email=zoe.lefevre@exemple.test"):
        with CaptureQueriesContext(connection) as queries:
            assert martine.get(f"/api/v1/absences?{query}").json()["absences"]
        counts.append(len(queries))
    assert counts == [3, 3, 3]


def test_what_is_looked_into_is_shown():
    shown = {"title", "agent.email", "agent.first_name", "agent.last_name"}
    assert set(Absences.searched) == shown
