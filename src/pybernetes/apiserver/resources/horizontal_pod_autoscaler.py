"""HorizontalPodAutoscaler: a replica count that follows a measure.

Follows pkg/apis/autoscaling/v2/defaults.go and validation, and printHorizontalPodAutoscaler in pkg/printers.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from pybernetes.api.fields import (
    FieldError,
    FieldPath,
    at,
    forbidden,
    invalid,
    is_dns_subdomain,
    is_path_segment,
    not_supported,
    required,
)
from pybernetes.api.kinds import info_of
from pybernetes.api.models.autoscaling_v2 import HorizontalPodAutoscaler, HPAScalingRules, MetricSpec, MetricTarget
from pybernetes.apiserver.columns import AGE, NAME
from pybernetes.apiserver.resource import Column, Document, Resource, StatusSubresource
from pybernetes.apiserver.resources.cells import at_path, number_column
from pybernetes.apiserver.resources.defaults import Rule, compile_defaults
from pybernetes.apiserver.validation.metadata import check_metadata, check_only_metadata

UTILIZATION = 80
_SOURCES = {
    "Object": "object",
    "Pods": "pods",
    "Resource": "resource",
    "ContainerResource": "container_resource",
    "External": "external",
}
_SELECT_POLICIES = ("Disabled", "Max", "Min")
_UNKNOWN = "<unknown>"
_SHOWN = 2


def default_metrics(spec: Document) -> None:
    if not spec.get("metrics"):
        target = {"type": "Utilization", "averageUtilization": UTILIZATION}
        spec["metrics"] = [{"type": "Resource", "resource": {"name": "cpu", "target": target}}]


def default_behavior(behavior: Document) -> None:
    up = behavior.setdefault("scaleUp", {})
    up.setdefault("stabilizationWindowSeconds", 0)
    up.setdefault("selectPolicy", "Max")
    if "policies" not in up:
        up["policies"] = [
            {"type": "Pods", "value": 4, "periodSeconds": 15},
            {"type": "Percent", "value": 100, "periodSeconds": 15},
        ]
    down = behavior.setdefault("scaleDown", {})
    down.setdefault("selectPolicy", "Max")
    if "policies" not in down:
        down["policies"] = [{"type": "Percent", "value": 100, "periodSeconds": 15}]


def validate(autoscaler: HorizontalPodAutoscaler) -> Iterator[FieldError]:
    yield from check_metadata(autoscaler.metadata, is_dns_subdomain)
    spec = autoscaler.spec
    minimum = spec.min_replicas
    if minimum is not None and minimum < 1:
        yield invalid(at.spec.minReplicas, minimum, "must be greater than or equal to 1")
    if spec.max_replicas < 1:
        yield invalid(at.spec.maxReplicas, spec.max_replicas, "must be greater than 0")
    if minimum is not None and spec.max_replicas < minimum:
        message = "must be greater than or equal to `minReplicas`"
        yield invalid(at.spec.maxReplicas, spec.max_replicas, message)
    for field, value in (("kind", spec.scale_target_ref.kind), ("name", spec.scale_target_ref.name)):
        path = at.spec.scaleTargetRef.child(field)
        if not value:
            yield required(path)
        else:
            yield from (invalid(path, value, message) for message in is_path_segment(value))
    for index, metric in enumerate(spec.metrics):
        yield from _check_metric(metric, at.spec.metrics[index])
    if spec.behavior is not None:
        yield from _check_rules(spec.behavior.scale_up, at.spec.behavior.scaleUp)
        yield from _check_rules(spec.behavior.scale_down, at.spec.behavior.scaleDown)


def _check_metric(metric: MetricSpec, path: FieldPath) -> Iterator[FieldError]:
    if not metric.type:
        yield required(path.type, "must specify a metric source type")
        return
    if metric.type not in _SOURCES:
        yield not_supported(path.type, metric.type, sorted(_SOURCES))
        return
    given = [name for name in _SOURCES.values() if getattr(metric, name) is not None]
    wanted = _SOURCES[metric.type]
    field = metric.type[0].lower() + metric.type[1:]
    if wanted not in given:
        yield required(path.child(field), "must populate information for the given metric source")
        return
    for extra in given:
        if extra != wanted:
            yield forbidden(path, "must populate the given metric source only")
    yield from _check_target(getattr(metric, wanted).target, path.child(field).target)


def _check_target(target: MetricTarget, path: FieldPath) -> Iterator[FieldError]:
    if not target.type:
        yield required(path.type, "must specify a metric target type")
    elif target.type not in ("Utilization", "Value", "AverageValue"):
        yield invalid(path.type, target.type, "must be either Utilization, Value, or AverageValue")
    if target.average_utilization is not None and target.average_utilization < 1:
        yield invalid(path.averageUtilization, target.average_utilization, "must be greater than 0")
    if target.value is None and target.average_value is None and target.average_utilization is None:
        yield required(path, "must set either a target raw value or a target utilization")


def _check_rules(rules: HPAScalingRules | None, path: FieldPath) -> Iterator[FieldError]:
    if rules is None:
        return
    window = rules.stabilization_window_seconds
    if window is not None and not 0 <= window <= 3600:
        message = "must be greater than or equal to zero" if window < 0 else "must be less than or equal to 3600"
        yield invalid(path.stabilizationWindowSeconds, window, message)
    if rules.select_policy is not None and rules.select_policy not in _SELECT_POLICIES:
        yield not_supported(path.selectPolicy, rules.select_policy, _SELECT_POLICIES)
    if not rules.policies:
        yield required(path.policies, "must specify at least one Policy")
    for index, policy in enumerate(rules.policies):
        each = path.policies[index]
        if policy.type not in ("Percent", "Pods"):
            yield not_supported(each.type, policy.type, ("Percent", "Pods"))
        if policy.value <= 0:
            yield invalid(each.value, policy.value, "must be greater than zero")
        if not 0 < policy.period_seconds <= 1800:
            message = (
                "must be greater than zero" if policy.period_seconds <= 0 else "must be less than or equal to 1800"
            )
            yield invalid(each.periodSeconds, policy.period_seconds, message)


def _reference(autoscaler: Document, now: datetime) -> str:
    target = at_path(autoscaler, "spec.scaleTargetRef", {})
    return f"{target.get('kind', '')}/{target.get('name', '')}"


def _targets(autoscaler: Document, now: datetime) -> str:
    metrics = at_path(autoscaler, "spec.metrics", ())
    if not metrics:
        return "<none>"
    current = at_path(autoscaler, "status.currentMetrics", ())
    cells = [_target(metric, current[i] if i < len(current) else {}) for i, metric in enumerate(metrics)]
    more = f" + {len(cells) - _SHOWN} more..." if len(cells) > _SHOWN else ""
    return ", ".join(cells[:_SHOWN]) + more


def _target(metric: Document, status: Document) -> str:
    type_ = metric.get("type", "")
    field = type_[:1].lower() + type_[1:]
    source, current = metric.get(field) or {}, (status.get(field) or {}).get("current") or {}
    target = source.get("target") or {}
    name = f"{source.get('name', '')}: " if type_ in ("Resource", "ContainerResource") else ""
    if "averageUtilization" in target:
        now = f"{current['averageUtilization']}%" if "averageUtilization" in current else _UNKNOWN
        return f"{name}{now}/{target['averageUtilization']}%"
    for field, suffix in (("averageValue", " (avg)" if type_ in ("Object", "External") else ""), ("value", "")):
        if field in target:
            return f"{name}{current.get(field, _UNKNOWN)}/{target[field]}{suffix}"
    return f"{name}{_UNKNOWN}/<auto>"


def _minimum(autoscaler: Document, now: datetime) -> str:
    return str(at_path(autoscaler, "spec.minReplicas", "<unset>"))


HORIZONTAL_POD_AUTOSCALERS = Resource(
    info=info_of(HorizontalPodAutoscaler),
    short_names=("hpa",),
    categories=("all",),
    defaults=compile_defaults(
        {"spec.minReplicas": 1, "spec": Rule(default_metrics), "spec.behavior": Rule(default_behavior)}
    ),
    validate=validate,
    validate_update=check_only_metadata,
    initial_status=lambda autoscaler: {"desiredReplicas": 0},
    columns=(
        NAME,
        Column("Reference", _reference),
        Column("Targets", _targets),
        Column("MinPods", _minimum),
        number_column("MaxPods", "spec.maxReplicas"),
        number_column("Replicas", "status.currentReplicas"),
        AGE,
    ),
    subresources=(StatusSubresource(validate=check_only_metadata),),
)

RESOURCES = (HORIZONTAL_POD_AUTOSCALERS,)
