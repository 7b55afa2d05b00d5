"""HorizontalPodAutoscalers between autoscaling/v1 and autoscaling/v2, in which they are stored.

Guarantees  What v1 has no fields for stands in its annotations; what is unreadable there is dropped. An object read in
v1 and written back is the same object.

Follows pkg/apis/autoscaling/v1/conversion.go.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pybernetes.api import codec
from pybernetes.api.quantity import QuantityError, canonical
from pybernetes.api.schema import DecodeError, shape_of
from pybernetes.apiserver.resource import Document
from pybernetes.apiserver.resources import autoscaler_annotations as kept
from pybernetes.apiserver.resources.cells import at_path

UTILIZATION = 80
"""Of a CPU, when nothing is said of what to measure."""


def cpu_metric(utilization: int) -> Document:
    target = {"type": "Utilization", "averageUtilization": utilization}
    return {"type": "Resource", "resource": {"name": "cpu", "target": target}}


_SPEC = ("scaleTargetRef", "minReplicas", "maxReplicas")


@dataclass(frozen=True, slots=True)
class _Fields:
    """A kind of metric, a field of v1 for a path of v2; ``value`` and ``average`` are quantities."""

    same: Mapping[str, str]
    value: str = ""
    average: str = ""
    utilization: str = ""


_METRIC = {"metricName": "metric.name", "selector": "metric.selector"}
_EXTERNAL = {"metricName": "metric.name", "metricSelector": "metric.selector"}
_DESCRIBED = {"target": "describedObject"}
_NAMED = {"name": "name"}
_CONTAINED = {"name": "name", "container": "container"}

_SOURCES = {
    "object": _Fields({**_METRIC, **_DESCRIBED}, "targetValue", "averageValue"),
    "pods": _Fields(_METRIC, average="targetAverageValue"),
    "resource": _Fields(_NAMED, average="targetAverageValue", utilization="targetAverageUtilization"),
    "containerResource": _Fields(_CONTAINED, average="targetAverageValue", utilization="targetAverageUtilization"),
    "external": _Fields(_EXTERNAL, "targetValue", "targetAverageValue"),
}
_STATUSES = {
    "object": _Fields({**_METRIC, **_DESCRIBED}, "currentValue", "averageValue"),
    "pods": _Fields(_METRIC, average="currentAverageValue"),
    "resource": _Fields(_NAMED, average="currentAverageValue", utilization="currentAverageUtilization"),
    "containerResource": _Fields(_CONTAINED, average="currentAverageValue", utilization="currentAverageUtilization"),
    "external": _Fields(_EXTERNAL, "currentValue", "currentAverageValue"),
}


# -- to v1 -----------------------------------------------------------------------------------------------------------


def to_v1(autoscaler: Document) -> Document:
    spec, status = autoscaler.get("spec") or {}, autoscaler.get("status") or {}
    return {
        **autoscaler,
        "apiVersion": "autoscaling/v1",
        "metadata": _annotated(autoscaler.get("metadata") or {}, dict(_kept_of(spec, status))),
        "spec": _spec_to_v1(spec),
        "status": _status_to_v1(status),
    }


def _annotated(metadata: Document, more: Mapping[str, str]) -> Document:
    stated = metadata.get("annotations") or {}
    annotations = {name: value for name, value in stated.items() if name not in kept.ALL} | dict(more)
    if annotations:
        return {**metadata, "annotations": annotations}
    return {name: value for name, value in metadata.items() if name != "annotations"}


def _kept_of(spec: Document, status: Document) -> Iterator[tuple[str, str]]:
    others = [metric for metric in spec.get("metrics") or () if not _is_cpu_utilization(metric)]
    if others:
        yield kept.METRICS, kept.written([_to_v1(metric, _SOURCES, "target", kept.Metric) for metric in others])
    current = status.get("currentMetrics")
    if current:
        yield (
            kept.CURRENT_METRICS,
            kept.written([_to_v1(metric, _STATUSES, "current", kept.MetricStatus) for metric in current]),
        )
    if spec.get("behavior") is not None:
        yield kept.BEHAVIOR, kept.written_behavior(spec["behavior"])
    if status.get("conditions"):
        yield kept.CONDITIONS, kept.written([_condition_to_v1(one) for one in status["conditions"]])


def _is_cpu_utilization(metric: Document) -> bool:
    resource = metric.get("resource") or {}
    measured = resource.get("name") == "cpu" and "averageUtilization" in resource.get("target", ())
    return metric.get("type") == "Resource" and measured


def _condition_to_v1(condition: Document) -> Document:
    ordered = {"type": condition.get("type", ""), "status": condition.get("status", "")}
    ordered["lastTransitionTime"] = condition.get("lastTransitionTime")
    return ordered | {name: condition[name] for name in ("reason", "message") if condition.get(name)}


def _to_v1(metric: Document, kinds: Mapping[str, _Fields], amounts: str, model: type[Any]) -> Any:
    made: Document = {"type": metric.get("type", "")}
    for name, fields in kinds.items():
        source = metric.get(name)
        if source is None:
            continue
        flat = {field: found for field, path in fields.same.items() if (found := at_path(source, path)) is not None}
        amount = source.get(amounts) or {}
        for field, key in ((fields.value, "value"), (fields.average, "averageValue")):
            if field and key in amount:
                flat[field] = amount[key]
        if fields.utilization and "averageUtilization" in amount:
            flat[fields.utilization] = amount["averageUtilization"]
        made[name] = flat
    return codec.from_document(model, made)


def _spec_to_v1(spec: Document) -> Document:
    made: Document = {name: spec[name] for name in _SPEC if name in spec}
    for metric in spec.get("metrics") or ():
        if _is_cpu_utilization(metric):
            made["targetCPUUtilizationPercentage"] = metric["resource"]["target"]["averageUtilization"]
            break
    return made


def _status_to_v1(status: Document) -> Document:
    names = ("observedGeneration", "lastScaleTime")
    made = {name: status[name] for name in names if name in status}
    made["currentReplicas"] = status.get("currentReplicas", 0)
    made["desiredReplicas"] = status.get("desiredReplicas", 0)
    for metric in status.get("currentMetrics") or ():
        resource = metric.get("resource") or {}
        current = resource.get("current") or {}
        if metric.get("type") == "Resource" and resource.get("name") == "cpu" and "averageUtilization" in current:
            made["currentCPUUtilizationPercentage"] = current["averageUtilization"]
    return made


# -- from v1 ---------------------------------------------------------------------------------------------------------


def from_v1(autoscaler: Document) -> Document:
    metadata = autoscaler.get("metadata") or {}
    annotations = metadata.get("annotations") or {}
    made = {
        **autoscaler,
        "apiVersion": "autoscaling/v2",
        "metadata": _annotated(metadata, {}),
        "spec": _spec_from_v1(autoscaler.get("spec") or {}, annotations),
        "status": _status_from_v1(autoscaler.get("status") or {}, annotations),
    }
    document: Document = shape_of("autoscaling", "v2", "HorizontalPodAutoscaler").read(made).document
    return document


def _spec_from_v1(spec: Document, annotations: Mapping[str, str]) -> Document:
    made: Document = {name: spec[name] for name in _SPEC if name in spec}
    utilization = spec.get("targetCPUUtilizationPercentage")
    own = [] if utilization is None else [cpu_metric(utilization)]
    metrics = [*_metrics_in(annotations, kept.METRICS, kept.Metric, _source_from_v1), *own]
    made["metrics"] = metrics or [cpu_metric(UTILIZATION)]
    behavior = kept.read_behavior(annotations)
    if behavior is not None:
        made["behavior"] = behavior
    return made


def _metrics_in(
    annotations: Mapping[str, str], name: str, model: type[Any], convert: Callable[[str, Document], Document]
) -> list[Document]:
    found = kept.read(annotations, name, list[model])  # type: ignore[valid-type]
    try:
        return [_from_v1(codec.to_document(metric), convert) for metric in found or ()]
    except (QuantityError, DecodeError):
        return []


def _from_v1(metric: Document, convert: Callable[[str, Document], Document]) -> Document:
    made: Document = {"type": metric.get("type", "")}
    for name in _SOURCES:
        if name in metric:
            made[name] = convert(name, metric[name])
    return made


def _source_from_v1(name: str, flat: Document) -> Document:
    fields = _SOURCES[name]
    value, average, utilization = _amounts(fields, flat)
    if name == "object":
        type_ = "Value" if average is None else "AverageValue"
        if average is not None and value == "0":
            value = None
    elif name == "external":
        type_ = "AverageValue" if value is None else "Value"
    else:
        type_ = "AverageValue" if utilization is None else "Utilization"
    return {**_unflattened(fields, flat), "target": {"type": type_, **_stated(value, average, utilization)}}


def _status_metric_from_v1(name: str, flat: Document) -> Document:
    fields = _STATUSES[name]
    return {**_unflattened(fields, flat), "current": _stated(*_amounts(fields, flat))}


def _amounts(fields: _Fields, flat: Document) -> tuple[str | None, str | None, int | None]:
    value, average = (flat.get(field) if field else None for field in (fields.value, fields.average))
    return (
        None if value is None else canonical(value),
        None if average is None else canonical(average),
        flat.get(fields.utilization) if fields.utilization else None,
    )


def _stated(value: str | None, average: str | None, utilization: int | None) -> Document:
    given = {"value": value, "averageValue": average, "averageUtilization": utilization}
    return {name: amount for name, amount in given.items() if amount is not None}


def _unflattened(fields: _Fields, flat: Document) -> Document:
    made: Document = {}
    for field, path in fields.same.items():
        if field in flat:
            parent, _, name = path.rpartition(".")
            (made.setdefault(parent, {}) if parent else made)[name] = flat[field]
    return made


def _status_from_v1(status: Document, annotations: Mapping[str, str]) -> Document:
    names = ("observedGeneration", "lastScaleTime", "currentReplicas", "desiredReplicas")
    made = {name: status[name] for name in names if name in status}
    utilization = status.get("currentCPUUtilizationPercentage")
    if utilization is not None:
        current = {"name": "cpu", "current": {"averageUtilization": utilization}}
        made["currentMetrics"] = [{"type": "Resource", "resource": current}]
    if kept.read(annotations, kept.CURRENT_METRICS, list[kept.MetricStatus]) is not None:
        made["currentMetrics"] = _metrics_in(
            annotations, kept.CURRENT_METRICS, kept.MetricStatus, _status_metric_from_v1
        )
    conditions = kept.read(annotations, kept.CONDITIONS, list[kept.Condition])
    if conditions is not None:
        made["conditions"] = [codec.to_document(one) for one in conditions]
    return made
