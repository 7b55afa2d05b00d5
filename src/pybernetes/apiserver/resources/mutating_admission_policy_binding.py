"""MutatingAdmissionPolicyBinding: where a mutating policy holds, and with which parameters.

Follows pkg/registry/admissionregistration/mutatingadmissionpolicybinding and
pkg/apis/admissionregistration/validation.
"""

from __future__ import annotations

from collections.abc import Iterator

from pybernetes.api.fields import FieldError, is_dns_subdomain
from pybernetes.api.kinds import info_of
from pybernetes.api.models.admissionregistration_v1 import MutatingAdmissionPolicyBinding
from pybernetes.apiserver.resource import Resource, spec_changed
from pybernetes.apiserver.resources.defaults import compile_defaults
from pybernetes.apiserver.resources.policy_tables import BINDING_COLUMNS, BINDING_DEFAULTS, warnings_of
from pybernetes.apiserver.validation.admission_policies import MUTATING_OPERATIONS, check_binding
from pybernetes.apiserver.validation.metadata import check_common_metadata


def validate(binding: MutatingAdmissionPolicyBinding) -> Iterator[FieldError]:
    yield from check_common_metadata(binding.metadata, is_dns_subdomain, namespaced=False)
    yield from check_binding(binding.spec, MUTATING_OPERATIONS)


def validate_update(new: MutatingAdmissionPolicyBinding, old: MutatingAdmissionPolicyBinding) -> Iterator[FieldError]:
    yield from validate(new)


MUTATING_ADMISSION_POLICY_BINDINGS = Resource(
    info=info_of(MutatingAdmissionPolicyBinding),
    categories=("api-extensions",),
    defaults=compile_defaults(BINDING_DEFAULTS),
    validate=validate,
    validate_update=validate_update,
    judges_updates_alone=True,
    common_metadata=True,
    warnings=warnings_of,
    generation=spec_changed,
    columns=BINDING_COLUMNS,
    allows_unconditional_update=False,
)

RESOURCES = (MUTATING_ADMISSION_POLICY_BINDINGS,)
