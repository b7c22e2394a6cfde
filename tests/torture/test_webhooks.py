"""Workers that are killed in the midst of sending, and receivers that fail as they please: each event arrives, at its
endpoint alone, in order, and a second time only by the same id.

`TORTURE_SEED` repeats the dice of a run that failed.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.server import ROOT, Server, prepared_database
from tests.webhooks.receiver import Behaviour, Handler, Received, Receiver, answers, writes

pytestmark = pytest.mark.live

ENDPOINTS = 5
ACCEPTED = "X-Accepted"  # ours: this one was answered with 2xx
FILL = """
import os, random
from agents.models import Organisation, Territory
from webhooks.models import Delivery, Event, WebhookEndpoint
territory = Territory.objects.create(name="Banc", departement_number="99")
dice = random.Random(os.environ["FILL_SEED"])
for number in range(int(os.environ["FILL_ENDPOINTS"])):
    organisation = Organisation.objects.create(name=f"MDS {number}", territory=territory)
    endpoint = WebhookEndpoint(organisation=organisation, target_url=f"{os.environ['FILL_URL']}/{number}")
    endpoint.give_secret("secret-de-webhook")
    endpoint.save()
    versions = {}
    for _ in range(int(os.environ["FILL_EVENTS"])):
        about = dice.randrange(int(os.environ["FILL_EVENTS"]) // 2)
        versions[about] = versions.get(about, 0) + 1
        body = '{"data":{"id":%d,"endpoint":%d,"version":%d}}' % (about, number, versions[about])
        event = Event.objects.create(
            model="Absence", object_id=about, event="updated", object_version=versions[about], body=body)
        Delivery.objects.create(event=event, endpoint=endpoint, about=f"Absence:{about}")
"""
FILL_TO_SEND_AGAIN = """
import datetime, os
from absences.models import Absence
from agents.models import Agent, Organisation, Territory
from webhooks import backfill
from webhooks.models import WebhookEndpoint
territory = Territory.objects.create(name="Banc", departement_number="99")
organisation = Organisation.objects.create(name="MDS", territory=territory)
agent = Agent.objects.create(email="banc@exemple.test", first_name="A", last_name="B")
agent.roles.create(organisation=organisation, access_level="basic")
day, hours = datetime.date(2026, 12, 1), dict(start_time=datetime.time(9), end_time=datetime.time(10))
Absence.objects.bulk_create(
    Absence(agent=agent, title="x", first_day=day, end_day=day, **hours) for _ in range(int(os.environ["FILL_EVENTS"]))
)
endpoint = WebhookEndpoint(organisation=organisation, target_url=os.environ["FILL_URL"], subscriptions=["absence"])
endpoint.give_secret("secret-de-webhook")
endpoint.save()
backfill.ask(endpoint)
"""
# One process looks until nothing is left to send, or for so many seconds: to begin another costs more than to look.
IDLE = """
import json, os, time
from django.db.models import Count
from absences.models import Absence
from webhooks.models import Backfill, Delivery, Event
until = time.monotonic() + float(os.environ["PATIENCE"])
while (Backfill.objects.exists() or Delivery.objects.exclude(state="delivered").exists()) and time.monotonic() < until:
    time.sleep(0.2)
"""
MADE = f"""{IDLE}
print(json.dumps({{
    "absences": list(Absence.objects.order_by("pk").values_list("pk", flat=True)),
    "told": list(Delivery.objects.order_by("event__object_id").values_list("event__object_id", flat=True)),
    "left": Backfill.objects.count() + Delivery.objects.exclude(state="delivered").count(),
}}))
"""
TALLY = f"""{IDLE}
print(json.dumps({{
    "states": dict(Delivery.objects.order_by().values_list("state").annotate(Count("pk"))),
    "expected": list(Delivery.objects.values_list("event__name", "endpoint__target_url", "event__body")),
}}))
"""


def moody(dice: random.Random) -> Behaviour:
    """A receiver that fails one time in twenty: it says so, hangs up, or takes its time."""
    well, ill = answers(204, **{ACCEPTED: "1"}), (answers(500), writes(b""), writes(b"HTTP/1.1 20"))

    def behave(handler: Handler, received: Received) -> None:
        time.sleep(dice.choice((0, 0, 0.01, 0.05)))
        if dice.random() < 0.05:
            dice.choice(ill)(handler, received)
        else:
            received.headers[ACCEPTED] = "1"
            well(handler, received)

    return behave


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with prepared_database(tmp_path) as database:
        yield Server(tmp_path, database, RDV_WEBHOOKS_ALLOWED_NETWORKS="127.0.0.0/8")


class Workers:
    """Real ones, of which any may be killed."""

    def __init__(self, server: Server, folder: Path) -> None:
        self.server, self.log = server, folder / "workers.log"
        self.running: list[subprocess.Popen[bytes]] = []

    def start(self) -> None:
        with self.log.open("ab") as log:
            command = [sys.executable, "manage.py", "webhooks_worker"]
            environment = self.server.environment
            self.running.append(subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log))

    def kill(self, dice: random.Random) -> None:
        victim = self.running.pop(dice.randrange(len(self.running)))
        assert victim.poll() is None, self.log.read_text()
        victim.kill()
        victim.wait()

    def stop(self) -> list[int]:
        for one in self.running:
            one.terminate()
        return [one.wait(40) for one in self.running]


def test_workers_killed_while_they_send_lose_nothing(
    server: Server, tmp_path: Path, at_length: Any, figure: Callable[[str, Any], None]
) -> None:
    seed = os.environ.get("TORTURE_SEED") or str(random.SystemRandom().randrange(10**9))
    dice = random.Random(seed)
    kills, events = at_length(3, 40), at_length(40, 1000)
    with Receiver(does=moody(dice)) as receiver:
        server.environment |= {
            "FILL_URL": receiver.url,
            "FILL_SEED": seed,
            "FILL_ENDPOINTS": str(ENDPOINTS),
            "FILL_EVENTS": str(events),
        }
        server.manage("shell", "-c", FILL)
        workers = Workers(server, tmp_path)
        try:
            workers.start()
            workers.start()
            for _ in range(kills):
                began = len(receiver.requests)
                until = time.monotonic() + 60
                while len(receiver.requests) < began + 5 and time.monotonic() < until:
                    time.sleep(0.01)
                time.sleep(dice.uniform(0, 0.3))  # a random moment, which is the point
                workers.kill(dice)
                workers.start()
            server.environment["PATIENCE"] = str(at_length(150, 900))
            tally = json.loads(server.manage("shell", "-v0", "-c", TALLY))
            assert tally["states"] == {"delivered": ENDPOINTS * events}, (seed, workers.log.read_text())
        finally:
            codes = workers.stop()
    assert codes == [0, 0], workers.log.read_text()
    _compare(seed, receiver.requests, tally["expected"])
    ids = Counter(received.id for received in receiver.requests)
    accepted = Counter(received.id for received in receiver.requests if ACCEPTED in received.headers)
    figure("kills", kills)
    figure("events", len(ids))
    figure("requests", sum(ids.values()))
    figure("accepted twice, by the same id", sum(count > 1 for count in accepted.values()))


def test_workers_killed_while_they_make_what_is_sent_again_make_each_once(
    server: Server, tmp_path: Path, at_length: Any, figure: Callable[[str, Any], None]
) -> None:
    seed = os.environ.get("TORTURE_SEED") or str(random.SystemRandom().randrange(10**9))
    dice = random.Random(seed)
    kills, events = at_length(3, 40), at_length(1500, 30_000)
    with Receiver(does=answers(204)) as receiver:
        server.environment |= {"FILL_URL": receiver.url, "FILL_EVENTS": str(events)}
        server.manage("shell", "-c", FILL_TO_SEND_AGAIN)
        workers = Workers(server, tmp_path)
        try:
            workers.start()
            workers.start()
            for _ in range(kills):
                began = len(receiver.requests)
                until = time.monotonic() + 60
                while len(receiver.requests) < began + 5 and time.monotonic() < until:
                    time.sleep(0.01)
                time.sleep(dice.uniform(0, 0.3))
                workers.kill(dice)
                workers.start()
            server.environment["PATIENCE"] = str(at_length(120, 900))
            made = json.loads(server.manage("shell", "-v0", "-c", MADE))
            assert made["left"] == 0, (seed, workers.log.read_text())
        finally:
            codes = workers.stop()
    assert codes == [0, 0], workers.log.read_text()
    assert made["told"] == made["absences"], (seed, "each of them, and once")
    assert all(received.verified for received in receiver.requests)
    assert len({received.id for received in receiver.requests}) == events
    figure("kills", kills)
    figure("sent again", events)


def _compare(seed: str, requests: list[Received], expected: list[list[str]]) -> None:
    """What arrived, with what was to."""
    where = {name: (url[url.index("/hooks") :], body) for name, url, body in expected}
    first_accepted: dict[str, int] = {}
    for number, received in enumerate(requests):
        assert received.verified, (seed, received)
        assert (received.path, received.body.decode()) == where[received.id], (seed, "nobody else's, and as it was")
        if ACCEPTED in received.headers:
            first_accepted.setdefault(received.id, number)
    assert first_accepted.keys() == where.keys(), (seed, "nothing is lost")
    order: dict[tuple[int, int], list[int]] = defaultdict(list)
    for id in sorted(first_accepted, key=first_accepted.__getitem__):
        data = json.loads(where[id][1])["data"]
        order[data["endpoint"], data["id"]].append(data["version"])
    assert all(versions == sorted(versions) for versions in order.values()), (seed, "in order")
