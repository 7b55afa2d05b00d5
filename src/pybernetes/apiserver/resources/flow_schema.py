"""FlowSchema: which requests share a priority level.

Follows pkg/apis/flowcontrol/v1/defaults.go and validation, and printFlowSchema in pkg/printers.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

import msgspec

from pybernetes.api.fields import FieldError, at, invalid, is_dns_subdomain, not_supported, required
from pybernetes.api.kinds import info_of
from pybernetes.api.models.flowcontrol_v1 import FlowSchema, FlowSchemaSpec
from pybernetes.apiserver.columns import AGE, NAME, NONE
from pybernetes.apiserver.fairness.bootstrap import MANDATORY_SCHEMAS
from pybernetes.apiserver.resource import Column, Document, Resource, StatusSubresource, spec_changed
from pybernetes.apiserver.resources.cells import at_path, text_column
from pybernetes.apiserver.resources.defaults import OverZero, compile_defaults
from pybernetes.apiserver.rules import keep_metadata
from pybernetes.apiserver.validation.flow_control import check_flow_conditions, check_rule
from pybernetes.apiserver.validation.internal_form import internal_form
from pybernetes.apiserver.validation.metadata import check_metadata

MAXIMUM_PRECEDENCE = 10000
_METHODS = ("ByNamespace", "ByUser")
MANDATORY = {one["metadata"]["name"]: one["spec"] for one in MANDATORY_SCHEMAS}


def validate(schema: FlowSchema) -> Iterator[FieldError]:
    yield from check_metadata(schema.metadata, is_dns_subdomain, namespaced=False)
    spec = schema.spec
    precedence = spec.matching_precedence
    if precedence <= 0:
        yield invalid(at.spec.matchingPrecedence, precedence, "must be a positive value")
    if precedence > MAXIMUM_PRECEDENCE:
        message = f"must not be greater than {MAXIMUM_PRECEDENCE}"
        yield invalid(at.spec.matchingPrecedence, precedence, message)
    if precedence == 1 and schema.metadata.name != "exempt":
        yield invalid(
            at.spec.matchingPrecedence, precedence, "only the schema named 'exempt' may have matchingPrecedence 1"
        )
    method = spec.distinguisher_method
    if method is not None and method.type not in _METHODS:
        yield not_supported(at.spec.distinguisherMethod.type, internal_form(method), _METHODS)
    level = spec.priority_level_configuration.name
    if not level:
        yield required(at.spec.priorityLevelConfiguration.name, "must reference a priority level")
    else:
        messages = is_dns_subdomain(level)
        yield from (invalid(at.spec.priorityLevelConfiguration.name, level, message) for message in messages)
    for index, rule in enumerate(spec.rules):
        yield from check_rule(rule, at.spec.rules[index])
    fixed = MANDATORY.get(schema.metadata.name)
    if fixed is not None and msgspec.convert(fixed, FlowSchemaSpec) != spec:
        message = f"spec of '{schema.metadata.name}' must equal the fixed value"
        yield invalid(at.spec, internal_form(spec), message)


def validate_update(new: FlowSchema, old: FlowSchema) -> Iterator[FieldError]:
    return validate(new)


def validate_status(new: FlowSchema, old: FlowSchema) -> Iterator[FieldError]:
    return check_flow_conditions(new.status.conditions, at.status.conditions)


def _method(schema: Document, now: datetime) -> str:
    method: str = at_path(schema, "spec.distinguisherMethod.type", NONE)
    return method


def _missing(schema: Document, now: datetime) -> str:
    conditions = at_path(schema, "status.conditions", ())
    return next((one.get("status", "?") for one in conditions if one.get("type") == "Dangling"), "?")


def _precedence(schema: Document) -> tuple[int, str]:
    return at_path(schema, "spec.matchingPrecedence", 0), schema["metadata"]["name"]


FLOW_SCHEMAS = Resource(
    info=info_of(FlowSchema),
    defaults=compile_defaults({"spec.matchingPrecedence": OverZero(1000)}),
    validate=validate,
    validate_update=validate_update,
    judges_updates_alone=True,
    null_lists=("spec.rules[].resourceRules[].namespaces",),
    generation=spec_changed,
    columns=(
        NAME,
        text_column("PriorityLevel", "spec.priorityLevelConfiguration.name"),
        Column("MatchingPrecedence", lambda schema, now: at_path(schema, "spec.matchingPrecedence", 0)),
        Column("DistinguisherMethod", _method),
        AGE,
        Column("MissingPL", _missing),
    ),
    row_order=_precedence,
    subresources=(StatusSubresource(prepare=keep_metadata, validate=validate_status),),
)

RESOURCES = (FLOW_SCHEMAS,)
