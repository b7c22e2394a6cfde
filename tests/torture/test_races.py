"""Whatever happens at once, some order of the requests explains every answer and what is left in the database.

Through the real server, each round with a seed of its own; `order.py` looks for the order.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as StillWaiting
from pathlib import Path
from typing import Any

import pytest
import requests

from agents.models.rights import RIGHTS
from tests.server import ROOT, Server, prepared_database

from .callers import PASSWORD, Administrator, Caller, Site, Work, at_once, chance, triple
from .order import Call, order_of, told

pytestmark = pytest.mark.live

CAP = 3
SEED = int(os.environ.get("TORTURE_SEED", "20261116"))
MARTINE, BRUNO = "martine@exemple.test", "bruno@exemple.test"
ADMINISTRATORS = ("odile@exemple.test", "paul@exemple.test")
NEW_PASSWORD = "Un autre jour 2027 !"
ABSENCE = {"first_day": "2027-06-10", "start_time": "13:30", "end_time": "17:00", "title": "Congés"}
REFUSED = {401, 403, 404, 422}

DIRECTORY = f"""
from agents.models import Agent, AgentRole, Organisation, Service, Territory
paris = Territory.objects.create(name="Paris", departement_number="75")
mds = Organisation.objects.create(name="MDS", territory=paris)
annexe = Organisation.objects.create(name="Annexe", territory=paris)
pmi = Service.objects.create(name="PMI", short_name="PMI")
for email in {ADMINISTRATORS!r}:
    Agent.objects.create_superuser(email, {PASSWORD!r})
martine = Agent.objects.create_user({MARTINE!r}, {PASSWORD!r}, first_name="Martine")
AgentRole.objects.create(agent=martine, organisation=mds, access_level="admin")
AgentRole.objects.create(agent=martine, organisation=annexe, access_level="admin")
bruno = Agent.objects.create_user({BRUNO!r}, {PASSWORD!r}, first_name="Bruno")
AgentRole.objects.create(agent=bruno, organisation=mds, access_level="basic")
for agent in (martine, bruno):
    agent.services.add(pmi)
"""

NEWCOMERS = f"""
from django.contrib.auth.hashers import make_password
from agents.models import Agent, AgentRole, Organisation, Service
mds, pmi, password = Organisation.objects.get(name="MDS"), Service.objects.get(name="PMI"), make_password({PASSWORD!r})
for number in range(%d, %d):
    agent = Agent.objects.create(email=f"agent{{number}}@exemple.test", password=password)
    AgentRole.objects.create(agent=agent, organisation=mds, access_level="basic")
    agent.services.add(pmi)
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("races")
    with prepared_database(folder) as database:
        server = Server(folder, database, RDV_TOKEN_MAX_CLIENTS=str(CAP))
        try:
            server.start(workers=3)
            server.manage("shell", "-c", DIRECTORY)
            yield Site(server)
        finally:
            server.stop()


@pytest.fixture(scope="module")
def martine(site: Site) -> Caller:
    return site.caller(MARTINE)


@pytest.fixture(scope="module")
def administrators(site: Site) -> list[Administrator]:
    return [Administrator(site.address, email) for email in ADMINISTRATORS]


@pytest.fixture(scope="module")
def newcomers(site: Site) -> Callable[[int], list[str]]:
    """So many basic agents of the MDS that nobody has met yet, each by their email."""
    made = met = 0

    def come(count: int) -> list[str]:
        nonlocal made, met
        if met + count > made:
            more = max(50, met + count - made)
            site.server.manage("shell", "-c", NEWCOMERS % (made, made + more))
            made += more
        met += count
        return [f"agent{number}@exemple.test" for number in range(met - count, met)]

    return come


@pytest.fixture(autouse=True)
def _nothing_half_done(site: Site) -> Iterator[None]:
    yield
    site.assert_derived()
    assert "Traceback" not in site.server.log, site.server.log[-4000:]


def assert_explained(site: Site, history: list[Call], state: Any, step: Any, seed: object) -> None:
    assert order_of(history, state, step) is not None, f"No order explains, seed {seed}:\n{told(history)}"


def file_absence(caller: Caller, agent: str, **changes: Any) -> int:
    answer = caller("POST", "absences", ABSENCE | {"agent_email": agent} | changes)
    assert answer.status_code == 200, answer.text
    return int(answer.json()["absence"]["id"])


# One absence.


def shown(answer: requests.Response) -> tuple[int, ...] | tuple[int, int, str, str]:
    """The status; of an absence also its version, title and end."""
    if answer.status_code != 200:
        return (answer.status_code,)
    absence = answer.json()["absence"]
    return 200, absence["version"], absence["title"], absence["end_time"]


def absence_step(state: Any, call: Call) -> Iterator[Any]:
    """`state`: (version, title, end), or None when it is gone."""
    verb, changes = call.asked
    if state is None:
        if call.answered == (404,):
            yield None
    elif verb == "DELETE":
        if call.answered == (204,):
            yield None
    else:
        version, title, end = state
        after = (version, changes.get("title", title), changes.get("end_time", end))
        if after != state:  # the same values again are no change
            after = (version + 1, *after[1:])
        if call.answered == (200, *after):
            yield after


def test_what_is_done_to_one_absence_at_once_happens_in_some_order(
    site: Site, martine: Caller, at_length: Any, figure: Any
) -> None:
    rounds, calls = at_length(6, 400), 0
    for number in range(rounds):
        luck = chance(SEED, "absence", number)
        pk = file_absence(martine, BRUNO)

        def one(luck: Any = luck, pk: int = pk) -> Work:
            verb = luck.choices(["PATCH", "GET", "DELETE"], [10, 5, 1])[0]
            changes: dict[str, str] = {}
            if verb == "PATCH":
                # Now and then the same values, and only some of the columns.
                changes = luck.choice(
                    [{"title": f"T{luck.randrange(4)}"}, {"end_time": f"1{luck.randrange(5, 9)}:00:00"}]
                )
            return (verb, changes), lambda: shown(martine(verb, f"absences/{pk}", changes or None))

        history = at_once(*([one() for _call in range(4)] for _worker in range(6)))
        history += at_once([(("GET", {}), lambda pk=pk: shown(martine("GET", f"absences/{pk}")))])
        assert_explained(site, history, (1, "Congés", "17:00:00"), absence_step, (SEED, number))
        stored = site.rows("SELECT version, title FROM absences_absence WHERE id = ?", pk)
        assert stored == [row[1:3] for row in [history[-1].answered] if row[0] == 200]
        calls += len(history)
    figure("rounds", rounds)
    figure("requests explained", calls)


# Sign-ins.


def live_step(state: Any, call: Call) -> Iterator[Any]:
    """`state`: the live clients with their secrets, the oldest first."""
    verb, given = call.asked
    clients = [client for client, _secret in state]
    if verb == "sign in":
        client, secret = call.answered
        if given in clients:
            if client == given:
                yield (*(entry for entry in state if entry[0] != given), (client, secret))
        elif client not in clients:
            yield (*state, (client, secret))[-CAP:]
    elif verb == "use":
        if (call.answered == 200) == (given in state):
            yield state
    elif verb == "sign out":
        if given in state and call.answered == 200:
            yield tuple(entry for entry in state if entry != given)
        elif given not in state and call.answered == 404:
            yield state
    elif verb == "look" and call.answered == frozenset(clients):
        yield state


def test_a_storm_of_sign_ins_never_leaves_more_tokens_than_the_cap_nor_drops_the_newest(
    site: Site, newcomers: Any, at_length: Any, figure: Any
) -> None:
    rounds, sign_ins, calls = at_length(4, 150), 0, 0
    for number, email in enumerate(newcomers(rounds)):
        luck = chance(SEED, "sign-in", number)
        known: list[tuple[str, str]] = []

        def enter(client: str | None, email: str = email, known: Any = known) -> tuple[str, str]:
            answer = site.sign_in(email, **({"client": client} if client else {}))
            assert answer.status_code == 200, answer.text
            known.append((answer.headers["client"], answer.headers["access-token"]))
            return known[-1]

        def using(method: str, path: str, entry: tuple[str, str], email: str = email) -> int:
            headers = {"client": entry[0], "access-token": entry[1], "uid": email}
            return Caller(site.address, headers)(method, path).status_code

        def live(email: str = email) -> frozenset[str]:
            rows = site.rows(
                "SELECT t.client FROM agents_clienttoken t JOIN agents_agent a ON a.id = t.agent_id"
                " WHERE a.email = ? AND t.revoked_at IS NULL",
                email,
            )
            assert len(rows) <= CAP
            return frozenset(client for (client,) in rows)

        first = at_once(*([(("sign in", None), lambda: enter(None))] for _worker in range(2)))
        mine = list(known)

        def one(luck: Any = luck, mine: Any = mine) -> Work:
            entry = luck.choice(mine)
            match luck.choices(["new", "again", "use", "out"], [6, 2, 3, 1])[0]:
                case "new":
                    return ("sign in", None), lambda: enter(None)
                case "again":
                    return ("sign in", entry[0]), lambda: enter(entry[0])
                case "out":
                    return ("sign out", entry), lambda: using("DELETE", "auth/sign_out", entry)
            return ("use", entry), lambda: using("GET", "auth/validate_token", entry)

        look: Work = ("look", None), live
        history = first + at_once(*([one(), one()] for _worker in range(6)), [look] * 12)
        # Each secret ever given, once more: which are good is what the order says.
        history += at_once(*([(("use", entry), lambda e=entry: using("GET", "me", e))] for entry in set(known)))
        history += at_once([look])
        assert_explained(site, history, (), live_step, (SEED, number))
        calls += len(history)
        sign_ins += len(known)
    figure("rounds", rounds)
    figure("sign-ins", sign_ins)
    figure("requests explained", calls)


def test_with_rotation_50_parallel_calls_are_all_served(
    site: Site, newcomers: Any, at_length: Any, figure: Any
) -> None:
    rounds, served = at_length(3, 60), 0
    (email,) = newcomers(1)
    folder = Path(site.server._log).parent / "rotation"
    folder.mkdir()
    server = Server(folder, site.database, RDV_TOKEN_ROTATION="request")
    try:
        server.start(workers=3)
        absence = file_absence(site.caller(MARTINE), email)
        now = triple(Site(server).sign_in(email))
        for number in range(rounds):
            luck = chance(SEED, "rotation", number)
            # One call ends the batch: the secret of all others dies under way, and is remembered.
            ending = luck.randrange(50)

            def call(place: int, ending: int = ending, now: dict[str, str] = now, number: int = number) -> Any:
                query = "?unbatch=true" if place == ending and number else ""
                changes = {"title": f"Ronde {number} {place}"} if place % 5 == 0 else None
                return Caller(server.address, now)("PATCH" if changes else "GET", f"absences/{absence}{query}", changes)

            with ThreadPoolExecutor(50) as pool:
                answers = list(pool.map(call, range(50)))
            assert [answer.status_code for answer in answers] == [200] * 50, (number, server.log[-2000:])
            fresh = [answer.headers["access-token"] for answer in answers if answer.headers["access-token"].strip()]
            assert len(fresh) == 1, f"round {number}: {len(fresh)} of 50 were given a secret"
            now = now | {"access-token": fresh[0]}
            served += 50
    finally:
        server.stop()
    figure("parallel calls served", served)


def test_a_sign_in_that_a_password_change_overtakes_leaves_no_token(
    site: Site, newcomers: Any, at_length: Any, figure: Any
) -> None:
    rounds = at_length(3, 200)
    outcomes = {"before": 0, "after": 0}

    def step(state: Any, call: Call) -> Iterator[Any]:
        password, live = state
        verb, given = call.asked
        if verb == "sign in":
            status, token = call.answered
            if status == 200 and given == password:
                yield password, live | {token}
            elif status == 401 and given != password:
                yield state
        elif verb == "change" and call.answered == 200:
            yield NEW_PASSWORD, frozenset([given])
        elif verb == "use" and (call.answered == 200) == (given in live):
            yield state

    for number, email in enumerate(newcomers(rounds)):
        luck = chance(SEED, "password", number)
        own = site.caller(email)
        token = own.headers["access-token"]
        given: list[dict[str, str]] = [own.headers]

        def enter(email: str = email, given: Any = given) -> tuple[int, str]:
            answer = site.sign_in(email)
            if answer.status_code == 200:
                given.append(triple(answer))
            return answer.status_code, answer.headers.get("access-token", "")

        def change(own: Caller = own) -> int:
            sent = {"password": NEW_PASSWORD, "password_confirmation": NEW_PASSWORD}
            return own("PUT", "auth/password", sent).status_code

        # The change comes when some have been let in, or none.
        waiting: list[Work] = [(("use", token), lambda own=own: own("GET", "me").status_code)] * luck.randrange(0, 30)
        entering = ([(("sign in", PASSWORD), enter)] for _worker in range(CAP - 1))  # their own session stays
        history = at_once(*entering, [*waiting, (("change", token), change)])
        history += at_once(
            *(
                [(("use", one["access-token"]), lambda one=one: Caller(site.address, one)("GET", "me").status_code)]
                for one in given
            )
        )
        assert_explained(site, history, (PASSWORD, frozenset([token])), step, (SEED, number))
        for call in history:
            if call.asked[0] != "sign in":
                continue
            outcomes["before" if call.answered[0] == 200 else "after"] += 1
    figure("sign-ins before, after the change", outcomes)


@pytest.mark.parametrize("everywhere", [False, True])
def test_of_two_who_end_the_same_session_one_did(
    site: Site, newcomers: Any, at_length: Any, figure: Any, everywhere: bool
) -> None:
    rounds = at_length(2, 60)
    path = "auth/sign_out?everywhere=true" if everywhere else "auth/sign_out"
    for email in newcomers(rounds):
        one = site.caller(email)
        # With `everywhere` each ends the other's; without, both end the same.
        other = site.caller(email) if everywhere else one
        history = at_once(
            *([("out", lambda caller=caller: caller("DELETE", path).status_code)] for caller in (one, other))
        )
        assert sorted(call.answered for call in history) == [200, 404], told(history)
    figure("rounds", rounds)


def test_of_two_password_changes_that_end_each_other_one_is_done(
    site: Site, newcomers: Any, at_length: Any, figure: Any
) -> None:
    rounds = at_length(2, 60)
    for email in newcomers(rounds):
        callers = [site.caller(email), site.caller(email)]
        passwords = [f"{NEW_PASSWORD} {number}" for number in range(2)]

        def change(caller: Caller, password: str) -> int:
            return caller("PUT", "auth/password", {"password": password, "password_confirmation": password}).status_code

        history = at_once(
            *(
                [(password, lambda c=c, p=password: change(c, p))]
                for c, password in zip(callers, passwords, strict=True)
            )
        )
        assert sorted(call.answered for call in history) == [200, 401], told(history)
        (done,) = (call.asked for call in history if call.answered == 200)
        assert [site.sign_in(email, password).status_code for password in passwords] == [
            200 if password == done else 401 for password in passwords
        ]
    figure("rounds", rounds)


# Rights that end while somebody writes.


def rights_step(state: Any, call: Call) -> Iterator[Any]:
    """`state`: whether the writers have the right, the version of one absence, and the ids of all; an agent who left
    has none.
    """
    right, version, ids = state
    match call.asked, call.answered:
        case ("change", _), (200, seen) if right and seen == version + 1:
            yield right, seen, ids
        case ("create", _), (200, pk) if right:
            yield right, version, ids | {pk}
        case ("delete", pk), (204, _) if right and pk in ids:
            yield right, version, ids - {pk}
        case ("change" | "create" | "delete", _), (status, _) if status in REFUSED and not right:
            yield state
        case ("look", _), seen if seen == (version, ids):
            yield state
        case ("end", _), 302:
            yield False, version, ids
        case ("leave", _), 302:
            yield False, None, frozenset()
        case ("give", _), 302:
            yield True, version, ids


HOWS = [
    "they are deactivated",
    "their role goes",
    "the role of the absent goes",
    "their tokens go",
    "the absent leaves",
]


@pytest.mark.parametrize("how", HOWS)
def test_a_right_that_ends_while_somebody_writes(
    site: Site,
    martine: Caller,
    administrators: list[Administrator],
    newcomers: Any,
    at_length: Any,
    figure: Any,
    how: str,
) -> None:
    rounds, calls, done, refused = at_length(3, 150), 0, 0, 0
    odile = administrators[0]
    ((mds,),) = site.rows("SELECT id FROM agents_organisation WHERE name = 'MDS'")
    for number, email in enumerate(newcomers(rounds)):
        luck = chance(SEED, how, number)
        # Whoever writes: the agent themselves, or Martine, who loses nothing but the sight of them.
        writer = martine if "the absent" in how else site.caller(email)
        pk = site.agent(email)
        changed, *deleted = (file_absence(martine, email) for _absence in range(5))

        def set_role(present: bool, page: str = f"agents/agent/{pk}/change/") -> int:
            form: dict[str, Any] = dict(odile.open(page))
            if present:
                form |= {"roles-TOTAL_FORMS": 1, "roles-0-id": "", "roles-0-agent": ""}
                form |= {"roles-0-organisation": mds, "roles-0-access_level": "basic"}
            else:
                form["roles-0-DELETE"] = "on"
            return odile.post(page, form).status_code

        def act(name: str, pk: int = pk) -> int:
            return odile.act(name, pk).status_code

        roles: list[Work] = [(("end", None), lambda: set_role(False)), (("give", None), lambda: set_role(True))]
        ends: dict[str, list[Work]] = {
            "they are deactivated": [
                (("end", None), lambda: act("deactivate")),
                (("give", None), lambda: act("reactivate")),
            ]
            * 3,
            "their role goes": roles * 2,
            "the role of the absent goes": roles * 2,
            "their tokens go": [(("end", None), lambda: act("revoke_tokens"))],
            "the absent leaves": [(("leave", None), lambda: act("delete_selected"))],
        }

        def change(title: str, writer: Caller = writer, path: str = f"absences/{changed}") -> tuple[int, Any]:
            answer = writer("PATCH", path, {"title": title})
            return answer.status_code, answer.json()["absence"]["version"] if answer.status_code == 200 else None

        def create(writer: Caller = writer, email: str = email) -> tuple[int, Any]:
            answer = writer("POST", "absences", ABSENCE | {"agent_email": email})
            return answer.status_code, answer.json()["absence"]["id"] if answer.status_code == 200 else None

        def delete(pk: int, writer: Caller = writer) -> tuple[int, None]:
            return writer("DELETE", f"absences/{pk}").status_code, None

        def look(changed: int = changed, pk: int = pk) -> tuple[int | None, frozenset[int]]:
            rows = dict(site.rows("SELECT id, version FROM absences_absence WHERE agent_id = ?", pk))
            return rows.get(changed), frozenset(rows)

        writes: list[Work] = [(("change", title), lambda title=title: change(title)) for title in map(str, range(12))]
        writes += [(("create", None), create)] * 8
        writes += [(("delete", one), lambda one=one: delete(one)) for one in deleted]
        luck.shuffle(writes)
        history = at_once(writes[::3], writes[1::3], writes[2::3], ends[how], [(("look", None), look)] * 30)
        history += at_once([(("look", None), look)])
        state = (True, 1, frozenset([changed, *deleted]))
        assert_explained(site, history, state, rights_step, (SEED, how, number))
        answers = [call.answered[0] for call in history if call.asked[0] in ("change", "create", "delete")]
        calls += len(history)
        done += sum(status < 300 for status in answers)
        refused += sum(status >= 300 for status in answers)
    figure("rounds", rounds)
    figure("calls explained", calls)
    figure("writes done, refused", (done, refused))


def test_a_write_waits_for_a_withdrawal_that_is_about_to_be_committed(site: Site, newcomers: Any) -> None:
    (email,) = newcomers(1)
    owner, pk = site.caller(email), site.agent(email)
    absence = file_absence(owner, email)
    with ThreadPoolExecutor(1) as pool:
        with site.transaction() as execute:
            execute("DELETE FROM agents_agentrole WHERE agent_id = ?", (pk,))
            if site.on_postgresql:
                execute(f"SELECT pg_advisory_xact_lock({RIGHTS})")
            answer = pool.submit(owner, "PATCH", f"absences/{absence}", {"title": "Trop tard"})
            # Its caller was known while they had the role: nobody sees the withdrawal yet.
            with pytest.raises(StillWaiting):
                answer.result(timeout=2)
        assert answer.result().status_code == 403
    assert site.rows("SELECT title, version FROM absences_absence WHERE id = ?", absence) == [("Congés", 1)]


# Two administrators.


def test_of_two_administrators_who_edit_one_agent_the_second_is_told(
    site: Site, administrators: list[Administrator], newcomers: Any, at_length: Any, figure: Any
) -> None:
    rounds = at_length(3, 200)
    for number, email in enumerate(newcomers(rounds)):
        pk = site.agent(email)
        page = f"agents/agent/{pk}/change/"
        # One makes them admin, the other gives them a name: neither saw the other's change.
        forms = [one.open(page) for one in administrators]
        changes = [{"roles-0-access_level": ["admin"]}, {"first_name": [f"Zoé {number}"]}]

        def save(place: int, forms: Any = forms, changes: Any = changes, page: str = page) -> int:
            return administrators[place].post(page, forms[place] | changes[place]).status_code

        history = at_once(*([(place, lambda place=place: save(place))] for place in range(2)))
        assert sorted(call.answered for call in history) == [200, 302], told(history)  # a page again, or done
        (saved,) = (call.asked for call in history if call.answered == 302)
        stored = (
            "SELECT a.first_name, r.access_level FROM agents_agent a JOIN agents_agentrole r ON r.agent_id = a.id"
            " WHERE a.id = ?"
        )
        assert site.rows(stored, pk) == [[(None, "admin")], [(f"Zoé {number}", "basic")]][saved]
        # Who was told opens the page again, and loses nothing of the other's.
        other = 1 - saved
        assert administrators[other].post(page, administrators[other].open(page) | changes[other]).status_code == 302
        assert site.rows(stored, pk) == [(f"Zoé {number}", "admin")]
    figure("rounds", rounds)


# The directory file.


def start_provision(site: Site, document: dict[str, Any], *options: str) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "manage.py", "provision", "-", *options],
        cwd=ROOT,
        env=site.server.environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdin
    process.stdin.write(json.dumps(document))
    process.stdin.close()
    process.stdin = None
    return process


def provisioned(process: subprocess.Popen[str]) -> str:
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, out + err
    return out


def directory(number: int, version: int, agents: int) -> dict[str, Any]:
    """A file of the round's own territory. Of each version: other names, other roles, one agent of its own."""
    here = f"R{number:02d}"[-3:]
    places = [f"Antenne {number}.{place}" for place in range(3)]
    emails = [f"fichier{number}.{agent}@exemple.test" for agent in range(agents)]
    mine = f"fichier{number}.seul{version}@exemple.test"
    return {
        "territories": [{"departement_number": here, "name": f"Territoire {number}, {version}"}],
        "services": [{"name": f"Service {number}", "short_name": f"S{number} {version}"}],
        "organisations": [
            {"name": name, "departement_number": here, "email": f"v{version}@exemple.test"} for name in places
        ],
        "agents": [
            {
                "email": email,
                "first_name": f"Prénom {version}",
                "services": [f"Service {number}"],
                "roles": [
                    {"organisation": places[(agent + version) % 3], "access_level": "admin"},
                    {"organisation": places[(agent + version + 1) % 3], "access_level": "basic"},
                ],
                "active": (agent + version) % 4 > 0,
            }
            for agent, email in enumerate([*emails, mine])
        ],
        "absences": [
            ABSENCE | {"agent_email": email, "end_time": f"1{7 + version}:00", "title": f"Pont {number}"}
            for email in emails
        ],
    }


def state_of(site: Site, number: int) -> dict[str, list[tuple[Any, ...]]]:
    """All that the files of a round may write, as it is stored."""
    mine = f"fichier{number}.%"
    return {
        "places": site.rows(
            "SELECT name, email FROM agents_organisation WHERE name LIKE ? ORDER BY name", f"Antenne {number}.%"
        ),
        "services": site.rows("SELECT short_name FROM agents_service WHERE name = ?", f"Service {number}"),
        "territories": site.rows("SELECT name FROM agents_territory WHERE name LIKE ?", f"Territoire {number}, %"),
        "agents": [
            (email, name, bool(active))
            for email, name, active in site.rows(
                "SELECT email, first_name, is_active FROM agents_agent WHERE email LIKE ? ORDER BY email", mine
            )
        ],
        "roles": site.rows(
            "SELECT a.email, o.name, r.access_level FROM agents_agentrole r JOIN agents_agent a ON a.id = r.agent_id"
            " JOIN agents_organisation o ON o.id = r.organisation_id WHERE a.email LIKE ? ORDER BY a.email, o.name",
            mine,
        ),
        "absences": [
            (email, title, str(end)[:5])
            for email, title, end in site.rows(
                "SELECT a.email, b.title, b.end_time FROM absences_absence b JOIN agents_agent a ON a.id = b.agent_id"
                " WHERE a.email LIKE ? ORDER BY a.email, b.id",
                mine,
            )
        ],
    }


def expected(number: int, agents: int, *versions: int) -> dict[str, list[tuple[Any, ...]]]:
    """What the files of these versions leave, applied in this order."""
    last = directory(number, versions[-1], agents)
    known = {}
    for version in versions:
        known |= {agent["email"]: agent for agent in directory(number, version, agents)["agents"]}
    return {
        "places": [(place["name"], place["email"]) for place in last["organisations"]],
        "services": [(last["services"][0]["short_name"],)],
        "territories": [(last["territories"][0]["name"],)],
        "agents": [(email, known[email]["first_name"], known[email]["active"]) for email in sorted(known)],
        "roles": [
            (email, role["organisation"], role["access_level"])
            for email in sorted(known)
            for role in sorted(known[email]["roles"], key=lambda role: role["organisation"])
        ],
        "absences": sorted((one["agent_email"], one["title"], one["end_time"]) for one in last["absences"]),
    }


def test_two_provisions_at_once_leave_what_one_after_the_other_would(site: Site, at_length: Any, figure: Any) -> None:
    rounds, agents = at_length(2, 40), at_length(40, 300)
    outcomes = {"same file": 0, "first last": 0, "second last": 0}
    for number in range(rounds):
        same = number % 2 == 0
        versions = (1, 1) if same else (1, 2)
        if number % 4 > 1:  # there is something to change, not only to create
            provisioned(start_provision(site, directory(number, 0, agents)))
        both = [start_provision(site, directory(number, version, agents)) for version in versions]
        for process in both:
            provisioned(process)
        before = (0,) if number % 4 > 1 else ()
        left = state_of(site, number)
        if same:
            assert left == expected(number, agents, *before, 1)
            outcomes["same file"] += 1
        elif left == expected(number, agents, *before, 2, 1):
            outcomes["first last"] += 1
        else:
            assert left == expected(number, agents, *before, 1, 2)
            outcomes["second last"] += 1
    figure("rounds, agents in a file", (rounds, agents))
    figure("outcomes", outcomes)


def provision_step(state: Any, call: Call) -> Iterator[Any]:
    """`state`: whether the file was applied, and each writer's absence: version, end, last day."""
    applied, rows = state
    if call.asked == "provision":
        yield True, tuple((version + 1, "18:00", "2027-06-11") for version, _end, _day in rows)
    elif call.asked == "look":
        if call.answered == rows:
            yield state
    elif applied:
        if call.answered == (403,):
            yield state
    else:
        place, end = call.asked
        version, _end, day = rows[place]
        after = rows[place] if end == _end else (version + 1, end, day)
        if call.answered == (200, *after):
            yield applied, (*rows[:place], after, *rows[place + 1 :])


def test_a_provision_while_the_api_writes_is_seen_whole_or_not_at_all(
    site: Site, martine: Caller, newcomers: Any, at_length: Any, figure: Any
) -> None:
    rounds, writers, calls, outcomes = at_length(2, 40), 3, 0, {"done": 0, "refused": 0}
    for number in range(rounds):
        luck = chance(SEED, "provision", number)
        # Each writes their own absence, which the file changes too, and loses the role that lets them.
        emails = newcomers(writers)
        callers = [site.caller(email) for email in emails]
        absences = [file_absence(martine, email, title="Pont") for email in emails]
        pks = [site.agent(email) for email in emails]
        document = {
            "agents": [{"email": email, "roles": [], "first_name": "Partie"} for email in emails],
            "absences": [
                {**ABSENCE, "agent_email": email, "title": "Pont", "end_time": "18:00", "end_day": "2027-06-11"}
                for email in emails
            ],
        }

        def change(place: int, end: str, callers: Any = callers, absences: Any = absences) -> tuple[Any, ...]:
            answer = callers[place]("PATCH", f"absences/{absences[place]}", {"end_time": end})
            if answer.status_code != 200:
                return (answer.status_code,)
            absence = answer.json()["absence"]
            return 200, absence["version"], absence["end_time"][:5], absence["end_day"]

        def look(pks: Any = pks) -> tuple[tuple[Any, ...], ...]:
            rows = site.rows(
                "SELECT version, end_time, end_day FROM absences_absence WHERE agent_id IN (?, ?, ?) ORDER BY agent_id",
                *pks,
            )
            return tuple((version, str(end)[:5], str(day)) for version, end, day in rows)

        process = start_provision(site, document)
        history: list[Call] = []
        turn = 0
        while process.poll() is None:
            turn += 1
            end = f"1{luck.randrange(4, 8)}:{turn % 60:02d}"
            works: list[list[Work]] = [
                [((place, end), lambda p=place, e=end: change(p, e))] for place in range(writers)
            ]
            history += at_once(*works, [("look", look)] * 3)
        assert "Traceback" not in provisioned(process)
        # It was sent before all this, and answered after.
        begun = min((call.sent for call in history), default=0.0) - 1
        history += at_once(
            [("look", look)], *([((place, "15:00"), lambda p=place: change(p, "15:00"))] for place in range(writers))
        )
        over = max(call.done for call in history[: -1 - writers]) if turn else begun + 1
        history.append(Call("provision", 0, begun, over))
        assert_explained(
            site, history, (False, ((1, "17:00", "2027-06-10"),) * writers), provision_step, (SEED, number)
        )
        calls += len(history)
        for call in history:
            if isinstance(call.asked, tuple):
                outcomes["done" if call.answered[0] == 200 else "refused"] += 1
    figure("rounds", rounds)
    figure("calls explained", calls)
    figure("writes", outcomes)
