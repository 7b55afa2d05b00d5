"""Replicas: the core that ReplicaSet and ReplicationController share.

Guarantees
  A pod is deleted only when there are more active pods than asked for, in the order of `deletion_order`.
  Pods are created in slow-start batches; at most 500 are created or deleted in one pass.
  Pods that match and have no controller are adopted; owned pods that stop matching are released.
  Nothing is created or deleted while the effects of the last pass have not been seen (expectations).
Follows pkg/controller/replicaset/replica_set.go.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

import msgspec

from pybernetes.api import meta
from pybernetes.api.errors import ApiError
from pybernetes.api.meta import Key
from pybernetes.api.models import core_v1
from pybernetes.api.selectors import LabelSelector
from pybernetes.client import Informer, Unreachable, key_of
from pybernetes.controllers.controller import DONE, ORPHANS, OWNED, Controller, Requeue, Result
from pybernetes.controllers.deletion_order import order_for_deletion
from pybernetes.controllers.expectations import TIMEOUT
from pybernetes.controllers.ownership import adopters, apply_claim, claim
from pybernetes.controllers.pod_control import create_pod, delete_pod
from pybernetes.controllers.pods import (
    available_at,
    is_active,
    is_available,
    is_ready,
    is_terminating,
    pod_from_template,
)
from pybernetes.controllers.slow_start import BURST, all_at_once, slow_start


@dataclass(frozen=True, slots=True)
class Goal:
    """What is asked for."""

    replicas: int
    min_ready_seconds: int
    selector: LabelSelector
    template: core_v1.PodTemplateSpec


@dataclass(frozen=True, slots=True)
class Counts:
    """What there is."""

    replicas: int
    fully_labeled: int
    ready: int
    available: int
    terminating: int


@dataclass(frozen=True, slots=True)
class Plan:
    create: int
    delete: tuple[core_v1.Pod, ...]
    counts: Counts
    look_again: float | None
    """Seconds until the next ready pod becomes available."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why the pods could not be brought to the number asked for, as the condition ReplicaFailure says it."""

    reason: str
    message: str
    cause: ApiError | Unreachable


def plan(
    goal: Goal,
    pods: Sequence[core_v1.Pod],
    now: datetime,
    *,
    related: Sequence[core_v1.Pod] = (),
    terminating: int = 0,
) -> Plan:
    """`pods` are the active pods that the object controls."""
    surplus = len(pods) - goal.replicas
    doomed: Sequence[core_v1.Pod] = ()
    if surplus > 0:
        doomed = order_for_deletion(pods, related or pods, now)[: min(surplus, BURST)]
    return Plan(
        create=min(max(-surplus, 0), BURST),
        delete=tuple(doomed),
        counts=count(goal, pods, now, terminating),
        look_again=_next_available(goal, pods, now),
    )


def count(goal: Goal, pods: Sequence[core_v1.Pod], now: datetime, terminating: int) -> Counts:
    wanted = goal.template.metadata.labels.items()
    return Counts(
        replicas=len(pods),
        fully_labeled=sum(wanted <= pod.metadata.labels.items() for pod in pods),
        ready=sum(map(is_ready, pods)),
        available=sum(is_available(pod, goal.min_ready_seconds, now) for pod in pods),
        terminating=terminating,
    )


def _next_available(goal: Goal, pods: Sequence[core_v1.Pod], now: datetime) -> float | None:
    times = (available_at(pod, goal.min_ready_seconds, now) for pod in pods)
    waits = [(time - now).total_seconds() for time in times if time is not None and time > now]
    return min(waits, default=None)


REPLICA_FAILURE = "ReplicaFailure"

C = TypeVar("C", bound=meta.Condition)


def conditions_after(old: Sequence[C], failure: Failure | None, now: datetime, make: Callable[..., C]) -> list[C]:
    """ReplicaFailure comes with the first failure and goes with the next success."""
    others = [condition for condition in old if condition.type != REPLICA_FAILURE]
    if failure is None:
        return others
    known = [condition for condition in old if condition.type == REPLICA_FAILURE]
    new = make(
        type=REPLICA_FAILURE,
        status="True",
        reason=failure.reason,
        message=failure.message,
        last_transition_time=now,
    )
    return [*others, *(known or [new])]


class ReplicaController(Controller):
    """Subclasses say how their kind spells the goal and the status."""

    model: type[Any]

    def goal_of(self, owner: Any) -> Goal:
        raise NotImplementedError

    def with_status(self, owner: Any, counts: Counts, failure: Failure | None, now: datetime) -> Any:
        """The object with its new status."""
        raise NotImplementedError

    def related_pods(self, owner: Any) -> Iterable[core_v1.Pod]:
        """The pods beside which a node counts as crowded."""
        return self._pods.by_index(OWNED, owner.metadata.uid)

    @property
    def _pods(self) -> Informer[core_v1.Pod]:
        return self.informer(core_v1.Pod)

    async def reconcile(self, key: Key) -> Result:
        owner = self.informer(self.model).get(key)
        if owner is None:
            self.expectations.forget(key)
            return DONE
        goal = self.goal_of(owner)
        owned = self._pods.by_index(OWNED, owner.metadata.uid)
        # Pods that were deleted but still look alive must not be counted: who reads the status relies on them.
        doomed = self.expectations.doomed(key)
        known = (*owned, *self._pods.by_index(ORPHANS, key.namespace))
        candidates = [pod for pod in known if is_active(pod) and pod.metadata.uid not in doomed]
        pods = await apply_claim(self.client, owner, claim(owner, goal.selector, candidates))
        decided = plan(
            goal,
            pods,
            self.now(),
            related=tuple(self.related_pods(owner)),
            terminating=sum(map(is_terminating, owned)),
        )
        satisfied = self.expectations.satisfied(key)
        failure = None
        if satisfied and owner.metadata.deletion_timestamp is None:
            failure = await self._act(owner, goal, decided)
        await self._write_status(owner, decided.counts, failure)
        if failure is not None:
            raise failure.cause
        if not satisfied:
            return Requeue(TIMEOUT)
        return DONE if decided.look_again is None else Requeue(decided.look_again)

    async def _act(self, owner: Any, goal: Goal, decided: Plan) -> Failure | None:
        if decided.create:
            return await self._create(owner, goal, decided.create)
        if decided.delete:
            return await self._delete(owner, decided.delete)
        return None

    async def _create(self, owner: Any, goal: Goal, number: int) -> Failure | None:
        key = key_of(owner)
        self.expectations.expect_creations(key, number)
        outcome = await slow_start(number, lambda _: create_pod(self, owner, pod_from_template(goal.template, owner)))
        self.expectations.creation_observed(key, number - outcome.succeeded)
        return _failure("FailedCreate", outcome.errors)

    async def _delete(self, owner: Any, doomed: Sequence[core_v1.Pod]) -> Failure | None:
        self.expectations.expect_deletions(key_of(owner), [pod.metadata.uid for pod in doomed])
        outcome = await all_at_once([delete_pod(self, owner, pod) for pod in doomed])
        return _failure("FailedDelete", outcome.errors)

    async def _write_status(self, owner: Any, counts: Counts, failure: Failure | None) -> None:
        updated = self.with_status(owner, counts, failure, self.now())
        if updated.status == owner.status:
            return
        try:
            await self._update_status(updated)
        except ApiError as error:
            if error.code != 404:
                raise

    async def _update_status(self, updated: Any) -> None:
        """A status that lost a race is written over the winner's: it is newer than what the informer shows."""
        try:
            await self.client.update_status(updated)
        except ApiError as error:
            if error.reason != "Conflict":
                raise
            key = key_of(updated)
            fresh = await self.client.get(self.model, key.name, key.namespace)
            if fresh.metadata.uid != updated.metadata.uid:
                raise
            await self.client.update_status(msgspec.structs.replace(fresh, status=updated.status))


def _failure(reason: str, errors: Sequence[ApiError | Unreachable]) -> Failure | None:
    return Failure(reason, str(errors[0]), errors[0]) if errors else None


def orphan_owners(controller: ReplicaController, pod: core_v1.Pod) -> Iterable[Key]:
    """The objects that may want to adopt a pod which has no controller."""
    owners = controller.informer(controller.model).list(pod.metadata.namespace)
    return adopters(owners, lambda owner: controller.goal_of(owner).selector, pod)
