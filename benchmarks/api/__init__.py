"""The API server, request by request: alone, or round by round in turn with another one.

Each measurement is a class in one of the modules here and a row in ``MEASUREMENTS``. With a second server the rounds
alternate between the two, so that a machine whose speed drifts slows both; what counts then is the ratio of medians.
"""

from __future__ import annotations

from benchmarks.api import reads, standing, watches, writes
from benchmarks.api.measurement import Measurement

MEASUREMENTS: tuple[type[Measurement], ...] = (
    standing.Resident,
    reads.Get,
    reads.ListOf500,
    reads.ListOfAll,
    reads.ListByLabel,
    writes.CreatePod,
    writes.MergePatchOfStatus,
    writes.StrategicPatch,
    writes.ApplyConfigMap,
    writes.PutConfigMap,
    writes.DeleteCollection,
    watches.Watchers,
    standing.Peak,
    standing.Idle,
)
