"""StatefulSet: pods with names and volumes of their own, one after the other.

Follows pkg/registry/apps/statefulset and pkg/apis/apps/validation.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

import msgspec

from pybernetes.api.fields import FieldError, FieldPath, at, forbidden, is_dns_label, not_supported, required
from pybernetes.api.kinds import info_of
from pybernetes.api.models.apps_v1 import StatefulSet, StatefulSetUpdateStrategy
from pybernetes.apiserver.columns import AGE, NAME
from pybernetes.apiserver.resource import (
    Column,
    Document,
    Resource,
    ScaleSubresource,
    StatusSubresource,
    spec_changed,
)
from pybernetes.apiserver.resources.cells import at_path, container_columns, query_of_selector
from pybernetes.apiserver.resources.defaults import Rule, compile_defaults, under
from pybernetes.apiserver.resources.pod_defaults import CLAIM_SPEC, POD_SPEC
from pybernetes.apiserver.validation.metadata import check_metadata, check_metadata_update
from pybernetes.apiserver.validation.pod_spec import check_workload_template
from pybernetes.apiserver.validation.pod_warnings import template_warnings
from pybernetes.apiserver.validation.selectors import check_workload_selector
from pybernetes.apiserver.validation.workload import (
    check_at_most_all,
    check_not_negatives,
    check_number_or_percentage,
    check_replica_counts,
)

_POLICIES = ("Delete", "Retain")
_MANAGEMENT = ("OrderedReady", "Parallel")
_MUTABLE = (
    "replicas",
    "ordinals",
    "template",
    "update_strategy",
    "revision_history_limit",
    "persistent_volume_claim_retention_policy",
    "min_ready_seconds",
)
_FROZEN = (
    "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', "
    "'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden"
)


def default_strategy(spec: Document) -> None:
    strategy = spec.setdefault("updateStrategy", {})
    if not strategy.get("type"):
        strategy["type"] = "RollingUpdate"
        strategy.setdefault("rollingUpdate", {})
    if strategy["type"] == "RollingUpdate" and "rollingUpdate" in strategy:
        strategy["rollingUpdate"].setdefault("partition", 0)
    policy = spec.setdefault("persistentVolumeClaimRetentionPolicy", {})
    policy.setdefault("whenDeleted", "Retain")
    policy.setdefault("whenScaled", "Retain")


def complete_claim(claim: Document) -> None:
    """A claim in a template is an object of its own."""
    claim["apiVersion"], claim["kind"] = "v1", "PersistentVolumeClaim"
    claim.setdefault("status", {}).setdefault("phase", "Pending")


def validate(stateful_set: StatefulSet) -> Iterator[FieldError]:
    yield from check_metadata(stateful_set.metadata, is_dns_label)
    spec = stateful_set.spec
    if not spec.pod_management_policy:
        yield required(at.spec.podManagementPolicy)
    elif spec.pod_management_policy not in _MANAGEMENT:
        yield not_supported(at.spec.podManagementPolicy, spec.pod_management_policy, _MANAGEMENT)
    yield from _check_strategy(spec.update_strategy, at.spec.updateStrategy)
    if (policy := spec.persistent_volume_claim_retention_policy) is not None:
        path = at.spec.persistentVolumeClaimRetentionPolicy
        for field, value in (("whenDeleted", policy.when_deleted), ("whenScaled", policy.when_scaled)):
            if value not in _POLICIES:
                yield not_supported(path.child(field), value, _POLICIES)
    yield from check_not_negatives(
        at.spec,
        {
            "replicas": spec.replicas,
            "minReadySeconds": spec.min_ready_seconds,
            "revisionHistoryLimit": spec.revision_history_limit,
        },
    )
    if spec.ordinals is not None:
        yield from check_not_negatives(at.spec.ordinals, {"start": spec.ordinals.start})
    yield from check_workload_selector(spec.selector, spec.template.metadata.labels, at.spec, "statefulset")
    yield from check_workload_template(spec.template, at.spec.template, "StatefulSet")


def _check_strategy(strategy: StatefulSetUpdateStrategy, path: FieldPath) -> Iterator[FieldError]:
    rolling = strategy.rolling_update
    match strategy.type:
        case "":
            yield required(path)
        case "OnDelete":
            if rolling is not None:
                yield forbidden(path.rollingUpdate, "only allowed for updateStrategy 'RollingUpdate'")
        case "RollingUpdate":
            if rolling is None:
                return
            yield from check_not_negatives(path.rollingUpdate, {"partition": rolling.partition})
            yield from check_number_or_percentage(rolling.max_unavailable, path.rollingUpdate.maxUnavailable)
            yield from check_at_most_all(rolling.max_unavailable, path.rollingUpdate.maxUnavailable)
        case _:
            yield not_supported(path, strategy, ("OnDelete", "RollingUpdate"))


def validate_update(new: StatefulSet, old: StatefulSet) -> Iterator[FieldError]:
    yield from check_metadata_update(new.metadata, old.metadata)
    kept = {name: getattr(old.spec, name) for name in _MUTABLE}
    if msgspec.structs.replace(new.spec, **kept) != old.spec:
        yield forbidden(at.spec, _FROZEN)


def validate_status(new: StatefulSet, old: StatefulSet) -> Iterator[FieldError]:
    yield from check_metadata_update(new.metadata, old.metadata)
    status = new.status
    counts = {
        "readyReplicas": status.ready_replicas,
        "currentReplicas": status.current_replicas,
        "updatedReplicas": status.updated_replicas,
        "availableReplicas": status.available_replicas,
    }
    yield from check_replica_counts(at.status, status.replicas, counts)


def _ready(stateful_set: Document, now: datetime) -> str:
    return f"{at_path(stateful_set, 'status.readyReplicas', 0)}/{at_path(stateful_set, 'spec.replicas', 0)}"


STATEFUL_SETS = Resource(
    info=info_of(StatefulSet),
    short_names=("sts",),
    categories=("all",),
    defaults=compile_defaults(
        {
            "spec.podManagementPolicy": "OrderedReady",
            "spec": Rule(default_strategy),
            "spec.replicas": 1,
            "spec.revisionHistoryLimit": 10,
            "spec.volumeClaimTemplates[]": Rule(complete_claim),
        },
        under("spec.volumeClaimTemplates[].spec", CLAIM_SPEC),
        under("spec.template.spec", POD_SPEC),
    ),
    validate=validate,
    warnings=template_warnings(),
    validate_update=validate_update,
    initial_status=lambda stateful_set: {"replicas": 0, "availableReplicas": 0},
    generation=spec_changed,
    columns=(NAME, Column("Ready", _ready), AGE, *container_columns()),
    subresources=(StatusSubresource(validate=validate_status), ScaleSubresource(query_of_selector)),
)

RESOURCES = (STATEFUL_SETS,)
