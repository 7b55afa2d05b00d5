"""MutatingAdmissionPolicy: expressions that change what is written.

Follows pkg/registry/admissionregistration/mutatingadmissionpolicy and pkg/apis/admissionregistration/validation.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pybernetes.api.fields import FieldError, FieldPath, at, invalid, is_dns_subdomain, not_supported, required
from pybernetes.api.kinds import info_of
from pybernetes.api.models.admissionregistration_v1 import MutatingAdmissionPolicy, Mutation
from pybernetes.apiserver.columns import AGE, NAME
from pybernetes.apiserver.resource import Resource, spec_changed
from pybernetes.apiserver.resources.defaults import compile_defaults
from pybernetes.apiserver.resources.policy_tables import PARAM_KIND, POLICY_DEFAULTS, counting, warnings_of
from pybernetes.apiserver.validation.admission_policies import MUTATING_OPERATIONS, check_expression, check_policy
from pybernetes.apiserver.validation.metadata import check_common_metadata

if TYPE_CHECKING:
    from pybernetes.apiserver.cel.composition import Composition

PATCH_TYPES = ("ApplyConfiguration", "JSONPatch")
REINVOCATION_POLICIES = ("IfNeeded", "Never")


def validate(policy: MutatingAdmissionPolicy) -> Iterator[FieldError]:
    yield from _check(policy)


def validate_update(new: MutatingAdmissionPolicy, old: MutatingAdmissionPolicy) -> Iterator[FieldError]:
    yield from _check(new, old)


def _check(policy: MutatingAdmissionPolicy, old: MutatingAdmissionPolicy | None = None) -> Iterator[FieldError]:
    from pybernetes.apiserver.cel.composition import Composition

    spec, path = policy.spec, at.spec
    yield from check_common_metadata(policy.metadata, is_dns_subdomain, namespaced=False)
    composition = Composition(params=spec.param_kind is not None)
    yield from check_policy(spec, composition, old=old.spec if old else None, operations=MUTATING_OPERATIONS)
    if not spec.mutations:
        yield required(path.mutations, "mutations must contain at least one item")
    for index, mutation in enumerate(spec.mutations):
        yield from _check_mutation(mutation, path.mutations[index], composition)
    if not spec.reinvocation_policy:
        yield required(path.reinvocationPolicy)
    elif spec.reinvocation_policy not in REINVOCATION_POLICIES:
        yield not_supported(path.reinvocationPolicy, spec.reinvocation_policy, REINVOCATION_POLICIES)


def _check_mutation(mutation: Mutation, path: FieldPath, composition: Composition) -> Iterator[FieldError]:
    match mutation.patch_type:
        case "":
            yield required(path.patchType)
        case "JSONPatch":
            if mutation.json_patch is None:
                yield required(path.jsonPatch, "must be specified when patchType is JSONPatch")
            else:
                yield from _check_patch(mutation.json_patch.expression, path.jsonPatch, composition, listed=True)
            if mutation.apply_configuration is not None:
                message = "must not be specified when patchType is JSONPatch"
                yield invalid(path.applyConfiguration, "{applyConfiguration}", message)
        case "ApplyConfiguration":
            applied = mutation.apply_configuration
            if applied is None:
                yield required(path.applyConfiguration, "must be specified when patchType is ApplyConfiguration")
            else:
                yield from _check_patch(applied.expression, path.applyConfiguration, composition, listed=False)
            if mutation.json_patch is not None:
                message = "must not be specified when patchType is ApplyConfiguration"
                yield invalid(path.jsonPatch, "{jsonPatch}", message)
        case other:
            yield not_supported(path.patchType, other, PATCH_TYPES)


def _check_patch(expression: str, path: FieldPath, composition: Composition, *, listed: bool) -> Iterator[FieldError]:
    """``listed``: a list of JSONPatch, else an Object."""
    from pybernetes.apiserver.cel.mutation_types import JSON_PATCH, OBJECT
    from pybernetes.cel.types import list_of

    text = expression.strip()
    if not text:
        yield required(path.expression)
        return
    result = list_of(JSON_PATCH) if listed else OBJECT
    yield from check_expression(text, path.expression, composition, (result,), patches=True)


MUTATING_ADMISSION_POLICIES = Resource(
    info=info_of(MutatingAdmissionPolicy),
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
            "Mutations", "mutations", "Mutation indicates the number of mutations rules defined in this configuration"
        ),
        PARAM_KIND,
        AGE,
    ),
    allows_unconditional_update=False,
)

RESOURCES = (MUTATING_ADMISSION_POLICIES,)
