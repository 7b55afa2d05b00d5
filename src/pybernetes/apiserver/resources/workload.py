"""Workload: which groups of pods an application is made of. Served only when it is asked for.

Follows pkg/registry/scheduling/workload and pkg/apis/scheduling/validation.
"""

from __future__ import annotations

from collections.abc import Iterator

from pybernetes.api.codec import to_document
from pybernetes.api.fields import (
    FieldError,
    FieldPath,
    at,
    duplicate,
    invalid,
    is_dns_subdomain,
    is_path_segment,
    required,
    too_many,
)
from pybernetes.api.kinds import info_of
from pybernetes.api.models.scheduling_v1alpha2 import TypedLocalObjectReference, Workload
from pybernetes.apiserver.columns import AGE, NAME
from pybernetes.apiserver.resource import Document, Resource
from pybernetes.apiserver.validation.metadata import check_metadata, check_metadata_update
from pybernetes.apiserver.validation.pod_groups import (
    IMMUTABLE,
    check_name,
    check_policy,
    check_short_name,
    drop_what_is_off,
)

_MOST_TEMPLATES = 8


def fill(workload: Document) -> None:
    for template in (workload.get("spec") or {}).get("podGroupTemplates") or ():
        drop_what_is_off(template)
        template["schedulingConstraints"] = None


def validate(workload: Workload) -> Iterator[FieldError]:
    yield from check_metadata(workload.metadata, is_dns_subdomain)
    if workload.spec.controller_ref is not None:
        yield from _check_controller(workload.spec.controller_ref, at.spec.controllerRef)
    templates, path = workload.spec.pod_group_templates, at.spec.podGroupTemplates
    if len(templates) > _MOST_TEMPLATES:
        yield too_many(path, len(templates), _MOST_TEMPLATES)
        return
    if not templates:
        yield required(path)
        return
    seen = set()
    for index, one in enumerate(templates):
        if one.name in seen:
            yield duplicate(path[index], {**to_document(one), "schedulingConstraints": None})
        seen.add(one.name)
    for index, one in enumerate(templates):
        yield from check_short_name(one.name, path[index].child("name"))
        yield from check_policy(one.scheduling_policy, path[index].schedulingPolicy)


def _check_controller(reference: TypedLocalObjectReference, path: FieldPath) -> Iterator[FieldError]:
    if reference.api_group:
        yield from (
            invalid(path.apiGroup, reference.api_group, message) for message in is_dns_subdomain(reference.api_group)
        )
    yield from check_name(reference.kind, is_path_segment, path.kind)
    yield from check_name(reference.name, is_path_segment, path.child("name"))


def validate_update(new: Workload, old: Workload) -> Iterator[FieldError]:
    yield from check_metadata_update(new.metadata, old.metadata)
    if new.spec.controller_ref != old.spec.controller_ref:
        yield invalid(at.spec.controllerRef, None, IMMUTABLE)
    if new.spec.pod_group_templates != old.spec.pod_group_templates:
        yield invalid(at.spec.podGroupTemplates, None, IMMUTABLE)


WORKLOADS = Resource(
    info=info_of(Workload),
    defaults=fill,
    validate=validate,
    validate_update=validate_update,
    judges_updates_alone=True,
    null_lists=("spec.podGroupTemplates",),
    columns=(NAME, AGE),
)

RESOURCES = (WORKLOADS,)
