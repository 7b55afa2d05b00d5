"""What autoscaling/v1 has no fields for, as its annotations keep it: the types that stand there, as JSON.

Follows the types of the alpha annotations in k8s.io/api/autoscaling/v1 and pkg/apis/autoscaling/annotations.go.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec

from pybernetes.api import codec, go_json
from pybernetes.api.models.autoscaling_v2 import HorizontalPodAutoscalerBehavior, HPAScalingPolicy, HPAScalingRules
from pybernetes.api.models.base import Model, always
from pybernetes.apiserver.validation.internal_form import internal_form

METRICS = "autoscaling.alpha.kubernetes.io/metrics"
CURRENT_METRICS = "autoscaling.alpha.kubernetes.io/current-metrics"
BEHAVIOR = "autoscaling.alpha.kubernetes.io/behavior"
CONDITIONS = "autoscaling.alpha.kubernetes.io/conditions"
ALL = frozenset(
    (
        METRICS,
        CURRENT_METRICS,
        BEHAVIOR,
        CONDITIONS,
        "autoscaling.alpha.kubernetes.io/scale-down-tolerance",
        "autoscaling.alpha.kubernetes.io/scale-up-tolerance",
    )
)
T = TypeVar("T")


class Described(Model):
    kind: str = always("")
    name: str = always("")
    api_version: str = ""


class ObjectSource(Model):
    target: Described = msgspec.field(default_factory=Described)
    metric_name: str = always("")
    target_value: str = always("0")
    selector: Any = None
    average_value: str | None = None


class PodsSource(Model):
    metric_name: str = always("")
    target_average_value: str = always("0")
    selector: Any = None


class ResourceSource(Model):
    name: str = always("")
    target_average_utilization: int | None = None
    target_average_value: str | None = None


class ContainerResourceSource(ResourceSource):
    container: str = always("")


class ExternalSource(Model):
    metric_name: str = always("")
    metric_selector: Any = None
    target_value: str | None = None
    target_average_value: str | None = None


class Metric(Model):
    type: str = always("")
    object: ObjectSource | None = None
    pods: PodsSource | None = None
    resource: ResourceSource | None = None
    container_resource: ContainerResourceSource | None = None
    external: ExternalSource | None = None


class ObjectStatus(Model):
    target: Described = msgspec.field(default_factory=Described)
    metric_name: str = always("")
    current_value: str = always("0")
    selector: Any = None
    average_value: str | None = None


class PodsStatus(Model):
    metric_name: str = always("")
    current_average_value: str = always("0")
    selector: Any = None


class ResourceStatus(Model):
    name: str = always("")
    current_average_utilization: int | None = None
    current_average_value: str = always("0")


class ContainerResourceStatus(ResourceStatus):
    container: str = always("")


class ExternalStatus(Model):
    metric_name: str = always("")
    metric_selector: Any = None
    current_value: str = always("0")
    current_average_value: str | None = None


class MetricStatus(Model):
    type: str = always("")
    object: ObjectStatus | None = None
    pods: PodsStatus | None = None
    resource: ResourceStatus | None = None
    container_resource: ContainerResourceStatus | None = None
    external: ExternalStatus | None = None


class Condition(msgspec.Struct, rename="camel"):
    type: str = ""
    status: str = ""
    last_transition_time: str | None = None
    reason: str = ""
    message: str = ""


class _Policy(msgspec.Struct, rename="pascal"):
    type: str = ""
    value: int = 0
    period_seconds: int = 0


class _Rules(msgspec.Struct, rename="pascal"):
    stabilization_window_seconds: int | None = None
    select_policy: str | None = None
    policies: list[_Policy] | None = None
    tolerance: str | None = None


class _Behavior(msgspec.Struct, rename="pascal"):
    """The annotation has the internal type: its names are Go's."""

    scale_up: _Rules | None = None
    scale_down: _Rules | None = None


def read(annotations: Mapping[str, str], name: str, type_: type[T]) -> T | None:
    """What an annotation holds; None when it is absent or is not that."""
    text = annotations.get(name)
    if text is None:
        return None
    try:
        return codec.decode(type_, text)
    except msgspec.DecodeError:
        return None


def written(value: Any) -> str:
    """As Go's encoder writes it."""
    return go_json.escaped(codec.encode(value).decode())


def read_behavior(annotations: Mapping[str, str]) -> dict[str, Any] | None:
    """In the form of autoscaling/v2; None when there is nothing in it."""
    found = read(annotations, BEHAVIOR, _Behavior)
    if found is None or (found.scale_up is None and found.scale_down is None):
        return None
    return codec.to_document(
        HorizontalPodAutoscalerBehavior(scale_up=_rules(found.scale_up), scale_down=_rules(found.scale_down))
    )


def _rules(rules: _Rules | None) -> HPAScalingRules | None:
    if rules is None:
        return None
    return HPAScalingRules(
        stabilization_window_seconds=rules.stabilization_window_seconds,
        select_policy=rules.select_policy,
        policies=[
            HPAScalingPolicy(type=one.type, value=one.value, period_seconds=one.period_seconds)
            for one in rules.policies or ()
        ],
        tolerance=rules.tolerance,
    )


def written_behavior(behavior: dict[str, Any]) -> str:
    return written(internal_form(codec.from_document(HorizontalPodAutoscalerBehavior, behavior)))
