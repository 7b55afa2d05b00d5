"""One attempt for all waiting pods of a group: what came of each, and of the group.

A group has its place when one of its pods is permitted: from then on enough of them have a node.
Follows pkg/scheduler/schedule_one_podgroup.go, without workload-aware preemption and topology (alpha in v1.36).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum, auto
from typing import Any

import msgspec

from pybernetes.api.meta import condition, format_time
from pybernetes.api.models import scheduling_v1alpha2
from pybernetes.client import Client, PatchType
from pybernetes.scheduler.evaluation import Diagnosis
from pybernetes.scheduler.framework import Reservation
from pybernetes.scheduler.plugins.gang_scheduling import NOT_ENOUGH_PLACED, GangScheduling
from pybernetes.scheduler.preemption import NoPreemption, Preemption
from pybernetes.scheduler.queue import Waiting

SCHEDULED = "PodGroupScheduled"
UNSCHEDULABLE = "pod group is unschedulable"
PREEMPTING = f"{UNSCHEDULABLE}, pod group is waiting for preemption to complete"
NOT_PERMITTED = f"{UNSCHEDULABLE}, {NOT_ENOUGH_PLACED}, one or more plugins asked to wait and no plugin rejected pod"


class Verdict(Enum):
    PLACED = auto()
    PREEMPTING = auto()
    UNSCHEDULABLE = auto()


@dataclass(slots=True)
class Attempt:
    """``node`` is where the pod would go; without one, ``diagnosis`` or ``error`` says why not."""

    waiting: Waiting
    node: str = ""
    reservations: list[Reservation] = field(default_factory=list)
    waits: Mapping[str, float] = field(default_factory=dict)
    diagnosis: Diagnosis | None = None
    plan: Preemption | NoPreemption | None = None
    error: Exception | None = None

    @property
    def preempts(self) -> bool:
        return isinstance(self.plan, Preemption)

    @property
    def is_permitted(self) -> bool:
        return bool(self.node) and GangScheduling.name not in self.waits


def verdict_on(attempts: Iterable[Attempt]) -> Verdict:
    found, preempts = Verdict.UNSCHEDULABLE, False
    for one in attempts:
        if one.node:
            preempts = preempts or one.preempts
            if one.is_permitted:
                found = Verdict.PREEMPTING if preempts else Verdict.PLACED
    return found


def condition_of(group: scheduling_v1alpha2.PodGroup, verdict: Verdict, now: datetime) -> dict[str, Any] | None:
    """What the group is to be told; None when it is told already. A group that had its place keeps it."""
    messages = {Verdict.PLACED: "", Verdict.PREEMPTING: PREEMPTING, Verdict.UNSCHEDULABLE: UNSCHEDULABLE}
    is_placed = verdict is Verdict.PLACED
    status, reason = ("True", "Scheduled") if is_placed else ("False", "Unschedulable")
    known = condition(group.status, SCHEDULED)
    if known is not None:
        if known.status == "True" and not is_placed:
            return None
        if (known.status, known.reason, known.message) == (status, reason, messages[verdict]):
            return None
    changed = known.last_transition_time if known is not None and known.status == status else None
    return {
        "type": SCHEDULED,
        "status": status,
        "reason": reason,
        "message": messages[verdict],
        "lastTransitionTime": format_time(changed or now),
        "observedGeneration": group.metadata.generation,
    }


async def tell(client: Client, group: scheduling_v1alpha2.PodGroup, said: Mapping[str, Any]) -> None:
    """Raises ApiError and Unreachable."""
    await client.patch(
        scheduling_v1alpha2.PodGroup,
        group.metadata.name,
        group.metadata.namespace,
        msgspec.json.encode({"status": {"conditions": [said]}}),
        PatchType.STRATEGIC,
        subresource="status",
    )
