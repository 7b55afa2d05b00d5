"""PodDisruptionBudget: how many pods may be missing when nodes are drained.

Follows pkg/registry/policy/poddisruptionbudget and pkg/apis/policy/validation.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from pybernetes.api.fields import FieldError, FieldPath, at, invalid, not_supported
from pybernetes.api.kinds import info_of
from pybernetes.api.models.policy_v1 import PodDisruptionBudget
from pybernetes.apiserver.columns import AGE, NAME
from pybernetes.apiserver.resource import Column, Document, Resource, StatusSubresource, spec_changed
from pybernetes.apiserver.resources.cells import number_column
from pybernetes.apiserver.validation.conditions import check_conditions
from pybernetes.apiserver.validation.internal_form import internal_form
from pybernetes.apiserver.validation.selectors import check_label_selector
from pybernetes.apiserver.validation.workload import (
    check_at_most_all,
    check_not_negatives,
    check_number_or_percentage,
)

_EVICTION_POLICIES = ("AlwaysAllow", "IfHealthyBudget")


def initial_status(budget: Document) -> Document:
    return {"disruptionsAllowed": 0, "currentHealthy": 0, "desiredHealthy": 0, "expectedPods": 0}


def validate(budget: PodDisruptionBudget) -> Iterator[FieldError]:
    spec = budget.spec
    if spec.min_available is not None and spec.max_unavailable is not None:
        yield invalid(at.spec, internal_form(spec), "minAvailable and maxUnavailable cannot be both set")
    yield from _check_amount(spec.min_available, at.spec.minAvailable)
    yield from _check_amount(spec.max_unavailable, at.spec.maxUnavailable)
    yield from check_label_selector(spec.selector, at.spec.selector)
    policy = spec.unhealthy_pod_eviction_policy
    if policy is not None and policy not in _EVICTION_POLICIES:
        yield not_supported(at.spec.unhealthyPodEvictionPolicy, policy, _EVICTION_POLICIES)


def _check_amount(value: int | str | None, path: FieldPath) -> Iterator[FieldError]:
    if value is not None:
        yield from check_number_or_percentage(value, path)
        yield from check_at_most_all(value, path)


def validate_status(new: PodDisruptionBudget, old: PodDisruptionBudget) -> Iterator[FieldError]:
    status = new.status
    yield from check_conditions(status.conditions, at.status.conditions)
    yield from check_not_negatives(
        at.status,
        {
            "disruptionsAllowed": status.disruptions_allowed,
            "currentHealthy": status.current_healthy,
            "desiredHealthy": status.desired_healthy,
            "expectedPods": status.expected_pods,
        },
    )


def _amount(budget: Document, field: str) -> str:
    value = (budget.get("spec") or {}).get(field)
    return "N/A" if value is None else str(value)


def _minimum(budget: Document, now: datetime) -> str:
    return _amount(budget, "minAvailable")


def _maximum(budget: Document, now: datetime) -> str:
    return _amount(budget, "maxUnavailable")


POD_DISRUPTION_BUDGETS = Resource(
    info=info_of(PodDisruptionBudget),
    short_names=("pdb",),
    validate=validate,
    validate_update=lambda new, old: validate(new),
    judges_updates_alone=True,
    common_metadata=True,
    initial_status=initial_status,
    generation=spec_changed,
    columns=(
        NAME,
        Column("Min Available", _minimum),
        Column("Max Unavailable", _maximum),
        number_column("Allowed Disruptions", "status.disruptionsAllowed"),
        AGE,
    ),
    subresources=(StatusSubresource(validate=validate_status),),
    allows_unconditional_update=False,
)

RESOURCES = (POD_DISRUPTION_BUDGETS,)
