"""The workloads by name: steps over templates, and the size at which scheduler_perf runs them for performance."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from benchmarks.scheduler import templates
from benchmarks.scheduler.templates import Document


@dataclass(frozen=True, slots=True)
class Size:
    nodes: int
    pods: int
    """Those that are measured."""
    first: int
    """Pods that are there before."""

    def scaled(self, nodes: int | None, pods: int | None) -> Size:
        """At another size; what is not said shrinks and grows with the nodes, so that everything still finds room."""
        wanted = nodes or self.nodes
        return Size(wanted, pods or max(1, self.pods * wanted // self.nodes), self.first * wanted // self.nodes)


@dataclass(frozen=True, slots=True)
class Nodes:
    count: int
    zones: tuple[str, ...] = ()
    name: str = "scheduler-perf"
    """Numbered, unless there is but one."""
    capacity: Document | None = None


@dataclass(frozen=True, slots=True)
class Namespaces:
    names: tuple[str, ...]
    labels: Document = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Objects:
    """Further objects, by their collection's path."""

    path: str
    documents: tuple[Document, ...]


@dataclass(frozen=True, slots=True)
class Pods:
    count: int
    template: Document
    namespace: str = "sched-0"
    measured: bool = False
    awaited: bool = True


@dataclass(frozen=True, slots=True)
class Delete:
    """Deletes a namespace's pods at a pace while the rest goes on."""

    namespace: str
    per_second: float


@dataclass(frozen=True, slots=True)
class Churn:
    """Makes objects again and again while the rest goes on; ``recreate`` takes the last ones away first."""

    seconds: float
    objects: tuple[tuple[str, Document], ...]
    recreate: bool = False


Step = Nodes | Namespaces | Objects | Pods | Delete | Churn


@dataclass(frozen=True, slots=True)
class Workload:
    name: str
    size: Size
    steps: Callable[[Size], tuple[Step, ...]]
    goal: float | None = None
    """Pods a second on two cores."""


PODS = "/api/v1/namespaces/sched-0/pods"
FIRST, MEASURED = "sched-0", "sched-1"
NAMESPACES = Namespaces((FIRST, MEASURED))
PRIORITIES = Objects("/apis/scheduling.k8s.io/v1/priorityclasses", (templates.priority_class(),))
MOONS = ("moon-1", "moon-2", "moon-3")


def _two(measured: Document, first: Document, zones: tuple[str, ...] = ()) -> Callable[[Size], tuple[Step, ...]]:
    """Some pods, then those that are measured, in a namespace of their own."""

    def steps(size: Size) -> tuple[Step, ...]:
        return (
            Nodes(size.nodes, zones),
            NAMESPACES,
            Pods(size.first, first, FIRST),
            Pods(size.pods, measured, MEASURED, measured=True),
        )

    return steps


def _mixed(size: Size) -> tuple[Step, ...]:
    kinds = (
        templates.DEFAULT,
        templates.AFFINITY,
        templates.ANTI_AFFINITY,
        templates.PREFERRED_AFFINITY,
        templates.PREFERRED_ANTI_AFFINITY,
    )
    return (
        Nodes(size.nodes, ("zone1",)),
        NAMESPACES,
        *(Pods(size.first, kind, FIRST) for kind in kinds),
        Pods(size.pods, templates.DEFAULT, MEASURED, measured=True),
    )


def _ns_selector(size: Size) -> tuple[Step, ...]:
    each = 40
    first = tuple(f"init-ns-{number}" for number in range(max(1, size.first // each)))
    return (
        Nodes(size.nodes),
        Namespaces((*first, MEASURED), templates.TEAM),
        *(Pods(min(each, size.first), templates.ANTI_AFFINITY_OF_TEAM, name) for name in first),
        Pods(size.pods, templates.ANTI_AFFINITY_OF_TEAM, MEASURED, measured=True),
    )


def _default_spreading(size: Size) -> tuple[Step, ...]:
    label = {"app": "scheduler-perf"}
    return (
        Nodes(size.nodes, MOONS),
        NAMESPACES,
        Objects(f"/api/v1/namespaces/{MEASURED}/services", (templates.service("service", label),)),
        Pods(size.first, templates.DEFAULT, FIRST),
        Pods(size.pods, templates.LABELLED, MEASURED, measured=True),
    )


def _preemption(size: Size) -> tuple[Step, ...]:
    return (
        PRIORITIES,
        Nodes(size.nodes),
        NAMESPACES,
        Pods(size.first, templates.LOW_PRIORITY, FIRST),
        Pods(size.pods, templates.HIGH_PRIORITY_POD, MEASURED, measured=True),
    )


def _preemption_beside(size: Size) -> tuple[Step, ...]:
    return (
        PRIORITIES,
        Nodes(size.nodes),
        NAMESPACES,
        Pods(size.first, templates.LOW_PRIORITY, FIRST),
        Churn(0.2, ((PODS, templates.HIGH_PRIORITY_POD),)),
        Pods(size.pods, templates.DEFAULT, MEASURED, measured=True),
    )


def _unschedulable(size: Size) -> tuple[Step, ...]:
    return (
        PRIORITIES,
        Nodes(size.nodes),
        NAMESPACES,
        Pods(size.first, templates.DEFAULT, FIRST),
        Churn(0.2, ((PODS, templates.TOO_LARGE),)),
        Pods(size.pods, templates.DEFAULT, MEASURED, measured=True),
    )


def _mixed_churn(size: Size) -> tuple[Step, ...]:
    churned = (
        ("/api/v1/nodes", templates.node("node-churn", {}, {"pods": "0"})),
        (PODS, templates.TOO_LARGE),
        (f"/api/v1/namespaces/{FIRST}/services", templates.service("service-churn", {"app": "foo"})),
    )
    return (
        PRIORITIES,
        Nodes(size.nodes),
        NAMESPACES,
        Churn(1.0, churned, recreate=True),
        Pods(size.pods, templates.DEFAULT, MEASURED, measured=True),
    )


def _daemonset(size: Size) -> tuple[Step, ...]:
    return (
        Nodes(1, name=templates.NAMED_NODE, capacity={"cpu": "4", "memory": "32Gi", "pods": "90000"}),
        Nodes(size.nodes),
        NAMESPACES,
        Pods(size.pods, templates.FOR_NAMED_NODE, MEASURED, measured=True),
    )


def _while_gated(size: Size) -> tuple[Step, ...]:
    deleting = "deleting"
    return (
        Nodes(1, name=templates.NAMED_NODE, capacity={"cpu": "4", "memory": "32Gi", "pods": "90000"}),
        Namespaces((FIRST, deleting, MEASURED)),
        Pods(size.first, templates.GATED, FIRST, awaited=False),
        Pods(size.pods, templates.LIGHT, deleting),
        Delete(deleting, 50),
        Pods(size.pods, templates.LIGHT, MEASURED, measured=True),
    )


_ALL = (
    Workload("SchedulingBasic", Size(5000, 10_000, 1000), _two(templates.DEFAULT, templates.DEFAULT), 1700),
    Workload(
        "SchedulingPodAffinity", Size(5000, 5000, 5000), _two(templates.AFFINITY, templates.AFFINITY, ("zone1",)), 300
    ),
    Workload(
        "SchedulingPodAntiAffinity",
        Size(5000, 2000, 1000),
        _two(templates.ANTI_AFFINITY, templates.ANTI_AFFINITY),
        500,
    ),
    Workload(
        "SchedulingPreferredPodAffinity",
        Size(5000, 5000, 5000),
        _two(templates.PREFERRED_AFFINITY, templates.PREFERRED_AFFINITY),
    ),
    Workload(
        "SchedulingPreferredPodAntiAffinity",
        Size(5000, 5000, 5000),
        _two(templates.PREFERRED_ANTI_AFFINITY, templates.PREFERRED_ANTI_AFFINITY),
    ),
    Workload("TopologySpreading", Size(5000, 5000, 5000), _two(templates.SPREADING, templates.DEFAULT, MOONS), 650),
    Workload(
        "PreferredTopologySpreading",
        Size(5000, 5000, 5000),
        _two(templates.PREFERRED_SPREADING, templates.DEFAULT, MOONS),
        650,
    ),
    Workload("DefaultTopologySpreading", Size(5000, 10_000, 5000), _default_spreading),
    Workload(
        "SchedulingNodeAffinity",
        Size(5000, 10_000, 5000),
        _two(templates.NODE_AFFINITY, templates.NODE_AFFINITY, ("zone1",)),
    ),
    Workload("MixedSchedulingBasePod", Size(5000, 5000, 2000), _mixed),
    Workload("SchedulingRequiredPodAntiAffinityWithNSSelector", Size(6000, 2000, 4000), _ns_selector),
    Workload("PreemptionBasic", Size(1000, 1000, 4000), _preemption),
    Workload("PreemptionAsync", Size(5000, 5000, 20_000), _preemption_beside),
    Workload("Unschedulable", Size(5000, 10_000, 100), _unschedulable),
    Workload("SchedulingWithMixedChurn", Size(5000, 10_000, 0), _mixed_churn),
    Workload("SchedulingDaemonset", Size(15_000, 30_000, 0), _daemonset),
    Workload("SchedulingWhileGated", Size(1, 20_000, 10_000), _while_gated),
)
WORKLOADS = {one.name: one for one in _ALL}
