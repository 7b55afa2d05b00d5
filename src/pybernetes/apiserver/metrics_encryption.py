"""What is sealed and opened, under upstream's names; nothing where nothing is.

Follows k8s.io/apiserver/pkg/storage/value/metrics.go.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from pybernetes.api.metric_families import counter, histogram
from pybernetes.apiserver.metrics_access import reloads

if TYPE_CHECKING:
    from pybernetes.apiserver.encryption.upkeep import Upkeep

_START = "apiserver_storage_transformation"


class EncryptionMetrics(Collector):
    def __init__(self, upkeep: Upkeep) -> None:
        self._store = upkeep.store
        self._reloader = upkeep.reloader

    def describe(self) -> list[Metric]:
        """Nothing is collected before somebody asks."""
        return []

    def collect(self) -> Iterator[Metric]:
        labels = ("resource", "transformation_type", "transformer_prefix", "status")
        text = "[ALPHA] Values that were sealed or opened."
        yield counter(f"{_START}_operations_total", text, labels, self._store.operations)
        text = "[ALPHA] How long it took to seal or open a value."
        yield histogram(f"{_START}_duration_seconds", text, labels[1:3], self._store.seconds)
        if self._reloader is not None:
            yield from reloads(self._reloader)


def encryption_metrics(upkeep: Upkeep | None) -> tuple[Collector, ...]:
    return () if upkeep is None else (EncryptionMetrics(upkeep),)
