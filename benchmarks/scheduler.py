"""The scheduler, end to end through the API: pods bound a second at 5,000 nodes, as scheduler_perf measures it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import orjson

from benchmarks import load, objects
from benchmarks.connection import Target, body_of
from benchmarks.report import Figure

NODES, PODS = 5000, 10_000


async def measure(target: Target) -> AsyncIterator[Figure]:
    await load.each(target, [target.request("POST", "/api/v1/nodes", objects.node(number)) for number in range(NODES)])
    await asyncio.sleep(2)
    namespace = "default"
    path = f"/api/v1/namespaces/{namespace}/pods"
    names = [f"bench-{time.time_ns() % 10**8}-{number}" for number in range(PODS)]
    bodies = [objects.pod(name, {"app": "bench"}, scheduler="default-scheduler") for name in names]
    requests = [target.request("POST", path, body) for body in bodies]
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
    connection = await target.connect()
    await connection.send(target.request("DELETE", f"{path}?labelSelector=app%3Dbench", options))
    for number in range(NODES):
        await connection.send(target.request("DELETE", f"/api/v1/nodes/bench-node-{number}"))
    connection.close()


async def _watch_until_bound(target: Target, namespace: str) -> tuple[float, float]:
    """When the first and the last of the pods had a node, asked of the server four times a second."""
    connection = await target.connect()
    path = f"/api/v1/namespaces/{namespace}/pods?labelSelector=app%3Dbench&fieldSelector=spec.nodeName%3D&limit=1"
    everything = f"/api/v1/namespaces/{namespace}/pods?labelSelector=app%3Dbench&limit=1"
    first: float | None = None
    while True:
        await asyncio.sleep(0.25)
        unbound = orjson.loads(body_of(await connection.send(target.request("GET", path))))
        now = time.perf_counter()
        total = orjson.loads(body_of(await connection.send(target.request("GET", everything))))
        count = len(total["items"]) + (total["metadata"].get("remainingItemCount") or 0)
        if first is None and count > len(unbound["items"]):
            first = now
        if count >= PODS and not unbound["items"]:
            connection.close()
            return first or now, now
