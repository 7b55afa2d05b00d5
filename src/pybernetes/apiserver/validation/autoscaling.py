"""What a HorizontalPodAutoscaler may ask for.

Follows pkg/apis/autoscaling/validation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from pybernetes.api import quantity
from pybernetes.api.fields import (
    FieldError,
    FieldPath,
    forbidden,
    invalid,
    is_dns_label,
    is_path_segment,
    not_supported,
    required,
)
from pybernetes.api.models.autoscaling_v2 import (
    ContainerResourceMetricSource,
    CrossVersionObjectReference,
    ExternalMetricSource,
    HorizontalPodAutoscalerSpec,
    HPAScalingPolicy,
    HPAScalingRules,
    MetricIdentifier,
    MetricSpec,
    MetricTarget,
    ObjectMetricSource,
    PodsMetricSource,
    ResourceMetricSource,
)
from pybernetes.apiserver.validation.resources import check_container_resource_name
from pybernetes.apiserver.validation.simple import NOT_NEGATIVE, check_positive

LONGEST_PERIOD = 1800
LONGEST_WINDOW = 3600
_SOURCES = ("ContainerResource", "External", "Object", "Pods", "Resource")
_SELECT_POLICIES = ("Disabled", "Max", "Min")
_POLICIES = ("Percent", "Pods")
_TARGETS = ("Utilization", "Value", "AverageValue")


def check_autoscaler_spec(
    spec: HorizontalPodAutoscalerSpec, old: HorizontalPodAutoscalerSpec | None, path: FieldPath
) -> Iterator[FieldError]:
    """What was wrong already, and is left so, is let pass; ``old`` is None for a new object."""
    lowest = 0 if old is not None and old.min_replicas == 0 else 1
    minimum = spec.min_replicas
    if minimum is not None and minimum < lowest:
        yield invalid(path.minReplicas, minimum, f"must be greater than or equal to {lowest}")
    if spec.max_replicas == 0:
        yield required(path.maxReplicas, "must be set and greater than 0")
    elif spec.max_replicas < 0:
        yield invalid(path.maxReplicas, spec.max_replicas, "must be greater than or equal to 1")
    if minimum is not None and spec.max_replicas < minimum:
        message = "must be greater than or equal to `minReplicas`"
        yield invalid(path.maxReplicas, spec.max_replicas, message)
    yield from _check_named(spec.scale_target_ref, path.scaleTargetRef)
    yield from _check_target_version(spec, old, path.scaleTargetRef)
    yield from _check_metrics(spec, old, path.metrics)
    if spec.behavior is not None:
        yield from _check_rules(spec.behavior.scale_up, path.behavior.scaleUp)
        yield from _check_rules(spec.behavior.scale_down, path.behavior.scaleDown)


def _check_named(reference: CrossVersionObjectReference, path: FieldPath) -> Iterator[FieldError]:
    for at, value in ((path.kind, reference.kind), (path.name, reference.name)):
        if not value:
            yield required(at)
        else:
            yield from (invalid(at, value, message) for message in is_path_segment(value))


def _check_target_version(
    spec: HorizontalPodAutoscalerSpec, old: HorizontalPodAutoscalerSpec | None, path: FieldPath
) -> Iterator[FieldError]:
    target = spec.scale_target_ref
    if old is not None:
        before = old.scale_target_ref
        if (before.api_version, before.kind) == (target.api_version, target.kind):
            return
    yield from _check_version(target, path, core_group=target.kind == "ReplicationController")


def _check_version(
    reference: CrossVersionObjectReference, path: FieldPath, *, core_group: bool
) -> Iterator[FieldError]:
    """``core_group``: an apiVersion without a group will do."""
    text = reference.api_version
    if text.count("/") > 1:
        yield invalid(path.apiVersion, text, f"unexpected GroupVersion string: {text}")
    elif not core_group and not text.rpartition("/")[0]:
        yield invalid(path.apiVersion, text, "apiVersion must specify API group")


def _check_metrics(
    spec: HorizontalPodAutoscalerSpec, old: HorizontalPodAutoscalerSpec | None, path: FieldPath
) -> Iterator[FieldError]:
    objects_were_invalid = old is not None and any(
        metric.type == "Object"
        and metric.object is not None
        and any(_check_version(metric.object.described_object, path, core_group=True))
        for metric in old.metrics
    )
    for index, metric in enumerate(spec.metrics):
        yield from _check_metric(metric, path[index], judges_versions=not objects_were_invalid)
    if spec.min_replicas == 0 and not any(metric.type in ("Object", "External") for metric in spec.metrics):
        yield forbidden(path, "must specify at least one Object or External metric to support scaling to zero replicas")


def _check_metric(metric: MetricSpec, path: FieldPath, *, judges_versions: bool) -> Iterator[FieldError]:
    known = metric.type in _SOURCES
    if not metric.type:
        yield required(path.type, "must specify a metric source type")
    if not known:
        yield not_supported(path.type, metric.type, _SOURCES)
    given = {name: source for name, source in _sources(metric).items() if source is not None}
    for name, source in list(given.items())[:1]:
        if isinstance(source, ObjectMetricSource):
            yield from _check_object(source, path.child(name), judges_versions=judges_versions)
        else:
            yield from _CHECKS[name](source, path.child(name))
    wanted = metric.type[:1].lower() + metric.type[1:]
    if not known:
        yield not_supported(path.type, metric.type, _SOURCES)
    elif wanted not in given:
        yield required(path.child(wanted), "must populate information for the given metric source")
    if len(given) > 1:
        for name in given:
            if name != wanted:
                yield forbidden(path.child(name), "must populate the given metric source only")


def _sources(metric: MetricSpec) -> Mapping[str, Any]:
    """In the order in which they are looked at: only the first one is."""
    return {
        "object": metric.object,
        "external": metric.external,
        "pods": metric.pods,
        "resource": metric.resource,
        "containerResource": metric.container_resource,
    }


def _check_object(source: ObjectMetricSource, path: FieldPath, *, judges_versions: bool) -> Iterator[FieldError]:
    yield from _check_named(source.described_object, path.describedObject)
    if judges_versions:
        yield from _check_version(source.described_object, path.describedObject, core_group=True)
    yield from _check_identifier(source.metric, path.metric)
    yield from _check_target(source.target, path.target)
    if source.target.value is None and source.target.average_value is None:
        yield required(path.target.averageValue, "must set either a target value or averageValue")


def _check_external(source: ExternalMetricSource, path: FieldPath) -> Iterator[FieldError]:
    yield from _check_identifier(source.metric, path.metric)
    yield from _check_target(source.target, path.target)
    target = source.target
    if target.value is None and target.average_value is None:
        yield required(path.target.averageValue, "must set either a target value for metric or a per-pod target")
    if target.value is not None and target.average_value is not None:
        yield forbidden(path.target.value, "may not set both a target value for metric and a per-pod target")


def _check_pods(source: PodsMetricSource, path: FieldPath) -> Iterator[FieldError]:
    yield from _check_identifier(source.metric, path.metric)
    yield from _check_target(source.target, path.target)
    if source.target.average_value is None:
        yield required(path.target.averageValue, "must specify a positive target averageValue")


def _check_resource(source: ResourceMetricSource, path: FieldPath) -> Iterator[FieldError]:
    if not source.name:
        yield required(path.name, "must specify a resource name")
    yield from _check_resource_target(source.target, path.target)


def _check_container_resource(source: ContainerResourceMetricSource, path: FieldPath) -> Iterator[FieldError]:
    if not source.name:
        yield required(path.name, "must specify a resource name")
    else:
        yield from check_container_resource_name(source.name, path.name)
    if not source.container:
        yield required(path.container, "must specify a container")
    else:
        messages = is_dns_label(source.container)
        yield from (invalid(path.container, source.container, message) for message in messages)
    yield from _check_resource_target(source.target, path.target)


_CHECKS: Mapping[str, Callable[[Any, FieldPath], Iterator[FieldError]]] = {
    "external": _check_external,
    "pods": _check_pods,
    "resource": _check_resource,
    "containerResource": _check_container_resource,
}


def _check_resource_target(target: MetricTarget, path: FieldPath) -> Iterator[FieldError]:
    yield from _check_target(target, path)
    if target.average_utilization is None and target.average_value is None:
        yield required(path.averageUtilization, "must set either a target raw value or a target utilization")
    if target.average_utilization is not None and target.average_value is not None:
        yield forbidden(path.averageValue, "may not set both a target raw value and a target utilization")


def _check_target(target: MetricTarget, path: FieldPath) -> Iterator[FieldError]:
    if not target.type:
        yield required(path.type, "must specify a metric target type")
    if target.type not in _TARGETS:
        yield invalid(path.type, target.type, "must be either Utilization, Value, or AverageValue")
    for at, amount in ((path.value, target.value), (path.averageValue, target.average_value)):
        if amount is not None and not quantity.parse(amount) > quantity.ZERO:
            yield invalid(at, amount, "must be positive")
    if target.average_utilization is not None and target.average_utilization < 1:
        yield invalid(path.averageUtilization, target.average_utilization, "must be greater than 0")


def _check_identifier(metric: MetricIdentifier, path: FieldPath) -> Iterator[FieldError]:
    if not metric.name:
        yield required(path.name, "must specify a metric name")
    else:
        yield from (invalid(path.name, metric.name, message) for message in is_path_segment(metric.name))


def _check_rules(rules: HPAScalingRules | None, path: FieldPath) -> Iterator[FieldError]:
    if rules is None:
        return
    window = rules.stabilization_window_seconds
    if window is not None and window < 0:
        yield invalid(path.stabilizationWindowSeconds, window, "must be greater than or equal to zero")
    if window is not None and window > LONGEST_WINDOW:
        message = f"must be less than or equal to {LONGEST_WINDOW}"
        yield invalid(path.stabilizationWindowSeconds, window, message)
    if rules.select_policy is not None and rules.select_policy not in _SELECT_POLICIES:
        yield not_supported(path.selectPolicy, rules.select_policy, _SELECT_POLICIES)
    if not rules.policies:
        yield required(path.policies, "must specify at least one Policy")
    for index, policy in enumerate(rules.policies):
        yield from _check_policy(policy, path.policies[index])
    if rules.tolerance is not None and quantity.parse(rules.tolerance) < quantity.ZERO:
        yield invalid(path.tolerance, rules.tolerance, NOT_NEGATIVE)


def _check_policy(policy: HPAScalingPolicy, path: FieldPath) -> Iterator[FieldError]:
    if policy.type not in _POLICIES:
        yield not_supported(path.type, policy.type, _POLICIES)
    yield from check_positive(policy.value, path.value)
    yield from check_positive(policy.period_seconds, path.periodSeconds)
    if policy.period_seconds > LONGEST_PERIOD:
        yield invalid(path.periodSeconds, policy.period_seconds, f"must be less than or equal to {LONGEST_PERIOD}")
