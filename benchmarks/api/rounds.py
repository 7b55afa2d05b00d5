"""Rounds of every measurement, in turn on each server, and their medians."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from statistics import median

from benchmarks.api import MEASUREMENTS
from benchmarks.api.measurement import STORED_PODS, Measurement, Sample, Server, empty, fill, make_namespace
from benchmarks.connection import Target
from benchmarks.report import Figure

Subject = tuple[Target, int | None]
"""A server and its process."""


async def measure(subject: Subject, against: Subject | None = None) -> AsyncIterator[Figure]:
    servers = [await _prepared(*one) for one in (subject, against) if one is not None]
    try:
        for measurement in MEASUREMENTS:
            for figure in await _figures(measurement, servers):
                yield figure
    finally:
        for server in servers:
            await empty(server.target, server.namespace)


async def _prepared(target: Target, pid: int | None) -> Server:
    namespace = f"bench-{time.time_ns() % 10**8}"
    await make_namespace(target, namespace)
    await fill(target, namespace, STORED_PODS)
    return Server(target, pid, namespace)


async def _figures(measurement: type[Measurement], servers: Sequence[Server]) -> list[Figure]:
    instances = [measurement() for _ in servers]
    for instance, server in zip(instances, servers, strict=True):
        await instance.prepare(server)
    samples: list[dict[str, list[Sample]]] = [defaultdict(list) for _ in servers]
    for _ in range(measurement.rounds):
        for instance, server, taken in zip(instances, servers, samples, strict=True):
            for sample in await instance.sample(server):
                taken[sample.name].append(sample)
    ours, *others = samples
    return [_figure(taken, others[0].get(name, []) if others else []) for name, taken in ours.items()]


def _figure(ours: Sequence[Sample], other: Sequence[Sample]) -> Figure:
    first = ours[0]
    value = median(sample.value for sample in ours)
    notes = [note for note in (_cpu(ours), first.note) if note]
    if not other:
        return Figure(first.name, value, first.unit, first.goal, first.at_most, note="; ".join(notes))
    if cpu := _cpu(other):
        notes.append(f"the other's {cpu}")
    beside = median(sample.value for sample in other)
    return Figure(first.name, value, first.unit, first.goal, first.at_most, beside, first.ratio, note="; ".join(notes))


def _cpu(samples: Sequence[Sample]) -> str:
    taken = [sample.cpu for sample in samples if sample.cpu is not None]
    return f"CPU {median(taken):,.0f} µs" if taken else ""
