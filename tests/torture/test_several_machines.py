"""Past one machine: what one web server did, all know at the next request; one machine that dies takes nothing with it.

docs/deploy.md describes the set-up; fleet.py starts it.
"""

from __future__ import annotations

import itertools
import os
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, nullcontext
from typing import Any

import pytest
import requests

from .fleet import (
    BATCH_WINDOW,
    PASSWORD,
    Fleet,
    Postgres,
    WebServer,
    Writers,
    call,
    folder_of,
    rows_of,
    sign_in,
    started,
    triple,
    until,
)

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(
        not os.environ.get("DATABASE_URL", "").startswith("postgres"),
        reason="several machines share a PostgreSQL, not a file: make test-postgres",
    ),
    pytest.mark.skipif(sys.platform != "linux", reason="127.0.0.2 and its neighbours answer on Linux alone"),
]

RESET = {"email": "personne@exemple.test", "redirect_url": "https://app.exemple.test/"}
addresses = (f"192.0.2.{number}" for number in itertools.count(1))  # a client's own, each time


@pytest.fixture(scope="module")
def fleet() -> Iterator[Fleet]:
    """Three web servers behind nginx, and two that renew tokens at each request; one database, one Redis."""
    with started() as fleet:
        yield fleet


def of_each(fleet: Fleet, method: str, path: str, credential: dict[str, str], **options: Any) -> set[int]:
    """The statuses that the web servers answer."""
    return {call(server, method, path, credential, **options).status_code for server in fleet.servers}


# What one knows, all know.


def test_a_token_is_good_on_all_servers_at_the_next_request_and_revoked_on_all(
    fleet: Fleet, at_length: Any, figure: Any
) -> None:
    rounds = at_length(2, 50)
    for number in range(rounds):
        here = fleet.servers[number % 3]
        martine = triple(sign_in(here, "martine", came_from=next(addresses)))
        assert of_each(fleet, "GET", "absences", martine) == {200}
        call(here, "DELETE", "auth/sign_out", martine)
        answers = [call(server, "GET", "absences", martine) for server in fleet.servers]
        assert {answer.status_code for answer in answers} == {401}
        assert all('error_description="revoked"' in answer.headers["WWW-Authenticate"] for answer in answers)
    figure("tokens signed in on one, used and signed out on all", rounds)


def test_all_sessions_end_on_all_servers_when_one_of_them_is_told_so(fleet: Fleet) -> None:
    tokens = [triple(sign_in(server, "bruno", came_from=next(addresses))) for server in fleet.servers]
    assert call(fleet.servers[0], "DELETE", "auth/sign_out?everywhere=true", tokens[1]).status_code == 200
    assert set.union(*(of_each(fleet, "GET", "absences", token) for token in tokens)) == {401}


def test_a_new_password_ends_the_other_sessions_on_all_servers(fleet: Fleet) -> None:
    first, second = (triple(sign_in(server, "chloe", came_from=next(addresses))) for server in fleet.servers[:2])
    body = {"password": PASSWORD, "password_confirmation": PASSWORD}
    assert call(fleet.servers[2], "PUT", "auth/password", first, json=body).status_code == 200
    assert of_each(fleet, "GET", "absences", first) == {200}
    assert of_each(fleet, "GET", "absences", second) == {401}


def test_a_role_that_is_taken_away_is_gone_on_all_servers_at_the_next_request(
    fleet: Fleet, at_length: Any, figure: Any
) -> None:
    thierry = triple(sign_in(fleet.nginx, "thierry"))
    role = "agents_agentrole WHERE agent_id = (SELECT id FROM agents_agent WHERE email = 'thierry@exemple.test')"
    ((kept,),) = fleet.execute(f"SELECT organisation_id FROM {role}")
    rounds = at_length(2, 50)
    for _ in range(rounds):
        body = {"agent_email": "bruno@exemple.test", "title": "x", "first_day": "2026-12-10", "start_time": "09:00",
                "end_time": "10:00"}  # fmt: skip
        assert of_each(fleet, "POST", "absences", thierry, json=body) == {200}
        fleet.execute(f"DELETE FROM {role}")
        assert of_each(fleet, "POST", "absences", thierry, json=body) == {403}
        assert of_each(fleet, "GET", f"organisations/{kept}", thierry) == {403}
        fleet.execute(
            "INSERT INTO agents_agentrole (agent_id, organisation_id, access_level)"
            " SELECT id, %s, 'admin' FROM agents_agent WHERE email = 'thierry@exemple.test'",
            kept,
        )
    figure("roles taken away and given back", rounds)


def test_failed_sign_ins_count_wherever_they_were_tried_and_for_the_client_not_the_proxy(fleet: Fleet) -> None:
    guesser, spoofed = next(addresses), (f"198.51.100.{number}" for number in itertools.count(1))
    servers = itertools.cycle(fleet.servers)
    # What a client writes in X-Forwarded-For itself is to the left of what the proxy saw.
    tried = [
        sign_in(next(servers), "sophie", "faux", came_from=f"{next(spoofed)}, {guesser}").status_code for _ in range(10)
    ]
    assert tried == [401] * 10
    answers = [sign_in(server, "sophie", came_from=guesser) for server in fleet.servers]
    assert {answer.status_code for answer in answers} == {429}
    assert all(890 <= int(answer.headers["Retry-After"]) <= 900 for answer in answers)
    assert sign_in(fleet.servers[1], "sophie", came_from=next(addresses)).status_code == 200
    # Through nginx itself the address is that of the connection, whatever the client claims.
    assert sign_in(fleet.nginx, "sophie", came_from=guesser).status_code == 200


def test_of_guesses_at_the_same_moment_on_all_servers_no_more_are_told_than_the_limit(
    fleet: Fleet, at_length: Any, figure: Any
) -> None:
    storms, told = at_length(1, 20), Counter[int]()
    for _ in range(storms):
        guesser = next(addresses)

        def guess(server: WebServer, guesser: str = guesser) -> int:
            return sign_in(server, "etienne", "faux", came_from=guesser).status_code

        with ThreadPoolExecutor(30) as pool:
            statuses = Counter(pool.map(guess, fleet.servers * 10))
        told += statuses
        assert statuses.keys() <= {401, 429}
        # Each server may be just about to count one when another has counted the tenth.
        assert 10 <= statuses[401] < 10 + len(fleet.servers), statuses
        assert sign_in(fleet.servers[0], "etienne", came_from=guesser).status_code == 429
    figure("guesses told wrong, of 30 at once", told[401] / storms)


@pytest.mark.parametrize("at_once", [1, 24], ids=["one after the other", "at once"])
def test_password_mails_are_counted_on_all_servers_together(fleet: Fleet, at_once: int) -> None:
    client = next(addresses)

    def ask(server: WebServer) -> int:
        return call(server, "POST", "auth/password", json=RESET, came_from=client).status_code

    with ThreadPoolExecutor(at_once) as pool:
        statuses = Counter(pool.map(ask, fleet.servers * 8))
    assert statuses == {200: 10, 429: 14}


def test_renewal_at_each_request_with_parallel_calls_on_several_servers_refuses_none(
    fleet: Fleet, at_length: Any, figure: Any
) -> None:
    bursts, calls = at_length(3, 60), 0
    current = triple(sign_in(fleet.rotating[0], "bruno", came_from=next(addresses)))
    with ThreadPoolExecutor(16) as pool:
        for _ in range(bursts):
            sent = dict(current)

            def ask(server: WebServer, sent: dict[str, str] = sent) -> requests.Response:
                return call(server, "GET", "absences?per=1", sent)

            answers = list(pool.map(ask, fleet.rotating * 8))
            calls += len(answers)
            assert Counter(answer.status_code for answer in answers) == {200: 16}
            # One call renews the token; the others are of its batch, and told to keep theirs.
            (renewed,) = {answer.headers["access-token"].strip() for answer in answers} - {""}
            assert renewed != sent["access-token"]
            current["access-token"] = renewed
            # The batch ends, and the next burst renews the token again: so long is the window of these two servers.
            time.sleep(BATCH_WINDOW)
    figure("parallel calls with one token, none refused", calls)


# Something dies.


def test_a_web_server_that_is_killed_under_load_takes_nothing_acknowledged_with_it(
    fleet: Fleet, at_length: Any, figure: Any
) -> None:
    martine, chance = triple(sign_in(fleet.nginx, "martine")), random.Random(4)
    rounds = at_length(2, 50)
    with Writers(fleet.nginx, martine, threads=6) as writers:
        for number in range(rounds):
            victim = fleet.servers[number % 3]
            writers.wait_for(chance.randint(5, 25))
            victim.kill()
            # nginx asks the others, and goes on doing so.
            writers.wait_for(20)
            victim.launch()
            victim.wait()
    done_in_doubt = writers.check(rows_of(fleet.database, writers))
    # A POST that had left when its server died is not sent again: the client is told that nobody knows.
    assert set(writers.in_doubt.values()) <= {"502"}, writers.told()
    for answer in writers.refused:
        assert answer.headers["Retry-After"] == "1"
        assert answer.headers["Content-Type"] == "application/json; charset=utf-8"
        assert answer.json()["errors"] == [{"base": "bad_gateway"}]
    assert len(writers.in_doubt) <= 6 * rounds, writers.told()
    figure("web servers killed", rounds)
    figure("writes acknowledged, all there once", len(writers.acknowledged))
    figure("writes in doubt, and done all the same", f"{len(writers.in_doubt)}, {done_in_doubt}")


def test_a_rolling_restart_of_the_fleet_refuses_nothing(fleet: Fleet, at_length: Any, figure: Any) -> None:
    martine = triple(sign_in(fleet.nginx, "martine"))
    rounds = at_length(1, 20)
    with Writers(fleet.nginx, martine, threads=4) as writers:
        for _ in range(rounds):
            for server in fleet.servers[: at_length(1, 3)]:
                fleet.nginx.use(down=server)
                server.stop()
                server.launch()
                server.wait()
                fleet.nginx.use()
                writers.wait_for(5)
    assert writers.told() == {"200": len(writers.acknowledged)}
    writers.check(rows_of(fleet.database, writers))
    figure("restarts of a web server", rounds * at_length(1, 3))
    figure("writes, all acknowledged and there once", len(writers.acknowledged))


@pytest.mark.parametrize("outage", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "hanging"])
def test_without_redis_all_goes_on_but_the_mails(fleet: Fleet, outage: signal.Signals, figure: Any) -> None:
    if fleet.redis is None:
        pytest.skip("CACHE_URL names a Redis that is not ours to stop")
    martine, bruno = triple(sign_in(fleet.nginx, "martine")), next(addresses)
    assert call(fleet.nginx, "POST", "auth/password", json=RESET).status_code in (200, 429)
    slowest = 0.0
    fleet.redis.program.tell(outage)
    try:
        for server in fleet.servers:
            began = time.monotonic()
            mail = call(server, "POST", "auth/password", json=RESET, came_from=bruno)
            slowest = max(slowest, time.monotonic() - began)
            assert (mail.status_code, mail.headers.get("Retry-After")) == (503, "1"), mail.text
            assert mail.json()["errors"] == [{"base": "service_unavailable"}]
            assert call(server, "GET", "absences", martine).status_code == 200
            assert sign_in(server, "bruno", came_from=bruno).status_code == 200
        # Guesses are counted in the database: they are limited as ever.
        for server in [*fleet.servers * 3, fleet.servers[0]]:
            assert sign_in(server, "sophie", "faux", came_from=bruno).status_code == 401
        assert of_each(fleet, "POST", "auth/sign_in", {}, came_from=bruno, json={
            "email": "sophie@exemple.test", "password": PASSWORD}) == {429}  # fmt: skip
    finally:
        if outage == signal.SIGSTOP:
            fleet.redis.program.tell(signal.SIGCONT)
        else:
            fleet.redis.program.kill()
            fleet.redis.start()
    for server in fleet.servers:
        ask = {"json": RESET, "came_from": next(addresses)}
        until(
            "mails are sent again",
            lambda server=server, ask=ask: call(server, "POST", "auth/password", **ask).status_code == 200,
            5,
        )
    assert slowest < 2.5
    figure("longest wait for a refusal, s", round(slowest, 2))


def test_the_databases_standby_takes_over_and_nothing_acknowledged_is_lost(at_length: Any, figure: Any) -> None:
    """Two PostgreSQL, synchronous replication; the primary is killed under load, the standby promoted, again and
    again with the roles exchanged.
    """
    rounds, chance = at_length(1, 20), random.Random(5)
    downtimes, slowest, told, in_doubt_done = [], 0.0, Counter[str](), 0
    with ExitStack() as stack:
        home = stack.enter_context(folder_of("postgres"))
        primary, standby = nodes = [Postgres(home, "127.0.0.11"), Postgres(home, "127.0.0.12")]
        for node in nodes:
            stack.callback(node.stop)
        primary.create()
        primary.start()
        # The standby is named first: it answers too, but takes no writes.
        hosts = ",".join(f"{node.host}:{node.port}" for node in reversed(nodes))
        database = f"postgres://rdv@{hosts}/postgres"
        with started(database, servers=2, rotating=0) as fleet:
            for number in range(rounds):
                standby.follow(primary)
                martine = triple(sign_in(fleet.nginx, "martine"))
                with Writers(fleet.nginx, martine) as writers:
                    writers.wait_for(chance.randint(20, 60))
                    # Each second time at any moment, else when the standby lags: then nobody must have been told yet.
                    with standby.receiving_nothing(primary) if number % 2 == 0 else nullcontext():
                        primary.kill()
                    before = time.monotonic()
                    writers.wait_for_refusals(10)
                    standby.promote()
                    writers.wait_for(1)
                    downtimes.append(time.monotonic() - before)
                    writers.wait_for(20)
                in_doubt_done += writers.check(rows_of(standby.url, writers))
                assert set(writers.in_doubt.values()) <= {"503"}, writers.told()
                for answer in writers.refused:
                    assert answer.headers["Retry-After"] == "1"
                    assert answer.json()["errors"][0]["base"] in ("database_unavailable", "service_unavailable")
                told.update(writers.told())
                slowest = max(slowest, writers.slowest)
                primary, standby = standby, primary
    assert slowest < 10
    figure("failovers", rounds)
    figure("writes acknowledged, all there once", told["200"])
    figure("answers 503, of which done all the same", f"{told['503']}, {in_doubt_done}")
    figure("longest from the kill to the first write, s", round(max(downtimes), 2))
    figure("slowest answer, s", round(slowest, 2))
