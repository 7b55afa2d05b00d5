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
from pybernetes.api.models.apps_v1 import Deployment, DeploymentStrategy, RollingUpdateDeployment
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
from pybernetes.apiserver.resources.pod_defaults import POD_SPEC
from pybernetes.apiserver.validation.metadata import check_metadata, check_metadata_update
from pybernetes.apiserver.validation.pod_spec import check_workload_template
from pybernetes.apiserver.validation.pod_warnings import template_warnings
from pybernetes.apiserver.validation.selectors import check_workload_selector
from pybernetes.apiserver.validation.simple import check_unchanged
from pybernetes.apiserver.validation.workload import (
    check_at_most_all,
    check_not_negatives,
    check_number_or_percentage,
    check_replica_counts,
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
    spec = deployment.spec
    yield from check_not_negatives(at.spec, {"replicas": spec.replicas})
    yield from check_workload_selector(spec.selector, spec.template.metadata.labels, at.spec, "deployment")
    yield from check_workload_template(spec.template, at.spec.template, "ReplicaSet")
    yield from _check_strategy(spec.strategy, at.spec.strategy)
    yield from check_not_negatives(
        at.spec,
        {
            "minReadySeconds": spec.min_ready_seconds,
            "revisionHistoryLimit": spec.revision_history_limit,
            "progressDeadlineSeconds": spec.progress_deadline_seconds,
        },
    )
    deadline = spec.progress_deadline_seconds
    if deadline is not None and deadline <= spec.min_ready_seconds:
        yield invalid(at.spec.progressDeadlineSeconds, deadline, "must be greater than minReadySeconds")


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
            yield not_supported(path, strategy, (RECREATE, ROLLING_UPDATE))


def _check_rolling_update(rolling: RollingUpdateDeployment, path: FieldPath) -> Iterator[FieldError]:
    yield from check_number_or_percentage(rolling.max_unavailable, path.maxUnavailable)
    yield from check_number_or_percentage(rolling.max_surge, path.maxSurge)
    if is_zero(rolling.max_unavailable) and is_zero(rolling.max_surge):
        yield invalid(path.maxUnavailable, rolling.max_unavailable, "may not be 0 when `maxSurge` is 0")
    yield from check_at_most_all(rolling.max_unavailable, path.maxUnavailable)


def validate_update(new: Deployment, old: Deployment) -> Iterator[FieldError]:
    yield from check_metadata_update(new.metadata, old.metadata)
    yield from check_unchanged(new.spec.selector, old.spec.selector, at.spec.selector)


def validate_status(new: Deployment, old: Deployment) -> Iterator[FieldError]:
    yield from check_metadata_update(new.metadata, old.metadata)
    status = new.status
    counts = {
        "updatedReplicas": status.updated_replicas,
        "readyReplicas": status.ready_replicas,
        "availableReplicas": status.available_replicas,
    }
    yield from check_replica_counts(at.status, status.replicas, counts)
    if status.collision_count is not None and status.collision_count < (old.status.collision_count or 0):
        yield invalid(at.status.collisionCount, status.collision_count, "cannot be decremented")


def _ready(deployment: Document, now: datetime) -> str:
    return f"{at_path(deployment, 'status.readyReplicas', 0)}/{at_path(deployment, 'spec.replicas', 0)}"


DEPLOYMENTS = Resource(
    info=info_of(Deployment),
    short_names=("deploy",),
    categories=("all",),
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
    warnings=template_warnings(),
    validate_update=validate_update,
    generation=generation_rises,
    columns=(
        NAME,
        Column("Ready", _ready),
        number_column("Up-to-date", "status.updatedReplicas"),
        number_column("Available", "status.availableReplicas"),
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
