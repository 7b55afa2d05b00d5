"""Disruption: how many pods of a PodDisruptionBudget may be evicted now, for the eviction subresource to spend.

Guarantees
  Never more is allowed than would leave the desired number of pods ready; nothing while that cannot be worked out.
  A pod whose eviction was granted counts as gone until it is deleted, or for two minutes.
  Pods that were to be disrupted and are still there after two minutes stop saying so.
Follows pkg/controller/disruption.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from pybernetes.api import meta
from pybernetes.api.errors import ApiError
from pybernetes.api.meta import Key
from pybernetes.api.models import apps_v1, core_v1, policy_v1
from pybernetes.api.selectors import LabelSelector
from pybernetes.client import key_of
from pybernetes.client.events import NORMAL, WARNING
from pybernetes.controllers.controller import DONE, Controller, For, Maps, Reads, Requeue, Result
from pybernetes.controllers.disruption_plan import (
    STALE_AFTER,
    TARGET,
    asks_for_scale,
    failed,
    plan,
    stale_since,
)
from pybernetes.controllers.go_text import shown_selector
from pybernetes.controllers.pod_scales import UnknownScale, expected_scale

_POD = "pods/"
"""Before the name in the key of a pod: no budget is called so."""


def covering(controller: Controller, pod: core_v1.Pod) -> Iterable[Key]:
    for budget in controller.informer(policy_v1.PodDisruptionBudget).list(pod.metadata.namespace):
        if _selects(budget, pod):
            yield key_of(budget)
    if stale_since(pod) is not None:
        yield Key(pod.metadata.namespace, _POD + pod.metadata.name)


def in_namespace(controller: Controller, workload: meta.Object) -> Iterable[Key]:
    """Whose scale has changed may be behind any budget of its namespace that is a share."""
    for budget in controller.informer(policy_v1.PodDisruptionBudget).list(workload.metadata.namespace):
        if asks_for_scale(budget):
            yield key_of(budget)


class DisruptionController(Controller):
    name = "disruption-controller"
    component = "controllermanager"
    watches = (
        For(policy_v1.PodDisruptionBudget),
        Maps(core_v1.Pod, covering),
        Maps(apps_v1.Deployment, in_namespace),
        Reads(apps_v1.ReplicaSet),
        Maps(apps_v1.StatefulSet, in_namespace),
        Maps(core_v1.ReplicationController, in_namespace),
    )

    async def reconcile(self, key: Key) -> Result:
        if key.name.startswith(_POD):
            return await self._refresh(Key(key.namespace, key.name.removeprefix(_POD)))
        budget = self.informer(policy_v1.PodDisruptionBudget).get(key)
        if budget is None:
            return DONE
        pods = [pod for pod in self.informer(core_v1.Pod).list(key.namespace) if _selects(budget, pod)]
        if not pods:
            self.recorder.event(budget, NORMAL, "NoPods", "No matching pods found")
        try:
            scale = await self._scale(budget, pods)
        except (UnknownScale, ApiError) as error:
            message = f"Failed to calculate the number of expected pods: {error}"
            self.recorder.event(budget, WARNING, "CalculateExpectedPodCountFailed", message)
            await self._write(budget, failed(budget, str(error), self.now()))
            return DONE
        planned = plan(budget, pods, scale, self.now())
        for pod in planned.undeleted:
            # The budget's namespace stands twice in upstream's text too.
            where = f"{key.namespace}/{key.namespace}"
            message = f"Pod was expected by PDB {where} to be deleted but it wasn't"
            self.recorder.event(pod, WARNING, "NotDeleted", message)
        await self._write(budget, planned.status)
        if planned.look_again is None:
            return DONE
        return Requeue(max(1.0, (planned.look_again - self.clock.now()).total_seconds()))

    async def _scale(self, budget: policy_v1.PodDisruptionBudget, pods: list[core_v1.Pod]) -> int:
        if not asks_for_scale(budget):
            return 0
        expected = await expected_scale(self, pods)
        if expected.unmanaged:
            selector = shown_selector(budget.spec.selector)
            message = (
                f"Pods selected by this PodDisruptionBudget (selector: {selector}) were found to be unmanaged. "
                "As a result, the status of the PDB cannot be calculated correctly, which may result in undefined "
                'behavior. To account for these pods please set ".spec.minAvailable" field of the PDB to an integer '
                "value."
            )
            self.recorder.event(budget, WARNING, "UnmanagedPods", message)
        return expected.count

    async def _write(self, budget: policy_v1.PodDisruptionBudget, status: policy_v1.PodDisruptionBudgetStatus) -> None:
        if status != budget.status:
            await self.client.update_status(msgspec.structs.replace(budget, status=status))

    async def _refresh(self, key: Key) -> Result:
        """The pod stays after all: it stops saying that it will be disrupted."""
        pod = self.informer(core_v1.Pod).get(key)
        since = stale_since(pod) if pod is not None else None
        if pod is None or since is None:
            return DONE
        left = (since + STALE_AFTER - self.clock.now()).total_seconds()
        if left > 0:
            return Requeue(left)
        conditions = list(pod.status.conditions)
        observed = next((one.observed_generation for one in conditions if one.type == TARGET), 0)
        new = core_v1.PodCondition(
            type=TARGET, status="False", last_transition_time=self.now(), observed_generation=observed
        )
        meta.set_condition(conditions, new)
        status = msgspec.structs.replace(pod.status, conditions=conditions)
        await self.client.update_status(msgspec.structs.replace(pod, status=status))
        return DONE


def _selects(budget: policy_v1.PodDisruptionBudget, pod: core_v1.Pod) -> bool:
    selector = budget.spec.selector
    return selector is not None and LabelSelector.from_model(selector).matches(pod.metadata.labels)
