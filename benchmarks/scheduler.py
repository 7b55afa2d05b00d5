"""The scheduler, end to end through the API: pods bound a second at 5,000 nodes, as scheduler_perf measures it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import orjson

from benchmarks import load, objects
from benchmarks.api.measurement import make_namespace
from benchmarks.connection import Target, body_of
from benchmarks.report import Figure

NODES, PODS = 5000, 10_000


async def measure(target: Target) -> AsyncIterator[Figure]:
    await load.each(target, [target.request("POST", "/api/v1/nodes", objects.node(number)) for number in range(NODES)])
    # Admission taints a node until it is ready, and no controller is there to take the taint away.
    untaint = b'{"spec":{"taints":null}}'
    await load.each(target, [_patch_node(target, number, untaint) for number in range(NODES)])
    await asyncio.sleep(2)
    namespace = f"bench-{time.time_ns() % 10**8}"
    connection = await target.connect()
    await make_namespace(target, namespace)
    path = f"/api/v1/namespaces/{namespace}/pods"
    requests = [
        target.request("POST", path, objects.pod(f"pod-{number}", {"app": "bench"}, scheduler="default-scheduler"))
        for number in range(PODS)
    ]
    began = time.perf_counter()
    creating = asyncio.create_task(load.each(target, requests, connections=8))
    first, bound = await _watch_until_bound(target, namespace)
    seconds = bound - began
    await creating
    yield Figure(
        f"pods bound, {NODES} nodes, {PODS} pods",
        PODS / seconds,
        "/s",
        1600,
        note=f"first after {first - began:.2f} s; created while they are scheduled",
    )
    options = orjson.dumps({"gracePeriodSeconds": 0})
    await connection.send(target.request("DELETE", path, options))
    for number in range(NODES):
        await connection.send(target.request("DELETE", f"/api/v1/nodes/bench-node-{number}"))
    connection.close()


def _patch_node(target: Target, number: int, patch: bytes) -> bytes:
    return target.request("PATCH", f"/api/v1/nodes/bench-node-{number}", patch, "application/merge-patch+json")


async def _watch_until_bound(target: Target, namespace: str) -> tuple[float, float]:
    """When the first and the last of the pods had a node, asked of the server four times a second."""
    connection = await target.connect()
    everything = f"/api/v1/namespaces/{namespace}/pods?limit=1"
    unplaced = f"{everything}&fieldSelector=spec.nodeName%3D"
    first: float | None = None
    while True:
        await asyncio.sleep(0.25)
        unbound = orjson.loads(body_of(await connection.send(target.request("GET", unplaced))))
        now = time.perf_counter()
        total = orjson.loads(body_of(await connection.send(target.request("GET", everything))))
        count = len(total["items"]) + (total["metadata"].get("remainingItemCount") or 0)
        if first is None and count > len(unbound["items"]):
            first = now
        if count >= PODS and not unbound["items"]:
            connection.close()
            return first or now, now
