"""ReplicationController: the first form of a replica set.

Follows pkg/registry/core/replicationcontroller and ValidateReplicationController in pkg/apis/core/validation.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from pybernetes.api.fields import FieldError, FieldPath, at, invalid, is_dns_subdomain, required
from pybernetes.api.kinds import info_of
from pybernetes.api.models.core_v1 import ReplicationController, ReplicationControllerSpec
from pybernetes.apiserver.columns import AGE, NAME
from pybernetes.apiserver.resource import (
    Column,
    Document,
    Resource,
    ScaleSubresource,
    StatusSubresource,
    spec_changed,
)
from pybernetes.apiserver.resources.cells import at_path, container_columns, format_labels, number_column, text_at
from pybernetes.apiserver.resources.defaults import Rule, compile_defaults, under
from pybernetes.apiserver.resources.pod_defaults import POD_SPEC, drops_below
from pybernetes.apiserver.validation.internal_form import internal_form
from pybernetes.apiserver.validation.metadata import check_metadata, check_metadata_update
from pybernetes.apiserver.validation.pod_spec import check_workload_template
from pybernetes.apiserver.validation.pod_warnings import template_warnings, with_name
from pybernetes.apiserver.validation.workload import check_not_negatives, check_part_counts


def labels_from_template(controller: Document) -> None:
    """Selector and labels are those of the template when they are not given."""
    labels = at_path(controller, "spec.template.metadata.labels")
    if not labels:
        return
    if not controller["spec"].get("selector"):
        controller["spec"]["selector"] = dict(labels)
    if not controller["metadata"].get("labels"):
        controller["metadata"]["labels"] = dict(labels)


def selector_text(controller: Document) -> str:
    selector = controller["spec"].get("selector")
    return format_labels(selector) if selector else ""


def validate(controller: ReplicationController) -> Iterator[FieldError]:
    yield from check_metadata(msgspec.structs.replace(controller.metadata, generate_name=""), _name_messages)
    yield from _check_spec(controller.spec, at.spec)


def _name_messages(name: str) -> list[str]:
    """The kind is judged by newer code, which counts bytes and does not look at what a name is generated from."""
    return [message.replace("more than 253 characters", "more than 253 bytes") for message in is_dns_subdomain(name)]


def _check_spec(spec: ReplicationControllerSpec, path: FieldPath) -> Iterator[FieldError]:
    yield from check_not_negatives(path, {"minReadySeconds": spec.min_ready_seconds})
    if not spec.selector:
        yield required(path.selector)
    if spec.replicas is None:
        yield required(path.replicas)
    yield from check_not_negatives(path, {"replicas": spec.replicas})
    if spec.template is None:
        yield required(path.template)
        return
    labels = spec.template.metadata.labels
    if spec.selector and not spec.selector.items() <= labels.items():
        yield invalid(
            path.template.metadata.labels, internal_form(labels), "`selector` does not match template `labels`"
        )
    yield from check_workload_template(spec.template, path.template, "ReplicationController")


def validate_update(new: ReplicationController, old: ReplicationController) -> Iterator[FieldError]:
    yield from check_metadata_update(new.metadata, old.metadata)
    yield from _check_spec(new.spec, at.spec)


def validate_status(new: ReplicationController, old: ReplicationController) -> Iterator[FieldError]:
    yield from check_metadata_update(new.metadata, old.metadata)
    status = new.status
    counts = {
        "fullyLabeledReplicas": status.fully_labeled_replicas,
        "readyReplicas": status.ready_replicas,
        "availableReplicas": status.available_replicas,
    }
    yield from check_not_negatives(
        at.status, {"replicas": status.replicas, **counts, "observedGeneration": status.observed_generation}
    )
    yield from check_part_counts(at.status, status.replicas, counts)


def update_warnings(new: Document, old: Document) -> Iterable[str]:
    """About the template as it was, as upstream's."""
    same = new["metadata"].get("generation") == old["metadata"].get("generation")
    return () if same else template_warnings()(old)


REPLICATION_CONTROLLERS = Resource(
    info=info_of(ReplicationController),
    short_names=("rc",),
    categories=("all",),
    storage="controllers",
    drops=drops_below("spec.template.spec"),
    defaults=compile_defaults(
        {"": Rule(labels_from_template), "spec.replicas": 1}, under("spec.template.spec", POD_SPEC)
    ),
    validate=validate,
    validate_update=validate_update,
    judges_updates_alone=True,
    warnings=with_name(template_warnings()),
    update_warnings=update_warnings,
    initial_status=lambda controller: {"replicas": 0},
    generation=spec_changed,
    orphans_by_default=True,
    columns=(
        NAME,
        number_column("Desired", "spec.replicas"),
        number_column("Current", "status.replicas"),
        number_column("Ready", "status.readyReplicas"),
        AGE,
        *container_columns(),
        Column("Selector", lambda controller, now: format_labels(controller["spec"].get("selector")), priority=1),
    ),
    selectable={"status.replicas": text_at("status.replicas", "0")},
    subresources=(StatusSubresource(validate=validate_status), ScaleSubresource(selector_text)),
)

RESOURCES = (REPLICATION_CONTROLLERS,)
