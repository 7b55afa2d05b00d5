"""StatefulSet: pods with names and volumes of their own, one after the other.

Follows pkg/registry/apps/statefulset and pkg/apis/apps/validation.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

import msgspec

from pybernetes.api.fields import (
    FieldError,
    FieldPath,
    at,
    forbidden,
    invalid,
    is_dns_label,
    not_supported,
    required,
)
from pybernetes.api.kinds import info_of
from pybernetes.api.models.apps_v1 import StatefulSet, StatefulSetSpec, StatefulSetUpdateStrategy
from pybernetes.api.models.core_v1 import PersistentVolumeClaimVolumeSource, PodTemplateSpec, Volume
from pybernetes.apiserver.columns import AGE, NAME
from pybernetes.apiserver.resource import (
    Column,
    Context,
    Document,
    Resource,
    ScaleSubresource,
    StatusSubresource,
    spec_changed,
)
from pybernetes.apiserver.resources.cells import at_path, container_columns, query_of_selector
from pybernetes.apiserver.resources.defaults import Rule, compile_defaults, under
from pybernetes.apiserver.resources.pod_defaults import CLAIM_SPEC, POD_SPEC, drops_below
from pybernetes.apiserver.validation.claims import check_claim_spec
from pybernetes.apiserver.validation.internal_form import internal_form
from pybernetes.apiserver.validation.metadata import (
    check_annotations,
    check_labels,
    check_metadata,
    check_metadata_update,
)
from pybernetes.apiserver.validation.pod_annotations import check_pod_annotations
from pybernetes.apiserver.validation.pod_spec import check_pod_template, check_runs_for_ever
from pybernetes.apiserver.validation.pod_warnings import if_generation_differs, template_warnings
from pybernetes.apiserver.validation.selectors import (
    check_convertible,
    check_matches_template,
    check_selector_given,
)
from pybernetes.apiserver.validation.volume_warnings import claim_warnings
from pybernetes.apiserver.validation.workload import (
    check_not_decremented,
    check_not_negatives,
    check_part_counts,
)

_POLICIES = ("Retain", "Delete")
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
    if "rollingUpdate" in strategy:
        strategy["rollingUpdate"].setdefault("partition", 0)
    policy = spec.setdefault("persistentVolumeClaimRetentionPolicy", {})
    policy.setdefault("whenDeleted", "Retain")
    policy.setdefault("whenScaled", "Retain")


def complete_claim(claim: Document) -> None:
    """A claim in a template is an object of its own."""
    claim["apiVersion"], claim["kind"] = "v1", "PersistentVolumeClaim"
    claim.setdefault("status", {}).setdefault("phase", "Pending")


def drop_max_unavailable(stateful_set: Document) -> None:
    """A feature that is off: MaxUnavailableStatefulSet."""
    at_path(stateful_set, "spec.updateStrategy.rollingUpdate", {}).pop("maxUnavailable", None)


def prepare_create(stateful_set: Document, context: Context) -> None:
    drop_max_unavailable(stateful_set)


def prepare_update(new: Document, old: Document, context: Context) -> None:
    drop_max_unavailable(new)


def validate(stateful_set: StatefulSet) -> Iterator[FieldError]:
    yield from check_metadata(stateful_set.metadata, is_dns_label)
    spec = stateful_set.spec
    yield from _check_policies(spec, at.spec)
    for index, claim in enumerate(spec.volume_claim_templates):
        yield from check_claim_spec(claim.spec, at.spec.volumeClaimTemplates[index].spec)
    yield from _check_numbers(spec, at.spec)
    if spec.service_name:
        messages = is_dns_label(spec.service_name)
        yield from (invalid(at.spec.serviceName, spec.service_name, message) for message in messages)
    yield from _check_pods(spec, at.spec)


def _check_policies(spec: StatefulSetSpec, path: FieldPath) -> Iterator[FieldError]:
    if not spec.pod_management_policy:
        yield required(path.podManagementPolicy)
    elif spec.pod_management_policy not in _MANAGEMENT:
        yield invalid(path.podManagementPolicy, spec.pod_management_policy, "must be 'OrderedReady' or 'Parallel'")
    yield from _check_strategy(spec.update_strategy, path.updateStrategy)
    if (policy := spec.persistent_volume_claim_retention_policy) is not None:
        for field, value in (("whenDeleted", policy.when_deleted), ("whenScaled", policy.when_scaled)):
            if value not in _POLICIES:
                yield not_supported(path.persistentVolumeClaimRetentionPolicy.child(field), value, _POLICIES)


def _check_numbers(spec: StatefulSetSpec, path: FieldPath) -> Iterator[FieldError]:
    yield from check_not_negatives(path, {"replicas": spec.replicas, "minReadySeconds": spec.min_ready_seconds})
    if spec.ordinals is not None:
        yield from check_not_negatives(path, {"ordinals.start": spec.ordinals.start})


def _check_pods(spec: StatefulSetSpec, path: FieldPath) -> Iterator[FieldError]:
    template = spec.template
    yield from check_selector_given(spec.selector, path.selector, "statefulset")
    if errors := list(check_convertible(spec.selector, path.selector, "")):
        yield from errors
    else:
        yield from check_matches_template(spec.selector, template.metadata.labels, path.template)
        yield from check_pod_template(_as_pods_will_be(spec), path.template)
        yield from check_labels(template.metadata.labels, path.template.labels)
        yield from check_annotations(template.metadata.annotations, path.template.annotations)
        yield from check_pod_annotations(template.metadata.annotations, template.spec, path.template.annotations)
    yield from check_runs_for_ever(template.spec, path.template.spec, "StatefulSet")


def _as_pods_will_be(spec: StatefulSetSpec) -> PodTemplateSpec:
    """Pods get their host names and the volumes of their claims from the controller."""
    claims = {claim.metadata.name: claim.metadata.name for claim in spec.volume_claim_templates}
    volumes = [
        Volume(name=name, persistent_volume_claim=PersistentVolumeClaimVolumeSource(claim_name=name)) for name in claims
    ]
    volumes += [volume for volume in spec.template.spec.volumes if volume.name not in claims]
    pod_spec = msgspec.structs.replace(spec.template.spec, subdomain="", hostname="", volumes=volumes)
    return msgspec.structs.replace(spec.template, spec=pod_spec)


def _check_strategy(strategy: StatefulSetUpdateStrategy, path: FieldPath) -> Iterator[FieldError]:
    rolling = strategy.rolling_update
    match strategy.type:
        case "":
            yield required(path)
        case "OnDelete":
            if rolling is not None:
                message = "only allowed for updateStrategy 'RollingUpdate'"
                yield invalid(path.rollingUpdate, internal_form(rolling), message)
        case "RollingUpdate":
            if rolling is not None:
                yield from check_not_negatives(path.rollingUpdate, {"partition": rolling.partition})
        case _:
            yield invalid(path, internal_form(strategy), "must be 'RollingUpdate' or 'OnDelete'")


def validate_update(new: StatefulSet, old: StatefulSet) -> Iterator[FieldError]:
    yield from check_metadata_update(new.metadata, old.metadata)
    yield from _check_policies(new.spec, at.spec)
    yield from _check_numbers(new.spec, at.spec)
    yield from _check_pods(new.spec, at.spec)
    kept = {name: getattr(old.spec, name) for name in _MUTABLE}
    if msgspec.structs.replace(new.spec, **kept) != old.spec:
        yield forbidden(at.spec, _FROZEN)


def validate_status(new: StatefulSet, old: StatefulSet) -> Iterator[FieldError]:
    status = new.status
    counts = {
        "readyReplicas": status.ready_replicas,
        "currentReplicas": status.current_replicas,
        "updatedReplicas": status.updated_replicas,
        "availableReplicas": status.available_replicas,
    }
    yield from check_not_negatives(
        at.status,
        {
            "replicas": status.replicas,
            **counts,
            "observedGeneration": status.observed_generation,
            "collisionCount": status.collision_count,
        },
    )
    yield from check_part_counts(at.status, status.replicas, counts, ready="status.readyReplicas")
    yield from check_metadata_update(new.metadata, old.metadata)
    yield from check_not_decremented(status.collision_count, old.status.collision_count, at.status.collisionCount)


def warnings(stateful_set: Document) -> Iterator[str]:
    yield from _template_warnings(stateful_set)
    yield from _own_warnings(stateful_set, "")


def update_warnings(new: Document, old: Document) -> Iterator[str]:
    yield from _changed_template_warnings(new, old)
    yield from _own_warnings(new, ".Spec")


def _own_warnings(stateful_set: Document, part: str) -> Iterator[str]:
    """``part`` of a claim's template is what upstream names."""
    spec = stateful_set.get("spec") or {}
    for index, claim in enumerate(spec.get("volumeClaimTemplates") or ()):
        yield from claim_warnings(claim.get("spec") or {}, f"spec.volumeClaimTemplates[{index}]{part}")
    if spec.get("revisionHistoryLimit", 0) < 0:
        what = "a negative value retains all historical revisions; a value >= 0 is recommended"
        yield f"spec.revisionHistoryLimit: {what}"


_template_warnings = template_warnings()
_changed_template_warnings = if_generation_differs(_template_warnings)


def _ready(stateful_set: Document, now: datetime) -> str:
    return f"{at_path(stateful_set, 'status.readyReplicas', 0)}/{at_path(stateful_set, 'spec.replicas', 0)}"


STATEFUL_SETS = Resource(
    info=info_of(StatefulSet),
    short_names=("sts",),
    categories=("all",),
    drops=drops_below("spec.template.spec"),
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
    validate_update=validate_update,
    judges_updates_alone=True,
    warnings=warnings,
    update_warnings=update_warnings,
    prepare_create=prepare_create,
    prepare_update=prepare_update,
    initial_status=lambda stateful_set: {"replicas": 0, "availableReplicas": 0},
    generation=spec_changed,
    columns=(NAME, Column("Ready", _ready), AGE, *container_columns()),
    subresources=(StatusSubresource(validate=validate_status), ScaleSubresource(query_of_selector)),
)

RESOURCES = (STATEFUL_SETS,)
