"""HorizontalPodAutoscaler: a replica count that follows a measure, served as `autoscaling/v2` and `v1`; stored as v2.

Follows pkg/apis/autoscaling/v2/defaults.go and validation, and printHorizontalPodAutoscaler in pkg/printers.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from pybernetes.api.fields import FieldError, at, is_dns_subdomain
from pybernetes.api.kinds import info_of
from pybernetes.api.models import autoscaling_v1
from pybernetes.api.models.autoscaling_v2 import HorizontalPodAutoscaler
from pybernetes.apiserver.columns import AGE, NAME
from pybernetes.apiserver.resource import Column, Document, Resource, StatusSubresource, Stored
from pybernetes.apiserver.resources.autoscaler_versions import UTILIZATION, cpu_metric, from_v1, to_v1
from pybernetes.apiserver.resources.cells import as_stored, at_path, number_column
from pybernetes.apiserver.resources.defaults import Rule, compile_defaults
from pybernetes.apiserver.validation.autoscaling import check_autoscaler_spec
from pybernetes.apiserver.validation.metadata import check_metadata, check_metadata_update
from pybernetes.apiserver.validation.simple import check_not_negative

_UNKNOWN = "<unknown>"
_NIL = "<nil>"
_SHOWN = 2


def default_metrics(spec: Document) -> None:
    if not spec.get("metrics"):
        spec["metrics"] = [cpu_metric(UTILIZATION)]


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
    yield from check_autoscaler_spec(autoscaler.spec, None, at.spec)


def validate_update(new: HorizontalPodAutoscaler, old: HorizontalPodAutoscaler) -> Iterator[FieldError]:
    yield from check_metadata_update(new.metadata, old.metadata)
    yield from check_autoscaler_spec(new.spec, old.spec, at.spec)


def validate_status(new: HorizontalPodAutoscaler, old: HorizontalPodAutoscaler) -> Iterator[FieldError]:
    yield from check_metadata_update(new.metadata, old.metadata)
    yield from check_not_negative(new.status.current_replicas, at.status.currentReplicas)
    yield from check_not_negative(new.status.desired_replicas, at.status.desiredReplicas)


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
    source, measured = metric.get(field), status.get(field)
    if source is None:
        return "<unknown type>"
    target, current = source.get("target") or {}, (measured or {}).get("current") or {}
    unmeasured = _UNKNOWN if measured is None else _NIL
    if type_ in ("Resource", "ContainerResource"):
        return f"{source.get('name', '')}: {_of_resource(target, current, unmeasured)}"
    if type_ == "Pods":
        return f"{current.get('averageValue', unmeasured)}/{target.get('averageValue', _NIL)}"
    if "averageValue" in target:
        return f"{current.get('averageValue', _UNKNOWN)}/{target['averageValue']} (avg)"
    return f"{current.get('value', unmeasured)}/{target.get('value', _NIL)}"


def _of_resource(target: Document, current: Document, unmeasured: str) -> str:
    if "averageValue" in target:
        return f"{current.get('averageValue', unmeasured)}/{target['averageValue']}"
    used = f"{current['averageUtilization']}%" if "averageUtilization" in current else _UNKNOWN
    return f"{used}/" + (f"{target['averageUtilization']}%" if "averageUtilization" in target else "<auto>")


def _minimum(autoscaler: Document, now: datetime) -> str:
    return str(at_path(autoscaler, "spec.minReplicas", "<unset>"))


_COLUMNS = (
    NAME,
    Column("Reference", _reference),
    Column("Targets", _targets),
    Column("MinPods", _minimum),
    number_column("MaxPods", "spec.maxReplicas", "string"),
    number_column("Replicas", "status.currentReplicas", "string"),
    AGE,
)
_SUBRESOURCES = (StatusSubresource(validate=validate_status),)

HORIZONTAL_POD_AUTOSCALERS = Resource(
    info=info_of(HorizontalPodAutoscaler),
    short_names=("hpa",),
    categories=("all",),
    defaults=compile_defaults(
        {"spec.minReplicas": 1, "spec": Rule(default_metrics), "spec.behavior": Rule(default_behavior)}
    ),
    validate=validate,
    validate_update=validate_update,
    judges_updates_alone=True,
    initial_status=lambda autoscaler: {"desiredReplicas": 0, "currentMetrics": []},
    null_lists=("status.currentMetrics",),
    columns=_COLUMNS,
    subresources=_SUBRESOURCES,
)

V1 = Resource(
    info=info_of(autoscaling_v1.HorizontalPodAutoscaler),
    short_names=("hpa",),
    categories=("all",),
    storage=HORIZONTAL_POD_AUTOSCALERS.storage,
    stored=Stored(HORIZONTAL_POD_AUTOSCALERS.info, to_v1, from_v1, rules=HORIZONTAL_POD_AUTOSCALERS),
    defaults=compile_defaults({"spec.minReplicas": 1}),
    columns=tuple(as_stored(column, from_v1) for column in _COLUMNS),
    subresources=_SUBRESOURCES,
)

RESOURCES = (HORIZONTAL_POD_AUTOSCALERS, V1)
