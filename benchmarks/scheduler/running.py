"""Runs a workload's steps against an API server that has a scheduler, and says how quickly pods were bound."""

from __future__ import annotations

import asyncio
import copy
import time
from collections.abc import Callable, Mapping, Sequence

import orjson

from benchmarks import load
from benchmarks.api.measurement import make_namespace
from benchmarks.connection import Refused, Target
from benchmarks.report import Figure
from benchmarks.scheduler import templates
from benchmarks.scheduler.templates import Document
from benchmarks.scheduler.throughput import Throughput, sample, watch_bound
from benchmarks.scheduler.workloads import Churn, Delete, Namespaces, Nodes, Objects, Pods, Size, Step, Workload

CREATORS = 8
LONGEST = 1800.0
Spent = Callable[[], Mapping[str, float]]
"""CPU seconds of each part so far."""
MERGE_PATCH = "application/merge-patch+json"
_AT_ONCE = orjson.dumps({"gracePeriodSeconds": 0})


async def run(target: Target, workload: Workload, size: Size | None = None, spent: Spent = dict) -> list[Figure]:
    """Makes everything, measures, and removes what would be in the way of another workload."""
    chosen = size or workload.size
    steps = workload.steps(chosen)
    runner = Runner(target, spent)
    try:
        async with asyncio.timeout(LONGEST):
            for step in steps:
                await runner.take(step)
    finally:
        await runner.clean(steps)
    return figures(workload, chosen, runner.results)


def figures(workload: Workload, size: Size, results: Sequence[Throughput]) -> list[Figure]:
    made = []
    for one in results:
        name = f"{workload.name}, {size.nodes} nodes, {one.pods} pods"
        percentiles = ", ".join(f"p{percent} {one.percentile(percent):,.0f}" for percent in (50, 90, 95, 99))
        per_pod = [f"{part} {seconds / one.pods * 1e6:,.0f}" for part, seconds in one.cpu.items()]
        cpu = f"; µs of CPU a pod: {', '.join(per_pod)}" if per_pod else ""
        goal = workload.goal if size == workload.size else None
        made.append(Figure(name, one.average, "/s", goal, note=f"{percentiles}; {one.seconds:.1f} s in all{cpu}"))
    return made


class Runner:
    def __init__(self, target: Target, spent: Spent) -> None:
        self._target = target
        self._spent = spent
        self._beside: list[asyncio.Task[None]] = []
        self._numbers: dict[str, int] = {}
        self.results: list[Throughput] = []

    async def take(self, step: Step) -> None:
        match step:
            case Nodes():
                await self._nodes(step)
            case Namespaces(names, labels):
                for name in names:
                    await make_namespace(self._target, name)
                    if labels:
                        patch = orjson.dumps({"metadata": {"labels": labels}})
                        await self._send("PATCH", f"/api/v1/namespaces/{name}", patch, MERGE_PATCH)
            case Objects(path, documents):
                for document in documents:
                    await self._send("POST", path, orjson.dumps(document), refusals=("AlreadyExists",))
            case Pods():
                await self._pods(step)
            case Delete():
                self._beside.append(asyncio.create_task(self._delete(step)))
            case Churn():
                self._beside.append(asyncio.create_task(self._churn(step)))

    async def clean(self, steps: Sequence[Step]) -> None:
        for task in self._beside:
            task.cancel()
        await asyncio.gather(*self._beside, return_exceptions=True)
        for step in steps:
            if isinstance(step, Pods):
                await self._send("DELETE", _pods(step.namespace), _AT_ONCE)
        paths = [path for step in steps if isinstance(step, Nodes) for path in map(_node, _names(step))]
        await load.each(self._target, [self._target.request("DELETE", path) for path in paths])

    async def _nodes(self, step: Nodes) -> None:
        names = _names(step)
        documents = [
            templates.node(
                name, {templates.ZONE: step.zones[number % len(step.zones)]} if step.zones else {}, step.capacity
            )
            for number, name in enumerate(names)
        ]
        make = [self._target.request("POST", "/api/v1/nodes", orjson.dumps(one)) for one in documents]
        await load.each(self._target, make)
        # Admission taints a node until it is ready, and no controller is there to take the taint away.
        untaint = orjson.dumps({"spec": {"taints": None}})
        patches = [self._target.request("PATCH", _node(name), untaint, MERGE_PATCH) for name in names]
        await load.each(self._target, patches)

    async def _pods(self, step: Pods) -> None:
        requests = [
            self._target.request("POST", _pods(step.namespace), orjson.dumps(self._named(step.template, "pod")))
            for _ in range(step.count)
        ]
        if not step.awaited:
            await load.each(self._target, requests, connections=CREATORS)
            return
        bound, transport = await watch_bound(self._target, step.namespace)
        before, began, spent = bound.count, time.perf_counter(), self._spent()
        samples: list[float] = []
        sampling = asyncio.create_task(sample(bound, samples))
        creating = asyncio.create_task(load.each(self._target, requests, connections=CREATORS))
        try:
            await bound.until(before + step.count)
            seconds = time.perf_counter() - began
            await creating
        finally:
            sampling.cancel()
            creating.cancel()
            transport.close()
        if step.measured:
            cpu = {part: amount - spent.get(part, 0.0) for part, amount in self._spent().items()}
            self.results.append(Throughput(step.count, seconds, samples, cpu))

    async def _delete(self, step: Delete) -> None:
        connection = await self._target.connect()
        answer = await connection.send(self._target.request("GET", _pods(step.namespace)))
        names = [one["metadata"]["name"] for one in orjson.loads(answer[answer.index(b"\r\n\r\n") + 4 :])["items"]]
        began = time.perf_counter()
        for number, name in enumerate(names):
            await asyncio.sleep(max(0.0, began + number / step.per_second - time.perf_counter()))
            await connection.send(self._target.request("DELETE", f"{_pods(step.namespace)}/{name}", _AT_ONCE))
        connection.close()

    async def _churn(self, step: Churn) -> None:
        made: list[str] = []
        while True:
            await asyncio.sleep(step.seconds)
            if step.recreate:
                for path in made:
                    await self._send("DELETE", path, refusals=("NotFound",))
                made.clear()
            for path, template in step.objects:
                document = self._named(template, "churn")
                await self._send("POST", path, orjson.dumps(document))
                made.append(f"{path}/{document['metadata']['name']}")

    def _named(self, template: Document, prefix: str) -> Document:
        number = self._numbers[prefix] = self._numbers.get(prefix, 0) + 1
        document = {**template, "metadata": copy.copy(template["metadata"])}
        document["metadata"]["name"] = f"{prefix}-{number}"
        return document

    async def _send(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        content_type: str = "application/json",
        refusals: Sequence[str] = (),
    ) -> None:
        """``refusals`` are reasons that are as good as success."""
        connection = await self._target.connect()
        try:
            await connection.send(self._target.request(method, path, body, content_type))
        except Refused as error:
            if not any(f'"reason":"{reason}"' in str(error) for reason in refusals):
                raise
        finally:
            connection.close()


def _names(step: Nodes) -> list[str]:
    return [step.name] if step.name != "scheduler-perf" else [f"{step.name}-{number}" for number in range(step.count)]


def _node(name: str) -> str:
    return f"/api/v1/nodes/{name}"


def _pods(namespace: str) -> str:
    return f"/api/v1/namespaces/{namespace}/pods"
