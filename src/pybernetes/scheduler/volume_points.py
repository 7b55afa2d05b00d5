"""How good a node's volumes are for a pod's claims: by how full they would be, along a line that can be configured.

Follows pkg/scheduler/framework/plugins/volumebinding/scorer.go.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence

from pybernetes.api import storage
from pybernetes.scheduler.configuration.arguments import UtilizationShapePoint
from pybernetes.scheduler.scoring_strategies import on_line
from pybernetes.scheduler.volume_plan import PodVolumes

FULL_IS_WORST = (UtilizationShapePoint(utilization=0, score=10), UtilizationShapePoint(utilization=100, score=0))


def points(volumes: PodVolumes, shape: Sequence[UtilizationShapePoint]) -> int:
    """The mean over the classes; volumes that are there count before those that would have to be made."""
    wanted: defaultdict[str, int] = defaultdict(int)
    there: defaultdict[str, int] = defaultdict(int)
    for volume, claim in volumes.bindings:
        name = storage.class_of_volume(volume)
        wanted[name] += storage.requested(claim).value()
        there[name] += storage.capacity(volume).value()
    for claim in () if volumes.bindings else volumes.provisions:
        name = storage.class_of_claim(claim)
        if name in volumes.space:
            wanted[name] += storage.requested(claim).value()
            there[name] = volumes.space[name]
    if not wanted:
        return 0
    total = sum(on_line(shape, _percent(wanted[name], there[name])) for name in wanted)
    return math.floor(total / len(wanted) + 0.5)


def _percent(wanted: int, there: int) -> int:
    return 100 if not there or wanted > there else wanted * 100 // there
