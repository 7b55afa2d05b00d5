"""ReplicaSet: as many pods of a template as asked for.

Follows pkg/registry/apps/replicaset and pkg/apis/apps/validation.
"""

from __future__ import annotations

from collections.abc import Iterator

from pybernetes.api.fields import FieldError, FieldPath, at, is_dns_subdomain
from pybernetes.api.kinds import info_of
from pybernetes.api.models.apps_v1 import ReplicaSet, ReplicaSetSpec
from pybernetes.apiserver.columns import AGE, NAME
from pybernetes.apiserver.resource import Resource, ScaleSubresource, StatusSubresource, spec_changed
from pybernetes.apiserver.resources.cells import (
    container_columns,
    number_column,
    query_of_selector,
    selector_column,
)
from pybernetes.apiserver.resources.defaults import compile_defaults, under
from pybernetes.apiserver.resources.pod_defaults import POD_SPEC, drops_below
from pybernetes.apiserver.validation.metadata import check_metadata, check_metadata_update
from pybernetes.apiserver.validation.pod_warnings import if_generation_differs, template_warnings, with_name
from pybernetes.apiserver.validation.workload import (
    check_not_negatives,
    check_part_counts,
    check_replica_template,
    check_selector_unchanged,
)


def validate(replica_set: ReplicaSet) -> Iterator[FieldError]:
    yield from check_metadata(replica_set.metadata, is_dns_subdomain)
    yield from _check_spec(replica_set.spec, at.spec)


def _check_spec(spec: ReplicaSetSpec, path: FieldPath) -> Iterator[FieldError]:
    yield from check_not_negatives(path, {"replicas": spec.replicas, "minReadySeconds": spec.min_ready_seconds})
    yield from check_replica_template(spec, path)


def validate_update(new: ReplicaSet, old: ReplicaSet) -> Iterator[FieldError]:
    yield from check_metadata_update(new.metadata, old.metadata)
    yield from _check_spec(new.spec, at.spec)
    yield from check_selector_unchanged(new.spec.selector, old.spec.selector, at.spec.selector)


def validate_status(new: ReplicaSet, old: ReplicaSet) -> Iterator[FieldError]:
    yield from check_metadata_update(new.metadata, old.metadata)
    status = new.status
    counts = {
        "fullyLabeledReplicas": status.fully_labeled_replicas,
        "readyReplicas": status.ready_replicas,
        "availableReplicas": status.available_replicas,
    }
    yield from check_not_negatives(
        at.status,
        {
            "replicas": status.replicas,
            **counts,
            "observedGeneration": status.observed_generation,
            "terminatingReplicas": status.terminating_replicas,
        },
    )
    yield from check_part_counts(at.status, status.replicas, counts)


REPLICA_SETS = Resource(
    info=info_of(ReplicaSet),
    short_names=("rs",),
    categories=("all",),
    drops=drops_below("spec.template.spec"),
    defaults=compile_defaults({"spec.replicas": 1}, under("spec.template.spec", POD_SPEC)),
    validate=validate,
    validate_update=validate_update,
    judges_updates_alone=True,
    warnings=with_name(template_warnings()),
    update_warnings=if_generation_differs(template_warnings()),
    initial_status=lambda replica_set: {"replicas": 0},
    generation=spec_changed,
    columns=(
        NAME,
        number_column("Desired", "spec.replicas"),
        number_column("Current", "status.replicas"),
        number_column("Ready", "status.readyReplicas"),
        AGE,
        *container_columns(),
        selector_column(),
    ),
    subresources=(StatusSubresource(validate=validate_status), ScaleSubresource(query_of_selector)),
)

RESOURCES = (REPLICA_SETS,)
