"""What the status of a pod depends on besides the pod and the runtime's report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from pybernetes.api.models.core_v1 import PodCondition, PodStatus

from .pod_share import PodShare


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a container waits: CrashLoopBackOff, ErrImagePull …"""

    reason: str
    message: str = ""


@dataclass(frozen=True, slots=True)
class StatusContext:
    """Of one moment."""

    now: datetime
    host_ips: tuple[str, ...] = ()
    runtime_name: str = "containerd"
    reasons: Mapping[str, Reason] = field(default_factory=dict)
    ready: frozenset[str] = frozenset()
    """Container ids whose readiness probe is content, or that have none."""
    started: frozenset[str] = frozenset()
    messages: Mapping[str, str] = field(default_factory=dict)
    """Termination messages by container id."""
    ended: bool = False
    """The pod is being stopped for good."""
    more: Sequence[PodCondition] = ()
    """Conditions about a resize; those of an earlier one are dropped."""
    failure: Reason | None = None
    """The node itself has given the pod up: evicted, rejected, past its deadline."""
    recursive_read_only: bool = False
    """Whether the runtime can make what is mounted below a read-only mount read-only, too."""
    share: PodShare | None = None
    """What the whole pod has of the node, where that is told."""
    old: PodStatus | None = None
    """The last status made here, newer than the one in the pod perhaps."""
