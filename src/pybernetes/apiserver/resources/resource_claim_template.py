"""ResourceClaimTemplate: what the claims that are made for each pod look like.

Follows pkg/registry/resource/resourceclaimtemplate.
"""

from __future__ import annotations

from collections.abc import Iterator

from pybernetes.api.fields import FieldError, at, is_dns_subdomain
from pybernetes.api.kinds import info_of
from pybernetes.api.models.resource_v1 import ResourceClaimTemplate
from pybernetes.apiserver.columns import AGE, NAME
from pybernetes.apiserver.resource import Resource
from pybernetes.apiserver.resources.defaults import compile_defaults, under
from pybernetes.apiserver.resources.resource_claim import SPEC_DEFAULTS
from pybernetes.apiserver.validation.device_claim import check_claim_spec
from pybernetes.apiserver.validation.metadata import (
    check_metadata,
    check_metadata_update,
    check_template_metadata,
)
from pybernetes.apiserver.validation.simple import check_unchanged


def validate(template: ResourceClaimTemplate) -> Iterator[FieldError]:
    yield from check_metadata(template.metadata, is_dns_subdomain)
    yield from check_template_metadata(template.spec.metadata, at.spec.metadata)
    yield from check_claim_spec(template.spec.spec, at.spec.spec)


def validate_update(new: ResourceClaimTemplate, old: ResourceClaimTemplate) -> Iterator[FieldError]:
    yield from check_metadata_update(new.metadata, old.metadata)
    yield from check_unchanged(new.spec, old.spec, at.spec)


RESOURCE_CLAIM_TEMPLATES = Resource(
    info=info_of(ResourceClaimTemplate),
    null_lists=("spec.spec.devices.requests",),
    returns_deleted=True,
    defaults=compile_defaults(under("spec.spec", SPEC_DEFAULTS)),
    validate=validate,
    validate_update=validate_update,
    columns=(NAME, AGE),
)

RESOURCES = (RESOURCE_CLAIM_TEMPLATES,)
