"""What the process itself is and uses, under upstream's names, besides what the library tells of it.

Follows k8s.io/component-base/metrics and k8s.io/component-base/version.
"""

from __future__ import annotations

import resource
from collections.abc import Iterator
from pathlib import Path

from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from pybernetes.api.metric_families import counter, gauge, single
from pybernetes.apiserver.health import GIT_VERSION, MAJOR, MINOR, OLDEST_MINOR

_TRAFFIC = Path("/proc/self/net/netstat")


class ProcessMetrics(Collector):
    def describe(self) -> list[Metric]:
        """Nothing is collected before somebody asks."""
        return []

    def collect(self) -> Iterator[Metric]:
        yield gauge(
            "version_info",
            "[ALPHA] What the server is compatible with.",
            ("binary", "component", "emulation", "min_compat"),
            {(GIT_VERSION.removeprefix("v"), "kube", f"{MAJOR}.{MINOR}", f"{MAJOR}.{OLDEST_MINOR}"): 1},
        )
        most = resource.getrlimit(resource.RLIMIT_AS)[1]
        unlimited = float(2**64)
        text = "Virtual memory that the process may have, in bytes."
        yield gauge("process_virtual_memory_max_bytes", text, (), single(unlimited if most < 0 else most))
        traffic = _traffic() if _TRAFFIC.exists() else {}
        for name, text, column in (
            ("receive", "Bytes that came over the network.", "InOctets"),
            ("transmit", "Bytes that went over the network.", "OutOctets"),
        ):
            if column in traffic:
                yield counter(f"process_network_{name}_bytes_total", text, (), single(traffic[column]))


def _traffic() -> dict[str, int]:
    """What the machine, or the container, has received and sent: the first line names, the second tells."""
    lines = [line.split()[1:] for line in _TRAFFIC.read_text().splitlines() if line.startswith("IpExt:")]
    return dict(zip(lines[0], map(int, lines[1]), strict=True)) if len(lines) == 2 else {}
