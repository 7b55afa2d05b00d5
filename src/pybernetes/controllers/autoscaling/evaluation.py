"""What each metric of an autoscaler proposes, and what its status says about it.

Follows computeReplicasForMetric in pkg/controller/podautoscaler/horizontal.go.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from pybernetes.api import quantity
from pybernetes.api.models import autoscaling_v2, core_v1, meta_v1
from pybernetes.api.quantity import MILLI, Format, Quantity
from pybernetes.api.selectors import LabelSelector
from pybernetes.controllers.autoscaling.metrics import Metrics
from pybernetes.controllers.autoscaling.proposals import (
    NoProposal,
    Proposal,
    Sample,
    Tolerances,
    by_average,
    by_ratio,
    by_utilization,
    per_pod,
    propose,
    requests_of,
)
from pybernetes.controllers.go_text import shown_selector

NEITHER = "neither a value target nor an average value target was set"


class Failed(Exception):
    """A metric proposes nothing: the reason of the condition, what it says, and what the whole says of it."""

    def __init__(self, reason: str, why: str, summary: str) -> None:
        super().__init__(summary)
        self.reason = reason
        self.why = why


@dataclass(frozen=True, slots=True)
class Target:
    """What is scaled, as it is."""

    namespace: str
    selector: str
    wanted: int
    """Replicas by its spec."""
    present: int
    """Replicas by its status."""
    pods: Sequence[core_v1.Pod]


@dataclass(frozen=True, slots=True)
class Evaluated:
    replicas: int
    name: str
    status: autoscaling_v2.MetricStatus


class Evaluation:
    def __init__(self, metrics: Metrics, target: Target, tolerances: Tolerances, now: datetime) -> None:
        self._metrics = metrics
        self._target = target
        self._tolerances = tolerances
        self._now = now

    async def of(self, metric: autoscaling_v2.MetricSpec) -> Evaluated:
        """Raises Failed."""
        if metric.type == "Resource" and metric.resource is not None:
            return await self._resource(metric.resource)
        if metric.type == "ContainerResource" and metric.container_resource is not None:
            return await self._container(metric.container_resource)
        if metric.type == "Pods" and metric.pods is not None:
            return await self._pods(metric.pods)
        if metric.type == "Object" and metric.object is not None:
            return await self._object(metric.object)
        if metric.type == "External" and metric.external is not None:
            return await self._external(metric.external)
        why = f'unknown metric source type "{metric.type}"'
        raise Failed("InvalidMetricSourceType", why, why)

    async def _resource(self, source: autoscaling_v2.ResourceMetricSource) -> Evaluated:
        try:
            proposal = await self._of_usage(source.name, source.target)
        except NoProposal as error:
            summary = f"failed to get {source.name} resource metric value: {error}"
            raise Failed("FailedGetResourceMetric", str(error), summary) from error
        current = _usage(source.name, proposal)
        status = autoscaling_v2.ResourceMetricStatus(name=source.name, current=current)
        by_request = proposal.utilization is not None
        name = f"{source.name} resource" + (" utilization (percentage of request)" if by_request else "")
        return Evaluated(proposal.replicas, name, autoscaling_v2.MetricStatus(type="Resource", resource=status))

    async def _container(self, source: autoscaling_v2.ContainerResourceMetricSource) -> Evaluated:
        try:
            proposal = await self._of_usage(source.name, source.target, source.container)
        except NoProposal as error:
            summary = f"failed to get {source.container} container metric value: {error}"
            raise Failed("FailedGetContainerResourceMetric", str(error), summary) from error
        status = autoscaling_v2.ContainerResourceMetricStatus(
            name=source.name, container=source.container, current=_usage(source.name, proposal)
        )
        by_request = proposal.utilization is not None
        name = source.name + (" container resource utilization (percentage of request)" if by_request else " resource")
        found = autoscaling_v2.MetricStatus(type="ContainerResource", container_resource=status)
        return Evaluated(proposal.replicas, name, found)

    async def _of_usage(self, resource: str, aim: autoscaling_v2.MetricTarget, container: str = "") -> Proposal:
        target = self._target
        if aim.average_value is None and aim.average_utilization is None:
            raise NoProposal(
                "invalid resource metric source: neither an average utilization target nor an average value (usage) "
                "target was set"
            )
        what = "usage" if aim.average_value is not None else "utilization"
        try:
            samples = await self._samples(resource, container)
            if aim.average_value is not None:
                how = by_average(quantity.milli(aim.average_value))
            else:
                how = by_utilization(
                    aim.average_utilization or 0, lambda: requests_of(target.pods, container, resource)
                )
            return propose(target.pods, samples, resource, target.wanted, self._tolerances, how, self._now)
        except NoProposal as error:
            raise NoProposal(f"failed to get {resource} {what}: {error}") from error

    async def _samples(self, resource: str, container: str) -> dict[str, Sample]:
        target = self._target
        try:
            return await self._metrics.of_resource(resource, target.namespace, target.selector, container)
        except NoProposal as error:
            raise NoProposal(f"unable to get metrics for resource {resource}: {error}") from error

    async def _pods(self, source: autoscaling_v2.PodsMetricSource) -> Evaluated:
        target, metric = self._target, source.metric
        try:
            try:
                samples = await self._metrics.of_pods(
                    metric.name, target.namespace, target.selector, _text(metric.selector)
                )
            except NoProposal as error:
                raise NoProposal(f"unable to get metric {metric.name}: {error}") from error
            how = by_average(quantity.milli(source.target.average_value or "0"))
            proposal = propose(target.pods, samples, "", target.wanted, self._tolerances, how, self._now)
        except NoProposal as error:
            summary = f"failed to get pods metric value: {error}"
            raise Failed("FailedGetPodsMetric", str(error), summary) from error
        status = autoscaling_v2.PodsMetricStatus(metric=metric, current=_average(proposal.average))
        found = autoscaling_v2.MetricStatus(type="Pods", pods=status)
        return Evaluated(proposal.replicas, f"pods metric {metric.name}", found)

    async def _object(self, source: autoscaling_v2.ObjectMetricSource) -> Evaluated:
        metric, described = source.metric, source.described_object
        try:
            usage = await self._of_object(source)
            proposal, current = self._shared(usage, source.target, "object")
        except NoProposal as error:
            summary = f"failed to get object metric value: {error}"
            raise Failed("FailedGetObjectMetric", str(error), summary) from error
        name = f"{described.kind} metric {metric.name}"
        if source.target.value is None:
            name = f"external metric {metric.name}({shown_selector(metric.selector)})"
        status = autoscaling_v2.ObjectMetricStatus(metric=metric, described_object=described, current=current)
        return Evaluated(proposal, name, autoscaling_v2.MetricStatus(type="Object", object=status))

    async def _of_object(self, source: autoscaling_v2.ObjectMetricSource) -> int:
        metric, described, namespace = source.metric, source.described_object, self._target.namespace
        try:
            return await self._metrics.of_object(metric.name, namespace, described, _text(metric.selector))
        except NoProposal as error:
            where = f"{described.kind} {namespace}/{described.name}"
            raise NoProposal(f"unable to get metric {metric.name}: {error} on {where}") from error

    async def _external(self, source: autoscaling_v2.ExternalMetricSource) -> Evaluated:
        metric, namespace = source.metric, self._target.namespace
        try:
            try:
                values = await self._metrics.external(metric.name, namespace, _text(metric.selector))
            except NoProposal as error:
                which = f"{namespace}/{metric.name}/{shown_selector(metric.selector)}"
                raise NoProposal(f"unable to get external metric {which}: {error}") from error
            proposal, current = self._shared(sum(values), source.target, "external")
        except NoProposal as error:
            summary = f"failed to get {metric.name} external metric value: {error}"
            raise Failed("FailedGetExternalMetric", str(error), summary) from error
        name = f"external metric {metric.name}({shown_selector(metric.selector)})"
        status = autoscaling_v2.ExternalMetricStatus(metric=metric, current=current)
        return Evaluated(proposal, name, autoscaling_v2.MetricStatus(type="External", external=status))

    def _shared(
        self, usage: int, aim: autoscaling_v2.MetricTarget, kind: str
    ) -> tuple[int, autoscaling_v2.MetricValueStatus]:
        """Of a metric that belongs to no pod, as a whole or shared evenly."""
        target = self._target
        if aim.value is not None:
            ratio = usage / quantity.milli(aim.value)
            replicas = by_ratio(ratio, target.wanted, self._tolerances, target.pods)
            return replicas, autoscaling_v2.MetricValueStatus(value=amount(usage))
        if aim.average_value is not None:
            proposal = per_pod(usage, quantity.milli(aim.average_value), target.present, self._tolerances)
            return proposal.replicas, _average(proposal.average)
        raise NoProposal(f"invalid {kind} metric source: {NEITHER}")


def _usage(resource: str, proposal: Proposal) -> autoscaling_v2.MetricValueStatus:
    form = Format.BINARY if resource == "memory" else Format.DECIMAL
    return autoscaling_v2.MetricValueStatus(
        average_utilization=proposal.utilization, average_value=amount(proposal.average, form)
    )


def _average(value: int) -> autoscaling_v2.MetricValueStatus:
    return autoscaling_v2.MetricValueStatus(average_value=amount(value))


def amount(milli: int, form: Format = Format.DECIMAL) -> str:
    """A quantity of so many thousandths."""
    return str(Quantity(milli * MILLI, form))


def _text(selector: meta_v1.LabelSelector | None) -> str:
    return "" if selector is None else str(LabelSelector.from_model(selector))
