"""Replication controllers: replica sets with an older spelling. See `replicas` for the guarantees."""

from __future__ import annotations

from datetime import datetime

import msgspec

from pybernetes.api.models import core_v1
from pybernetes.api.selectors import LabelSelector
from pybernetes.controllers.controller import For, Maps, Owns
from pybernetes.controllers.replicas import Counts, Failure, Goal, ReplicaController, conditions_after, orphan_owners


class ReplicationControllerController(ReplicaController):
    name = "replicationcontroller-controller"
    component = "replication-controller"
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
            conditions=conditions_after(owner.status.conditions, failure, now, core_v1.ReplicationControllerCondition),
        )
        return msgspec.structs.replace(owner, status=status)
