"""Replica sets: as many ready pods as asked for, no more. See `replicas` for the guarantees."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

import msgspec

from pybernetes.api import meta
from pybernetes.api.models import apps_v1, core_v1
from pybernetes.api.selectors import LabelSelector
from pybernetes.controllers.controller import OWNED, Context, For, Maps, Owns
from pybernetes.controllers.replicas import Counts, Failure, Goal, ReplicaController, conditions_after, orphan_owners


class ReplicaSetController(ReplicaController):
    name = "replicaset-controller"
    model = apps_v1.ReplicaSet
    watches = (For(apps_v1.ReplicaSet), Owns(core_v1.Pod), Maps(core_v1.Pod, orphan_owners))

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.replica_sets = self.informer(apps_v1.ReplicaSet)
        self.pods = self.informer(core_v1.Pod)
        self.replica_sets.add_index(OWNED, _controller_uid)

    def goal_of(self, owner: apps_v1.ReplicaSet) -> Goal:
        spec = owner.spec
        return Goal(
            replicas=1 if spec.replicas is None else spec.replicas,
            min_ready_seconds=spec.min_ready_seconds,
            selector=LabelSelector.from_model(spec.selector),
            template=spec.template,
        )

    def related_pods(self, owner: apps_v1.ReplicaSet) -> Iterable[core_v1.Pod]:
        """All pods of the same Deployment."""
        deployment = meta.controller_of(owner)
        siblings = [owner] if deployment is None else self.replica_sets.by_index(OWNED, deployment.uid)
        return [pod for sibling in siblings for pod in self.pods.by_index(OWNED, sibling.metadata.uid)]

    def with_status(
        self, owner: apps_v1.ReplicaSet, counts: Counts, failure: Failure | None, now: datetime
    ) -> apps_v1.ReplicaSet:
        status = apps_v1.ReplicaSetStatus(
            replicas=counts.replicas,
            fully_labeled_replicas=counts.fully_labeled,
            ready_replicas=counts.ready,
            available_replicas=counts.available,
            terminating_replicas=counts.terminating,
            observed_generation=owner.metadata.generation,
            conditions=conditions_after(owner.status.conditions, failure, now, apps_v1.ReplicaSetCondition),
        )
        return msgspec.structs.replace(owner, status=status)


def _controller_uid(replica_set: apps_v1.ReplicaSet) -> Iterable[str]:
    owner = meta.controller_of(replica_set)
    return (owner.uid,) if owner is not None else ()
