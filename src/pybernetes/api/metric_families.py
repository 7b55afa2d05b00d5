"""Prometheus's families of metrics, made of plain numbers (`figures`). Loaded when somebody asks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Any, TypeVar

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.utils import floatToGoString

from pybernetes.api.figures import Histogram, Labels

Values = Mapping[Any, float]
"""By labels, of whatever number."""
Family = TypeVar("Family", CounterMetricFamily, GaugeMetricFamily)


def cumulative(bounds: Sequence[float], counts: Sequence[int]) -> list[tuple[str, float]]:
    """As Prometheus wants a histogram; ``counts`` has one more, for what is over all bounds."""
    return list(zip((*map(_as_go_writes, bounds), "+Inf"), accumulate(counts), strict=True))


def _as_go_writes(bound: float) -> str:
    text: str = floatToGoString(bound)  # type: ignore[no-untyped-call]
    return text.removesuffix(".0")


def counter(name: str, text: str, labels: Sequence[str], values: Values) -> CounterMetricFamily:
    return _filled(CounterMetricFamily(name.removesuffix("_total"), text, labels=labels), values)


def gauge(name: str, text: str, labels: Sequence[str], values: Values) -> GaugeMetricFamily:
    return _filled(GaugeMetricFamily(name, text, labels=labels), values)


def histogram(name: str, text: str, labels: Sequence[str], values: Mapping[Any, Histogram]) -> HistogramMetricFamily:
    found = HistogramMetricFamily(name, text, labels=labels)
    for one, value in values.items():
        found.add_metric(one, buckets=cumulative(value.bounds, value.counts), sum_value=value.total)
    return found


def single(number: float) -> Mapping[Labels, float]:
    """The values of a metric without labels."""
    return {(): number}


def _filled(family: Family, values: Values) -> Family:
    for labels, number in values.items():
        family.add_metric(labels, number)
    return family
