"""Order, search, filters, fields and expansions, all together, in generated worlds: held against plain Python over
plain data, on whichever database, for callers who see more and less.
"""

from __future__ import annotations

import datetime
import random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from absences.models import Absence
from absences.views import Absences
from agents.views.directory import Agents, Organisations, Services
from tests import oracle
from tests.factories import AbsenceFactory
from tests.oracle import Person, folded
from tests.wire.test_cursor import listed
from tests.worlds import Settled, email, generated, mark

SEEDS = range(6000, 6003)
ASKED = 10  # questions for each caller
FILTERS = ("title", "agent_id", "service_id", "organisation_id", "from", "to")


@pytest.fixture(params=SEEDS)
def settled(request: Any, db: None, now: Any, settings: Any) -> Settled:
    settings.RDV_SHARED_SECRET = "cle-de-test"
    return Settled(generated(request.param))


def in_order(rows: list[dict[str, Any]], sort: list[str]) -> list[dict[str, Any]]:
    """By each of the names, "-" for those that go down; what has no value last; equal ones by their id, in the
    direction of the last name.
    """
    rows = sorted(rows, key=lambda row: row["id"], reverse=sort[-1].startswith("-"))
    for signed in reversed(sort):
        name = signed.removeprefix("-")
        valued = [row for row in rows if row[name] not in (None, "")]
        valued.sort(key=lambda row, name=name: row[name], reverse=signed.startswith("-"))  # type: ignore[misc]
        rows = valued + [row for row in rows if row[name] in (None, "")]
    return rows


def holds(texts: list[str | None], words: str) -> bool:
    return all(any(word in folded(text or "") for text in texts) for word in folded(words).split())


def questions(settled: Settled, dice: random.Random) -> dict[str, tuple[Any, Any]]:
    """Some filters: what is sent, and what the oracle understands."""
    world, day = settled.world, datetime.datetime(2026, 12, dice.randint(1, 5))  # noqa: DTZ001 - civil
    person, service = dice.choice(world.people).name, dice.choice(world.services)
    place = dice.choice(sorted(world.organisations))
    choices: dict[str, tuple[Any, Any]] = {
        "title": (text := dice.choice(("conges", "ÉTÉ", "zq")), text),
        "agent_id": (settled.id("person", person), person),
        "service_id": (settled.id("service", service), service),
        "organisation_id": (settled.id("organisation", place), place),
        "from": (day.isoformat(), day),
        "to": (day.isoformat(), day),
    }
    return {name: choices[name] for name in dice.sample(FILTERS, dice.choice((0, 0, 1, 2)))}


def words(settled: Settled, dice: random.Random) -> str:
    """Of what is in sight and of what is not: titles, names, emails; and of what is not looked into."""
    world = settled.world
    kinds = [("absence", one) for one in world.absences] + [("person", one.name) for one in world.people]
    kinds += [("organisation", one) for one in world.organisations] + [("service", one) for one in world.services]
    some = ["zq", "CONGÉS", "formation", "nom", "prénom", "@exemple.test", "e", mark(*dice.choice(kinds))]
    return " ".join(dice.sample(some, dice.choice((1, 1, 2))))


def a_sort(dice: random.Random, names: Any) -> list[str]:
    return [dice.choice(("", "-")) + name for name in dice.sample(sorted(names), dice.choice((1, 2, 3)))]


def ask(settled: Settled, who: str, plural: str, query: dict[str, Any]) -> Any:
    answer = settled.ask(who, "GET", plural, query=query)
    assert answer.status_code == 200, answer.content
    return answer.json()


def walk(settled: Settled, who: str, plural: str, query: dict[str, Any]) -> list[Any]:
    rows, cursor = [], ""
    while cursor is not None:
        body = ask(settled, who, plural, query | {"cursor": cursor, "per": 2})
        rows += body[plural]
        cursor = body["meta"]["next_cursor"]
    return rows


def plain_absence(settled: Settled, caller: Person, name: str) -> dict[str, Any]:
    leave = settled.world.absences[name]
    return {
        "id": settled.absences[name].pk,
        "title": folded(oracle.shown_title(settled.world, caller, leave)),
        "first_day": leave.starts.date(),
        "start_time": leave.starts.time(),
        "end_day": leave.ends.date(),
        "end_time": leave.ends.time(),
        "created_at": leave.changed,
        "updated_at": leave.changed,
    }


def texts_of(person: Person) -> list[str | None]:
    word = mark("person", person.name)
    return [f"Prénom {word}", f"NOM {word}", email(person.name) if person.mail else None]


def test_absences_whatever_is_asked_together(settled: Settled) -> None:
    world, dice = settled.world, random.Random(1)
    found = 0
    for caller in filter(oracle.may_sign_in, world.people):
        who = caller.name
        whole = {row["id"]: row for row in ask(settled, who, "absences", {})["absences"]}
        for _ in range(ASKED):
            filters = questions(settled, dice)
            query: dict[str, Any] = {name: sent for name, (sent, _meant) in filters.items()}
            kept = oracle.listed_absences(world, caller, {name: meant for name, (_sent, meant) in filters.items()})
            if dice.random() < 2 / 3:
                query["q"] = words(settled, dice)
                kept = [
                    name
                    for name in kept
                    if holds(
                        [
                            oracle.shown_title(world, caller, world.absences[name]),
                            *texts_of(world.person(world.absences[name].agent)),
                        ],
                        query["q"],
                    )
                ]
            rows = [plain_absence(settled, caller, name) for name in kept]
            if dice.random() < 3 / 4:
                sort = a_sort(dice, Absences.sorts)
                query["sort"] = ",".join(sort)
                rows = in_order(rows, sort)
            expected = [whole[row["id"]] for row in rows]
            if dice.random() < 1 / 2:
                names = dice.sample(Absences.representation.names, dice.randint(1, 5))
                query["fields"] = ",".join(names)
                expected = [{name: value for name, value in row.items() if name in names} for row in expected]
            body = ask(settled, who, "absences", query)
            assert body["absences"] == expected, (who, query)
            assert body["meta"]["total_count"] == len(expected)
            assert walk(settled, who, "absences", query) == expected, (who, query)
            found += len(expected)
    assert found > 10


@pytest.mark.parametrize(
    ("plural", "view"), [("agents", Agents), ("organisations", Organisations), ("services", Services)]
)
def test_the_directory_whatever_is_asked_together(settled: Settled, plural: str, view: Any) -> None:
    world, dice = settled.world, random.Random(2)
    for caller in filter(oracle.may_sign_in, world.people):
        who = caller.name
        visible, kind = {
            "agents": (oracle.visible_agents(world, caller), "person"),
            "organisations": (oracle.visible_organisations(caller), "organisation"),
            "services": (oracle.visible_services(world, caller), "service"),
        }[plural]
        whole = ask(settled, who, plural, {})[plural]
        assert {row["id"] for row in whole} == {settled.id(kind, name) for name in visible}
        for _ in range(ASKED):
            q, sort = words(settled, dice), a_sort(dice, view.sorts)
            query = {"q": q, "sort": ",".join(sort)}
            rows = [row for row in whole if holds([row[name] for name in view.searched], q)]
            plain = [{k: folded(v) if isinstance(v, str) else v for k, v in row.items()} for row in rows]
            shown = {row["id"]: row for row in rows}
            expected = [shown[row["id"]] for row in in_order(plain, sort)]
            assert ask(settled, who, plural, query)[plural] == expected, (who, query)
            assert walk(settled, who, plural, query) == expected, (who, query)


def test_nobody_is_shown_by_an_expansion_what_is_out_of_their_sight(settled: Settled) -> None:
    """The marks of the world tell (`Settled.ask`); and all that is in sight is there."""
    world, shown = settled.world, 0
    ids = {kind: {row.pk: name for name, row in settled.rows[kind].items()} for kind in settled.rows}
    for caller in filter(oracle.may_sign_in, world.people):
        services = oracle.visible_services(world, caller)
        places = oracle.visible_organisations(caller)
        territories = oracle.visible_territories(world, caller)

        def checked(agent: dict[str, Any], services: Any = services, places: Any = places) -> int:
            person = world.person(ids["person"][agent["id"]])
            assert {ids["service"][one["id"]] for one in agent["services"]} == person.services & services
            assert {ids["organisation"][one["id"]] for one in agent["organisations"]} == set(person.roles) & places
            return len(agent["services"]) + len(agent["organisations"])

        def placed(organisation: dict[str, Any], territories: Any = territories) -> int:
            territory = world.organisations[ids["organisation"][organisation["id"]]]
            expected = settled.id("territory", territory) if territory in territories else None
            assert (organisation["territory"] or {"id": None})["id"] == expected
            return 1

        asked = {"expand": ",".join(Absences.expansions)}
        for row in ask(settled, caller.name, "absences", asked)["absences"]:
            shown += checked(row["agent"]) + (placed(row["organisation"]) if row["organisation"] else 0)
            one = settled.ask(caller.name, "GET", "absences/<pk>", row["id"], query=asked).json()["absence"]
            assert one == row
        for agent in ask(settled, caller.name, "agents", {"expand": ",".join(Agents.expansions)})["agents"]:
            shown += checked(agent) + sum(placed(one) for one in agent["organisations"])
        for organisation in ask(settled, caller.name, "organisations", {"expand": "territory"})["organisations"]:
            shown += placed(organisation)
    assert shown > 10


def test_a_search_does_not_tell_of_what_is_out_of_sight(settled: Settled) -> None:
    """Whoever is looked for by name: found when in sight, and else as if they did not exist, count and all."""
    world = settled.world
    for caller in filter(oracle.may_sign_in, world.people):
        for person in world.people:
            answer = settled.ask(caller.name, "GET", "agents", query={"q": mark("person", person.name)})
            seen = oracle.sees(world, caller, person)
            assert int(answer["X-Total-Count"]) == len(answer.json()["agents"]) == int(seen)
        for name in world.absences:
            answer = settled.ask(caller.name, "GET", "absences", query={"q": mark("absence", name), "sort": "title"})
            seen = name in oracle.visible_absences(world, caller)
            known = oracle.informed(world, caller, world.absences[name])
            assert int(answer["X-Total-Count"]) == int(seen and known)


TITLES = st.sampled_from(["", "É", "e", "Z", "é b", "z", "_"])
SORTS = st.lists(
    st.tuples(st.sampled_from(["", "-"]), st.sampled_from(sorted(Absences.sorts))).map("".join), min_size=1, max_size=3
)


@settings(
    derandomize=True,
    max_examples=25,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    there=st.lists(st.tuples(TITLES, st.integers(1, 3)), min_size=1, max_size=12),
    coming=st.lists(st.tuples(TITLES, st.integers(1, 3)), max_size=6),
    sort=SORTS,
    per=st.integers(1, 4),
)
def test_a_walk_misses_nothing_while_rows_are_added_in_any_order(
    cast: Any, sign_in: Any, now: Any, there: Any, coming: Any, sort: list[str], per: int
) -> None:
    Absence.objects.all().delete()
    client = sign_in(cast.martine)

    def come(title: str, day: int) -> int:
        return int(AbsenceFactory(agent=cast.bruno, title=title, first_day=datetime.date(2026, 12, day)).pk)

    before = {come(*one) for one in there}
    coming, seen, cursor = list(coming), [], ""
    while cursor is not None:
        body = client.get("/api/v1/absences", {"sort": ",".join(sort), "per": per, "cursor": cursor}).json()
        seen += [row["id"] for row in body["absences"]]
        cursor = body["meta"]["next_cursor"]
        if coming:
            come(*coming.pop())
    assert before <= set(seen)
    assert len(seen) == len(set(seen))
    everything = listed(client, f"/api/v1/absences?sort={','.join(sort)}")
    assert seen == [pk for pk in everything if pk in seen]
