"""`make bench-webhooks`: how many deliveries a minute one worker makes, on each database.

The receiver is a process of its own on the same machine, which answers 204 at once over connections that are kept; it
knows when the first request came and when the last. Its share of the machine is in the figure.

    python -m benchmarks.webhooks [--deliveries 10000] [--endpoints 20]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PATIENCE = 600  # seconds
ANSWER = b"HTTP/1.1 204 No Content\r\n\r\n"


class Receiver(asyncio.Protocol):
    """As little HTTP as our requests need: a head, a length, a body."""

    ids: list[str] = []
    times: list[float] = []

    def connection_made(self, transport: Any) -> None:
        self.transport, self.read = transport, b""

    def data_received(self, data: bytes) -> None:
        self.read += data
        while (end := self.read.find(b"\r\n\r\n")) >= 0:
            head = self.read[:end].decode("latin-1")
            fields = dict(line.split(": ", 1) for line in head.split("\r\n")[1:])
            size = end + 4 + int(fields["Content-Length"])
            if len(self.read) < size:
                return
            self.read = self.read[size:]
            self.ids.append(fields["webhook-id"])
            self.times.append(time.monotonic())
            self.transport.write(ANSWER)


def receive(told: Connection, expected: int) -> None:
    async def serve() -> None:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(Receiver, "127.0.0.1", 0, backlog=1024)
        told.send(server.sockets[0].getsockname()[1])
        while len(set(Receiver.ids)) < expected:
            await asyncio.sleep(0.05)
        told.send((Receiver.times[0], max(Receiver.times), len(Receiver.ids), len(set(Receiver.ids))))

    asyncio.run(serve())


FILL = """
import json, os, random
import django
django.setup()
from django.utils import timezone
from agents.models import Organisation, Territory
from webhooks.models import Delivery, Event, WebhookEndpoint
port, endpoints, deliveries = (int(os.environ[name]) for name in ("B_PORT", "B_ENDPOINTS", "B_DELIVERIES"))
territory = Territory.objects.create(name="Banc", departement_number="99")
theirs = []
for number in range(endpoints):
    organisation = Organisation.objects.create(name=f"MDS {number}", territory=territory)
    endpoint = WebhookEndpoint(organisation=organisation, target_url=f"http://127.0.0.1:{port}/{number}")
    endpoint.give_secret("secret-de-webhook")
    endpoint.save()
    theirs.append(endpoint)
body = json.dumps({"data": {"id": 1, "ical": "x" * 700, "title": "y" * 100}, "meta": {"model": "Absence"}})
about = [random.randrange(deliveries // 2) for _ in range(deliveries)]
events = Event.objects.bulk_create(
    [Event(model="Absence", object_id=one, event="updated", object_version=1, body=body) for one in about], 1000)
Delivery.objects.bulk_create(
    [Delivery(event=event, endpoint=theirs[number % endpoints], about=f"Absence:{event.object_id}")
     for number, event in enumerate(events)], 1000)
"""


def measure(database: str, deliveries: int, endpoints: int) -> dict[str, Any]:
    environment = os.environ | {
        "DATABASE_URL": database,
        "DJANGO_SETTINGS_MODULE": "rdv.settings",
        "RDV_WEBHOOKS_ALLOWED_NETWORKS": "127.0.0.0/8",
    }
    run = [sys.executable, "-W", "ignore"]
    subprocess.run([*run, "manage.py", "migrate", "--verbosity", "0"], check=True, cwd=ROOT, env=environment)
    here, there = multiprocessing.Pipe()
    receiver = multiprocessing.Process(target=receive, args=(there, deliveries), daemon=True)
    receiver.start()
    environment |= {"B_PORT": str(here.recv()), "B_ENDPOINTS": str(endpoints), "B_DELIVERIES": str(deliveries)}
    subprocess.run([*run, "-c", FILL], check=True, cwd=ROOT, env=environment)
    worker = subprocess.Popen([*run, "manage.py", "webhooks_worker"], cwd=ROOT, env=environment)
    try:
        if not here.poll(PATIENCE):
            raise SystemExit(f"{deliveries} deliveries did not arrive in {PATIENCE} s")
        first, last, requests, distinct = here.recv()
    finally:
        worker.terminate()
        _pid, _status, used = os.wait4(worker.pid, 0)
        receiver.kill()
    seconds = last - first
    return {
        "deliveries": distinct,
        "requests": requests,
        "seconds": round(seconds, 1),
        "a_minute": round(distinct / seconds * 60),
        "cpu_ms_each": round((used.ru_utime + used.ru_stime) / distinct * 1000, 2),
        "memory_mb": used.ru_maxrss // 1024,
    }


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.webhooks")
    parser.add_argument("--deliveries", type=int, default=10_000)
    parser.add_argument("--endpoints", type=int, default=20)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="rdv-bench-") as folder:
        databases = {"SQLite": f"sqlite:///{folder}/rdv.sqlite3"}
        if os.environ.get("DATABASE_URL", "").startswith("postgres"):
            databases["PostgreSQL"] = os.environ["DATABASE_URL"]
        for name, database in databases.items():
            print(name, json.dumps(measure(database, options.deliveries, options.endpoints)), flush=True)


if __name__ == "__main__":
    main()
