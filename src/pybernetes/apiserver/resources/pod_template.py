"""PodTemplate: a pod spec kept for later.

Follows pkg/registry/core/podtemplate.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from pybernetes.api.fields import FieldError, at, is_dns_subdomain
from pybernetes.api.kinds import info_of
from pybernetes.api.models.core_v1 import PodTemplate
from pybernetes.apiserver.columns import NAME
from pybernetes.apiserver.resource import Column, Document, Resource
from pybernetes.apiserver.resources.cells import at_path, format_labels
from pybernetes.apiserver.resources.defaults import compile_defaults, under
from pybernetes.apiserver.resources.pod_defaults import POD_SPEC, drops_below
from pybernetes.apiserver.validation.metadata import check_metadata, check_metadata_update
from pybernetes.apiserver.validation.pod_spec import check_pod_template
from pybernetes.apiserver.validation.pod_warnings import if_generation_differs, template_warnings


def validate(template: PodTemplate) -> Iterator[FieldError]:
    yield from check_metadata(template.metadata, is_dns_subdomain)
    yield from check_pod_template(template.template, at.template)


def validate_update(new: PodTemplate, old: PodTemplate) -> Iterator[FieldError]:
    yield from check_metadata_update(new.metadata, old.metadata)
    yield from check_pod_template(new.template, at.template)


def _containers(template: Document, field: str) -> str:
    return ",".join(container.get(field, "") for container in at_path(template, "template.spec.containers", ()))


def _labels(template: Document, now: datetime) -> str:
    return format_labels(at_path(template, "template.metadata.labels"))


POD_TEMPLATES = Resource(
    info=info_of(PodTemplate),
    returns_deleted=True,
    drops=drops_below("template.spec"),
    defaults=compile_defaults(under("template.spec", POD_SPEC)),
    validate=validate,
    validate_update=validate_update,
    judges_updates_alone=True,
    warnings=template_warnings("template"),
    update_warnings=if_generation_differs(template_warnings("template")),
    generation=lambda new, old: bool(new.get("template") != old.get("template")),
    columns=(
        NAME,
        Column("Containers", lambda template, now: _containers(template, "name")),
        Column("Images", lambda template, now: _containers(template, "image")),
        Column("Pod Labels", _labels),
    ),
)

RESOURCES = (POD_TEMPLATES,)
