"""The figures of what is stored (figures.py), beside the measures of the processes.

Asked when somebody looks, by one thread of its own, at most once in FRESH seconds. What has not answered in PATIENCE
seconds, or failed, is left out: the rest is told also while the database is away.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Mapping

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from .asked import AskedOnce
from .figures import TELLERS, Figure

logger = logging.getLogger(__name__)

FRESH = 5.0
PATIENCE = 2.0


class Stored(Collector):
    """As the library collects it."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._asked = AskedOnce(_found, "stored-figures", FRESH, clock)

    def collect(self) -> Iterable[Metric]:
        return [_metric(figure) for figure in self.figures()]

    def figures(self) -> list[Figure]:
        try:
            return self._asked.answer(PATIENCE)
        except TimeoutError:
            return []


def _found() -> list[Figure]:
    found: list[Figure] = []
    for teller in TELLERS:
        try:
            found += teller()
        except Exception:  # whatever it is, these are not told; the log says why
            logger.exception("Figures that could not be told")
    return found


def _metric(figure: Figure) -> Metric:
    family = CounterMetricFamily if figure.counted else GaugeMetricFamily
    metric = family(figure.name, figure.about, labels=[figure.label] if figure.label else [])
    values = figure.values if isinstance(figure.values, Mapping) else {"": figure.values}
    for label, value in values.items():
        metric.add_metric([label] if figure.label else [], value)
    return metric
