"""What a node would need for a pod to fit there, in sentences: for each plugin that refuses nodes, how it says so.

A plugin without a row here speaks through its reason. Each sentence is said about a node, without its name, and is
one change: ``lacks 500m cpu (750m wanted, 250m of 4 free)``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from pybernetes.api import placement
from pybernetes.api.meta import Key
from pybernetes.api.models import core_v1
from pybernetes.scheduler.columns import ANY_ADDRESS, POD_SLOTS
from pybernetes.scheduler.device_objects import DeviceObjects
from pybernetes.scheduler.explaining import company, device_claims
from pybernetes.scheduler.explaining.amounts import written
from pybernetes.scheduler.pod_info import HostPort, PodInfo, amount_of


@dataclass(frozen=True, slots=True)
class Situation:
    """A pod before a node. ``requested`` is what pods had taken of it; ``pods`` are those on it now."""

    pod: PodInfo
    node: core_v1.Node
    requested: Mapping[str, int]
    pods: Mapping[Key, PodInfo]
    devices: DeviceObjects = field(default_factory=DeviceObjects)


def needs(plugin: str, reason: str, at: Situation) -> tuple[str, ...]:
    say = _SENTENCES.get(plugin)
    return tuple(say(at, reason)) if say is not None else (plainly(reason),)


def plainly(reason: str) -> str:
    return reason.removeprefix("node(s) ")


def _cordoned(at: Situation, reason: str) -> Iterator[str]:
    yield "is cordoned (uncordon it, or tolerate node.kubernetes.io/unschedulable:NoSchedule)"


def _named(at: Situation, reason: str) -> Iterator[str]:
    yield f"is not {at.pod.spec.node_name}, which the pod asks for by name"


def _tainted(at: Situation, reason: str) -> Iterator[str]:
    for taint in at.node.spec.taints:
        hard = taint.effect in ("NoSchedule", "NoExecute")
        if hard and not placement.tolerates(at.pod.spec.tolerations, taint):
            value = f"={taint.value}" if taint.value else ""
            yield f"taint {taint.key}{value}:{taint.effect} is not tolerated"


def _selected(at: Situation, reason: str) -> Iterator[str]:
    labels = at.node.metadata.labels
    for key, value in at.pod.spec.node_selector.items():
        if labels.get(key) != value:
            yield f"label {key} {_is(labels, key)}, the pod's nodeSelector wants {value}"
    affinity = at.pod.spec.affinity.node_affinity if at.pod.spec.affinity else None
    required = affinity.required_during_scheduling_ignored_during_execution if affinity else None
    terms = required.node_selector_terms if required is not None else ()
    if required is not None and not any(placement.matches_term(term, at.node) for term in terms):
        wanted = " or ".join(", ".join(_unmatched(term, at.node)) for term in terms)
        yield f"required node affinity is not met: {wanted or 'it has no terms'}"


def _unmatched(term: core_v1.NodeSelectorTerm, node: core_v1.Node) -> Iterator[str]:
    """What of a term the node does not have; an empty term matches nothing."""
    fields = {"metadata.name": node.metadata.name}
    for requirements, values in ((term.match_expressions, node.metadata.labels), (term.match_fields, fields)):
        for one in requirements:
            if not placement.matches_requirement(one, values):
                wanted = f" [{', '.join(one.values)}]" if one.values else ""
                yield f"{one.key} {one.operator}{wanted} ({one.key} {_is(values, one.key)})"
    if not term.match_expressions and not term.match_fields:
        yield "an empty term"


def _is(labels: Mapping[str, str], key: str) -> str:
    return f"is {labels[key]!r}" if key in labels else "is missing"


def _ports(at: Situation, reason: str) -> Iterator[str]:
    for port in at.pod.host_ports:
        holder = next((str(one.key) for one in at.pods.values() if _holds(one, port)), "another pod")
        yield f"host port {port.port}/{port.protocol} is taken by {holder}"


def _holds(pod: PodInfo, wanted: HostPort) -> bool:
    return any(
        (one.protocol, one.port) == (wanted.protocol, wanted.port)
        and (one.address == wanted.address or ANY_ADDRESS in (one.address, wanted.address))
        for one in pod.host_ports
    )


def _room(at: Situation, reason: str) -> Iterator[str]:
    resource = reason.removeprefix("Insufficient ")
    if resource == reason:
        slots = _allocatable(at.node, POD_SLOTS)
        yield f"has no room for one more pod ({at.requested.get(POD_SLOTS, 0)} of {slots})"
        return
    total, wanted = _allocatable(at.node, resource), at.pod.requests.get(resource, 0)
    free = max(total - at.requested.get(resource, 0), 0)
    of = f"{written(resource, free)} of {written(resource, total)} free"
    yield f"lacks {written(resource, wanted - free)} {resource} ({written(resource, wanted)} wanted, {of})"


def _allocatable(node: core_v1.Node, resource: str) -> int:
    return amount_of(resource, node.status.allocatable.get(resource, "0"))


def _spread(at: Situation, reason: str) -> Iterator[str]:
    return company.spreading(at.pod, at.node, missing_label="missing required label" in reason)


def _company(at: Situation, reason: str) -> Iterator[str]:
    return company.affinity(at.pod, at.node, reason)


def _devices(at: Situation, reason: str) -> Iterator[str]:
    said = tuple(device_claims.lacking(at.pod, at.node, at.devices, reason))
    yield from said or (plainly(reason),)


_SENTENCES: dict[str, Callable[[Situation, str], Iterator[str]]] = {
    "NodeUnschedulable": _cordoned,
    "NodeName": _named,
    "TaintToleration": _tainted,
    "NodeAffinity": _selected,
    "NodePorts": _ports,
    "NodeResourcesFit": _room,
    "PodTopologySpread": _spread,
    "InterPodAffinity": _company,
    "DynamicResources": _devices,
}
