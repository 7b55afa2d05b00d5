"""Replication controllers: replica sets with an older spelling. See `replicas` for the guarantees."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

import msgspec

from pybernetes.api.models import core_v1
from pybernetes.api.selectors import LabelSelector
from pybernetes.controllers.controller import For, Maps, Owns
from pybernetes.controllers.replicas import Counts, Failure, Goal, ReplicaController, orphan_owners

REPLICA_FAILURE = "ReplicaFailure"


class ReplicationControllerController(ReplicaController):
    name = "replicationcontroller-controller"
    model = core_v1.ReplicationController
    watches = (For(core_v1.ReplicationController), Owns(core_v1.Pod), Maps(core_v1.Pod, orphan_owners))

    def goal_of(self, owner: core_v1.ReplicationController) -> Goal:
        spec = owner.spec
        return Goal(
            replicas=1 if spec.replicas is None else spec.replicas,
            min_ready_seconds=spec.min_ready_seconds,
            selector=LabelSelector.from_map(spec.selector),
            template=spec.template or core_v1.PodTemplateSpec(),
        )

    def with_status(
        self, owner: core_v1.ReplicationController, counts: Counts, failure: Failure | None, now: datetime
    ) -> core_v1.ReplicationController:
        status = core_v1.ReplicationControllerStatus(
            replicas=counts.replicas,
            fully_labeled_replicas=counts.fully_labeled,
            ready_replicas=counts.ready,
            available_replicas=counts.available,
            observed_generation=owner.metadata.generation,
            conditions=_conditions(owner.status.conditions, failure, now),
        )
        return msgspec.structs.replace(owner, status=status)


def _conditions(
    old: Iterable[core_v1.ReplicationControllerCondition], failure: Failure | None, now: datetime
) -> list[core_v1.ReplicationControllerCondition]:
    known = next((condition for condition in old if condition.type == REPLICA_FAILURE), None)
    others = [condition for condition in old if condition.type != REPLICA_FAILURE]
    if failure is None:
        return others
    if known is None:
        known = core_v1.ReplicationControllerCondition(
            type=REPLICA_FAILURE,
            status="True",
            reason=failure.reason,
            message=failure.message,
            last_transition_time=now,
        )
    return [*others, known]
