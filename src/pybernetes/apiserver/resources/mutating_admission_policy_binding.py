"""MutatingAdmissionPolicyBinding: where a mutating policy holds, and with which parameters.

Follows pkg/registry/admissionregistration/mutatingadmissionpolicybinding and
pkg/apis/admissionregistration/validation.
"""

from __future__ import annotations

from collections.abc import Iterator

from pybernetes.api.fields import FieldError, at, is_dns_subdomain
from pybernetes.api.kinds import info_of
from pybernetes.api.models.admissionregistration_v1 import MutatingAdmissionPolicyBinding
from pybernetes.apiserver.resource import Resource, spec_changed
from pybernetes.apiserver.resources.defaults import compile_defaults
from pybernetes.apiserver.resources.mutating_admission_policy import check_operations
from pybernetes.apiserver.resources.policy_tables import BINDING_COLUMNS, BINDING_DEFAULTS, warnings_of
from pybernetes.apiserver.validation import admission_policies as shared
from pybernetes.apiserver.validation.metadata import check_metadata, check_metadata_update


def validate(binding: MutatingAdmissionPolicyBinding) -> Iterator[FieldError]:
    spec, path = binding.spec, at.spec
    yield from check_metadata(binding.metadata, is_dns_subdomain, namespaced=False)
    yield from shared.check_policy_name(spec.policy_name, path.policyName)
    yield from shared.check_param_ref(spec.param_ref, path.paramRef)
    yield from shared.check_match_resources(spec.match_resources, path.matchResources)
    yield from check_operations(spec.match_resources, path.matchResources)


def validate_update(new: MutatingAdmissionPolicyBinding, old: MutatingAdmissionPolicyBinding) -> Iterator[FieldError]:
    yield from check_metadata_update(new.metadata, old.metadata)
    yield from validate(new)


MUTATING_ADMISSION_POLICY_BINDINGS = Resource(
    info=info_of(MutatingAdmissionPolicyBinding),
    categories=("api-extensions",),
    defaults=compile_defaults(BINDING_DEFAULTS),
    validate=validate,
    validate_update=validate_update,
    judges_updates_alone=True,
    warnings=warnings_of,
    generation=spec_changed,
    columns=BINDING_COLUMNS,
    allows_unconditional_update=False,
)

RESOURCES = (MUTATING_ADMISSION_POLICY_BINDINGS,)
