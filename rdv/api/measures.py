"""What Prometheus is told (row O3), of all processes together: each keeps its own in a file that all of them read.

prometheus-client alone: django-prometheus would bring its own database backends in the place of ours, and measure
inside of the turns, where waiting and refusing are not seen.
"""

from __future__ import annotations

import os
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

from django.contrib.auth.signals import user_logged_in, user_login_failed
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

from rdv import VERSION

from .observed import Observer, Seen
from .stored import Stored

FOLDER = "PROMETHEUS_MULTIPROC_DIR"  # where the files are; bin/serving.py makes it
LATENCIES = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)  # seconds


class Measures(Observer):
    """Of this process; `told` is of all. `waiting` says how many stand in line here."""

    def __init__(self, waiting: Any) -> None:
        self._waiting_here = waiting
        self._registry = registry = CollectorRegistry()
        self._requests = Counter("rdv_requests", "Requests answered", ("method", "route", "status"), registry=registry)
        self._errors = Counter("rdv_errors", "Answers of 400 and above", ("status",), registry=registry)
        self._latency = Histogram(
            "rdv_request_seconds",
            "From the request's arrival to its answer, waiting included",
            ("route",),
            buckets=LATENCIES,
            registry=registry,
        )
        self._wait = Histogram(
            "rdv_turn_wait_seconds", "Until a request had its turn", buckets=LATENCIES, registry=registry
        )
        self._away = Counter("rdv_turned_away", "Requests refused at the door", ("reason",), registry=registry)
        self._inside = Gauge(
            "rdv_requests_in_progress",
            "Requests that wait or are served",
            multiprocess_mode="livesum",
            registry=registry,
        )
        self._waiting = Gauge(
            "rdv_turns_waiting", "Requests in line for a turn", multiprocess_mode="livesum", registry=registry
        )
        self._queries = Counter("rdv_database_queries", "Statements sent to the database", registry=registry)
        self._database = Counter("rdv_database_seconds", "Time spent in the database", registry=registry)
        self._sign_ins = Counter("rdv_sign_ins", "Sign-ins with a password", ("result",), registry=registry)
        info = Gauge("rdv_info", "What runs here", ("version",), multiprocess_mode="max", registry=registry)
        info.labels(VERSION).set(1)
        # A label is looked up in the library at some cost: once each.
        self._counted = lru_cache(maxsize=None)(self._requests.labels)
        self._erred = lru_cache(maxsize=None)(self._errors.labels)
        self._timed = lru_cache(maxsize=None)(self._latency.labels)
        self._stored = Stored()
        registry.register(self._stored)
        user_logged_in.connect(self._came)
        user_login_failed.connect(self._failed)

    def _came(self, **signal: Any) -> None:
        self._sign_ins.labels("succeeded").inc()

    def _failed(self, **signal: Any) -> None:
        self._sign_ins.labels("refused").inc()

    def began(self) -> None:
        self._inside.inc()
        self._waiting.set(self._waiting_here())

    def ended(self, seen: Seen) -> None:
        self._inside.dec()
        self._waiting.set(self._waiting_here())
        self._counted(seen.method, seen.route, f"{seen.status // 100}xx").inc()
        self._timed(seen.route).observe(seen.seconds)
        if seen.status >= 400:
            self._erred(seen.status).inc()
        if seen.away:
            self._away.labels(seen.away).inc()
        else:
            self._wait.observe(seen.waited)
        if seen.queries:
            self._queries.inc(seen.queries)
            self._database.inc(seen.database_seconds)

    def told(self) -> bytes:
        """The text that Prometheus reads."""
        folder = os.environ.get(FOLDER)
        if not folder:
            return generate_latest(self._registry)
        _forget_the_dead(Path(folder))
        together = CollectorRegistry()
        MultiProcessCollector(together, folder)  # type: ignore[no-untyped-call]
        together.register(self._stored)
        return generate_latest(together)


def _forget_the_dead(folder: Path) -> None:
    """A worker that was killed is in the midst of nothing any more; what it had counted stays."""
    for file in folder.glob("gauge_live*_*.db"):
        process = int(file.stem.rpartition("_")[2])
        try:
            os.kill(process, 0)
        except ProcessLookupError:
            with suppress(FileNotFoundError):  # another worker was asked at once
                mark_process_dead(process, str(folder))  # type: ignore[no-untyped-call]
