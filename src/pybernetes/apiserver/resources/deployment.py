"""Deployment: replica sets that follow one another.

Follows pkg/registry/apps/deployment and pkg/apis/apps/validation.
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
    not_supported,
    required,
)
from pybernetes.api.kinds import info_of
from pybernetes.api.models.apps_v1 import Deployment, DeploymentSpec, DeploymentStrategy, RollingUpdateDeployment
from pybernetes.apiserver.columns import AGE, NAME
from pybernetes.apiserver.resource import Column, Context, Document, Resource, ScaleSubresource, StatusSubresource
from pybernetes.apiserver.resources.cells import (
    at_path,
    container_columns,
    number_column,
    query_of_selector,
    selector_column,
)
from pybernetes.apiserver.resources.defaults import Rule, compile_defaults, under
from pybernetes.apiserver.resources.pod_defaults import POD_SPEC, drops_below
from pybernetes.apiserver.validation.internal_form import internal_form
from pybernetes.apiserver.validation.metadata import check_metadata, check_metadata_update
from pybernetes.apiserver.validation.pod_warnings import if_generation_differs, template_warnings, with_name
from pybernetes.apiserver.validation.workload import (
    check_at_most_all,
    check_not_decremented,
    check_not_negatives,
    check_number_or_percentage,
    check_part_counts,
    check_replica_template,
    check_selector_unchanged,
    is_zero,
)

ROLLING_UPDATE = "RollingUpdate"
RECREATE = "Recreate"


def default_strategy(spec: Document) -> None:
    strategy = spec.setdefault("strategy", {})
    if not strategy.get("type"):
        strategy["type"] = ROLLING_UPDATE
    if strategy["type"] == ROLLING_UPDATE:
        rolling = strategy.setdefault("rollingUpdate", {})
        rolling.setdefault("maxUnavailable", "25%")
        rolling.setdefault("maxSurge", "25%")


def generation_rises(new: Document, old: Document) -> bool:
    """Annotations count too: they are copied to the replica sets."""
    annotations = new["metadata"].get("annotations"), old["metadata"].get("annotations")
    return bool(new.get("spec") != old.get("spec") or annotations[0] != annotations[1])


def prepare_status(new: Document, old: Document, context: Context) -> None:
    if "labels" in old["metadata"]:
        new["metadata"]["labels"] = old["metadata"]["labels"]
    else:
        new["metadata"].pop("labels", None)


def validate(deployment: Deployment) -> Iterator[FieldError]:
    yield from check_metadata(deployment.metadata, is_dns_subdomain)
    yield from _check_spec(deployment.spec, at.spec)


def _check_spec(spec: DeploymentSpec, path: FieldPath) -> Iterator[FieldError]:
    yield from check_not_negatives(path, {"replicas": spec.replicas})
    yield from check_replica_template(spec, path)
    yield from _check_strategy(spec.strategy, path.strategy)
    deadline = spec.progress_deadline_seconds
    yield from check_not_negatives(
        path,
        {
            "minReadySeconds": spec.min_ready_seconds,
            "revisionHistoryLimit": spec.revision_history_limit,
            "progressDeadlineSeconds": deadline,
        },
    )
    if deadline is not None and deadline <= spec.min_ready_seconds:
        yield invalid(path.progressDeadlineSeconds, deadline, "must be greater than minReadySeconds")


def _check_strategy(strategy: DeploymentStrategy, path: FieldPath) -> Iterator[FieldError]:
    match strategy.type:
        case "Recreate":
            if strategy.rolling_update is not None:
                yield forbidden(path.rollingUpdate, "may not be specified when strategy `type` is 'Recreate'")
        case "RollingUpdate":
            if strategy.rolling_update is None:
                yield required(path.rollingUpdate, "this should be defaulted and never be nil")
            else:
                yield from _check_rolling_update(strategy.rolling_update, path.rollingUpdate)
        case _:
            yield not_supported(path, internal_form(strategy), (RECREATE, ROLLING_UPDATE))


def _check_rolling_update(rolling: RollingUpdateDeployment, path: FieldPath) -> Iterator[FieldError]:
    yield from check_number_or_percentage(rolling.max_unavailable, path.maxUnavailable)
    yield from check_number_or_percentage(rolling.max_surge, path.maxSurge)
    if is_zero(rolling.max_unavailable) and is_zero(rolling.max_surge):
        yield invalid(path.maxUnavailable, rolling.max_unavailable, "may not be 0 when `maxSurge` is 0")
    yield from check_at_most_all(rolling.max_unavailable, path.maxUnavailable)


def validate_update(new: Deployment, old: Deployment) -> Iterator[FieldError]:
    yield from check_metadata_update(new.metadata, old.metadata)
    yield from _check_spec(new.spec, at.spec)
    yield from check_selector_unchanged(new.spec.selector, old.spec.selector, at.spec.selector)


def validate_status(new: Deployment, old: Deployment) -> Iterator[FieldError]:
    yield from check_metadata_update(new.metadata, old.metadata)
    status = new.status
    counts = {
        "updatedReplicas": status.updated_replicas,
        "readyReplicas": status.ready_replicas,
        "availableReplicas": status.available_replicas,
    }
    yield from check_not_negatives(
        at.status,
        {
            "observedGeneration": status.observed_generation,
            "replicas": status.replicas,
            **counts,
            "unavailableReplicas": status.unavailable_replicas,
            "terminatingReplicas": status.terminating_replicas,
            "collisionCount": status.collision_count,
        },
    )
    yield from check_part_counts(at.status, status.replicas, counts)
    yield from check_not_decremented(status.collision_count, old.status.collision_count, at.status.collisionCount)


def _ready(deployment: Document, now: datetime) -> str:
    return f"{at_path(deployment, 'status.readyReplicas', 0)}/{at_path(deployment, 'spec.replicas', 0)}"


DEPLOYMENTS = Resource(
    info=info_of(Deployment),
    short_names=("deploy",),
    categories=("all",),
    drops=drops_below("spec.template.spec"),
    defaults=compile_defaults(
        {
            "spec.replicas": 1,
            "spec": Rule(default_strategy),
            "spec.revisionHistoryLimit": 10,
            "spec.progressDeadlineSeconds": 600,
        },
        under("spec.template.spec", POD_SPEC),
    ),
    validate=validate,
    validate_update=validate_update,
    judges_updates_alone=True,
    warnings=with_name(template_warnings()),
    update_warnings=if_generation_differs(template_warnings()),
    generation=generation_rises,
    columns=(
        NAME,
        Column("Ready", _ready),
        number_column("Up-to-date", "status.updatedReplicas", "string"),
        number_column("Available", "status.availableReplicas", "string"),
        AGE,
        *container_columns(),
        selector_column(),
    ),
    subresources=(
        StatusSubresource(prepare=prepare_status, validate=validate_status),
        ScaleSubresource(query_of_selector),
    ),
)

RESOURCES = (DEPLOYMENTS,)
