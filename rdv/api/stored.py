"""The figures of what is stored (figures.py), beside the measures of the processes.

Asked when somebody looks, by one thread of its own, at most once in FRESH seconds. What has not answered in PATIENCE
seconds, or failed, is left out: the rest is told also while the database is away.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as StillAsking

from django.db import connections
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from .figures import TELLERS, Figure

logger = logging.getLogger(__name__)

FRESH = 5.0
PATIENCE = 2.0


class Stored(Collector):
    """As the library collects it."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._thread = ThreadPoolExecutor(1, "stored-figures")
        self._asked: Future[list[Figure]] | None = None
        self._answered = float("-inf")

    def collect(self) -> Iterable[Metric]:
        return [_metric(figure) for figure in self.figures()]

    def figures(self) -> list[Figure]:
        with self._lock:
            if self._asked is None or (self._asked.done() and self._clock() - self._answered >= FRESH):
                self._asked = self._thread.submit(self._ask)
            asked = self._asked
        try:
            return asked.result(PATIENCE)
        except StillAsking:
            return []

    def _ask(self) -> list[Figure]:
        found: list[Figure] = []
        try:
            for teller in TELLERS:
                try:
                    found += teller()
                except Exception:  # whatever it is, these are not told; the log says why
                    logger.exception("Figures that could not be told")
            return found
        finally:
            connections.close_all()
            self._answered = self._clock()


def _metric(figure: Figure) -> Metric:
    family = CounterMetricFamily if figure.counted else GaugeMetricFamily
    metric = family(figure.name, figure.about, labels=[figure.label] if figure.label else [])
    values = figure.values if isinstance(figure.values, Mapping) else {"": figure.values}
    for label, value in values.items():
        metric.add_metric([label] if figure.label else [], value)
    return metric
