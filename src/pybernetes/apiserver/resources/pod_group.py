"""PodGroup: pods that are scheduled together, or none of them. Served only when it is asked for.

A group is always disrupted pod by pod: to say otherwise is a feature that is off (WorkloadAwarePreemption).
Follows pkg/registry/scheduling/podgroup and pkg/apis/scheduling/validation.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from pybernetes.api.fields import FieldError, at, invalid, is_dns_subdomain
from pybernetes.api.kinds import info_of
from pybernetes.api.models.scheduling_v1alpha2 import PodGroup
from pybernetes.apiserver.columns import AGE, NAME
from pybernetes.apiserver.resource import Column, Document, Resource, StatusSubresource
from pybernetes.apiserver.validation.conditions import check_conditions
from pybernetes.apiserver.validation.metadata import check_metadata, check_metadata_update
from pybernetes.apiserver.validation.pod_groups import (
    IMMUTABLE,
    check_long_name,
    check_policy,
    check_short_name,
    drop_what_is_off,
)


def fill(group: Document) -> None:
    spec = group.setdefault("spec", {})
    drop_what_is_off(spec)
    spec["disruptionMode"] = "Pod"
    (group.get("status") or {}).pop("resourceClaimStatuses", None)


def validate(group: PodGroup) -> Iterator[FieldError]:
    yield from check_metadata(group.metadata, is_dns_subdomain)
    yield from _check_reference(group)
    yield from check_policy(group.spec.scheduling_policy, at.spec.schedulingPolicy)


def _check_reference(group: PodGroup) -> Iterator[FieldError]:
    reference, path = group.spec.pod_group_template_ref, at.spec.podGroupTemplateRef
    if reference is None:
        return
    if reference.workload is None:
        yield invalid(path, "", "must specify one of: `workload`")
        return
    yield from check_long_name(reference.workload.workload_name, path.workload.workloadName)
    yield from check_short_name(reference.workload.pod_group_template_name, path.workload.podGroupTemplateName)


def validate_update(new: PodGroup, old: PodGroup) -> Iterator[FieldError]:
    yield from check_metadata_update(new.metadata, old.metadata)
    if new.spec.pod_group_template_ref != old.spec.pod_group_template_ref:
        yield invalid(at.spec.podGroupTemplateRef, None, IMMUTABLE)
    if new.spec.scheduling_policy != old.spec.scheduling_policy:
        yield invalid(at.spec.schedulingPolicy, None, IMMUTABLE)


def validate_status(new: PodGroup, old: PodGroup) -> Iterator[FieldError]:
    yield from check_metadata_update(new.metadata, old.metadata)
    yield from check_conditions(new.status.conditions, at.status.conditions)


def _policy(group: Document, now: datetime) -> str:
    return "Gang" if "gang" in ((group.get("spec") or {}).get("schedulingPolicy") or {}) else "Basic"


def _workload(group: Document, now: datetime) -> str:
    reference = (group.get("spec") or {}).get("podGroupTemplateRef") or {}
    return str(reference["workload"]["workloadName"]) if reference.get("workload") else "<none>"


def _status(group: Document, now: datetime) -> str:
    conditions = {one["type"]: one for one in (group.get("status") or {}).get("conditions", ())}
    if (target := conditions.get("DisruptionTarget")) is not None:
        return str(target["reason"])
    scheduled = conditions.get("PodGroupScheduled")
    if scheduled is None:
        return "Pending"
    return "Scheduled" if scheduled["status"] == "True" else "Unschedulable"


POD_GROUPS = Resource(
    info=info_of(PodGroup),
    defaults=fill,
    validate=validate,
    validate_update=validate_update,
    judges_updates_alone=True,
    columns=(
        NAME,
        Column("Policy", _policy),
        Column("Workload", _workload, description="Name of the referenced Workload object"),
        Column("Status", _status, description="Status of the PodGroup"),
        AGE,
    ),
    subresources=(StatusSubresource(validate=validate_status),),
)

RESOURCES = (POD_GROUPS,)
