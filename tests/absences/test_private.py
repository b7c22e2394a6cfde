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
from django.contrib.auth.models import Permission
from django.test import Client

from absences.models import Absence
from agents.models import AccessLevel, AgentRole
from agents.record import row_created

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


# What was answered before, and other ways to the same.


@pytest.mark.parametrize("way", ["create", "change", "bulk", "delete"])
def test_an_answer_that_is_given_again_tells_no_more_than_one_may_know_by_now(
    cast: SimpleNamespace, sign_in: Callable[..., WireClient], secret: Absence, way: str
) -> None:
    """Martine was admin when she was answered, and is a colleague now."""
    martine, path = sign_in(cast.martine), f"{ABSENCES}/{secret.pk}"
    once = {"headers": {"Idempotency-Key": f"k-{way}"}}
    new = {"agent_id": cast.bruno.pk, "title": SECRET, "first_day": "2026-12-09", "period": "day", "private": True}

    def ask() -> Any:
        match way:
            case "create" | "delete":
                return martine.post(ABSENCES, new, **once)
            case "change":
                return martine.patch(path, {"title": f"{SECRET} !"}, **once)
        return martine.post(f"{ABSENCES}/bulk", {"absences": [new], "atomic": True}, **once)

    first = ask()
    assert first.status_code == 200, first.content
    assert SECRET in first.content.decode()
    assert ask().content == first.content
    if way == "delete":
        Absence.objects.get(pk=first.json()["absence"]["id"]).delete()
    AgentRole.objects.filter(agent=cast.martine).update(access_level=AccessLevel.BASIC)
    again = ask()
    assert again.status_code == {"bulk": 403, "delete": 404}.get(way, 200)
    assert SECRET not in again.content.decode()


MORE = [
    ("get", "/api/v1/whos-out", {"on": "2026-12-03"}),
    ("get", "/api/v1/changes", {}),
    ("get", "/api/v1/absences/%(pk)s/occurrences", {}),
    ("get", ABSENCES, {"occurrences": "true", "from": "2026-12-01", "to": "2026-12-31"}),
    ("get", f"{ABSENCES}/by-external-id/sirh/7", {}),
    ("put", f"{ABSENCES}/by-external-id/sirh/7", {"end_time": "18:30"}),
    ("patch", "/api/v1/absences/%(pk)s/occurrences/2026-12-03", {"end_time": "18:15"}),
    ("delete", f"{ABSENCES}/%(pk)s", {}),
    ("get", "/api/v1/changes", {}),
    ("get", f"{ABSENCES}/deleted", {}),
    ("get", f"{ABSENCES}/deleted", {"fields": "title,reason,kind"}),
    ("post", f"{ABSENCES}/%(pk)s/restore", {}),
    ("get", "/api/v1/audit", {}),
]


def test_no_other_way_to_it_tells_more(
    caller: tuple[WireClient, bool], people: dict[str, Any], secret: Absence
) -> None:
    client, informed = caller
    token = client.get("/api/v1/changes").json()["meta"]["sync_token"]
    held = []
    for method, path, values in MORE:
        sent = values | ({"sync_token": token} if path.endswith("/changes") and held else {})
        answer = getattr(client, method)(path % {"pk": secret.pk}, sent)
        assert answer.status_code < 500, (path, answer.content)
        text = answer.content.decode() + json.dumps(dict(answer.headers))
        held.append(SECRET.lower() in text.lower())
        assert informed or not held[-1], (method, path, values, text)
    assert any(held) == informed


def test_no_file_is_a_way_to_try_titles(caller: tuple[WireClient, bool], secret: Absence) -> None:
    """A dry run writes nothing and says what is there already: to who may not know, of what they are shown alone."""
    client, informed = caller
    Absence.objects.filter(pk=secret.pk).update(period="")
    results = []
    for title, kind in ((SECRET, "maladie"), ("Autre", "maladie"), (SECRET, "formation")):
        head = "agent;titre;genre;premier jour;heure début;heure fin;confidentiel"
        body = f"{head}\n{secret.agent.email};{title};{kind};2026-12-03;09:00;17:00;oui\n"
        answer = client.post(f"{ABSENCES}/import?dry_run=true", body.encode(), "text/csv")
        assert answer.status_code == 200, answer.content
        results.append(answer.json()["verdicts"][0]["result"])
    assert results == (["unchanged", "created", "created"] if informed else ["unchanged"] * 3)


# On the administration pages.


@pytest.fixture
def helper(cast: SimpleNamespace) -> Callable[..., Client]:
    """Who keeps the absences on the pages, with these rights beside the usual ones."""

    def of(*rights: str) -> Client:
        agent = AgentFactory(is_staff=True)
        usual = ("view_absence", "change_absence", "delete_absence", "view_deletedabsence", "view_recordentry")
        agent.user_permissions.set(Permission.objects.filter(codename__in=(*usual, *rights)))
        client = Client()
        client.force_login(agent)
        return client

    return of


def pages(client: Client, absence: Absence) -> str:
    change = f"/admin/absences/absence/{absence.pk}/change/"
    kept = client.get(change).content.decode()
    chosen = {"action": "delete_selected", "_selected_action": [absence.pk]}
    shown = [
        client.get("/admin/absences/absence/").content.decode(),
        kept,
        client.get(change.replace("change", "delete")).content.decode(),
        client.get(change.replace("change", "history")).content.decode(),
        client.post("/admin/absences/absence/", chosen).content.decode(),
        client.get("/admin/agents/recordentry/").content.decode(),
        client.get(f"/admin/agents/agent/{absence.agent_id}/change/").content.decode(),
    ]
    return "\n".join(shown)


def test_the_pages_tell_it_to_whoever_has_the_right_to_know(helper: Any, secret: Absence) -> None:
    row_created(secret)  # as whoever filed it brought about
    assert SECRET not in pages(helper(), secret)
    assert SECRET in pages(helper("know_private_absence"), secret)


def test_the_pages_find_it_by_what_it_is_for_whoever_may_know(helper: Any, secret: Absence) -> None:
    row_created(secret)
    for rights, found in (((), False), (("know_private_absence",), True)):
        client = helper(*rights)
        for page, row in (("absences/absence", f"/{secret.pk}/change/"), ("agents/recordentry", f"n° {secret.pk}")):
            assert row in client.get(f"/admin/{page}/").content.decode()
            assert (row in client.get(f"/admin/{page}/", {"q": SECRET}).content.decode()) == found, page


def test_who_may_not_know_it_neither_changes_nor_deletes_it_there(helper: Any, secret: Absence) -> None:
    client = helper()
    for page in ("change", "delete"):
        client.post(f"/admin/absences/absence/{secret.pk}/{page}/", {"post": "yes", "title": "Autre"})
    client.post(
        "/admin/absences/absence/",
        {"action": "delete_selected", "_selected_action": [secret.pk], "post": "yes"},
    )
    secret.refresh_from_db()
    assert secret.title == SECRET


def test_what_is_concealed_cannot_be_saved(secret: Absence) -> None:
    secret.conceal()
    assert (secret.title, secret.external_ids) == (UNAVAILABLE, None)
    with pytest.raises(ValueError, match="concealed"):
        secret.save()
