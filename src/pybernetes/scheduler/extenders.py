"""Extenders: programs outside the scheduler that are asked over HTTP to filter, prioritize, preempt and bind.

``Extender`` knows what is said; ``post`` is given and says it. What is wrong with an answer is ``ExtenderFailed``.
Follows pkg/scheduler/extender.go and k8s.io/kube-scheduler/extender/v1.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import msgspec

from pybernetes.api.codec import to_document
from pybernetes.api.durations import parse_duration
from pybernetes.api.fields import quoted
from pybernetes.api.models import core_v1
from pybernetes.client import Client
from pybernetes.scheduler.configuration import documents
from pybernetes.scheduler.framework import NotPrepared
from pybernetes.scheduler.pod_info import PodInfo
from pybernetes.scheduler.preemption import Preemption

DEFAULT_SECONDS = 5.0
SCORE_SCALE = 10
"""Extenders give 0 to 10 points, plugins 0 to 100."""
Post = Callable[[str, bytes, float], Awaitable[tuple[int, bytes]]]
"""(url, body, seconds) → status and body. Raises ExtenderFailed when there is no answer."""
T = TypeVar("T", bound=msgspec.Struct)


class ExtenderFailed(Exception):
    """An extender gave no answer, or none that can be used."""


class _Named(msgspec.Struct):
    metadata: dict[str, Any] = {}


class _NodeList(msgspec.Struct):
    items: list[_Named] = []


class FilterResult(msgspec.Struct, rename="pascal"):
    nodes: _NodeList | None = None
    node_names: list[str] | None = None
    failed_nodes: dict[str, str] | None = None
    failed_and_unresolvable_nodes: dict[str, str] | None = None
    error: str = ""


class _HostPriority(msgspec.Struct, rename="pascal"):
    host: str = ""
    score: int = 0


class _MetaPod(msgspec.Struct, rename={"uid": "UID"}):
    uid: str = ""


class _MetaVictims(msgspec.Struct, rename={"pods": "Pods", "violations": "NumPDBViolations"}):
    pods: list[_MetaPod] = []
    violations: int = 0


class _PreemptionResult(msgspec.Struct, rename="pascal"):
    node_name_to_meta_victims: dict[str, _MetaVictims] = {}


class _BindingResult(msgspec.Struct, rename="pascal"):
    error: str = ""


@dataclass(frozen=True, slots=True)
class Filtered:
    """The nodes that are left, and why others are not: ``hopeless`` where removing pods would not help."""

    nodes: frozenset[str]
    failed: Mapping[str, str] = field(default_factory=dict)
    hopeless: Mapping[str, str] = field(default_factory=dict)


class Extender:
    def __init__(self, given: documents.Extender, post: Post) -> None:
        self.name = given.url_prefix
        self.ignorable = given.ignorable
        self.filters = bool(given.filter_verb)
        self.prioritizes = bool(given.prioritize_verb)
        self.preempts = bool(given.preempt_verb)
        self.binds = bool(given.bind_verb)
        self.weight = given.weight
        self._given = given
        self._post = post
        self._managed = frozenset(one.name for one in given.managed_resources)
        self._seconds = parse_duration(given.http_timeout) or DEFAULT_SECONDS

    def is_interested(self, pod: PodInfo) -> bool:
        """With resources of its own it is asked only about pods that want one of them."""
        if not self._managed:
            return True
        containers = (*pod.spec.containers, *pod.spec.init_containers)
        return any(
            not self._managed.isdisjoint(amounts)
            for one in containers
            for amounts in (one.resources.requests, one.resources.limits)
        )

    async def filter(self, pod: PodInfo, nodes: Sequence[core_v1.Node]) -> Filtered:
        """Raises ExtenderFailed."""
        asked = frozenset(one.metadata.name for one in nodes)
        result = await self._ask(self._given.filter_verb, self._about(pod, nodes), FilterResult)
        if result.error:
            raise ExtenderFailed(result.error)
        left: list[str] = []
        if self._given.node_cache_capable and result.node_names is not None:
            left = result.node_names
            if (unknown := next((name for name in left if name not in asked), None)) is not None:
                claims = f"claims a filtered node {quoted(unknown)} which is not found in the input node list"
                raise ExtenderFailed(f"extender {quoted(self.name)} {claims}")
        elif result.nodes is not None:
            left = [str(one.metadata.get("name", "")) for one in result.nodes.items]
        hopeless = result.failed_and_unresolvable_nodes or {}
        failed = {name: why for name, why in (result.failed_nodes or {}).items() if name not in hopeless}
        return Filtered(frozenset(left) & asked, failed, hopeless)

    async def prioritize(self, pod: PodInfo, nodes: Sequence[core_v1.Node]) -> Mapping[str, int]:
        """What it gives to each node, 0 to 10. Raises ExtenderFailed."""
        answer = await self._send(self._given.prioritize_verb, self._about(pod, nodes))
        try:
            given = msgspec.json.decode(answer, type=list[_HostPriority])
        except msgspec.DecodeError as error:
            raise ExtenderFailed(str(error)) from error
        return {one.host: one.score for one in given}

    async def choose_victims(
        self, pod: PodInfo, candidates: Sequence[Preemption], pods_on: Callable[[str], Sequence[PodInfo]]
    ) -> list[Preemption]:
        """The candidates that the extender agrees with, with the victims it wants. Raises ExtenderFailed."""
        wanted = _PreemptionResult
        result = await self._ask(self._given.preempt_verb, self._about_victims(pod, candidates), wanted)
        chosen = []
        for node, victims in result.node_name_to_meta_victims.items():
            by_uid = {one.pod.metadata.uid: one for one in pods_on(node)}
            for one in victims.pods:
                if one.uid not in by_uid:
                    claims = (
                        f"claims to preempt pod (UID: {one.uid}) on node: {node}, but the pod is not found on that node"
                    )
                    raise ExtenderFailed(f"extender: {self.name} {claims}")
            pods = tuple(by_uid[one.uid] for one in victims.pods)
            if pods:
                chosen.append(Preemption(node, pods, violations=victims.violations))
            elif not self.ignorable:
                raise ExtenderFailed("expected at least one victim pod on node " + quoted(node))
        return chosen

    async def bind(self, client: Client, pod: PodInfo, node: str) -> bool:
        """As a plugin that binds. Raises NotPrepared."""
        if not self.is_interested(pod):
            return False
        metadata = pod.pod.metadata
        body = {"PodName": metadata.name, "PodNamespace": metadata.namespace, "PodUID": metadata.uid, "Node": node}
        try:
            result = await self._ask(self._given.bind_verb, body, _BindingResult)
            if result.error:
                raise ExtenderFailed(result.error)
        except ExtenderFailed as error:
            if self.ignorable:
                return False
            raise NotPrepared(str(error)) from error
        return True

    def _about(self, pod: PodInfo, nodes: Sequence[core_v1.Node]) -> dict[str, Any]:
        if self._given.node_cache_capable:
            names = [one.metadata.name for one in nodes]
            return {"Pod": _untyped(pod.pod), "Nodes": None, "NodeNames": names}
        listed = {"metadata": {}, "items": [_untyped(one) for one in nodes]}
        return {"Pod": _untyped(pod.pod), "Nodes": listed, "NodeNames": None}

    def _about_victims(self, pod: PodInfo, candidates: Sequence[Preemption]) -> dict[str, Any]:
        if self._given.node_cache_capable:
            few = {
                one.node: {
                    "Pods": [{"UID": victim.pod.metadata.uid} for victim in one.victims],
                    "NumPDBViolations": one.violations,
                }
                for one in candidates
            }
            return {"Pod": _untyped(pod.pod), "NodeNameToVictims": None, "NodeNameToMetaVictims": few}
        whole = {
            one.node: {
                "Pods": [_untyped(victim.pod) for victim in one.victims],
                "NumPDBViolations": one.violations,
            }
            for one in candidates
        }
        return {"Pod": _untyped(pod.pod), "NodeNameToVictims": whole, "NodeNameToMetaVictims": None}

    async def _ask(self, verb: str, body: Mapping[str, Any], expected: type[T]) -> T:
        answer = await self._send(verb, body)
        try:
            return msgspec.json.decode(answer, type=expected)
        except msgspec.DecodeError as error:
            raise ExtenderFailed(str(error)) from error

    async def _send(self, verb: str, body: Mapping[str, Any]) -> bytes:
        url = f"{self.name.rstrip('/')}/{verb}"
        status, answer = await self._post(url, msgspec.json.encode(body), self._seconds)
        if status != 200:
            raise ExtenderFailed(f"failed {verb} with extender at URL {url}, code {status}")
        return answer


def _untyped(one: core_v1.Pod | core_v1.Node) -> dict[str, Any]:
    """Without its kind, which upstream does not send either."""
    document = to_document(one)
    return {field: value for field, value in document.items() if field not in ("apiVersion", "kind")}


def in_order(extenders: Sequence[Extender]) -> tuple[Extender, ...]:
    """Those that may fail come last."""
    return tuple(sorted(extenders, key=lambda one: one.ignorable))
