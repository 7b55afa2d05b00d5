"""Deployments: roll pods from one template to the next through ReplicaSets, and back.

Guarantees  See `deployment_rollout` for sizes, `deployment_revisions` for which ReplicaSet is which,
`deployment_status` for what is reported. One step per pass: the next follows when the ReplicaSets' status changes.
A paused Deployment is resized but not rolled. A finished rollout leaves at most revisionHistoryLimit old ReplicaSets.
Nothing is decided before the informer shows what was written to the ReplicaSets last.
Assumes     The ReplicaSet controller does the rest; no pod is touched here.
Follows pkg/controller/deployment.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import msgspec

from pybernetes.api import meta
from pybernetes.api.errors import ApiError
from pybernetes.api.meta import Key
from pybernetes.api.models import apps_v1, core_v1, meta_v1
from pybernetes.api.selectors import LabelSelector
from pybernetes.client import key_of
from pybernetes.client.events import NORMAL, WARNING
from pybernetes.controllers import deployment_rollout as rollout
from pybernetes.controllers import deployment_status as reporting
from pybernetes.controllers.controller import (
    DONE,
    ORPHANS,
    OWNED,
    Context,
    Controller,
    For,
    Maps,
    Owns,
    Requeue,
    Result,
    Retry,
)
from pybernetes.controllers.deployment_revisions import (
    REVISION,
    brought_up_to_date,
    find_new,
    new_replica_set,
    next_revision,
    replicas_annotations,
    revision_of,
    superfluous,
    without_hash,
)
from pybernetes.controllers.deployment_rollout import Scale, replicas_of
from pybernetes.controllers.deployment_status import Conditions
from pybernetes.controllers.own_writes import LOOK_AGAIN_SECONDS, OwnWrites
from pybernetes.controllers.ownership import apply_claim, claim
from pybernetes.controllers.pod_control import is_namespace_terminating

SELECTS_ALL = "This deployment is selecting all pods. A non-empty selector is required."


@dataclass(frozen=True, slots=True)
class Plan:
    create: apps_v1.ReplicaSet | None
    """The ReplicaSet of the present template, when there is none and one is due."""

    refresh: apps_v1.ReplicaSet | None
    """The new ReplicaSet as it should read, when its annotations or minReadySeconds lag behind."""

    scales: tuple[Scale, ...]
    remove: tuple[apps_v1.ReplicaSet, ...]
    revision: int | None
    status: apps_v1.DeploymentStatus


def plan(
    deployment: apps_v1.Deployment,
    replica_sets: Sequence[apps_v1.ReplicaSet],
    pods: Mapping[str, Sequence[core_v1.Pod]],
    now: datetime,
) -> Plan:
    """`replica_sets` are those the Deployment controls, `pods` theirs by the uid of the ReplicaSet."""
    new = find_new(deployment, replica_sets)
    old = [each for each in replica_sets if each is not new]
    conditions = reporting.paused_conditions(deployment, now)
    if deployment.metadata.deletion_timestamp is not None:
        return _report_only(deployment, new, old, conditions, now)
    refreshed = brought_up_to_date(deployment, new, next_revision(old)) if new is not None else None
    if deployment.spec.paused or rollout.is_scaling(deployment, replica_sets):
        chosen = _resize(deployment, refreshed, old, conditions, now)
    else:
        chosen = _roll(deployment, refreshed, old, pods, conditions, now)
    return replace(chosen, refresh=refreshed if refreshed != new else None)


def _report_only(
    deployment: apps_v1.Deployment,
    new: apps_v1.ReplicaSet | None,
    old: Sequence[apps_v1.ReplicaSet],
    conditions: Conditions,
    now: datetime,
) -> Plan:
    status = reporting.status_of(deployment, new, old, conditions, deployment.status.collision_count, now)
    return Plan(None, None, (), (), revision_of(new) if new is not None else None, status)


def _resize(
    deployment: apps_v1.Deployment,
    new: apps_v1.ReplicaSet | None,
    old: Sequence[apps_v1.ReplicaSet],
    conditions: Conditions,
    now: datetime,
) -> Plan:
    report = _report_only(deployment, new, old, conditions, now)
    remove = superfluous(deployment, old) if deployment.spec.paused else ()
    return replace(report, scales=rollout.scale(deployment, new, old), remove=remove)


def _roll(
    deployment: apps_v1.Deployment,
    new: apps_v1.ReplicaSet | None,
    old: Sequence[apps_v1.ReplicaSet],
    pods: Mapping[str, Sequence[core_v1.Pod]],
    conditions: Conditions,
    now: datetime,
) -> Plan:
    create = None
    scales: tuple[Scale, ...] = ()
    if rollout.is_rolling(deployment):
        if new is None:
            create = _created(deployment, old)
        else:
            scales = rollout.roll(deployment, new, old)
    else:
        scales = rollout.recreate(deployment, None, old)
        if not scales and not rollout.old_pods_run(old, pods):
            if new is None:
                create = _created(deployment, old)
            else:
                scales = rollout.recreate(deployment, new, old)
    current = create or new
    if reporting.has_deadline(deployment) and reporting.find(conditions, reporting.PROGRESSING) is None and new:
        message = f'Found new replica set "{new.metadata.name}"'
        conditions = reporting.with_condition(
            conditions, reporting.PROGRESSING, "True", reporting.FOUND_NEW_REPLICA_SET, message, now
        )
    if create is not None:
        conditions = _created_condition(deployment, conditions, now)
    return _with_progress(deployment, current, create, old, scales, conditions, now)


def _with_progress(
    deployment: apps_v1.Deployment,
    current: apps_v1.ReplicaSet | None,
    create: apps_v1.ReplicaSet | None,
    old: Sequence[apps_v1.ReplicaSet],
    scales: tuple[Scale, ...],
    conditions: Conditions,
    now: datetime,
) -> Plan:
    counted = reporting.status_of(deployment, current, old, conditions, deployment.status.collision_count, now)
    finished = create is None and not scales and reporting.is_complete(deployment, counted)
    progressed = reporting.progress(deployment, current, counted, now) if create is None else tuple(counted.conditions)
    progressed = reporting.replica_failure(progressed, current, old)
    return Plan(
        create=create,
        refresh=None,
        scales=scales,
        remove=superfluous(deployment, old) if finished else (),
        revision=revision_of(current) if current is not None else None,
        status=msgspec.structs.replace(counted, conditions=list(progressed)),
    )


def _created(deployment: apps_v1.Deployment, old: Sequence[apps_v1.ReplicaSet]) -> apps_v1.ReplicaSet:
    size = rollout.size_of_new(deployment, 0, sum(map(replicas_of, old)))
    return new_replica_set(deployment, size, rollout.max_replicas(deployment), next_revision(old))


def _created_condition(deployment: apps_v1.Deployment, conditions: Conditions, now: datetime) -> Conditions:
    if not reporting.has_deadline(deployment):
        return conditions
    name = new_replica_set(deployment, 0, 0, 0).metadata.name
    message = f'Created new replica set "{name}"'
    return reporting.with_condition(
        conditions, reporting.PROGRESSING, "True", reporting.NEW_REPLICA_SET_CREATED, message, now
    )


def owners_of_orphan(controller: DeploymentController, replica_set: apps_v1.ReplicaSet) -> Iterable[Key]:
    """The Deployments that may want to adopt a ReplicaSet which has no controller."""
    if meta.controller_of(replica_set) is not None:
        return
    for deployment in controller.deployments.list(replica_set.metadata.namespace):
        if LabelSelector.from_model(deployment.spec.selector).matches(replica_set.metadata.labels):
            yield key_of(deployment)


def owner_of_gone_pod(controller: DeploymentController, pod: core_v1.Pod) -> Iterable[Key]:
    """Recreate waits for the last old pod to go, which no ReplicaSet tells."""
    owner = meta.controller_of(pod)
    if owner is None or owner.kind != "ReplicaSet":
        return
    replica_set = controller.replica_sets.get(Key(pod.metadata.namespace, owner.name))
    deployment = meta.controller_of(replica_set) if replica_set is not None else None
    if deployment is not None:
        key = Key(pod.metadata.namespace, deployment.name)
        known = controller.deployments.get(key)
        if known is not None and not rollout.is_rolling(known):
            yield key


class DeploymentController(Controller):
    name = "deployment-controller"
    watches = (
        For(apps_v1.Deployment),
        Owns(apps_v1.ReplicaSet),
        Maps(apps_v1.ReplicaSet, owners_of_orphan),
        Maps(core_v1.Pod, owner_of_gone_pod),
    )

    def __init__(self, context: Context) -> None:
        self.deployments = context.informers.get(apps_v1.Deployment)
        self.replica_sets = context.informers.get(apps_v1.ReplicaSet)
        self.pods = context.informers.get(core_v1.Pod)
        self._writes = OwnWrites(self.replica_sets)
        super().__init__(context)

    async def reconcile(self, key: Key) -> Result:
        deployment = self.deployments.get(key)
        if deployment is None:
            self._writes.forget(key)
            return DONE
        if not self._writes.are_seen(key):
            return Requeue(LOOK_AGAIN_SECONDS)
        if deployment.spec.selector == meta_v1.LabelSelector():
            self.recorder.event(deployment, WARNING, "SelectingAll", SELECTS_ALL)
            return DONE
        replica_sets = await self._claim(deployment)
        pods = {each.metadata.uid: self.pods.by_index(OWNED, each.metadata.uid) for each in replica_sets}
        decided = plan(deployment, replica_sets, pods, self.now())
        await self._apply(deployment, decided)
        wait = reporting.look_again(deployment, decided.status, self.now())
        return DONE if wait is None else Requeue(wait)

    async def _claim(self, deployment: apps_v1.Deployment) -> tuple[apps_v1.ReplicaSet, ...]:
        candidates = (
            *self.replica_sets.by_index(OWNED, deployment.metadata.uid),
            *self.replica_sets.by_index(ORPHANS, deployment.metadata.namespace),
        )
        selector = LabelSelector.from_model(deployment.spec.selector)
        return await apply_claim(self.client, deployment, claim(deployment, selector, candidates))

    async def _apply(self, deployment: apps_v1.Deployment, decided: Plan) -> None:
        fresh: dict[str, apps_v1.ReplicaSet] = {}
        if decided.refresh is not None:
            refreshed = await self._update(deployment, decided.refresh)
            fresh[refreshed.metadata.uid] = refreshed
        if decided.create is not None:
            await self._create(deployment, decided)
        for scale in decided.scales:
            current = fresh.get(scale.replica_set.metadata.uid, scale.replica_set)
            await self._scale(deployment, current, scale.to)
        for each in decided.remove:
            await self._remove(each)
        await self._write_status(deployment, decided.status, decided.revision)

    async def _create(self, deployment: apps_v1.Deployment, decided: Plan) -> None:
        wanted = decided.create
        if wanted is None:
            return
        try:
            self._writes.wrote(key_of(deployment), await self.client.create(wanted))
        except ApiError as error:
            if error.reason == "AlreadyExists":
                await self._settle_collision(deployment, wanted)
                return
            if not is_namespace_terminating(error):
                await self._report_create_error(deployment, wanted, error)
            raise
        if wanted.spec.replicas:
            self._say_scaled(deployment, wanted.metadata.name, 0, wanted.spec.replicas)

    async def _settle_collision(self, deployment: apps_v1.Deployment, wanted: apps_v1.ReplicaSet) -> None:
        """The name is taken: by our own ReplicaSet that the informer has not shown yet, or by another template's."""
        key = key_of(wanted)
        present = await self.client.get(apps_v1.ReplicaSet, key.name, key.namespace)
        owner = meta.controller_of(present)
        ours = owner is not None and owner.uid == deployment.metadata.uid
        if ours and without_hash(present.spec.template) == without_hash(deployment.spec.template):
            return
        collisions = (deployment.status.collision_count or 0) + 1
        status = msgspec.structs.replace(deployment.status, collision_count=collisions)
        await self._write_status(deployment, status, None)
        raise Retry(f"name {key} is taken by another pod template; trying with collision count {collisions}")

    async def _report_create_error(
        self, deployment: apps_v1.Deployment, wanted: apps_v1.ReplicaSet, error: ApiError
    ) -> None:
        message = f'Failed to create new replica set "{wanted.metadata.name}": {error}'
        self.recorder.event(deployment, WARNING, reporting.REPLICA_SET_CREATE_ERROR, message)
        if not reporting.has_deadline(deployment):
            return
        conditions = reporting.with_condition(
            deployment.status.conditions,
            reporting.PROGRESSING,
            "False",
            reporting.REPLICA_SET_CREATE_ERROR,
            message,
            self.now(),
        )
        status = msgspec.structs.replace(deployment.status, conditions=list(conditions))
        await self._write_status(deployment, status, None)

    async def _scale(self, deployment: apps_v1.Deployment, replica_set: apps_v1.ReplicaSet, to: int) -> None:
        sized = replicas_annotations(deployment, rollout.max_replicas(deployment))
        annotations = {**replica_set.metadata.annotations, **sized}
        before = replicas_of(replica_set)
        if before == to and annotations == replica_set.metadata.annotations:
            return
        await self._update(
            deployment,
            msgspec.structs.replace(
                replica_set,
                metadata=msgspec.structs.replace(replica_set.metadata, annotations=annotations),
                spec=msgspec.structs.replace(replica_set.spec, replicas=to),
            ),
        )
        if before != to:
            self._say_scaled(deployment, replica_set.metadata.name, before, to)

    async def _update(self, deployment: apps_v1.Deployment, replica_set: apps_v1.ReplicaSet) -> apps_v1.ReplicaSet:
        updated = await self.client.update(replica_set)
        self._writes.wrote(key_of(deployment), updated)
        return updated

    def _say_scaled(self, deployment: apps_v1.Deployment, name: str, before: int, after: int) -> None:
        direction = "up" if after > before else "down"
        message = f"Scaled {direction} replica set {name} from {before} to {after}"
        self.recorder.event(deployment, NORMAL, "ScalingReplicaSet", message)

    async def _remove(self, replica_set: apps_v1.ReplicaSet) -> None:
        key = key_of(replica_set)
        try:
            await self.client.delete(apps_v1.ReplicaSet, key.name, key.namespace, uid=replica_set.metadata.uid)
        except ApiError as error:
            if error.code != 404:
                raise

    async def _write_status(
        self, deployment: apps_v1.Deployment, status: apps_v1.DeploymentStatus, revision: int | None
    ) -> None:
        annotations = deployment.metadata.annotations
        if revision is not None:
            annotations = {**annotations, REVISION: str(revision)}
        if status == deployment.status and annotations == deployment.metadata.annotations:
            return
        metadata = msgspec.structs.replace(deployment.metadata, annotations=annotations)
        await self.client.update_status(msgspec.structs.replace(deployment, metadata=metadata, status=status))
