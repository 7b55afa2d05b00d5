"""The scheduler, measured as scheduler_perf measures kube-scheduler: pods bound a second, as seen through the API.

``python -m benchmarks.scheduler --workload SchedulingBasic`` runs a workload at its own size, ``--nodes`` and
``--pods`` at another. ``templates`` has the objects, ``workloads`` what is done with them, ``running`` does it,
``throughput`` counts; ``decisions`` measures deciding alone, in one process and without an API.
Shapes and sizes follow test/integration/scheduler_perf of kubernetes; node labels and taints are what its set-up
leaves, and priorities are given through PriorityClasses, which any API server accepts.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

from benchmarks.connection import Target
from benchmarks.report import Figure
from benchmarks.scheduler.running import run
from benchmarks.scheduler.workloads import WORKLOADS


async def measure(target: Target) -> AsyncIterator[Figure]:
    """The workload by which schedulers are compared, for the whole suite of benchmarks."""
    for figure in await run(target, WORKLOADS["SchedulingBasic"]):
        yield figure
