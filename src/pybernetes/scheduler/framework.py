"""What a scheduling plugin is, and the values that plugins answer with.

A plugin is one module: a rule over columns of nodes, and beside it the events that could change its mind.

Contract
  ``filter`` answers for the asked rows of all nodes at once, with a mask for each reason to refuse; it decides nothing
  else and has no side effects. A node is feasible when no plugin refuses it.
  ``score`` gives a raw score to each asked row; ``normalise`` turns raw scores of the feasible nodes into 0 to 100.
  A plugin with ``Scope.NODE`` judges a row from that row and the pod alone: its answers are kept for pods of the same
  template, and only rows that changed are asked for again. With ``Scope.CLUSTER`` it is always asked for all rows.
  Verdicts are values; an exception is a failure of the plugin and fails the attempt.

Follows kube-scheduler's framework (https://kubernetes.io/docs/concepts/scheduling-eviction/scheduling-framework/).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, Protocol

import numpy as np

from pybernetes.client import Client
from pybernetes.scheduler.arrays import Ints, Mask, Rows
from pybernetes.scheduler.columns import NodeColumns
from pybernetes.scheduler.configuration.arguments import DefaultPreemptionArgs
from pybernetes.scheduler.pod_info import PodInfo

MAX_SCORE = 100


class Code(Enum):
    """Why a node is refused: whether removing pods from it could help."""

    UNSCHEDULABLE = auto()
    UNRESOLVABLE = auto()


class Scope(Enum):
    """What a plugin's answer for one node depends on."""

    NODE = auto()
    CLUSTER = auto()


class ClusterEvent(Enum):
    """What happens in a cluster that may make an unschedulable pod schedulable."""

    NODE_ADDED = auto()
    NODE_REMOVED = auto()
    NODE_ALLOCATABLE_CHANGED = auto()
    NODE_LABELS_CHANGED = auto()
    NODE_TAINTS_CHANGED = auto()
    NODE_FEATURES_CHANGED = auto()
    POD_ASSIGNED = auto()
    POD_REMOVED = auto()
    POD_LABELS_CHANGED = auto()
    POD_SPEC_CHANGED = auto()
    NAMESPACE_CHANGED = auto()
    CLAIM_CHANGED = auto()
    VOLUME_CHANGED = auto()
    STORAGE_CLASS_ADDED = auto()
    CSI_NODE_CHANGED = auto()
    ATTACHMENT_REMOVED = auto()
    CAPACITY_CHANGED = auto()
    CSI_DRIVER_CHANGED = auto()
    RESOURCE_CLAIM_CHANGED = auto()
    DEVICE_CLASS_CHANGED = auto()
    RESOURCE_SLICE_CHANGED = auto()
    POD_GROUP_CHANGED = auto()
    POD_ADDED = auto()
    """A pod that has no node yet."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """The rows (in the order asked) that are refused for one reason."""

    mask: Mask
    reason: str
    code: Code = Code.UNSCHEDULABLE


@dataclass(frozen=True, slots=True)
class Rejection:
    """Why no node at all will do, whatever it is like (upstream's PreFilter status)."""

    reason: str
    code: Code = Code.UNRESOLVABLE


class PluginFailed(Exception):
    """A plugin that could not say what it was asked. ``str`` is upstream's words for it."""

    def __init__(self, plugin: str, point: str, cause: Exception) -> None:
        super().__init__(f'running "{plugin}" {point} plugin: {cause}')
        self.plugin = plugin


class Plugin(Protocol):
    name: str
    scope: Scope
    wakes_on: frozenset[ClusterEvent]


class Named(Protocol):
    """A plugin at a point where nothing could change its mind."""

    name: str


class FilterPlugin(Plugin, Protocol):
    def concerns(self, pod: PodInfo, nodes: NodeColumns) -> bool:
        """False: the plugin has nothing to say about this pod, whatever the node (upstream's PreFilter skip)."""

    def filter(self, pod: PodInfo, nodes: NodeColumns, rows: Rows) -> Sequence[Refusal]: ...


class AdmittingPlugin(Plugin, Protocol):
    """A filter that looks at the pod alone before any node is asked."""

    def rejection(self, pod: PodInfo) -> Rejection | None: ...


class NotPrepared(Exception):
    """What a node needed for a pod could not be brought about; the message is for users."""


class Reservation(Protocol):
    """What was taken for a pod on its node, and must be so before the pod is bound there."""

    @property
    def takes_time(self) -> bool:
        """Whether there is something to prepare."""

    async def prepare(self, client: Client) -> None:
        """Makes it so. Raises NotPrepared."""

    def settle(self) -> None:
        """Where nothing is written (simulations): as if it had been prepared, and for good."""

    async def undo(self, client: Client) -> None:
        """The pod does not go there after all: takes back what was written for it."""

    def release(self) -> None:
        """The pod is bound, or does not go there after all: what was kept in memory for it ends."""


class ReservePlugin(Plugin, Protocol):
    def reserve(self, pod: PodInfo, node: str) -> Reservation | None:
        """Asked once for each decision; None when the pod needs nothing. Raises NotPrepared."""


class GatePlugin(Plugin, Protocol):
    """Upstream's PreEnqueue: a pod that is held back is not tried before one of the plugin's events."""

    def holds_back(self, pod: PodInfo) -> str:
        """Why; empty when it does not."""


class QueueSortPlugin(Named, Protocol):
    def sort_key(self, pod: PodInfo, added: float) -> Any:
        """Pods with a lower key are tried first; ``added`` is when it came into the queue."""


@dataclass(frozen=True, slots=True)
class Aftermath:
    """What a plugin has to say about a pod that no node will do for, and what it does about it."""

    message: str
    node: str = ""
    """Where the pod may go soon: it is nominated there, and no other plugin is asked."""
    act: Callable[[Client], Awaitable[None]] | None = None


class PostFilterPlugin(Named, Protocol):
    def no_node_for(self, pod: PodInfo, refusals: Callable[[], Mapping[str, str]]) -> Aftermath | None:
        """``refusals`` works out the reason of each node."""


@dataclass(frozen=True, slots=True)
class Wait:
    """The pod keeps its node and is bound when the plugin allows it, or rejected after so many seconds."""

    seconds: float


class PermitPlugin(Plugin, Protocol):
    def permit(self, pod: PodInfo, node: str) -> Rejection | Wait | None:
        """None lets the pod be bound. Whoever waits is found in ``WaitingPods``."""


class PreBindPlugin(Named, Protocol):
    async def pre_bind(self, client: Client, pod: PodInfo, node: str) -> None:
        """Raises NotPrepared."""


class BindPlugin(Named, Protocol):
    async def bind(self, client: Client, pod: PodInfo, node: str) -> bool:
        """False: another plugin is to do it. Raises NotPrepared, ApiError and Unreachable."""


class PostBindPlugin(Named, Protocol):
    def post_bind(self, pod: PodInfo, node: str) -> None: ...


class ScorePlugin(Plugin, Protocol):
    def prefers(self, pod: PodInfo, nodes: NodeColumns) -> bool:
        """False: every node is the same to this plugin (upstream's PreScore skip)."""

    def score(self, pod: PodInfo, nodes: NodeColumns, rows: Rows, feasible: Mask) -> Ints: ...

    def normalise(self, pod: PodInfo, nodes: NodeColumns, raw: Ints, feasible: Mask) -> Ints: ...


def scores_as_is(plugin: ScorePlugin) -> bool:
    """Whether ``normalise`` leaves every score as it is and none is negative, which a plugin says by an attribute of
    this name: what nodes are worth in all can then be kept, as the raw scores are."""
    return bool(getattr(plugin, "scores_as_is", False))


@dataclass(frozen=True, slots=True)
class Weighted:
    plugin: ScorePlugin
    weight: int


@dataclass(frozen=True, slots=True)
class Profile:
    """The plugins of one ``schedulerName``, filters in the order in which a refusal is credited."""

    scheduler_name: str
    filters: tuple[FilterPlugin, ...]
    scores: tuple[Weighted, ...]
    admitting: tuple[AdmittingPlugin, ...] = ()
    reserves: tuple[ReservePlugin, ...] = ()
    gates: tuple[GatePlugin, ...] = ()
    sort: QueueSortPlugin | None = None
    """None: by priority, then by age."""
    post_filters: tuple[PostFilterPlugin, ...] = ()
    permits: tuple[PermitPlugin, ...] = ()
    pre_binds: tuple[PreBindPlugin, ...] = ()
    binds: tuple[BindPlugin, ...] = ()
    """Asked before the scheduler binds a pod itself."""
    post_binds: tuple[PostBindPlugin, ...] = ()
    binds_itself: bool = True
    preemption: DefaultPreemptionArgs | None = None
    """None: pods of this profile preempt nobody."""


def scaled_to_highest(raw: Ints, feasible: Mask, *, reverse: bool) -> Ints:
    """Upstream's DefaultNormalizeScore: the highest feasible raw score becomes 100 (0 when reversed)."""
    highest = int(raw[feasible].max(initial=0))
    if highest == 0:
        return np.full_like(raw, MAX_SCORE if reverse else 0)
    scaled = raw * MAX_SCORE // highest
    return MAX_SCORE - scaled if reverse else scaled
