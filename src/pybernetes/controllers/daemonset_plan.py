"""Which daemon pods to create and delete: a function of the nodes, the pods and the wanted revision.

Rule  A node should run one pod when it matches the template's node selection and its NoSchedule and NoExecute taints
are tolerated; a pod may stay while the node matches and NoExecute is tolerated. A rolling update deletes old pods as
far as maxUnavailable allows, or with maxSurge creates new ones beside them first.
Follows pkg/controller/daemon/daemon_controller.go and update.go.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec

from pybernetes.api.models import apps_v1, core_v1
from pybernetes.api.placement import matches_node, untolerated
from pybernetes.controllers.controller_history import HASH_LABEL
from pybernetes.controllers.int_or_percent import rounded_up
from pybernetes.controllers.pods import is_available, is_ready

GENERATION = "deprecated.daemonset.template.generation"
GENERATION_LABEL = "pod-template-generation"
_UNTOUCHED_TAINTS = (
    ("node.kubernetes.io/not-ready", "NoExecute"),
    ("node.kubernetes.io/unreachable", "NoExecute"),
    ("node.kubernetes.io/disk-pressure", "NoSchedule"),
    ("node.kubernetes.io/memory-pressure", "NoSchedule"),
    ("node.kubernetes.io/pid-pressure", "NoSchedule"),
    ("node.kubernetes.io/unschedulable", "NoSchedule"),
)


@dataclass(frozen=True, slots=True)
class Plan:
    create: tuple[str, ...]
    """Names of nodes that get a pod."""
    delete: tuple[core_v1.Pod, ...]
    failed: tuple[core_v1.Pod, ...]
    """Those among `delete` that had failed."""


def daemon_template(daemon_set: apps_v1.DaemonSet, node: str, digest: str) -> core_v1.PodTemplateSpec:
    """The pod for one node: bound to it by affinity, and tolerant of what a daemon must bear."""
    template = daemon_set.spec.template
    spec = msgspec.structs.replace(
        template.spec,
        affinity=_affinity_to(template.spec.affinity, node),
        tolerations=daemon_tolerations(template.spec),
    )
    labels = {**template.metadata.labels, HASH_LABEL: digest}
    if (generation := _generation(daemon_set)) is not None:
        labels[GENERATION_LABEL] = generation
    return msgspec.structs.replace(
        template, metadata=msgspec.structs.replace(template.metadata, labels=labels), spec=spec
    )


def _generation(daemon_set: apps_v1.DaemonSet) -> str | None:
    text = daemon_set.metadata.annotations.get(GENERATION, "")
    return text if text.isdecimal() else None


def daemon_tolerations(spec: core_v1.PodSpec) -> list[core_v1.Toleration]:
    taints = list(_UNTOUCHED_TAINTS)
    if spec.host_network:
        taints.append(("node.kubernetes.io/network-unavailable", "NoSchedule"))
    added = [core_v1.Toleration(key=key, operator="Exists", effect=effect) for key, effect in taints]
    return [*spec.tolerations, *(one for one in added if one not in spec.tolerations)]


def _affinity_to(affinity: core_v1.Affinity | None, node: str) -> core_v1.Affinity:
    """Replaces required node affinity, which the node has been checked against, by the node's name."""
    field = core_v1.NodeSelectorRequirement(key="metadata.name", operator="In", values=[node])
    required = core_v1.NodeSelector(node_selector_terms=[core_v1.NodeSelectorTerm(match_fields=[field])])
    affinity = affinity or core_v1.Affinity()
    return msgspec.structs.replace(
        affinity,
        node_affinity=msgspec.structs.replace(
            affinity.node_affinity or core_v1.NodeAffinity(),
            required_during_scheduling_ignored_during_execution=required,
        ),
    )


@dataclass(frozen=True, slots=True)
class Suitability:
    should_run: bool
    may_stay: bool


def suitability(template: core_v1.PodTemplateSpec, node: core_v1.Node) -> Suitability:
    spec = template.spec
    if (spec.node_name and spec.node_name != node.metadata.name) or not matches_node(spec, node):
        return Suitability(should_run=False, may_stay=False)
    tolerations = daemon_tolerations(spec)
    stays = untolerated(node.spec.taints, tolerations, ("NoExecute",)) is None
    runs = stays and untolerated(node.spec.taints, tolerations, ("NoSchedule",)) is None
    return Suitability(should_run=runs, may_stay=stays)


def node_of(pod: core_v1.Pod) -> str:
    """The node that a daemon pod is on or is meant for."""
    if pod.spec.node_name:
        return pod.spec.node_name
    affinity = pod.spec.affinity.node_affinity if pod.spec.affinity else None
    required = affinity.required_during_scheduling_ignored_during_execution if affinity else None
    for term in required.node_selector_terms if required else ():
        for field in term.match_fields:
            if field.key == "metadata.name" and field.values:
                return field.values[0]
    return ""


def by_node(pods: Sequence[core_v1.Pod]) -> Mapping[str, list[core_v1.Pod]]:
    grouped: dict[str, list[core_v1.Pod]] = defaultdict(list)
    for pod in pods:
        grouped[node_of(pod)].append(pod)
    return grouped


def plan(
    daemon_set: apps_v1.DaemonSet,
    nodes: Sequence[core_v1.Node],
    pods: Sequence[core_v1.Pod],
    digest: str,
    now: datetime,
) -> Plan:
    """`pods` are those the DaemonSet controls."""
    grouped = by_node(pods)
    create: list[str] = []
    delete: list[core_v1.Pod] = []
    known = {node.metadata.name for node in nodes}
    for node in nodes:
        name = node.metadata.name
        fit = suitability(daemon_set.spec.template, node)
        here = grouped.get(name, [])
        alive = [pod for pod in here if pod.metadata.deletion_timestamp is None]
        if not fit.may_stay:
            delete += alive
            continue
        failed = [pod for pod in alive if pod.status.phase == "Failed"]
        running = [pod for pod in alive if pod.status.phase not in ("Failed", "Succeeded")]
        delete += failed
        if fit.should_run and not here:
            create.append(name)
        delete += _surplus(daemon_set, running, digest, now)
    delete += [pod for name, here in grouped.items() if name and name not in known for pod in here if _alive(pod)]
    if not create and not delete and daemon_set.spec.update_strategy.type == "RollingUpdate":
        create, delete = _roll(daemon_set, nodes, grouped, digest, now)
    failed_pods = tuple(pod for pod in delete if pod.status.phase == "Failed")
    return Plan(tuple(create), tuple(delete), failed_pods)


def _alive(pod: core_v1.Pod) -> bool:
    return pod.metadata.deletion_timestamp is None


def _has_ended(pod: core_v1.Pod) -> bool:
    return pod.status.phase in ("Succeeded", "Failed")


def _seniority(pod: core_v1.Pod, now: datetime) -> tuple[bool, datetime, str]:
    """Of several pods on a node the least speaks for it: assigned before unassigned, old before young."""
    return not pod.spec.node_name, pod.metadata.creation_timestamp or now, pod.metadata.name


def _surplus(
    daemon_set: apps_v1.DaemonSet, running: Sequence[core_v1.Pod], digest: str, now: datetime
) -> Sequence[core_v1.Pod]:
    """Of several pods on a node the oldest stays; during a surging update an old one beside its successor."""
    if len(running) <= 1:
        return ()
    ordered = sorted(running, key=lambda pod: _seniority(pod, now))
    if _surge(daemon_set, len(running)) == 0:
        return ordered[1:]
    new = [pod for pod in ordered if _is_new(pod, digest)]
    old = [pod for pod in ordered if not _is_new(pod, digest)]
    if new and is_available(new[0], daemon_set.spec.min_ready_seconds, now):
        return [*new[1:], *old]
    return [*new[1:], *old[1:]]


def _roll(
    daemon_set: apps_v1.DaemonSet,
    nodes: Sequence[core_v1.Node],
    grouped: Mapping[str, Sequence[core_v1.Pod]],
    digest: str,
    now: datetime,
) -> tuple[list[str], list[core_v1.Pod]]:
    wanted = [node for node in nodes if suitability(daemon_set.spec.template, node).should_run]
    surge = _surge(daemon_set, len(wanted))
    minimum = daemon_set.spec.min_ready_seconds
    here = {node.metadata.name: [pod for pod in grouped.get(node.metadata.name, []) if _alive(pod)] for node in wanted}
    old = {name: pod for name, pods in here.items() for pod in pods if not _is_new(pod, digest)}
    if surge:
        surging = sum(len(pods) > 1 for pods in here.values())
        waiting = [name for name in old if not any(_is_new(pod, digest) for pod in here[name])]
        return waiting[: max(0, surge - surging)], []
    unavailable = sum(not any(is_available(pod, minimum, now) for pod in pods) for pods in here.values())
    broken = [pod for pod in old.values() if not is_available(pod, minimum, now)]
    healthy = [pod for pod in old.values() if is_available(pod, minimum, now)]
    room = max(0, _max_unavailable(daemon_set, len(wanted)) - unavailable)
    return [], [*broken, *healthy[:room]]


def _is_new(pod: core_v1.Pod, digest: str) -> bool:
    return pod.metadata.labels.get(HASH_LABEL) == digest


def _surge(daemon_set: apps_v1.DaemonSet, wanted: int) -> int:
    rolling = daemon_set.spec.update_strategy.rolling_update
    return rounded_up(rolling.max_surge if rolling else None, wanted)


def _max_unavailable(daemon_set: apps_v1.DaemonSet, wanted: int) -> int:
    rolling = daemon_set.spec.update_strategy.rolling_update
    return rounded_up(rolling.max_unavailable if rolling else None, wanted, unset=1)


def status(
    daemon_set: apps_v1.DaemonSet,
    nodes: Sequence[core_v1.Node],
    pods: Sequence[core_v1.Pod],
    digest: str,
    now: datetime,
) -> apps_v1.DaemonSetStatus:
    grouped = by_node(pods)
    desired = current = misscheduled = ready = updated = available = 0
    for node in nodes:
        here = [pod for pod in grouped.get(node.metadata.name, []) if _alive(pod) or not _has_ended(pod)]
        if not suitability(daemon_set.spec.template, node).should_run:
            misscheduled += bool(here)
            continue
        desired += 1
        if here:
            current += 1
            first = min(here, key=lambda pod: _seniority(pod, now))
            ready += is_ready(first)
            available += is_available(first, daemon_set.spec.min_ready_seconds, now)
            updated += _is_new(first, digest)
    return msgspec.structs.replace(
        daemon_set.status,
        desired_number_scheduled=desired,
        current_number_scheduled=current,
        number_misscheduled=misscheduled,
        number_ready=ready,
        updated_number_scheduled=updated,
        number_available=available,
        number_unavailable=desired - available,
        observed_generation=daemon_set.metadata.generation,
    )
