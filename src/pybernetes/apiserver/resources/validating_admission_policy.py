"""ValidatingAdmissionPolicy: expressions that refuse what is written.

Follows pkg/registry/admissionregistration/validatingadmissionpolicy and pkg/apis/admissionregistration/validation.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from pybernetes.api.fields import (
    FieldError,
    FieldPath,
    at,
    duplicate,
    invalid,
    is_dns_subdomain,
    is_qualified_name,
    not_supported,
    required,
)
from pybernetes.api.kinds import info_of
from pybernetes.api.models.admissionregistration_v1 import (
    AuditAnnotation,
    ExpressionWarning,
    ValidatingAdmissionPolicy,
    ValidatingAdmissionPolicySpec,
    Validation,
)
from pybernetes.apiserver.columns import AGE, NAME
from pybernetes.apiserver.resource import Resource, StatusSubresource, spec_changed
from pybernetes.apiserver.resources.defaults import compile_defaults
from pybernetes.apiserver.resources.policy_tables import PARAM_KIND, POLICY_DEFAULTS, counting, warnings_of
from pybernetes.apiserver.rules import keep_metadata
from pybernetes.apiserver.validation.admission_policies import check_expression, check_policy
from pybernetes.apiserver.validation.conditions import check_conditions
from pybernetes.apiserver.validation.metadata import check_common_metadata

if TYPE_CHECKING:
    from pybernetes.apiserver.cel.composition import Composition

REASONS = ("Forbidden", "Invalid", "RequestEntityTooLarge")
MOST_ANNOTATIONS = 20
LONGEST_VALUE_EXPRESSION = 5 * 1024


def validate(policy: ValidatingAdmissionPolicy) -> Iterator[FieldError]:
    yield from _check(policy)


def validate_update(new: ValidatingAdmissionPolicy, old: ValidatingAdmissionPolicy) -> Iterator[FieldError]:
    yield from _check(new, old)


def _check(policy: ValidatingAdmissionPolicy, old: ValidatingAdmissionPolicy | None = None) -> Iterator[FieldError]:
    from pybernetes.apiserver.cel.composition import Composition

    spec, path = policy.spec, at.spec
    yield from check_common_metadata(policy.metadata, is_dns_subdomain, namespaced=False)
    composition = Composition(params=spec.param_kind is not None, composed=bool(spec.variables))
    yield from check_policy(spec, composition, old=old.spec if old else None)
    if not spec.validations and not spec.audit_annotations:
        missing = "validations or auditAnnotations must contain at least one item"
        yield required(path.validations, missing)
        yield required(path.auditAnnotations, missing)
        return
    for index, validation in enumerate(spec.validations):
        yield from _check_validation(validation, path.validations[index], composition)
    yield from _check_annotations(policy.metadata.name, spec, path.auditAnnotations, composition)


def _check_validation(validation: Validation, path: FieldPath, composition: Composition) -> Iterator[FieldError]:
    from pybernetes.cel.types import BOOL, STRING

    if not validation.expression.strip():
        yield required(path.expression, "expression is not specified")
    else:
        yield from check_expression(validation.expression, path.expression, composition, (BOOL,))
    text, said = validation.message_expression, validation.message
    if text and not text.strip():
        yield invalid(path.messageExpression, text, "must be non-empty if specified")
    elif text:
        yield from check_expression(text, path.messageExpression, composition, (STRING,), authorizer=False)
    if said and not said.strip():
        yield invalid(path.message, said, "must be non-empty if specified")
    elif {"\n", "\r"} & set(said.strip()):
        yield invalid(path.message, said, "must not contain line breaks")
    if validation.reason is not None and validation.reason not in REASONS:
        yield not_supported(path.reason, validation.reason, REASONS)


def _check_annotations(
    name: str, spec: ValidatingAdmissionPolicySpec, path: FieldPath, composition: Composition
) -> Iterator[FieldError]:
    if len(spec.audit_annotations) > MOST_ANNOTATIONS:
        yield invalid(path, spec.audit_annotations, f"must not have more than {MOST_ANNOTATIONS} auditAnnotations")
    keys: set[str] = set()
    for index, annotation in enumerate(spec.audit_annotations):
        yield from _check_annotation(name, annotation, path[index], composition)
        if annotation.key in keys:
            yield duplicate(path[index].key, annotation.key)
        keys.add(annotation.key)


def _check_annotation(
    name: str, annotation: AuditAnnotation, path: FieldPath, composition: Composition
) -> Iterator[FieldError]:
    from pybernetes.cel.types import NULL, STRING

    if name:
        key = f"{name}/{annotation.key}"
        yield from (invalid(path.key, key, message) for message in is_qualified_name(key))
    else:
        yield invalid(path.key, annotation.key, "requires metadata.name be non-empty")
    text = annotation.value_expression.strip()
    if not text:
        yield required(path.valueExpression, "valueExpression is not specified")
    elif len(text.encode()) > LONGEST_VALUE_EXPRESSION:
        yield required(path.valueExpression, f"must not exceed {LONGEST_VALUE_EXPRESSION} bytes in length")
    else:
        for error in check_expression(text, path.valueExpression, composition, (STRING, NULL)):
            yield invalid(error.path, annotation.value_expression, error.detail)


def validate_status(new: ValidatingAdmissionPolicy, old: ValidatingAdmissionPolicy) -> Iterator[FieldError]:
    path = at.status
    warnings: Sequence[ExpressionWarning] = (
        new.status.type_checking.expression_warnings if new.status.type_checking else ()
    )
    for index, warning in enumerate(warnings):
        place = path.typeChecking.expressionWarnings[index]
        if not warning.warning:
            yield required(place.warning)
        if not warning.field_ref.strip():
            yield required(place.fieldRef)
    yield from check_conditions(new.status.conditions, path.conditions)


VALIDATING_ADMISSION_POLICIES = Resource(
    info=info_of(ValidatingAdmissionPolicy),
    categories=("api-extensions",),
    defaults=compile_defaults(POLICY_DEFAULTS),
    validate=validate,
    validate_update=validate_update,
    judges_updates_alone=True,
    common_metadata=True,
    warnings=warnings_of,
    generation=spec_changed,
    columns=(
        NAME,
        counting(
            "Validations",
            "validations",
            "Validations indicates the number of validation rules defined in this configuration",
        ),
        PARAM_KIND,
        AGE,
    ),
    subresources=(StatusSubresource(prepare=keep_metadata, validate=validate_status),),
    allows_unconditional_update=False,
)

RESOURCES = (VALIDATING_ADMISSION_POLICIES,)
