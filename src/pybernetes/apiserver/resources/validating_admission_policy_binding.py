"""ValidatingAdmissionPolicyBinding: where a policy holds, with which parameters, and what a violation leads to.

Follows pkg/registry/admissionregistration/validatingadmissionpolicybinding and
pkg/apis/admissionregistration/validation.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pybernetes.api.fields import (
    FieldError,
    FieldPath,
    at,
    duplicate,
    invalid,
    is_dns_subdomain,
    not_supported,
    required,
)
from pybernetes.api.kinds import info_of
from pybernetes.api.models.admissionregistration_v1 import ValidatingAdmissionPolicyBinding
from pybernetes.apiserver.resource import Resource, spec_changed
from pybernetes.apiserver.resources.defaults import compile_defaults
from pybernetes.apiserver.resources.policy_tables import BINDING_COLUMNS, BINDING_DEFAULTS, warnings_of
from pybernetes.apiserver.validation.admission_policies import check_binding
from pybernetes.apiserver.validation.metadata import check_common_metadata

ACTIONS = ("Audit", "Deny", "Warn")


def validate(binding: ValidatingAdmissionPolicyBinding) -> Iterator[FieldError]:
    yield from check_common_metadata(binding.metadata, is_dns_subdomain, namespaced=False)
    yield from check_binding(binding.spec)
    yield from _check_actions(binding.spec.validation_actions, at.spec.validationActions)


def _check_actions(actions: Sequence[str], path: FieldPath) -> Iterator[FieldError]:
    for index, action in enumerate(actions):
        if action not in ACTIONS:
            yield not_supported(path[index], action, ACTIONS)
        if action in actions[:index]:
            yield duplicate(path[index], action)
    if "Deny" in actions and "Warn" in actions:
        yield invalid(
            path,
            list(actions),
            "must not contain both Deny and Warn (repeating the same validation failure information in the API "
            "response and headers serves no purpose)",
        )
    if not actions:
        yield required(path, "at least one validation action is required")


def validate_update(
    new: ValidatingAdmissionPolicyBinding, old: ValidatingAdmissionPolicyBinding
) -> Iterator[FieldError]:
    yield from validate(new)


VALIDATING_ADMISSION_POLICY_BINDINGS = Resource(
    info=info_of(ValidatingAdmissionPolicyBinding),
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

RESOURCES = (VALIDATING_ADMISSION_POLICY_BINDINGS,)
