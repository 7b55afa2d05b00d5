"""What a claim for devices asks for: requests, constraints between them, and configuration for the drivers.

Follows validateResourceClaimSpec in pkg/apis/resource/validation.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from pybernetes.api.fields import FieldError, FieldPath, forbidden, invalid, not_supported, required, too_long
from pybernetes.api.models.resource_v1 import (
    DeviceClaim,
    DeviceClaimConfiguration,
    DeviceConstraint,
    DeviceRequest,
    DeviceSelector,
    DeviceSubRequest,
    DeviceToleration,
    ExactDeviceRequest,
    OpaqueDeviceConfiguration,
    ResourceClaimSpec,
)
from pybernetes.apiserver.validation.collections import check_list, check_set
from pybernetes.apiserver.validation.device_names import (
    check_dns_label,
    check_dns_subdomain,
    check_driver_name,
    check_fully_qualified_name,
    check_label_name,
    check_label_value,
)

MOST_REQUESTS = 32
MOST_CONSTRAINTS = 32
MOST_CONFIGURATIONS = 32
MOST_SELECTORS = 32
MOST_ALTERNATIVES = 8
LONGEST_EXPRESSION = 10 * 1024
LONGEST_PARAMETERS = 10 * 1024
_MODES = ("All", "ExactCount")
_OPERATORS = ("Equal", "Exists")
TAINT_EFFECTS = ("NoExecute", "NoSchedule", "None")
_NOT_A_REQUEST = "must be the name of a request in the claim or the name of a request and a subrequest separated by '/'"
_ONE_KIND = "exactly one of `exactly` or `firstAvailable` is required"

RequestNames = Mapping[str, frozenset[str]]
"""Each request's name, with those of its alternatives."""


def request_names(claim: DeviceClaim) -> RequestNames:
    return {one.name: frozenset(sub.name for sub in one.first_available) for one in claim.requests}


def check_claim_spec(spec: ResourceClaimSpec, path: FieldPath) -> Iterator[FieldError]:
    claim, at = spec.devices, path.devices
    names = request_names(claim)
    yield from check_set(claim.requests, at.requests, _check_request, lambda one: one.name, most=MOST_REQUESTS)
    yield from check_list(
        claim.constraints,
        at.constraints,
        lambda constraint, each: _check_constraint(constraint, each, names),
        most=MOST_CONSTRAINTS,
    )
    yield from check_list(
        claim.config,
        at.config,
        lambda configuration, each: _check_claim_configuration(configuration, each, names),
        most=MOST_CONFIGURATIONS,
    )


def _check_request(request: DeviceRequest, path: FieldPath) -> Iterator[FieldError]:
    yield from check_dns_label(request.name, path.name)
    if request.exactly is not None and request.first_available:
        yield invalid(path, None, f"{_ONE_KIND}, but multiple fields are set")
    elif request.exactly is not None:
        yield from _check_exact(request.exactly, path.exactly)
    elif request.first_available:
        yield from check_set(
            request.first_available,
            path.firstAvailable,
            _check_alternative,
            lambda one: one.name,
            most=MOST_ALTERNATIVES,
        )
    else:
        yield required(path, _ONE_KIND)


def _check_alternative(request: DeviceSubRequest, path: FieldPath) -> Iterator[FieldError]:
    yield from check_dns_label(request.name, path.name)
    yield from _check_exact(request, path)


def _check_exact(request: ExactDeviceRequest | DeviceSubRequest, path: FieldPath) -> Iterator[FieldError]:
    if not request.device_class_name:
        yield required(path.deviceClassName)
    else:
        yield from check_dns_subdomain(request.device_class_name, path.deviceClassName)
    yield from check_selectors(request.selectors, path.selectors)
    if request.allocation_mode == "All":
        if request.count != 0:
            yield invalid(path.count, request.count, "must not be specified when allocationMode is 'All'")
    elif request.allocation_mode == "ExactCount":
        if request.count <= 0:
            yield invalid(path.count, request.count, "must be greater than zero")
    else:
        yield not_supported(path.allocationMode, request.allocation_mode, _MODES)
    for index, toleration in enumerate(request.tolerations):
        yield from _check_toleration(toleration, path.tolerations[index])


def check_selectors(selectors: Sequence[DeviceSelector], path: FieldPath) -> Iterator[FieldError]:
    yield from check_list(selectors, path, _check_selector, most=MOST_SELECTORS)


def _check_selector(selector: DeviceSelector, path: FieldPath) -> Iterator[FieldError]:
    if selector.cel is None:
        yield required(path.cel)
    elif len(selector.cel.expression.encode()) > LONGEST_EXPRESSION:
        yield too_long(path.cel.expression, selector.cel.expression, LONGEST_EXPRESSION)
    else:
        yield from _check_expression(selector.cel.expression, path.cel.expression)


def _check_expression(expression: str, path: FieldPath) -> Iterator[FieldError]:
    from pybernetes.cel.device_selectors import COST_LIMIT, SelectorError, selector

    try:
        most = selector(expression).most
    except SelectorError as error:
        yield invalid(path, expression, str(error))
        return
    if most > COST_LIMIT:
        yield forbidden(path, "too complex, exceeds cost limit")


def _check_toleration(toleration: DeviceToleration, path: FieldPath) -> Iterator[FieldError]:
    if toleration.key:
        yield from check_label_name(toleration.key, path.key)
    match toleration.operator:
        case "Exists":
            if toleration.value:
                yield invalid(path.value, toleration.value, "must be empty for operator `Exists`")
        case "Equal":
            yield from check_label_value(toleration.value, path.value)
        case "":
            yield required(path.operator)
        case other:
            yield not_supported(path.operator, other, _OPERATORS)
    if toleration.effect and toleration.effect not in TAINT_EFFECTS:
        yield not_supported(path.effect, toleration.effect, TAINT_EFFECTS)


def _check_constraint(constraint: DeviceConstraint, path: FieldPath, names: RequestNames) -> Iterator[FieldError]:
    yield from check_request_references(constraint.requests, path.requests, names)
    if constraint.match_attribute is not None:
        yield from check_fully_qualified_name(constraint.match_attribute, path.matchAttribute)
    elif constraint.distinct_attribute is not None:
        yield from check_fully_qualified_name(constraint.distinct_attribute, path.distinctAttribute)
    else:
        wanted = 'exactly one of "matchAttribute" or "distinctAttribute" is required'
        yield required(path, f"{wanted}, but multiple fields are set")


def _check_claim_configuration(
    configuration: DeviceClaimConfiguration, path: FieldPath, names: RequestNames
) -> Iterator[FieldError]:
    yield from check_request_references(configuration.requests, path.requests, names)
    yield from check_configuration(configuration.opaque, path)


def check_request_references(references: Sequence[str], path: FieldPath, names: RequestNames) -> Iterator[FieldError]:
    yield from check_set(
        references,
        path,
        lambda name, each: check_request_reference(name, each, names),
        lambda name: name,
        most=MOST_REQUESTS,
    )


def check_request_reference(name: str, path: FieldPath, names: RequestNames) -> Iterator[FieldError]:
    segments = name.split("/")
    if len(segments) <= 2:
        for segment in segments:
            yield from check_dns_label(segment, path)
        alternatives = names.get(segments[0])
        if alternatives is not None and (len(segments) == 1 or segments[1] in alternatives):
            return
    yield invalid(path, name, _NOT_A_REQUEST)


def check_configuration(
    opaque: OpaqueDeviceConfiguration | None, path: FieldPath, *, stored: bool = False
) -> Iterator[FieldError]:
    """`stored`: unchanged since it was written, so its size is as it may have been then."""
    if opaque is None:
        yield required(path.opaque)
        return
    yield from check_driver_name(opaque.driver, path.opaque.driver)
    limit = None if stored else LONGEST_PARAMETERS
    yield from check_json_object(opaque.parameters, path.opaque.parameters, longest=limit)


def check_json_object(value: Any, path: FieldPath, *, longest: int | None) -> Iterator[FieldError]:
    if value is None:
        yield required(path)
    elif longest is not None and len(msgspec.json.encode(value)) > longest:
        yield too_long(path, "", longest)
    elif not isinstance(value, dict):
        yield invalid(path, "<value omitted>", "must be a valid JSON object")
