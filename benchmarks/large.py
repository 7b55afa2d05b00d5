"""A large cluster: 150,000 pods, 5,000 nodes and their leases are in the store when the server starts.

The stored values are those that a server wrote itself for one pod, one node and one lease, under other names. They are
written to the store's file directly: as many requests would take minutes and say nothing about a start.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
import uuid
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

import orjson

from benchmarks import cost, life, objects
from benchmarks.api.measurement import make_namespace
from benchmarks.connection import Connection, Target, body_of
from benchmarks.report import Figure, percentile
from pybernetes.cli.layout import Layout
from pybernetes.store.contract import Put
from pybernetes.store.sqlite import SqliteStore

PODS, NODES, NAMESPACE = 150_000, 5_000, "bench-large"
TEMPLATES = 500
"""Deployments that the pods belong to: as many app labels."""
RENEWED_EVERY, RENEWERS = 10.0, 8
CREATES_PER_SECOND, SECONDS = 50, 30

Written = tuple[str, bytes]


def measure() -> list[Figure]:
    with tempfile.TemporaryDirectory(prefix="p8s-bench-", dir=life.roomy()) as text:
        directory = Path(text)
        port = life.free_port()
        with life.server_in(directory, port) as started:
            asyncio.run(_write_originals(started.target))
        asyncio.run(_fill(Layout(directory).database))
        # The start's own first writes must not wait for the disk to take what was written here.
        os.sync()
        with life.server_in(directory, port, patience=300) as (target, pid, seconds):
            cpu = cost.cpu_seconds(pid)
            resident = cost.resident(pid)
            figures = asyncio.run(_under_load(target, pid))
    return [
        Figure(f"start with {PODS:,} pods to /readyz", seconds, "s", 15, at_most=True, note=f"{cpu:.1f} s of CPU"),
        Figure("resident after that start", resident, "MB", 1200, at_most=True),
        *figures,
    ]


async def _write_originals(target: Target) -> None:
    """One of each kind, as kubelets and controllers leave them."""
    connection = await target.connect()
    await make_namespace(target, NAMESPACE)
    posts = (
        ("/api/v1/nodes", objects.node(0)),
        (_leases(), _lease(0)),
        (_pods(), objects.pod("original", {"app": "app-0", "pod-template-hash": "6d4cf56db6"})),
        (f"{_pods()}/original/binding", _binding()),
    )
    for path, body in posts:
        await connection.send(target.request("POST", path, body))
    patch = target.request("PATCH", f"{_pods()}/original/status", _running(), "application/strategic-merge-patch+json")
    await connection.send(patch)
    connection.close()


async def _fill(database: Path) -> None:
    store = await SqliteStore.open(database)
    copies = _copies({entry.key: entry.value for entry in (await store.range("/")).entries})
    while some := list(islice(copies, 2000)):
        await store.transact(write=[Put(key, value) for key, value in some])
    # As after the server's own compaction: nobody asks for the history of what was there before.
    await store.compact(store.revision)
    await store.close()


def _copies(values: dict[str, bytes]) -> Iterator[Written]:
    node = values["/registry/minions/bench-node-0"]
    lease = values["/registry/leases/kube-node-lease/bench-node-0"]
    pod = values[f"/registry/pods/{NAMESPACE}/original"]
    for number in range(1, NODES):
        name = f"bench-node-{number}"
        yield f"/registry/minions/{name}", _renamed(node, ("bench-node-0", name))
        yield f"/registry/leases/kube-node-lease/{name}", _renamed(lease, ("bench-node-0", name))
    for number in range(PODS):
        app = f"app-{number % TEMPLATES}"
        name = f"{app}-6d4cf56db6-{number:06d}"
        renamed = (
            ("original", name),
            ("bench-node-0", f"bench-node-{number % NODES}"),
            ("10.0.0.1", f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"),
            ('"app-0"', f'"{app}"'),
        )
        yield f"/registry/pods/{NAMESPACE}/{name}", _renamed(pod, renamed[0], *renamed[1:])


def _renamed(value: bytes, *names: tuple[str, str]) -> bytes:
    """Under another name, and with a uid of its own."""
    uid = orjson.loads(value)["metadata"]["uid"]
    for old, new in ((uid, str(uuid.uuid4())), *names):
        value = value.replace(old.encode(), new.encode())
    return value


async def _under_load(target: Target, pid: int) -> list[Figure]:
    """Pods are created while every lease is renewed once in `RENEWED_EVERY` seconds."""
    stopped = asyncio.Event()
    renewing = [asyncio.create_task(_renew(target, part, stopped)) for part in range(RENEWERS)]
    await asyncio.sleep(2)
    before = cost.cpu_seconds(pid)
    began = time.perf_counter()
    latencies = await _create(target)
    seconds = time.perf_counter() - began
    spent = cost.cpu_seconds(pid) - before
    stopped.set()
    renewed = sum(await asyncio.gather(*renewing))
    share = spent / seconds * 100
    note = f"{len(latencies)} creates, {CREATES_PER_SECOND}/s; {renewed / (seconds + 2):.0f} leases/s renewed meanwhile"
    return [
        Figure("create pod among them, p99", percentile(latencies, 0.99) * 1000, "ms", 100, at_most=True, note=note),
        Figure("the server's CPU meanwhile", share, "% of a core"),
        Figure(
            "resident after that load", cost.resident(pid), "MB", 1200, at_most=True, note=f"peak {cost.peak(pid):.0f}"
        ),
    ]


async def _create(target: Target) -> list[float]:
    connections = [await target.connect() for _ in range(4)]
    began = time.perf_counter()
    latencies = []

    async def at_its_times(connection: Connection, numbers: Iterable[int]) -> None:
        for number in numbers:
            due = began + number / CREATES_PER_SECOND
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            body = objects.pod(f"created-{number}", {"app": f"app-{number % TEMPLATES}"})
            started = time.perf_counter()
            await connection.send(target.request("POST", _pods(), body))
            latencies.append(time.perf_counter() - started)

    count = CREATES_PER_SECOND * SECONDS
    await asyncio.gather(*(at_its_times(one, range(at, count, 4)) for at, one in enumerate(connections)))
    for one in connections:
        one.close()
    return latencies


async def _renew(target: Target, part: int, stopped: asyncio.Event) -> int:
    """As kubelets do: a PUT of what the last answer was. How many renewals were made."""
    connection = await target.connect()
    leases = [
        orjson.loads(body_of(await connection.send(target.request("GET", f"{_leases()}/bench-node-{number}"))))
        for number in range(part, NODES, RENEWERS)
    ]
    began, made = time.perf_counter(), 0
    while not stopped.is_set():
        at = made % len(leases)
        lease = leases[at]
        lease["spec"]["renewTime"] = f"2026-01-01T00:00:00.{made:06d}Z"
        path = f"{_leases()}/{lease['metadata']['name']}"
        leases[at] = orjson.loads(body_of(await connection.send(target.request("PUT", path, orjson.dumps(lease)))))
        made += 1
        due = began + made * RENEWED_EVERY / len(leases)
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
    connection.close()
    return made


def _pods() -> str:
    return f"/api/v1/namespaces/{NAMESPACE}/pods"


def _leases() -> str:
    return "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"


def _lease(number: int) -> bytes:
    name = f"bench-node-{number}"
    spec = {"holderIdentity": name, "leaseDurationSeconds": 40, "renewTime": "2026-01-01T00:00:00.000000Z"}
    metadata = {"name": name, "namespace": "kube-node-lease"}
    return orjson.dumps({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata, "spec": spec})


def _binding() -> bytes:
    target = {"apiVersion": "v1", "kind": "Node", "name": "bench-node-0"}
    return orjson.dumps({"apiVersion": "v1", "kind": "Binding", "metadata": {"name": "original"}, "target": target})


def _running() -> bytes:
    """The status that a kubelet writes of a running pod."""
    since = "2026-01-01T00:00:00Z"
    types = ("PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled")
    container = {
        "name": "main",
        "image": "registry.example/app:1.2.3",
        "imageID": "registry.example/app@sha256:" + "0" * 64,
        "containerID": "containerd://" + "0" * 64,
        "ready": True,
        "started": True,
        "restartCount": 0,
        "state": {"running": {"startedAt": since}},
    }
    status = {
        "phase": "Running",
        "hostIP": "10.128.0.1",
        "podIP": "10.0.0.1",
        "podIPs": [{"ip": "10.0.0.1"}],
        "startTime": since,
        "conditions": [{"type": one, "status": "True", "lastTransitionTime": since} for one in types],
        "containerStatuses": [container],
    }
    return orjson.dumps({"status": status})
