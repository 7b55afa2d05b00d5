"""The controllers, the scheduler and hollow kubelets together, in the processes that `p8s up` runs.

Each figure is the time from the first request until the API says that all is as asked for; what was said is asked four
times a second. The CPU time of each process meanwhile says which of them bounds it.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import orjson
import uvloop

from benchmarks import cost, life, load
from benchmarks.connection import Connection, Target, body_of, trusting
from benchmarks.report import Figure

FEW, MANY = 40, 5000
PATIENCE = 90.0
IDLE_SECONDS = 15.0
PODS_OF_MANY, MORE_PODS = 10_000, 20_000
_PARTS = ("apiserver", "controllers", "node")


def measure() -> list[Figure]:
    with life.hollow_cluster(FEW) as (directory, _):
        figures = uvloop.run(_collect(_of_few(Subject(directory))))
    began = time.perf_counter()
    with life.hollow_cluster(MANY, "--no-wait", "--cluster-cidr", "10.128.0.0/9") as (directory, _):
        return figures + uvloop.run(_collect(_of_many(Subject(directory), began)))


async def _collect(measured: AsyncIterator[Figure]) -> list[Figure]:
    figures = []
    async for figure in measured:
        print(f"{figure.name}: {figure.value:,.1f} {figure.unit}  {figure.note}", file=sys.stderr, flush=True)
        figures.append(figure)
    return figures


class Subject:
    """A running cluster: how to reach it, and its processes."""

    def __init__(self, directory: Path) -> None:
        port = json.loads((directory / "cluster.json").read_text())["port"]
        command = [life.P8S, "token", "create", "--admin", "--data-dir", str(directory)]
        token = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
        self.target = Target(f"https://127.0.0.1:{port}", token, trusting())
        self._pids = {part: int((directory / "run" / f"{part}.pid").read_text().split()[0]) for part in _PARTS}

    def cpu(self) -> dict[str, float]:
        return {part: cost.cpu_seconds(pid) for part, pid in self._pids.items()}

    def resident(self) -> dict[str, float]:
        return {part: cost.resident(pid) for part, pid in self._pids.items()}


@dataclass(slots=True)
class Api:
    """One connection, for what is asked now and then."""

    target: Target
    connection: Connection

    async def ask(self, path: str) -> Any:
        return orjson.loads(body_of(await self.connection.send(self.target.request("GET", path))))

    async def say(self, method: str, path: str, body: Any = None, content_type: str = "application/json") -> None:
        await self.connection.send(self.target.request(method, path, orjson.dumps(body or {}), content_type))

    async def count(self, path: str) -> int:
        """How many there are: of all of a collection, because a selection is not counted by a server."""
        answer = await self.ask(f"{path}?limit=1")
        return len(answer["items"]) + (answer["metadata"].get("remainingItemCount") or 0)

    async def all_but(self, selected: str, path: str, number: int) -> bool:
        """Whether there are so many, and none that a field selector names."""
        if await self.count(path) < number:
            return False
        answer = await self.ask(f"{path}?limit=1&fieldSelector={quote(selected)}")
        return not answer["items"]


Done = Callable[[], Awaitable[bool]]


async def _wait(done: Done) -> None:
    while not await done():  # noqa: ASYNC110 - a server tells nobody here
        await asyncio.sleep(0.25)


async def _timed(subject: Subject, name: str, goal: float, start: Awaitable[object], done: Done) -> Figure:
    before = subject.cpu()
    began = time.perf_counter()
    await start
    return await _until(subject, name, goal, done, began, before)


async def _until(
    subject: Subject, name: str, goal: float, done: Done, began: float, before: dict[str, float]
) -> Figure:
    while unfinished := not await done():
        if time.perf_counter() - began > max(PATIENCE, 1.5 * goal):
            break
        await asyncio.sleep(0.25)
    seconds = time.perf_counter() - began
    used = {part: spent - before.get(part, 0.0) for part, spent in subject.cpu().items()}
    note = "CPU " + ", ".join(f"{part} {spent:.1f} s" for part, spent in used.items())
    if unfinished:
        note = f"given up; {note}"
    return Figure(name, seconds, "s", goal, at_most=True, note=note)


async def _of_few(subject: Subject) -> AsyncIterator[Figure]:
    target = subject.target
    api = Api(target, await target.connect())
    apps, core = "/apis/apps/v1/namespaces/default", "/api/v1/namespaces/default"
    jobs = "/apis/batch/v1/namespaces/default/jobs"

    async def all_ready(path: str, deployments: int, replicas: int) -> bool:
        found = await api.ask(path)
        return len(found["items"]) == deployments and all(_is_rolled_out(one, replicas) for one in found["items"])

    only = f"{apps}/deployments?fieldSelector=metadata.name%3Dlarge"
    create = api.say("POST", f"{apps}/deployments", _deployment("large", 1000))
    yield await _timed(subject, "Deployment of 1,000, to all Ready", 6, create, lambda: all_ready(only, 1, 1000))
    image = {"spec": {"template": {"spec": {"containers": [{"name": "main", "image": "registry.example/app:2"}]}}}}
    roll = api.say("PATCH", f"{apps}/deployments/large", image, "application/strategic-merge-patch+json")
    yield await _timed(subject, "its rolling update", 15, roll, lambda: all_ready(only, 1, 1000))

    async def gone(path: str) -> bool:
        return not (await api.ask(path))["items"]

    await api.say("DELETE", f"{apps}/deployments/large")
    await _wait(lambda: gone(f"{core}/pods?limit=1"))
    many = [target.request("POST", f"{apps}/deployments", orjson.dumps(_deployment(f"d-{n}", 10))) for n in range(200)]
    yield await _timed(
        subject,
        "200 Deployments of 10, to all Ready",
        15,
        load.each(target, many),
        lambda: all_ready(f"{apps}/deployments", 200, 10),
    )
    await api.say("DELETE", f"{apps}/deployments")
    await _wait(lambda: gone(f"{core}/pods?limit=1"))

    await api.say("POST", "/api/v1/namespaces", {"metadata": {"name": "full"}})
    objects = [
        target.request("POST", f"/api/v1/namespaces/full/{plural}", orjson.dumps({"metadata": {"name": f"one-{n}"}}))
        for plural in ("configmaps", "secrets")
        for n in range(2500)
    ]
    await load.each(target, objects)
    delete = api.say("DELETE", "/api/v1/namespaces/full")
    named = "/api/v1/namespaces?fieldSelector=metadata.name%3Dfull"
    yield await _timed(subject, "deletion of a namespace of 5,000 objects", 15, delete, lambda: gone(named))

    bodies = [target.request("POST", jobs, orjson.dumps(_job(f"job-{number}"))) for number in range(1000)]

    async def all_over() -> bool:
        return await api.all_but("status.successful=0", jobs, 1000)

    yield await _timed(subject, "1,000 Jobs of one pod, to completion", 30, load.each(target, bodies), all_over)
    api.connection.close()


async def _of_many(subject: Subject, began: float) -> AsyncIterator[Figure]:
    target = subject.target
    api = Api(target, await target.connect())
    apps = "/apis/apps/v1/namespaces/default/deployments"

    async def nodes_ready() -> bool:
        if await api.count("/api/v1/nodes") < MANY:
            return False
        nodes = (await api.ask("/api/v1/nodes?resourceVersion=0"))["items"]
        return len(nodes) == MANY and all(map(_is_ready, nodes))

    yield await _until(subject, f"{MANY:,} hollow nodes, from p8s up to all Ready", 60, nodes_ready, began, {})

    async def running(pods: int) -> bool:
        return await api.all_but("status.phase!=Running", "/api/v1/pods", pods)

    def deployments(numbers: Sequence[int]) -> list[bytes]:
        return [target.request("POST", apps, orjson.dumps(_deployment(f"d-{n}", 100))) for n in numbers]

    first = PODS_OF_MANY // 100
    yield await _timed(
        subject,
        f"{PODS_OF_MANY:,} pods running on them",
        60,
        load.each(target, deployments(range(first))),
        lambda: running(PODS_OF_MANY),
    )
    more = range(first, first + MORE_PODS // 100)
    total = PODS_OF_MANY + MORE_PODS
    yield await _timed(
        subject,
        f"{MORE_PODS:,} pods more",
        120,
        load.each(target, deployments(more)),
        lambda: running(total),
    )
    await asyncio.sleep(10)
    before = subject.cpu()
    await asyncio.sleep(IDLE_SECONDS)
    shares = {part: (spent - before[part]) / IDLE_SECONDS * 100 for part, spent in subject.cpu().items()}
    note = ", ".join(f"{part} {share:.0f}" for part, share in shares.items())
    at = f"{MANY:,} nodes, {total:,} pods"
    yield Figure(f"idle CPU at {at}", sum(shares.values()), "% of a core", 40, at_most=True, note=note)
    resident = subject.resident()
    note = ", ".join(f"{part} {size:.0f}" for part, size in resident.items())
    yield Figure(f"resident at {at}", sum(resident.values()), "MB", note=note)
    api.connection.close()


def _deployment(name: str, replicas: int) -> dict[str, Any]:
    spec = {
        "replicas": replicas,
        "selector": {"matchLabels": {"app": name}},
        "template": {
            "metadata": {"labels": {"app": name}},
            "spec": {"containers": [{"name": "main", "image": "registry.example/app:1"}], **_POD},
        },
    }
    return {"metadata": {"name": name}, "spec": spec}


def _job(name: str) -> dict[str, Any]:
    container = {"name": "main", "image": "registry.example/app:1", "command": ["true"]}
    return {
        "metadata": {"name": name},
        "spec": {"template": {"spec": {"containers": [container], "restartPolicy": "Never", **_POD}}},
    }


_POD = {"automountServiceAccountToken": False, "terminationGracePeriodSeconds": 0}


def _is_rolled_out(deployment: dict[str, Any], replicas: int) -> bool:
    status = deployment.get("status") or {}
    counts = (status.get("replicas"), status.get("updatedReplicas"), status.get("availableReplicas"))
    return counts == (replicas,) * 3 and status.get("observedGeneration") == deployment["metadata"]["generation"]


def _is_ready(node: dict[str, Any]) -> bool:
    return any(one["type"] == "Ready" and one["status"] == "True" for one in node["status"].get("conditions") or ())
