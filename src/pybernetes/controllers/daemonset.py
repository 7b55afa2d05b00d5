"""Daemon sets: one pod on every node that suits. `daemonset_plan` says which, and how updates roll.

Guarantees
  A node that suits and has no pod of the set gets one; a node has more than one only while an update surges.
  Failed pods are deleted and made anew, each node at most once a second, with a back-off up to 15 minutes.
  Every template that was rolled out is kept as a ControllerRevision, as many as the history limit allows.
Follows pkg/controller/daemon.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from pybernetes.api.meta import Key
from pybernetes.api.models import apps_v1, core_v1, meta_v1
from pybernetes.api.selectors import LabelSelector
from pybernetes.client import key_of
from pybernetes.client.events import WARNING
from pybernetes.controllers.controller import (
    DONE,
    Context,
    Controller,
    For,
    Maps,
    Owns,
    Requeue,
    Result,
)
from pybernetes.controllers.controller_history import HASH_LABEL, History, plan_history, write_history
from pybernetes.controllers.daemonset_plan import Plan, daemon_template, node_of, plan, status
from pybernetes.controllers.expectations import TIMEOUT
from pybernetes.controllers.failure_backoff import FailureBackoff
from pybernetes.controllers.ownership import adopters, claimed, claimed_pods
from pybernetes.controllers.pod_control import create_pod, delete_pod
from pybernetes.controllers.pods import available_at, pod_from_template
from pybernetes.controllers.slow_start import BURST, all_at_once, slow_start


def every_daemon_set(controller: Controller, _: core_v1.Node) -> Iterable[Key]:
    return [key_of(one) for one in controller.informer(apps_v1.DaemonSet).list()]


def adopting(controller: Controller, pod: core_v1.Pod) -> Iterable[Key]:
    return adopters(controller.informer(apps_v1.DaemonSet).list(pod.metadata.namespace), _selector, pod)


class DaemonSetController(Controller):
    name = "daemonset-controller"
    watches = (
        For(apps_v1.DaemonSet),
        Owns(core_v1.Pod),
        Owns(apps_v1.ControllerRevision, expected=False),
        Maps(core_v1.Pod, adopting),
        Maps(core_v1.Node, every_daemon_set),
    )

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.daemon_sets = self.informer(apps_v1.DaemonSet)
        self.pods = self.informer(core_v1.Pod)
        self.nodes = self.informer(core_v1.Node)
        self._failures = FailureBackoff(context.clock)

    async def reconcile(self, key: Key) -> Result:
        daemon_set = self.daemon_sets.get(key)
        if daemon_set is None:
            self.expectations.forget(key)
            return DONE
        pods = await claimed_pods(self, daemon_set, _selector(daemon_set))
        history = await self._keep_history(daemon_set, pods)
        if daemon_set.metadata.deletion_timestamp is not None:
            return DONE
        nodes = sorted(self.nodes.list(), key=lambda node: node.metadata.name)
        now = self.now()
        wait: float | None = None
        if self.expectations.satisfied(key):
            wait = await self._apply(daemon_set, plan(daemon_set, nodes, pods, history.hash, now), history.hash)
        else:
            wait = TIMEOUT
        await self._write_status(daemon_set, status(daemon_set, nodes, pods, history.hash, now))
        waits = [wait, self._next_available(daemon_set, pods)]
        soonest = min((one for one in waits if one is not None), default=None)
        return DONE if soonest is None else Requeue(soonest)

    async def _keep_history(self, daemon_set: apps_v1.DaemonSet, pods: Sequence[core_v1.Pod]) -> History:
        hashes = {pod.metadata.labels.get(HASH_LABEL, "") for pod in pods}
        revisions = await claimed(self, apps_v1.ControllerRevision, daemon_set, _selector(daemon_set))
        history = plan_history(daemon_set, revisions, lambda one: one.metadata.labels.get(HASH_LABEL, "") in hashes)
        if daemon_set.metadata.deletion_timestamp is not None:
            return history
        await write_history(self.client, daemon_set, history)
        return history

    async def _apply(self, daemon_set: apps_v1.DaemonSet, planned: Plan, digest: str) -> float | None:
        """Returns the seconds until a node whose pod failed may be given a new one."""
        key = key_of(daemon_set)
        waits = []
        delete = []
        for pod in planned.delete:
            wait = self._failures.wait(f"{daemon_set.metadata.uid}/{node_of(pod)}") if pod in planned.failed else 0
            if wait:
                waits.append(wait)
            else:
                delete.append(pod)
        create = planned.create[:BURST]
        self.expectations.expect(key, len(create), [pod.metadata.uid for pod in delete])
        outcome = await slow_start(len(create), lambda number: self._create_pod(daemon_set, create[number], digest))
        self.expectations.creation_observed(key, len(create) - outcome.succeeded)
        deleted = await all_at_once([self._delete_pod(daemon_set, pod) for pod in delete])
        for error in (*outcome.errors, *deleted.errors):
            raise error
        return min(waits, default=None)

    async def _create_pod(self, daemon_set: apps_v1.DaemonSet, node: str, digest: str) -> None:
        template = daemon_template(daemon_set, node, digest)
        await create_pod(self, daemon_set, pod_from_template(template, daemon_set))

    async def _delete_pod(self, daemon_set: apps_v1.DaemonSet, pod: core_v1.Pod) -> None:
        if pod.status.phase == "Failed":
            found = f"{pod.metadata.namespace}/{pod.metadata.name} on node {node_of(pod)}"
            message = f"Found failed daemon pod {found}, will try to kill it"
            self.recorder.event(daemon_set, WARNING, "FailedDaemonPod", message)
        await delete_pod(self, daemon_set, pod)

    async def _write_status(self, daemon_set: apps_v1.DaemonSet, wanted: apps_v1.DaemonSetStatus) -> None:
        if wanted != daemon_set.status:
            await self.client.update_status(msgspec.structs.replace(daemon_set, status=wanted))

    def _next_available(self, daemon_set: apps_v1.DaemonSet, pods: Sequence[core_v1.Pod]) -> float | None:
        now = self.now()
        times = [available_at(pod, daemon_set.spec.min_ready_seconds, now) for pod in pods]
        return min(((time - now).total_seconds() for time in times if time is not None and time > now), default=None)


def _selector(daemon_set: apps_v1.DaemonSet) -> LabelSelector:
    return LabelSelector.from_model(daemon_set.spec.selector or meta_v1.LabelSelector())
