"""The API server: reads, writes, lists, and watchers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import orjson

from benchmarks import load, objects, watchers
from benchmarks.connection import Connection, Refused, Target, body_of
from benchmarks.report import Figure, percentile

SECONDS = 4.0
CREATED = 9000
WATCHERS, WATCHING_PROCESSES, UPDATES_PER_SECOND, WATCH_SECONDS = 1000, 2, 25, 8


async def measure(target: Target, server_pid: int | None) -> AsyncIterator[Figure]:
    async with _namespace(target, "bench-write") as namespace:
        yield await _gets(target, namespace)
        for figure in await _creates(target, namespace):
            yield figure
        yield await _lists(target, f"/api/v1/namespaces/{namespace}/pods", "list of 9,000 pods", 35, connections=2)
        limited = f"/api/v1/namespaces/{namespace}/pods?limit=500&resourceVersion=0"
        yield await _lists(target, limited, "page of 500 pods of 9,000", None)
    async with _namespace(target, "bench-500") as namespace:
        await _fill(target, namespace, 500)
        yield await _lists(target, f"/api/v1/namespaces/{namespace}/pods", "list of 500 pods", 500)
    async with _namespace(target, "bench-label") as namespace:
        await _fill(target, namespace, 5000)
        path = f"/api/v1/namespaces/{namespace}/pods?labelSelector=tier%3Drare"
        yield await _lists(target, path, "list by a label that 1 % of 5,000 pods carry", 400)
    async with _namespace(target, "bench-watch") as namespace:
        for figure in await _watchers(target, namespace, server_pid):
            yield figure


async def _gets(target: Target, namespace: str) -> Figure:
    await _fill(target, namespace, 1)
    run = await load.repeat(target, target.request("GET", f"/api/v1/namespaces/{namespace}/pods/pod-0"), SECONDS)
    return Figure("GET of a pod", run.rate, "/s", 8000, note=f"p99 {percentile(run.latencies, 0.99) * 1000:.1f} ms")


async def _creates(target: Target, namespace: str) -> list[Figure]:
    path = f"/api/v1/namespaces/{namespace}/pods"
    bodies = [objects.pod(f"created-{number}", {"app": "bench"}) for number in range(CREATED - 1)]
    run = await load.each(target, [target.request("POST", path, body) for body in bodies])
    p99 = percentile(run.latencies, 0.99) * 1000
    return [
        Figure("create pod", run.rate, "/s", 2500, note=f"{load.CONNECTIONS} connections"),
        Figure("create pod, p99", p99, "ms", 40, at_most=True),
    ]


async def _lists(target: Target, path: str, name: str, goal: float | None, connections: int = 4) -> Figure:
    request = target.request("GET", path)
    connection = await target.connect()
    size = len(body_of(await connection.send(request)))
    connection.close()
    run = await load.repeat(target, request, SECONDS, connections)
    return Figure(name, run.rate, "/s", goal, note=f"{size / 1e6:.2f} MB each, {run.rate * size / 1e6:,.0f} MB/s")


async def _watchers(target: Target, namespace: str, server_pid: int | None) -> list[Figure]:
    await _fill(target, namespace, 1)
    path = f"/api/v1/namespaces/{namespace}/pods?watch=1&resourceVersion=0"
    with watchers.watching(target, path, WATCHERS, WATCHING_PROCESSES) as pipes:
        cpu = cpu_seconds(server_pid)
        sent = await _update(target, namespace, UPDATES_PER_SECOND * WATCH_SECONDS)
        await asyncio.sleep(2)
        used = cpu_seconds(server_pid) - cpu
        arrived = watchers.arrivals(pipes)
    delays = [at - sent[number] for number, at in arrived]
    expected = WATCHERS * len(sent)
    figures = [
        Figure("watch events delivered", len(arrived) / expected * 100, "%", 100, note=f"{len(arrived)} of {expected}"),
        Figure("watch event, p99", percentile(delays, 0.99) * 1000, "ms", 100, at_most=True),
    ]
    if server_pid is not None:
        per_event = used / max(len(arrived), 1) * 1e6
        figures.append(Figure("server CPU per delivered event", per_event, "µs", 27, at_most=True))
    return figures


async def _update(target: Target, namespace: str, count: int) -> dict[int, float]:
    """Changes a pod `UPDATES_PER_SECOND` times a second; when each change was sent."""
    connection = await target.connect()
    sent: dict[int, float] = {}
    began = time.perf_counter()
    for number in range(count):
        patch = orjson.dumps({"metadata": {"annotations": {"bench": f"#{number}#"}}})
        path = f"/api/v1/namespaces/{namespace}/pods/pod-0"
        sent[number] = time.perf_counter()
        await connection.send(target.request("PATCH", path, patch, "application/merge-patch+json"))
        await asyncio.sleep(max(0.0, began + (number + 1) / UPDATES_PER_SECOND - time.perf_counter()))
    connection.close()
    return sent


async def _fill(target: Target, namespace: str, count: int) -> None:
    path = f"/api/v1/namespaces/{namespace}/pods"
    bodies = [
        objects.pod(f"pod-{n}", {"app": "bench", "tier": "rare" if n % 100 == 0 else "common"}) for n in range(count)
    ]
    await load.each(target, [target.request("POST", path, body) for body in bodies])


@asynccontextmanager
async def _namespace(target: Target, name: str) -> AsyncIterator[str]:
    """A namespace for the measurement; its pods are deleted afterwards."""
    name = f"{name}-{time.time_ns() % 10**8}"
    connection = await target.connect()
    await connection.send(target.request("POST", "/api/v1/namespaces", objects.namespace(name)))
    await make_account(connection, target, name)
    try:
        yield name
    finally:
        options = orjson.dumps({"gracePeriodSeconds": 0})
        await connection.send(target.request("DELETE", f"/api/v1/namespaces/{name}/pods", options))
        await connection.send(target.request("DELETE", f"/api/v1/namespaces/{name}"))
        connection.close()


async def make_account(connection: Connection, target: Target, namespace: str) -> None:
    """Pods cannot be made before their namespace has its service account; without controllers nobody makes it."""
    path = f"/api/v1/namespaces/{namespace}/serviceaccounts"
    account = orjson.dumps({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}})
    try:
        await connection.send(target.request("POST", path, account))
    except Refused as error:
        if "AlreadyExists" not in str(error):
            raise


def cpu_seconds(pid: int | None) -> float:
    if pid is None:
        return 0.0
    import psutil

    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)
