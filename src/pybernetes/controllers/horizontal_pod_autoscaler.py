"""Horizontal pod autoscaler: as many replicas as the metrics propose, no faster and no further than it is allowed.

Guarantees
  Every autoscaler is looked at every fifteen seconds, and when its spec changes.
  Of several metrics the greatest proposal counts. Where one cannot be had, nothing is scaled down.
  What was recommended and done before is remembered by this process only: after a restart the windows begin anew.
`autoscaling/` decides; scaling to zero is not built, as it is off in upstream.
Follows pkg/controller/podautoscaler/horizontal.go.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from pybernetes.api import meta
from pybernetes.api.errors import ApiError
from pybernetes.api.kinds import KindInfo
from pybernetes.api.meta import Key
from pybernetes.api.models import autoscaling_v2, core_v1
from pybernetes.api.quantity import parse
from pybernetes.api.selectors import LabelSelector, SelectorError
from pybernetes.client import Unreachable, key_of
from pybernetes.client.events import NORMAL, WARNING
from pybernetes.controllers.autoscaling.evaluation import Evaluated, Evaluation, Failed, Target
from pybernetes.controllers.autoscaling.limits import Bounds, Memory, Said, allow
from pybernetes.controllers.autoscaling.metrics import Metrics
from pybernetes.controllers.autoscaling.proposals import Tolerances
from pybernetes.controllers.controller import DONE, Context, Controller, Reads, Requeue, Result
from pybernetes.controllers.kind_lookup import find_kind

SYNC_PERIOD = 15.0
ABLE, ACTIVE, LIMITED = "AbleToScale", "ScalingActive", "ScalingLimited"

Autoscaler = autoscaling_v2.HorizontalPodAutoscaler


@dataclass(frozen=True, slots=True)
class Scale:
    info: KindInfo
    document: dict[str, Any]

    @property
    def wanted(self) -> int:
        return int(self.document["spec"].get("replicas", 0))

    @property
    def target(self) -> dict[str, Any]:
        status: dict[str, Any] = self.document.get("status") or {}
        return status


class Unable(Exception):
    """It stays as it is: the condition that says so, and the event's reason."""

    def __init__(self, type: str, said: Said, event: str, message: str) -> None:
        super().__init__(message)
        self.type = type
        self.said = said
        self.event = event


class HorizontalPodAutoscalerController(Controller):
    name = "horizontal-pod-autoscaler-controller"
    component = "horizontal-pod-autoscaler"
    watches = (Reads(Autoscaler), Reads(core_v1.Pod))

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.metrics = Metrics(self.client)
        self._memories: dict[Key, Memory] = {}
        self._selectors: dict[Key, LabelSelector] = {}
        self.informer(Autoscaler).on_change(self._changed)

    def _changed(self, old: Autoscaler | None, new: Autoscaler | None) -> None:
        one = new if new is not None else old
        if one is not None and (old is None or new is None or old.spec != new.spec):
            self.queue.add(key_of(one))

    async def reconcile(self, key: Key) -> Result:
        one = self.informer(Autoscaler).get(key)
        if one is None:
            self._memories.pop(key, None)
            self._selectors.pop(key, None)
            return DONE
        status = msgspec.structs.replace(one.status, conditions=[*map(_copy, one.status.conditions)])
        pass_ = _Pass(self, one, status, self._memories.get(key, Memory()))
        try:
            await pass_.run()
        except Unable as error:
            pass_.say(error.type, "False", error.said)
            self.recorder.event(one, WARNING, error.event, str(error))
        self._memories[key] = pass_.memory
        if status != one.status:
            await self._write(one, status)
        return Requeue(SYNC_PERIOD)

    async def _write(self, one: Autoscaler, status: autoscaling_v2.HorizontalPodAutoscalerStatus) -> None:
        try:
            await self.client.update_status(msgspec.structs.replace(one, status=status))
        except ApiError as error:
            self.recorder.event(one, WARNING, "FailedUpdateStatus", str(error))
            raise

    async def scale_of(self, one: Autoscaler) -> Scale:
        """Raises Unable."""
        reference = one.spec.scale_target_ref
        try:
            info = await find_kind(self.client, reference.api_version, reference.kind)
            if info is None:
                group = reference.api_version.rpartition("/")[0]
                raise _no_scale(f'no matches for kind "{reference.kind}" in group "{group}"')
            path = info.path(one.metadata.namespace, reference.name, "scale")
            return Scale(info, await self.client.document(path))
        except (ApiError, Unreachable) as error:
            raise _no_scale(str(error)) from error

    async def rescale(self, scale: Scale, replicas: int) -> None:
        """Raises ApiError, also when the scale has changed since it was read."""
        wanted = {**scale.document, "spec": {**scale.document["spec"], "replicas": replicas}}
        await self.client.dynamic(scale.info).update(wanted, subresource="scale")

    def sharing(self, key: Key, selector: LabelSelector, pods: Sequence[core_v1.Pod]) -> list[Key]:
        """The autoscalers of the namespace, this one included, whose selectors take any of the pods."""
        self._selectors[key] = selector
        return sorted(
            other
            for other, its in self._selectors.items()
            if other.namespace == key.namespace and any(its.matches(pod.metadata.labels) for pod in pods)
        )


class _Pass:
    """One look at one autoscaler; what it finds goes into ``status`` and ``memory``."""

    def __init__(
        self,
        controller: HorizontalPodAutoscalerController,
        one: Autoscaler,
        status: autoscaling_v2.HorizontalPodAutoscalerStatus,
        memory: Memory,
    ) -> None:
        self._controller = controller
        self._one = one
        self._status = status
        self._now = controller.now()
        self.memory = memory

    async def run(self) -> None:
        spec = self._one.spec
        scale = await self._controller.scale_of(self._one)
        self.say(
            ABLE, "True", Said("SucceededGetScale", "the HPA controller was able to get the target's current scale")
        )
        current, least = scale.wanted, 1 if spec.min_replicas is None else spec.min_replicas
        if not self.memory.recommendations:
            self.memory = self.memory.recommended(current, self._now)
        self._status.current_replicas = current
        desired, reason, metrics = current, "", []
        if current == 0:
            disabled = "scaling is disabled since the replica count of the target is zero"
            self.say(ACTIVE, "False", Said("ScalingDisabled", disabled))
        elif current > spec.max_replicas:
            desired, reason = spec.max_replicas, "Current number of replicas above Spec.MaxReplicas"
        elif current < least:
            desired, reason = least, "Current number of replicas below Spec.MinReplicas"
        else:
            found = await self._propose(scale)
            metrics = found.statuses
            desired = self._allowed(found.replicas, current, Bounds(least, spec.max_replicas))
            above = f"{found.name} above target"
            reason = above if found.replicas > current else "All metrics below target"
        self._status.current_metrics = metrics
        if desired != current:
            await self._rescale(scale, current, desired, reason)
        self._status.desired_replicas = desired

    def _allowed(self, proposed: int, current: int, bounds: Bounds) -> int:
        allowed = allow(self._one.spec.behavior, current, proposed, bounds, self.memory, self._now)
        self.memory = self.memory.recommended(proposed, self._now)
        self.say(ABLE, "True", allowed.able)
        self.say(LIMITED, "True" if allowed.is_limited else "False", allowed.limited)
        return allowed.replicas

    async def _rescale(self, scale: Scale, current: int, desired: int, reason: str) -> None:
        recorder = self._controller.recorder
        try:
            await self._controller.rescale(scale, desired)
        except ApiError as error:
            message = f"New size: {desired}; reason: {reason}; error: {error}"
            said = Said("FailedUpdateScale", f"the HPA controller was unable to update the target scale: {error}")
            raise Unable(ABLE, said, "FailedRescale", message) from error
        done = f"the HPA controller was able to update the target scale to {desired}"
        self.say(ABLE, "True", Said("SucceededRescale", done))
        recorder.event(self._one, NORMAL, "SuccessfulRescale", f"New size: {desired}; reason: {reason}")
        self.memory = self.memory.scaled(current, desired, self._now)
        self._status.last_scale_time = self._now

    async def _propose(self, scale: Scale) -> _Found:
        """Raises Unable if no metric can be had, or not all of them and it would become fewer."""
        one, metrics = self._one, self._one.spec.metrics
        evaluation = Evaluation(self._controller.metrics, self._target(scale), _tolerances(one), self._now)
        greatest: Evaluated | None = None
        first: Failed | None = None
        failures = 0
        statuses: list[autoscaling_v2.MetricStatus] = []
        for metric in metrics:
            try:
                found = await evaluation.of(metric)
            except Failed as error:
                first, failures = first or error, failures + 1
                self._controller.recorder.event(one, WARNING, error.reason, error.why)
                statuses.append(autoscaling_v2.MetricStatus())
                continue
            statuses.append(found.status)
            if greatest is None or found.replicas > greatest.replicas:
                greatest = found
        if greatest is None or (first is not None and greatest.replicas < scale.wanted):
            why = first or Failed("InvalidMetricSourceType", "no metrics", "no metrics")
            said = Said(why.reason, f"the HPA was unable to compute the replica count: {why.why}")
            self._status.current_metrics = statuses
            summary = f"invalid metrics ({failures} invalid out of {len(metrics)}), first error is: {why}"
            raise Unable(ACTIVE, said, "FailedComputeMetricsReplicas", summary)
        valid = f"the HPA was able to successfully calculate a replica count from {greatest.name}"
        self.say(ACTIVE, "True", Said("ValidMetricFound", valid))
        return _Found(greatest.replicas, greatest.name, statuses)

    def _target(self, scale: Scale) -> Target:
        """Raises Unable where it is not clear which pods are meant."""
        selector, namespace = str(scale.target.get("selector") or ""), self._one.metadata.namespace
        if not selector:
            said = Said("InvalidSelector", "the HPA target's scale is missing a selector")
            raise Unable(ACTIVE, said, "SelectorRequired", "selector is required")
        try:
            parsed = LabelSelector.parse(selector)
        except SelectorError as error:
            why = f"couldn't convert selector into a corresponding internal selector object: {error}"
            raise Unable(ACTIVE, Said("InvalidSelector", why), "InvalidSelector", why) from error
        known = self._controller.informer(core_v1.Pod).list(namespace)
        pods = [pod for pod in known if parsed.matches(pod.metadata.labels)]
        sharing = self._controller.sharing(key_of(self._one), parsed, pods)
        if len(sharing) > 1:
            listed = " ".join(f"{{{each.name} {each.namespace}}}" for each in sharing)
            why = f"pods by selector {selector} are controlled by multiple HPAs: [{listed}]"
            raise Unable(ACTIVE, Said("AmbiguousSelector", why), "AmbiguousSelector", why)
        return Target(namespace, selector, scale.wanted, int(scale.target.get("replicas", 0)), pods)

    def say(self, type: str, status: str, said: Said) -> None:
        new = autoscaling_v2.HorizontalPodAutoscalerCondition(
            type=type, status=status, reason=said.reason, message=said.message, last_transition_time=self._now
        )
        meta.set_condition(self._status.conditions, new)


@dataclass(frozen=True, slots=True)
class _Found:
    replicas: int
    name: str
    statuses: list[autoscaling_v2.MetricStatus]


def _no_scale(why: str) -> Unable:
    said = Said("FailedGetScale", f"the HPA controller was unable to get the target's current scale: {why}")
    return Unable(ABLE, said, "FailedGetScale", why)


def _tolerances(one: Autoscaler) -> Tolerances:
    behavior, default = one.spec.behavior, Tolerances()
    if behavior is None:
        return default
    down, up = behavior.scale_down, behavior.scale_up
    return Tolerances(
        default.down if down is None or down.tolerance is None else float(parse(down.tolerance)),
        default.up if up is None or up.tolerance is None else float(parse(up.tolerance)),
    )


def _copy(
    condition: autoscaling_v2.HorizontalPodAutoscalerCondition,
) -> autoscaling_v2.HorizontalPodAutoscalerCondition:
    return msgspec.structs.replace(condition)
