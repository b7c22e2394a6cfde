"""`manage.py webhooks_worker`: send webhooks, until it is told to stop."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from webhooks.delivery.worker import ROOM, Worker

LOOK = 0.5  # seconds
GRACE = 15  # seconds to end what is under way


class Command(BaseCommand):
    help = "Send the webhooks that are due, again and again. SIGTERM lets those under way end."
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--room", type=int, default=ROOM, help=f"how many are sent at once ({ROOM})")
        parser.add_argument("--once", action="store_true", help="end when nothing is due any more")
        parser.add_argument("--parent", type=int, help="end when this process, which started it, does")

    def handle(self, *args: Any, room: int, once: bool, parent: int | None, **options: Any) -> None:
        if parent:
            threading.Thread(target=_watch, args=(parent,), name="orphan", daemon=True).start()
        worker = Worker(room=room)
        asyncio.run(worker.run(until_idle=once, signals=True))
        if once:
            self.stdout.write(f"{worker.delivered} delivered.")


def _watch(parent: int) -> None:
    """As rdv/orphans.py of the server's workers: what it began is another's to go on with, when the lease ends."""
    while os.getppid() == parent:
        time.sleep(LOOK)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE)
    os._exit(1)
