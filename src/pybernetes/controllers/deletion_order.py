"""Which pods go first when there are too many.

Guarantees  In this order: not assigned to a node before assigned; pending before unknown before running; not ready
before ready; low `pod-deletion-cost` before high; on nodes with many related pods before few; ready for a short time
before long; restarted often before seldom; young before old. Ages are compared by powers of two, so that a choice
among pods of about the same age does not always hit the same zone; what is equal then is ordered by uid.
Follows pkg/controller/controller_utils.go (ActivePodsWithRanks).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime

from pybernetes.api.models import core_v1
from pybernetes.controllers.pods import is_active, ready_condition

DELETION_COST = "controller.kubernetes.io/pod-deletion-cost"
_PHASES = {"Pending": 0, "Unknown": 1, "Running": 2}


def order_for_deletion(
    pods: Iterable[core_v1.Pod], related: Iterable[core_v1.Pod], now: datetime
) -> Sequence[core_v1.Pod]:
    """The first is the first to go. `related` are all pods under the same owner's owner."""
    on_node = Counter(pod.spec.node_name for pod in related if is_active(pod))
    return sorted(pods, key=lambda pod: _rank(pod, on_node, now))


def _rank(pod: core_v1.Pod, on_node: Counter[str], now: datetime) -> tuple[object, ...]:
    node = pod.spec.node_name
    condition = ready_condition(pod)
    ready = condition is not None and condition.status == "True"
    return (
        bool(node),
        _PHASES.get(pod.status.phase or "Pending", 2),
        ready,
        deletion_cost(pod),
        -on_node[node],
        _age(condition.last_transition_time if condition is not None and ready else None, now),
        -max((status.restart_count for status in pod.status.container_statuses), default=0),
        _age(pod.metadata.creation_timestamp, now),
        pod.metadata.uid,
    )


def deletion_cost(pod: core_v1.Pod) -> int:
    """Zero when the annotation is absent or not a 32-bit number in canonical form."""
    text = pod.metadata.annotations.get(DELETION_COST, "")
    try:
        cost = int(text)
    except ValueError:
        return 0
    return cost if text == str(cost) and -(2**31) <= cost < 2**31 else 0


def _age(since: datetime | None, now: datetime) -> int:
    """The power of two of an age; what has no time yet is youngest."""
    if since is None:
        return -2
    seconds = (now - since).total_seconds()
    return int(math.log2(seconds * 1e9)) if seconds > 0 else -1
