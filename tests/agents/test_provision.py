"""The directory file: people and places are as it says, all of it or nothing, and a second run changes nothing."""

from __future__ import annotations

import io
import json
import sys
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import DataError, IntegrityError, OperationalError, connection
from django.test.utils import CaptureQueriesContext

from absences.provision import Plan
from agents.models import AccessLevel, Agent, AgentRole, ClientToken, Organisation, Service, Territory
from agents.provision import Agents, passwords
from tests.directory_file import MARTINE, MDS, PARIS, PMI, apply, apply_bytes, paris
from tests.factories import AgentFactory, OrganisationFactory, ServiceFactory, TerritoryFactory

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("now")]

WHOLE_MARTINE = MARTINE | {
    "password": "123456",
    "first_name": "Martine",
    "last_name": "VALIDAY",
    "services": [PMI["name"]],
    "roles": [{"organisation": MDS["name"], "access_level": "admin"}],
    "territorial_admin_of": ["75"],
    "active": True,
}
BASIC = {"organisation": MDS["name"], "access_level": "basic"}


def problems(*agents: Any) -> list[str]:
    outcome = apply(paris(agents=list(agents)))
    assert outcome.refused is not None
    return outcome.problems


def levels(agent: Agent) -> dict[str, str]:
    return dict(agent.roles.values_list("organisation__name", "access_level"))


# What is applied


def test_everything_the_file_says_is_there():
    outcome = apply(paris(agents=[WHOLE_MARTINE]))

    assert outcome.err == ""
    martine = Agent.objects.get()
    assert (martine.email, martine.first_name, martine.last_name) == (MARTINE["email"], "Martine", "VALIDAY")
    assert martine.is_active
    assert martine.check_password("123456")
    assert list(martine.services.values_list("short_name", flat=True)) == ["PMI"]
    assert levels(martine) == {"MDS Paris Nord": "admin"}
    assert list(martine.territories.values_list("departement_number", flat=True)) == ["75"]
    assert Organisation.objects.get().territory == Territory.objects.get(name="Paris")


def test_the_last_line_counts_every_section():
    outcome = apply(paris(agents=[MARTINE]))

    assert outcome.out == (
        "territories: 1 created, 0 updated, 0 unchanged; services: 1 created, 0 updated, 0 unchanged; "
        "organisations: 1 created, 0 updated, 0 unchanged; agents: 1 created, 0 updated, 0 unchanged; "
        "absences: 0 created, 0 updated, 0 unchanged\n"
    )


def test_the_second_run_changes_nothing(now):
    document = paris(agents=[WHOLE_MARTINE])
    apply(document)
    before = list(Agent.objects.values())
    now.tick(60)

    outcome = apply(document)

    assert [outcome.counts(name) for name in ("territories", "services", "organisations", "agents")] == [(0, 0, 1)] * 4
    assert list(Agent.objects.values()) == before


def test_the_second_run_writes_nothing():
    document = paris(agents=[WHOLE_MARTINE])
    apply(document)

    with CaptureQueriesContext(connection) as queries:
        apply(document)

    assert [query["sql"] for query in queries if not query["sql"].startswith("SELECT")] == []


def test_a_dry_run_says_the_same_and_changes_nothing():
    document = paris(agents=[WHOLE_MARTINE])

    rehearsal = apply(document, "--dry-run")
    assert not Agent.objects.exists()
    assert not Territory.objects.exists()

    assert apply(document).out == rehearsal.out


def test_an_empty_file_is_fine():
    assert apply({}).counts("agents") == (0, 0, 0)


def test_the_file_may_come_from_standard_input(monkeypatch):
    source = io.TextIOWrapper(io.BytesIO(json.dumps({"territories": [PARIS]}).encode()))
    monkeypatch.setattr(sys, "stdin", source)

    call_command("provision", "-", stdout=io.StringIO())

    assert Territory.objects.get().name == "Paris"


def test_a_byte_order_mark_is_no_matter():
    assert apply_bytes(b"\xef\xbb\xbf{}").refused is None


def test_what_the_file_does_not_list_is_left_alone():
    other = AgentFactory(admin_of=[OrganisationFactory()], services=[ServiceFactory()])

    apply(paris(agents=[MARTINE]))

    assert other.roles.count() == other.services.count() == 1


def test_a_changed_value_counts_as_an_update():
    apply(paris(agents=[WHOLE_MARTINE]))

    outcome = apply({"agents": [WHOLE_MARTINE | {"first_name": "Martina"}]})

    assert outcome.counts("agents") == (0, 1, 0)
    assert Agent.objects.get().first_name == "Martina"


def test_places_change_too():
    apply(paris())

    outcome = apply(
        {
            "territories": [PARIS | {"name": "Ville de Paris"}],
            "services": [PMI | {"short_name": "P.M.I."}],
            "organisations": [MDS | {"phone_number": "01 40 00 00 00", "email": "mds@exemple.fr"}],
        }
    )

    assert [outcome.counts(name) for name in ("territories", "services", "organisations")] == [(0, 1, 0)] * 3
    assert Territory.objects.get().name == "Ville de Paris"
    assert Service.objects.get().short_name == "P.M.I."
    assert Organisation.objects.values_list("phone_number", "email").get() == ("01 40 00 00 00", "mds@exemple.fr")


def test_absent_keys_leave_what_is_stored():
    apply(paris(agents=[WHOLE_MARTINE | {"active": False}]))

    outcome = apply({"agents": [MARTINE]})

    martine = Agent.objects.get()
    assert outcome.counts("agents") == (0, 0, 1)
    assert not martine.is_active
    assert martine.first_name == "Martine"
    assert martine.check_password("123456")
    assert martine.services.count() == martine.roles.count() == martine.territorial_roles.count() == 1


def test_null_empties_a_name_or_a_telephone():
    apply(paris(agents=[WHOLE_MARTINE]) | {"organisations": [MDS | {"phone_number": "3949"}]})

    apply({"agents": [MARTINE | {"last_name": None}], "organisations": [MDS | {"phone_number": None}]})

    assert Agent.objects.get().last_name is None
    assert Organisation.objects.get().phone_number is None


# Agents


def test_an_agent_is_known_by_email_whatever_its_case():
    apply(paris(agents=[MARTINE]))

    assert apply({"agents": [{"email": " Martine@Demo.RDV-solidarites.fr "}]}).counts("agents") == (0, 0, 1)


def test_an_agent_may_have_no_role():
    apply({"agents": [MARTINE | {"roles": []}]})

    assert Agent.objects.get().roles.count() == 0


def test_a_role_that_the_file_no_longer_lists_is_removed(cast):
    AgentRole.objects.create(agent=cast.bruno, organisation=cast.lille, access_level="admin")

    outcome = apply({"agents": [{"email": cast.bruno.email, "roles": [{"organisation": cast.lille.name}]}]})

    assert outcome.counts("agents") == (0, 1, 0)
    assert levels(cast.bruno) == {cast.lille.name: "admin"}


def test_a_role_changes_its_level(cast):
    role = {"organisation": cast.mds.name, "access_level": "intervenant"}

    outcome = apply({"agents": [{"email": cast.bruno.email, "roles": [role]}]})

    assert outcome.counts("agents") == (0, 1, 0)
    assert levels(cast.bruno) == {cast.mds.name: AccessLevel.INTERVENANT}


def test_a_new_role_without_level_is_basic(cast):
    apply({"agents": [MARTINE | {"roles": [{"organisation": cast.lille.name}]}]})

    assert levels(cast.martine) == {cast.lille.name: "basic"}


def test_services_and_territories_are_exactly_those_of_the_file(cast):
    given = {"email": cast.thierry.email, "services": [cast.pmi.name], "territorial_admin_of": ["59"]}

    apply({"agents": [given]})

    assert list(cast.thierry.services.all()) == [cast.pmi]
    assert list(cast.thierry.territories.all()) == [cast.nord]


def test_a_deactivated_agent_is_refused_at_once(cast, sign_in):
    martine = sign_in(cast.martine)
    assert martine.get("/api/v1/absences").status_code == 200

    apply({"agents": [MARTINE | {"active": False}]})

    assert martine.get("/api/v1/absences").status_code == 401


def test_an_agent_who_left_does_not_come_back_under_the_address_of_the_departed(cast):
    cast.bruno.leave()
    cast.bruno.refresh_from_db()

    outcome = apply({"agents": [{"email": cast.bruno.email, "active": True}]})

    assert outcome.problems == ["agents[0].email: is the address that an agent was given when they left"]


def test_an_organisation_that_loses_its_last_admin_is_told_but_the_file_applies(cast):
    outcome = apply({"agents": [MARTINE | {"roles": []}]})

    assert outcome.err == "Warning: MDS Les Tilleuls (Paris (75)) has no admin any more.\n"
    assert outcome.refused is None
    assert levels(cast.martine) == {}


def test_deactivating_the_last_admin_is_told(cast):
    assert "MDS Les Tilleuls" in apply({"agents": [MARTINE | {"active": False}]}).err


def test_handing_over_to_another_admin_is_not_worth_a_warning(cast):
    bruno = {"email": cast.bruno.email, "roles": [{"organisation": cast.mds.name, "access_level": "admin"}]}

    assert apply({"agents": [MARTINE | {"roles": []}, bruno]}).err == ""


def test_an_organisation_that_never_had_an_admin_is_not_worth_a_warning(cast):
    assert apply({"agents": [{"email": cast.etienne.email, "roles": []}]}).err == ""


# Passwords


def test_a_weak_password_is_accepted_here():
    apply({"agents": [MARTINE | {"password": "1"}]})

    assert Agent.objects.get().check_password("1")


def test_without_password_there_is_no_sign_in_with_one():
    apply({"agents": [MARTINE]})

    assert not Agent.objects.get().has_usable_password()


def test_a_password_that_matches_keeps_its_hash(settings):
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # salted, unlike the tests' own
    apply({"agents": [MARTINE | {"password": "123456"}]})
    before = Agent.objects.get().password

    outcome = apply({"agents": [MARTINE | {"password": "123456"}]})

    assert outcome.counts("agents") == (0, 0, 1)
    assert Agent.objects.get().password == before


def test_another_password_is_set_and_ends_the_sessions(cast, sign_in):
    client = sign_in(cast.martine)
    bystander = sign_in(cast.bruno)

    outcome = apply({"agents": [MARTINE | {"password": "another"}]})

    assert outcome.counts("agents") == (0, 1, 0)
    cast.martine.refresh_from_db()
    assert cast.martine.check_password("another")
    assert client.get("/api/v1/absences").status_code == 401
    assert bystander.get("/api/v1/absences").status_code == 200


def test_the_same_password_leaves_the_sessions(cast, sign_in):
    apply({"agents": [MARTINE | {"password": "123456"}]})
    client = sign_in(cast.martine)

    apply({"agents": [MARTINE | {"password": "123456", "first_name": "Martina"}]})

    assert client.get("/api/v1/absences").status_code == 200
    assert ClientToken.objects.live().count() == 1


def test_null_takes_the_password_away_once(cast):
    document = {"agents": [MARTINE | {"password": None}]}

    assert apply(document).counts("agents") == (0, 1, 0)
    cast.martine.refresh_from_db()
    assert not cast.martine.has_usable_password()
    assert apply(document).counts("agents") == (0, 0, 1)


def test_a_dry_run_sees_that_a_password_would_change(cast):
    assert apply({"agents": [MARTINE | {"password": "another"}]}, "--dry-run").counts("agents") == (0, 1, 0)
    assert not Agent.objects.get(pk=cast.martine.pk).check_password("another")


def test_each_agent_has_a_salt_of_their_own(settings):
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]

    apply({"agents": [{"email": f"agent{number}@exemple.fr", "password": "123456"} for number in range(3)]})

    assert len(set(Agent.objects.values_list("password"))) == 3


def test_in_a_large_load_one_password_is_hashed_once(settings, monkeypatch):
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    monkeypatch.setattr(passwords, "OWN_SALTS", 2)
    agents = [{"email": f"agent{number}@exemple.fr", "password": "123456"} for number in range(3)]
    agents.append({"email": "other@exemple.fr", "password": "654321"})

    apply({"agents": agents})

    assert len(set(Agent.objects.values_list("password"))) == 2
    assert all(agent.check_password("123456") for agent in Agent.objects.exclude(email="other@exemple.fr"))


@pytest.mark.parametrize("options", [(), ("--dry-run",)])
@pytest.mark.parametrize("broken", [{}, {"email": "nobody"}, {"roles": [{"organisation": "?"}]}, {"pasword": 1}])
def test_neither_passwords_nor_hashes_are_written_anywhere(options, broken, caplog, settings):
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    caplog.set_level("DEBUG")
    document = {"agents": [MARTINE | {"password": "Très secret 1"} | broken]}

    outcomes = [apply(document, *options), apply(document, *options)]

    for text in (*(str(outcome) for outcome in outcomes), caplog.text):
        assert "secret" not in text
        assert "md5$" not in text


@pytest.mark.parametrize(
    "password", [["Très secret"], {"clear": "Très secret"}, "Très secret\x00", "Très secret" * 999]
)
def test_a_password_that_cannot_be_read_is_not_quoted(password):
    (problem,) = problems(MARTINE | {"password": password})

    assert problem.startswith("agents[0].password: ")
    assert "secret" not in problem


# What is refused


def test_one_bad_item_and_nothing_changes():
    outcome = apply(paris(agents=[MARTINE, {"email": "nobody"}]))

    assert outcome.refused == "1 problem; nothing was changed."
    assert outcome.out == ""
    for model in (Territory, Service, Organisation, Agent):
        assert not model.objects.exists()


def test_every_bad_item_is_named_in_one_go():
    outcome = apply(
        paris(
            agents=[
                MARTINE,
                {"email": "bruno@exemple.fr", "roles": [{"organisation": "MDS Nort"}], "services": ["PMI", 3]},
                {"email": "chloe@exemple.fr", "territorial_admin_of": ["99"], "active": "yes"},
            ],
            absences=[{"agent_email": "nobody@exemple.fr"}],
        )
    )

    assert sorted(outcome.problems) == [
        "absences[0].end_time: is required",
        "absences[0].first_day: is required",
        "absences[0].start_time: is required",
        "absences[0].title: is required",
        'agents[1].roles[0].organisation: no organisation named "MDS Nort"',
        'agents[1].services[0]: no service named "PMI"',
        "agents[1].services[1]: must be text, not a number",
        "agents[2].active: must be true or false, not text",
        'agents[2].territorial_admin_of[0]: no territory with number "99"',
    ]
    assert outcome.refused == "9 problems; nothing was changed."


@pytest.mark.parametrize(
    ("agent", "path"),
    [
        ("martine", "agents[0]"),
        ({}, "agents[0].email"),
        ({"email": None}, "agents[0].email"),
        ({"email": ""}, "agents[0].email"),
        ({"email": 3}, "agents[0].email"),
        ({"email": "martine"}, "agents[0].email"),
        ({"email": f"{'m' * 250}@exemple.fr"}, "agents[0].email"),
        (MARTINE | {"first_name": "M" * 256}, "agents[0].first_name"),
        (MARTINE | {"last_name": "VALI\x00DAY"}, "agents[0].last_name"),
        (MARTINE | {"password": ""}, "agents[0].password"),
        (MARTINE | {"active": 1}, "agents[0].active"),
        (MARTINE | {"active": None}, "agents[0].active"),
        (MARTINE | {"pasword": "x"}, "agents[0].pasword"),
        (MARTINE | {"mot de passe": "x"}, 'agents[0]["mot de passe"]'),
        (MARTINE | {"roles": "admin"}, "agents[0].roles"),
        (MARTINE | {"roles": None}, "agents[0].roles"),
        (MARTINE | {"roles": ["admin"]}, "agents[0].roles[0]"),
        (MARTINE | {"roles": [{}]}, "agents[0].roles[0].organisation"),
        (
            MARTINE | {"roles": [{"organisation": MDS["name"], "access_level": "boss"}]},
            "agents[0].roles[0].access_level",
        ),
        (MARTINE | {"roles": [BASIC] * 2}, "agents[0].roles[1].organisation"),
        (MARTINE | {"services": [PMI["name"]] * 2}, "agents[0].services[1]"),
        (MARTINE | {"territorial_admin_of": [75]}, "agents[0].territorial_admin_of[0]"),
    ],
)
def test_a_bad_agent_is_named_by_its_path(agent, path):
    assert [line.partition(": ")[0] for line in problems(agent)] == [path]


@pytest.mark.parametrize(
    ("section", "item", "path"),
    [
        ("territories", PARIS | {"departement_number": "7500"}, "territories[0].departement_number"),
        ("territories", {"departement_number": "76"}, "territories[0].name"),
        ("services", PMI | {"secretariat": "yes"}, "services[0].secretariat"),
        ("services", PMI | {"name": "P" * 256}, "services[0].name"),
        ("organisations", MDS | {"phone_number": "12"}, "organisations[0].phone_number"),
        ("organisations", MDS | {"email": "nobody"}, "organisations[0].email"),
        ("organisations", MDS | {"departement_number": "99"}, "organisations[0].departement_number"),
        ("organisations", MDS | {"name": " "}, "organisations[0].name"),
    ],
)
def test_a_bad_place_is_named_by_its_path(section, item, path):
    outcome = apply({"territories": [PARIS], "services": [], "organisations": []} | {section: [item]})

    assert [line.partition(": ")[0] for line in outcome.problems] == [path]


@pytest.mark.parametrize(
    ("section", "first", "second"),
    [
        ("territories", PARIS, PARIS | {"name": "Ville de Paris"}),
        ("services", PMI, {"name": PMI["name"].upper(), "short_name": "Other"}),
        ("organisations", MDS, MDS | {"email": "mds@exemple.fr"}),
        ("agents", MARTINE, {"email": MARTINE["email"].upper()}),
    ],
)
def test_an_item_may_not_come_twice(section, first, second):
    outcome = apply(paris() | {section: [first, second]})

    assert outcome.problems == [f"{section}[1]: the same as {section}[0]"]


def test_a_short_name_belongs_to_one_service():
    ServiceFactory(name="Protection", short_name="pmi")

    assert apply({"services": [PMI]}).problems == [
        'services[0].short_name: "PMI" is the short name of "Protection" already'
    ]


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        (b"", "line 1, column 1: not JSON in UTF-8"),
        (b'{"agents": [}', "line 1, column 13: not JSON in UTF-8"),
        (b'{"agents": [{"email": "\xe9"}]}', "not JSON in UTF-8"),
        (b'{"agents": NaN}', "not JSON in UTF-8"),
        (b"[" * 100_000, "not JSON in UTF-8"),
        (b"[]", "The file must hold an object, not a list."),
        (b'{"agents": {}}', "agents: must be a list, not an object"),
        (b'{"people": []}', "people: unknown key"),
        (b'{"agents": [], "agents": []}', '"agents": given twice in one object'),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_in_a_sentence(source, sentence):
    outcome = apply_bytes(source)

    assert outcome.refused == "1 problem; nothing was changed."
    assert sentence in outcome.err


@pytest.mark.parametrize("file", ["nowhere.json", "."])
def test_a_file_that_is_not_there_is_named(file):
    with pytest.raises(CommandError, match=rf"^{file}: .*; nothing was changed\.$"):
        call_command("provision", file)


def test_a_refusal_is_exit_status_1():
    with pytest.raises(CommandError) as refusal:
        call_command("provision", "nowhere.json")

    assert refusal.value.returncode == 1


def test_control_characters_do_not_reach_the_terminal():
    (problem,) = problems(MARTINE | {"services": ["\x1b[31mPMI"]})

    assert "\x1b" not in problem


# Names


def test_two_territories_may_have_an_organisation_of_one_name(cast):
    OrganisationFactory(name=cast.mds.name, territory=cast.nord)
    role = {"organisation": cast.mds.name}

    (problem,) = apply({"agents": [MARTINE | {"roles": [role]}]}).problems
    assert problem.startswith('agents[0].roles[0].organisation: more than one organisation is named "MDS Les Tilleuls"')
    assert problem.endswith('add "departement_number" ("59", "75")')
    assert apply({"agents": [MARTINE | {"roles": [role | {"departement_number": "59"}]}]}).refused is None
    assert cast.martine.roles.get().organisation.territory == cast.nord


def test_an_organisation_in_no_territory_is_one_problem_not_two():
    outcome = apply(
        {
            "organisations": [MDS],
            "agents": [MARTINE | {"roles": [{"organisation": MDS["name"]}]}],
        }
    )

    assert outcome.problems == ['organisations[0].departement_number: no territory with number "75"']


def test_an_organisation_may_join_a_territory_that_is_already_there():
    TerritoryFactory(departement_number="75")

    assert apply({"organisations": [MDS]}).counts("organisations") == (1, 0, 0)


@pytest.mark.parametrize(("name", "secretariat"), [("Secrétariat", True), ("PMI", False)])
def test_a_service_is_a_secretariat_by_its_name_unless_the_file_says(name, secretariat):
    apply({"services": [{"name": name}]})
    service = Service.objects.get()
    assert (service.short_name, service.secretariat) == (name, secretariat)

    apply({"services": [{"name": name, "secretariat": not secretariat}]})
    service.refresh_from_db()
    assert service.secretariat is not secretariat


def test_a_service_takes_the_case_of_the_file():
    apply({"services": [{"name": "pmi"}]})

    assert apply({"services": [{"name": "PMI"}]}).counts("services") == (0, 1, 0)
    assert Service.objects.get().name == "PMI"


# Size


def test_the_number_of_queries_does_not_grow_with_the_agents():
    def cost(count: int, **changed: Any) -> int:
        agents = [WHOLE_MARTINE | {"email": f"{count}.{number}@exemple.fr"} | changed for number in range(count)]
        with CaptureQueriesContext(connection) as queries:
            apply(paris(agents=agents))
        return len(queries)

    apply(paris())
    assert cost(10) == cost(40)
    assert cost(10, first_name="M.", roles=[]) == cost(40, first_name="M.", roles=[])
    assert cost(10) == cost(40)


# Together


def test_a_row_that_vanishes_meanwhile_stops_it_all(cast, monkeypatch):
    write = Plan.write

    def write_late(plan: Plan, *args: Any) -> None:
        cast.bruno.leave()
        write(plan, *args)

    monkeypatch.setattr(Plan, "write", write_late)

    outcome = apply(
        {"territories": [PARIS | {"name": "Changed"}], "agents": [{"email": cast.bruno.email, "roles": []}]}
    )

    assert outcome.refused == "Somebody else changed the directory meanwhile; nothing was changed. Run it again."
    assert not Territory.objects.filter(name="Changed").exists()


def test_a_place_that_vanishes_meanwhile_does_not_come_back(monkeypatch):
    apply(paris())
    write = Plan.write

    def write_late(plan: Plan, *args: Any) -> None:
        Service.objects.all().delete()
        write(plan, *args)

    monkeypatch.setattr(Plan, "write", write_late)

    assert apply({"services": [PMI | {"short_name": "P.M.I."}]}).refused
    assert Service.objects.get().short_name == "PMI"


@pytest.mark.parametrize("failure", [IntegrityError, DataError, OperationalError])
def test_what_the_database_says_of_a_row_is_not_repeated(failure, monkeypatch):
    def fail(*args: Any) -> None:
        raise failure("refused") from Exception("refused\nFailing row contains (argon2$secret).")

    monkeypatch.setattr(Agents, "write", fail)

    outcome = apply(paris(agents=[WHOLE_MARTINE]))

    assert outcome.refused
    assert "secret" not in outcome.refused
    assert not Territory.objects.exists()
