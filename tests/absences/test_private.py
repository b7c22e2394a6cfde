"""What a private absence is, is for the agent and the admins to know (row A12); whoever else sees the agent knows that
they are out, and when. No answer, whatever is asked, tells more: not by what it shows, finds, counts or puts in order.
"""

import base64
import datetime
import json
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import icalendar
import pytest

from absences.models import Absence
from agents.models import AccessLevel, AgentRole

from ..conftest import WireClient
from ..factories import AbsenceFactory, AgentFactory, OrganisationFactory

SECRET = "Zyxwoscopie"
UNAVAILABLE = "Indisponible"
ABSENCES = "/api/v1/absences"

# Of those who see Bruno, who may know what his private absences are. Written from the rule, not from the code.
INFORMED = {
    "bruno": True,  # the agent
    "martine": True,  # admin of his organisation
    "thierry": True,  # admin of its territory
    "admin of another of his organisations": True,
    "paul": False,  # a colleague of the same service
    "sophie": False,  # the secretariat
    "admin elsewhere, colleague here": False,
    "territorial admin elsewhere, colleague here": False,
}


@pytest.fixture
def people(cast: SimpleNamespace) -> dict[str, Any]:
    """Everyone of INFORMED. Bruno also works in a second organisation."""
    second, foreign = OrganisationFactory(territory=cast.mds.territory), OrganisationFactory()
    AgentRole.objects.create(agent=cast.bruno, organisation=second, access_level=AccessLevel.BASIC)
    here = {"services": [cast.pmi], "basic_in": [cast.mds]}
    return {
        "bruno": cast.bruno,
        "martine": cast.martine,
        "thierry": cast.thierry,
        "admin of another of his organisations": AgentFactory(admin_of=[second]),
        "paul": cast.paul,
        "sophie": cast.sophie,
        "admin elsewhere, colleague here": AgentFactory(admin_of=[foreign], **here),
        "territorial admin elsewhere, colleague here": AgentFactory(territorial_admin_of=[foreign.territory], **here),
    }


@pytest.fixture
def secret(cast: SimpleNamespace) -> Absence:
    return AbsenceFactory(
        agent=cast.bruno,
        title=SECRET,
        kind="sick",
        private=True,
        period="morning",
        external_ids={"sirh": f"{SECRET}-7"},
        first_day=datetime.date(2026, 12, 3),
    )


@pytest.fixture(params=INFORMED)
def caller(request: Any, people: dict[str, Any], sign_in: Callable[..., WireClient]) -> tuple[WireClient, bool]:
    return sign_in(people[request.param]), INFORMED[request.param]


def shown(client: WireClient, absence: Absence, **query: Any) -> dict[str, Any]:
    answer = client.get(f"{ABSENCES}/{absence.pk}", query)
    assert answer.status_code == 200
    return dict(answer.json()["absence"])


def ids(client: WireClient, **query: Any) -> list[int]:
    answer = client.get(ABSENCES, query)
    assert answer.status_code == 200
    found = [one["id"] for one in answer.json()["absences"]]
    assert answer.json()["meta"]["total_count"] == int(answer["X-Total-Count"])
    return found


def test_it_is_told_to_the_agent_and_the_admins_alone(caller: tuple[WireClient, bool], secret: Absence) -> None:
    client, informed = caller
    told = {"title": SECRET, "kind": "sick", "period": "morning", "external_ids": {"sirh": f"{SECRET}-7"}}
    masked = {"title": UNAVAILABLE, "kind": None, "period": None, "external_ids": {}}
    one = shown(client, secret)
    (listed,) = client.get(ABSENCES, {"agent_id": secret.agent_id}).json()["absences"]
    (quick,) = (row for row in client.get(ABSENCES).json()["absences"] if row["id"] == secret.pk)
    assert one == listed == quick
    assert {name: one[name] for name in told} == (told if informed else masked)
    assert one["private"] is True
    assert (one["first_day"], one["start_time"], one["end_time"]) == ("2026-12-03", "09:00:00", "17:00:00")
    (event,) = icalendar.Calendar.from_ical(one["ical"]).walk("VEVENT")
    assert str(event["SUMMARY"]) == f"RDV Solidarités {SECRET if informed else UNAVAILABLE}"


@pytest.mark.parametrize("name", ["title", "kind", "period", "external_ids", "ical", "id,title,kind"])
def test_fields_alone_show_no_more_than_the_whole(caller: tuple[WireClient, bool], secret: Absence, name: str) -> None:
    client, _informed = caller
    whole = shown(client, secret)
    part = {key: whole[key] for key in whole if key in name.split(",")}
    assert shown(client, secret, fields=name) == part
    assert client.get(ABSENCES, {"fields": name, "title": ""}).json()["absences"] == [part]
    assert client.get(ABSENCES, {"fields": name, "agent_id": secret.agent_id}).json()["absences"] == [part]


@pytest.mark.parametrize(
    "query",
    [
        {"title": SECRET},
        {"title": "zyxwo"},
        {"q": SECRET},
        {"q": "scopie"},
        {"kind": "sick"},
        {"q": "bruno zyxwoscopie"},
    ],
    ids=str,
)
def test_no_filter_finds_it_by_what_it_is(
    caller: tuple[WireClient, bool], secret: Absence, query: dict[str, str]
) -> None:
    client, informed = caller
    assert ids(client, **query) == ([secret.pk] if informed else [])
    assert ids(client, **query, sort="title") == ([secret.pk] if informed else [])


def test_a_filter_finds_it_by_what_is_shown_of_it(caller: tuple[WireClient, bool], secret: Absence) -> None:
    client, informed = caller
    for query in ({"title": "indispo"}, {"q": "INDISPONIBLE"}):
        assert ids(client, **query) == ([] if informed else [secret.pk])
    assert ids(client, agent_id=secret.agent_id) == [secret.pk]


def test_its_place_in_an_order_by_title_is_that_of_what_is_shown(
    caller: tuple[WireClient, bool], secret: Absence, cast: SimpleNamespace
) -> None:
    client, informed = caller
    before, after = (AbsenceFactory(agent=cast.bruno, title=title) for title in ("Aaa", "Lll"))
    expected = [before, after, secret] if informed else [before, secret, after]
    assert ids(client, sort="title") == [one.pk for one in expected]
    assert ids(client, sort="-title") == [one.pk for one in reversed(expected)]
    assert ids(client, sort="title", q="bruno") == [one.pk for one in expected]
    walked, cursor = [], ""
    while cursor is not None:
        answer = client.get(ABSENCES, {"sort": "title", "per": 1, "cursor": cursor}).json()
        walked += [one["id"] for one in answer["absences"]]
        cursor = answer["meta"]["next_cursor"]
        place = base64.urlsafe_b64decode(cursor + "==").decode() if cursor else ""
        assert informed or SECRET.lower() not in place.lower()
    assert walked == [one.pk for one in expected]


PROBES: list[tuple[str, str, dict[str, Any]]] = [
    ("get", ABSENCES, {}),
    *(("get", ABSENCES, {"sort": sort, "per": "1", "cursor": ""}) for sort in ("title", "-title", "title,start_time")),
    ("get", ABSENCES, {"q": "bruno", "sort": "title"}),
    ("get", ABSENCES, {"expand": "agent.services,organisation.territory"}),
    ("get", ABSENCES, {"fields": "ical,title,kind,external_ids"}),
    ("get", ABSENCES, {"changed_since": "2020-01-01"}),
    ("get", ABSENCES, {"from": "2026-12-01", "to": "2026-12-31"}),
    ("get", f"{ABSENCES}/%(pk)s", {}),
    ("get", f"{ABSENCES}/%(pk)s", {"fields": "title"}),
    ("get", f"{ABSENCES}/%(pk)s", {"prettify": "true"}),
    ("options", ABSENCES, {}),
    ("options", f"{ABSENCES}/%(pk)s", {}),
    ("patch", f"{ABSENCES}/%(pk)s", {"end_time": "18:00"}),
    ("put", f"{ABSENCES}/%(pk)s", {"end_day": "2026-12-04"}),
    ("patch", f"{ABSENCES}/%(pk)s", {"end_day": "2026-12-01"}),
    ("patch", f"{ABSENCES}/%(pk)s", {"title": ""}),
    ("patch", f"{ABSENCES}/%(pk)s", {"private": False}),
    ("patch", f"{ABSENCES}/%(pk)s", {"kind": "nothing of the kind"}),
    ("get", "/api/v1/audit", {}),
    ("get", "/api/v1/audit", {"resource": "absence"}),
    ("delete", f"{ABSENCES}/%(pk)s", {}),
    ("get", "/api/v1/audit", {}),
]


def test_no_answer_whatever_holds_its_title(caller: tuple[WireClient, bool], secret: Absence) -> None:
    client, informed = caller
    held = []
    for accept in ("application/json", "application/problem+json", "application/json; profile=envelope"):
        for method, path, values in PROBES:
            if method == "delete" and "envelope" not in accept:
                continue
            answer = getattr(client, method)(path % {"pk": secret.pk}, values, headers={"Accept": accept})
            text = answer.content.decode() + json.dumps(dict(answer.headers))
            held.append(SECRET.lower() in text.lower())
            assert informed or not held[-1], (method, path, values, text)
    assert any(held) == informed
