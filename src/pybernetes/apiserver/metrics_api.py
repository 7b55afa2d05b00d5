"""metrics.k8s.io/v1beta1: what nodes and pods use now, asked of the kubelets' `/stats/summary`.

Guarantees
  A kubelet is asked at most once in `FRESH_SECONDS`; requests that come together share one answer.
  Nothing is served before there is a node.
  A node whose kubelet does not answer is missing from lists and not found by name; the others are still told.

Follows the metrics server: CPU in nanocores, memory as the working set, terminal pods left out.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from pybernetes.api import errors
from pybernetes.api.clock import Clock
from pybernetes.api.selectors import LabelSelector
from pybernetes.apiserver.admission.contract import Reader
from pybernetes.apiserver.discovery.served import Kind, ServedResource, ServedVersion
from pybernetes.apiserver.http import ApiResponse, json_response, no_such_page
from pybernetes.apiserver.kind_cache import KindCache
from pybernetes.apiserver.list_options import read_options
from pybernetes.apiserver.proxy.backend import Backend, Target
from pybernetes.apiserver.proxy.locate import kubelet_address
from pybernetes.apiserver.routes import Call, Routes
from pybernetes.apiserver.watch_events import Event, Interest

Document = dict[str, Any]

GROUP, VERSION = "metrics.k8s.io", "v1beta1"
FRESH_SECONDS = 5.0
ANSWER_SECONDS = 5.0
WINDOW = "10s"
_VERBS = ("get", "list")

SERVED = (
    ServedVersion(
        GROUP,
        VERSION,
        (
            ServedResource("nodes", "", False, Kind(GROUP, VERSION, "NodeMetrics"), _VERBS),
            ServedResource("pods", "", True, Kind(GROUP, VERSION, "PodMetrics"), _VERBS),
        ),
    ),
)


class Advertised:
    """The group is told of as long as there is a node to ask. ``start`` when nodes are known."""

    interest = Interest()

    def __init__(self, nodes: KindCache, tell: Callable[[], None]) -> None:
        self._nodes = nodes
        self._tell = tell
        self._told = False

    def served(self) -> tuple[ServedVersion, ...]:
        return SERVED if self._nodes.objects else ()

    def start(self) -> None:
        self._nodes.subscribers.add(self)
        self._look()

    def deliver(self, event: Event) -> None:
        self._look()

    def end(self) -> None:
        """The cache was read anew."""
        asyncio.get_running_loop().call_soon(self.start)

    def _look(self) -> None:
        there = bool(self._nodes.objects)
        if there is not self._told:
            self._told = there
            self._tell()


@dataclass(slots=True)
class _Known:
    """A node's last summary, and the question under way."""

    asked_at: float = float("-inf")
    summary: Document | None = None
    asking: asyncio.Task[Document | None] | None = field(default=None)


class MetricsApi:
    def __init__(self, reader: Reader, kubelets: Backend, clock: Clock) -> None:
        self._reader = reader
        self._kubelets = kubelets
        self._clock = clock
        self._known: dict[str, _Known] = {}

    def register(self, routes: Routes) -> None:
        routes.group(GROUP, VERSION, self.handle)

    async def handle(self, call: Call) -> ApiResponse:
        info = call.info
        if not any(True for _ in self._reader.list("nodes")):
            return no_such_page()
        if info.resource not in ("nodes", "pods"):
            raise errors.path_not_found()
        if info.verb not in _VERBS:
            raise errors.method_not_supported(info.group_resource, info.verb)
        selector = (None if info.name else read_options(call.request).labels) or LabelSelector()
        measure = self._nodes if info.resource == "nodes" else self._pods
        items = await measure(info.namespace, info.name, selector)
        if not info.name:
            kind = "NodeMetricsList" if info.resource == "nodes" else "PodMetricsList"
            return json_response(orjson.dumps({**_head(kind), "metadata": {}, "items": items}))
        if not items:
            raise errors.not_found(info.group_resource, info.name)
        kind = "NodeMetrics" if info.resource == "nodes" else "PodMetrics"
        return json_response(orjson.dumps({**_head(kind), **items[0]}))

    async def _nodes(self, namespace: str, name: str, selector: LabelSelector) -> list[Document]:
        nodes = [node for node in self._reader.list("nodes") if _chosen(node, name, selector)]
        summaries = await self._summaries(node["metadata"]["name"] for node in nodes)
        found = []
        for node in nodes:
            summary = summaries.get(node["metadata"]["name"])
            usage = _usage(summary["node"]) if summary else None
            if summary and usage:
                found.append(_measured(node, _time_of(summary["node"]), usage=usage))
        return found

    async def _pods(self, namespace: str, name: str, selector: LabelSelector) -> list[Document]:
        pods = {
            pod["metadata"]["uid"]: pod
            for pod in self._reader.list("pods", namespace)
            if _chosen(pod, name, selector) and (pod.get("status") or {}).get("phase") == "Running"
        }
        nodes = {pod["spec"].get("nodeName", "") for pod in pods.values()} - {""}
        found = []
        for summary in (await self._summaries(nodes)).values():
            for measured in summary.get("pods") or ():
                pod = pods.get(measured["podRef"]["uid"])
                containers = [
                    {"name": one["name"], "usage": usage}
                    for one in measured.get("containers") or ()
                    if (usage := _usage(one)) is not None
                ]
                if pod is not None and containers:
                    found.append(_measured(pod, _time_of(measured), containers=containers))
        return sorted(found, key=lambda one: (one["metadata"].get("namespace", ""), one["metadata"]["name"]))

    async def _summaries(self, nodes: Iterable[str]) -> dict[str, Document]:
        names = list(nodes)
        answers = await asyncio.gather(*(self._summary(name) for name in names))
        return {name: answer for name, answer in zip(names, answers, strict=True) if answer is not None}

    async def _summary(self, node: str) -> Document | None:
        known = self._known.setdefault(node, _Known())
        if self._clock.monotonic() - known.asked_at < FRESH_SECONDS and known.asking is None:
            return known.summary
        if known.asking is None:
            known.asking = asyncio.create_task(self._ask(node, known))
        return await asyncio.shield(known.asking)

    async def _ask(self, node: str, known: _Known) -> Document | None:
        try:
            known.summary = await self._fetch(node)
        except errors.ApiError:
            known.summary = None
        finally:
            known.asked_at, known.asking = self._clock.monotonic(), None
        return known.summary

    async def _fetch(self, name: str) -> Document | None:
        node = self._reader.get("nodes", "", name)
        if node is None:
            return None
        target = Target("https", kubelet_address(node), "/stats/summary?only_cpu_and_memory=true")
        answer = await self._kubelets.request("GET", target, {}, timeout=ANSWER_SECONDS)
        try:
            if answer.status != 200:
                return None
            summary: Document = orjson.loads(await answer.read())
            return summary
        except (orjson.JSONDecodeError, TimeoutError, OSError) as error:
            raise errors.internal_error(f"the kubelet of {name} answered what is no summary: {error}") from error
        finally:
            answer.release()


def _head(kind: str) -> Document:
    return {"kind": kind, "apiVersion": f"{GROUP}/{VERSION}"}


def _chosen(document: Mapping[str, Any], name: str, selector: LabelSelector) -> bool:
    metadata = document["metadata"]
    return (not name or metadata["name"] == name) and selector.matches(metadata.get("labels") or {})


def _usage(stats: Mapping[str, Any]) -> dict[str, str] | None:
    """None for what has not been measured yet."""
    cpu = (stats.get("cpu") or {}).get("usageNanoCores")
    memory = (stats.get("memory") or {}).get("workingSetBytes")
    if cpu is None or memory is None:
        return None
    return {"cpu": f"{cpu}n" if cpu else "0", "memory": f"{memory // 1024}Ki"}


def _time_of(stats: Mapping[str, Any]) -> str:
    times = [(part.get("cpu") or {}).get("time", "") for part in (stats, *(stats.get("containers") or ()))]
    return next((time for time in times if time), "")


def _measured(document: Mapping[str, Any], time: str, **measured: Any) -> Document:
    source = document["metadata"]
    metadata = {key: source[key] for key in ("name", "namespace", "labels") if source.get(key)}
    metadata["creationTimestamp"] = time
    return {"metadata": metadata, "timestamp": time, "window": WINDOW, **measured}
