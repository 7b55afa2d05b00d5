"""The states of a pod worker, as a table: what is not in it raises.

    SYNCING      makes the pod be as declared
    TERMINATING  stops its containers, because it is deleted, complete, evicted or refused
    TERMINATED   nothing runs any more; gives back volumes and control groups
    FINISHED     nothing is left but its record; a deleted pod is taken out of the API
    GONE         the API does not know it any more, and neither does this node

Follows pkg/kubelet/pod_workers.go (SyncPod, SyncTerminatingPod, SyncTerminatedPod).
"""

from __future__ import annotations

import enum
from collections.abc import Mapping


class State(enum.Enum):
    SYNCING = enum.auto()
    TERMINATING = enum.auto()
    TERMINATED = enum.auto()
    FINISHED = enum.auto()
    GONE = enum.auto()


class Signal(enum.Enum):
    STOP = enum.auto()
    """The pod is to be stopped for good: deleted, complete, rejected, past its deadline."""
    STOPPED = enum.auto()
    """The runtime reports nothing of it alive."""
    CLEANED = enum.auto()
    """Volumes and control groups are given back."""
    REMOVED = enum.auto()
    """The API has no such pod, and its dead containers are removed."""


NEXT: Mapping[tuple[State, Signal], State] = {
    (State.SYNCING, Signal.STOP): State.TERMINATING,
    (State.TERMINATING, Signal.STOP): State.TERMINATING,
    (State.TERMINATED, Signal.STOP): State.TERMINATED,
    (State.FINISHED, Signal.STOP): State.FINISHED,
    (State.TERMINATING, Signal.STOPPED): State.TERMINATED,
    (State.TERMINATED, Signal.CLEANED): State.FINISHED,
    (State.FINISHED, Signal.REMOVED): State.GONE,
}
