"""FlowSchema: which requests share a priority level.

Follows pkg/apis/flowcontrol/v1/defaults.go and validation, and printFlowSchema in pkg/printers.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from pybernetes.api.fields import FieldError, at, invalid, is_dns_subdomain, not_supported, required
from pybernetes.api.kinds import info_of
from pybernetes.api.models.flowcontrol_v1 import FlowSchema
from pybernetes.apiserver.columns import AGE, NAME, NONE
from pybernetes.apiserver.resource import Column, Document, Resource, StatusSubresource, spec_changed
from pybernetes.apiserver.resources.cells import at_path, number_column, text_column
from pybernetes.apiserver.resources.defaults import OverZero, compile_defaults
from pybernetes.apiserver.validation.metadata import check_metadata, check_only_metadata

MAXIMUM_PRECEDENCE = 10000
_METHODS = ("ByNamespace", "ByUser")
_KINDS = ("Group", "ServiceAccount", "User")


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
        yield not_supported(at.spec.distinguisherMethod, method, _METHODS)
    level = spec.priority_level_configuration.name
    if not level:
        yield required(at.spec.priorityLevelConfiguration.name, "must reference a priority level")
    else:
        messages = is_dns_subdomain(level)
        yield from (invalid(at.spec.priorityLevelConfiguration.name, level, message) for message in messages)
    for index, rule in enumerate(spec.rules):
        path = at.spec.rules[index]
        if not rule.subjects:
            yield required(path.subjects, "subjects must contain at least one value")
        for position, subject in enumerate(rule.subjects):
            if subject.kind not in _KINDS:
                yield not_supported(path.subjects[position].kind, subject.kind, _KINDS)
        if not rule.resource_rules and not rule.non_resource_rules:
            yield required(path, "at least one of resourceRules and nonResourceRules has to be non-empty")


def _method(schema: Document, now: datetime) -> str:
    method: str = at_path(schema, "spec.distinguisherMethod.type", NONE)
    return method


def _missing(schema: Document, now: datetime) -> str:
    conditions = at_path(schema, "status.conditions", ())
    return next((one.get("status", "?") for one in conditions if one.get("type") == "Dangling"), "?")


FLOW_SCHEMAS = Resource(
    info=info_of(FlowSchema),
    defaults=compile_defaults({"spec.matchingPrecedence": OverZero(1000)}),
    validate=validate,
    validate_update=check_only_metadata,
    generation=spec_changed,
    columns=(
        NAME,
        text_column("PriorityLevel", "spec.priorityLevelConfiguration.name"),
        number_column("MatchingPrecedence", "spec.matchingPrecedence"),
        Column("DistinguisherMethod", _method),
        AGE,
        Column("MissingPL", _missing),
    ),
    subresources=(StatusSubresource(validate=check_only_metadata),),
)

RESOURCES = (FLOW_SCHEMAS,)
