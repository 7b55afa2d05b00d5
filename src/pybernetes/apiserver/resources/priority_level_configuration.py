"""PriorityLevelConfiguration: how many requests of a level run at once, and how the others wait.

Follows pkg/apis/flowcontrol/v1/defaults.go and validation, and printPriorityLevelConfiguration in pkg/printers.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import msgspec

from pybernetes.api.fields import (
    FieldError,
    FieldPath,
    at,
    forbidden,
    invalid,
    is_dns_subdomain,
    not_supported,
    required,
)
from pybernetes.api.kinds import info_of
from pybernetes.api.models.flowcontrol_v1 import (
    ExemptPriorityLevelConfiguration,
    LimitedPriorityLevelConfiguration,
    LimitResponse,
    PriorityLevelConfiguration,
    PriorityLevelConfigurationSpec,
    QueuingConfiguration,
)
from pybernetes.apiserver.columns import AGE, NAME, NONE
from pybernetes.apiserver.fairness.bootstrap import MANDATORY_LEVELS
from pybernetes.apiserver.resource import Column, Document, Resource, StatusSubresource, spec_changed
from pybernetes.apiserver.resources.cells import at_path, text_column
from pybernetes.apiserver.resources.defaults import OverZero, compile_defaults
from pybernetes.apiserver.rules import keep_metadata
from pybernetes.apiserver.validation.flow_control import check_flow_conditions
from pybernetes.apiserver.validation.internal_form import internal_form
from pybernetes.apiserver.validation.metadata import check_metadata

EXEMPT = "exempt"
MOST_QUEUES = 10_000_000
MOST_BITS = 60
"""Of the hash that a hand of queues is dealt from."""
PRESERVED_ZERO = "flowcontrol.k8s.io/v1beta3-preserve-zero-concurrency-shares"
MANDATORY = {one["metadata"]["name"]: one["spec"] for one in MANDATORY_LEVELS}


def validate(level: PriorityLevelConfiguration) -> Iterator[FieldError]:
    yield from check_metadata(level.metadata, is_dns_subdomain, namespaced=False)
    name, spec = level.metadata.name, level.spec
    if PRESERVED_ZERO in level.metadata.annotations:
        yield forbidden(at.metadata.annotations, f"annotation '{PRESERVED_ZERO}' is forbidden")
    if (name == EXEMPT) != (spec.type == "Exempt"):
        yield invalid(at.spec.type, spec.type, "must be 'Exempt' if and only if `name` is 'exempt'")
    match spec.type:
        case "Exempt":
            if spec.limited is not None:
                yield forbidden(at.spec.limited, "must be nil if the type is not Limited")
            if spec.exempt is not None:
                yield from _check_exempt(spec.exempt, at.spec.exempt)
        case "Limited":
            if spec.exempt is not None:
                yield forbidden(at.spec.exempt, "must be nil if the type is Limited")
            if spec.limited is None:
                yield required(at.spec.limited, "must not be empty when type is Limited")
            else:
                yield from _check_limited(spec.limited, at.spec.limited)
        case _:
            yield not_supported(at.spec.type, spec.type, ("Exempt", "Limited"))
    yield from _check_fixed(name, spec)


def _check_fixed(name: str, spec: PriorityLevelConfigurationSpec) -> Iterator[FieldError]:
    """Of the levels that every cluster has only how much the exempt one lends may change."""
    if name not in MANDATORY:
        return
    fixed = msgspec.convert(MANDATORY[name], PriorityLevelConfigurationSpec)
    if name == EXEMPT:
        if msgspec.structs.replace(spec, exempt=fixed.exempt) != fixed:
            message = f"spec of '{name}' except the 'spec.exempt' field must equal the fixed value"
            yield invalid(at.spec, internal_form(spec), message)
    elif spec != fixed:
        yield invalid(at.spec, internal_form(spec), f"spec of '{name}' must equal the fixed value")


def _check_exempt(exempt: ExemptPriorityLevelConfiguration, path: FieldPath) -> Iterator[FieldError]:
    yield from _check_shares(exempt.nominal_concurrency_shares, path.nominalConcurrencyShares)
    yield from _check_percent(exempt.lendable_percent, path.lendablePercent)


def _check_shares(shares: int | None, path: FieldPath) -> Iterator[FieldError]:
    if shares is not None and shares < 0:
        yield invalid(path, shares, "must be a non-negative integer")


def _check_percent(percent: int | None, path: FieldPath) -> Iterator[FieldError]:
    if percent is not None and not 0 <= percent <= 100:
        yield invalid(path, percent, "must be between 0 and 100, inclusive")


def _check_limited(limited: LimitedPriorityLevelConfiguration, path: FieldPath) -> Iterator[FieldError]:
    yield from _check_shares(limited.nominal_concurrency_shares, path.nominalConcurrencyShares)
    yield from _check_response(limited.limit_response, path.limitResponse)
    yield from _check_percent(limited.lendable_percent, path.lendablePercent)
    borrowed = limited.borrowing_limit_percent
    if borrowed is not None and borrowed < 0:
        yield invalid(path.borrowingLimitPercent, borrowed, "if specified, must be a non-negative integer")


def _check_response(response: LimitResponse, path: FieldPath) -> Iterator[FieldError]:
    if response.type == "Reject":
        if response.queuing is not None:
            yield forbidden(path.queuing, "must be nil if limited.limitResponse.type is not Limited")
    elif response.type != "Queue":
        yield not_supported(path.type, response.type, ("Queue", "Reject"))
    elif response.queuing is None:
        yield required(path.queuing, "must not be empty if limited.limitResponse.type is Limited")
    else:
        yield from _check_queuing(response.queuing, path.queuing)


def _check_queuing(queuing: QueuingConfiguration, path: FieldPath) -> Iterator[FieldError]:
    queues, hand = queuing.queues, queuing.hand_size
    if queuing.queue_length_limit <= 0:
        yield invalid(path.queueLengthLimit, queuing.queue_length_limit, "must be positive")
    if queues <= 0:
        yield invalid(path.queues, queues, "must be positive")
    elif queues > MOST_QUEUES:
        yield invalid(path.queues, queues, f"must not be greater than {MOST_QUEUES}")
    if hand <= 0:
        yield invalid(path.handSize, hand, "must be positive")
    elif hand > queues:
        yield invalid(path.handSize, hand, f"should not be greater than queues ({queues})")
    elif math.ceil(math.log2(queues) * hand) > MOST_BITS:
        needed = f"required entropy bits of deckSize {queues} and handSize {hand}"
        yield invalid(path.handSize, hand, f"{needed} should not be greater than {MOST_BITS}")


def validate_update(new: PriorityLevelConfiguration, old: PriorityLevelConfiguration) -> Iterator[FieldError]:
    return validate(new)


def validate_status(new: PriorityLevelConfiguration, old: PriorityLevelConfiguration) -> Iterator[FieldError]:
    return check_flow_conditions(new.status.conditions, at.status.conditions)


def _number(path: str) -> Any:
    def shown(level: Document, now: datetime) -> Any:
        return at_path(level, path, NONE)

    return shown


def _shares(level: Document, now: datetime) -> Any:
    return at_path(level, "spec.limited.nominalConcurrencyShares", NONE)


_QUEUING = "spec.limited.limitResponse.queuing"

PRIORITY_LEVEL_CONFIGURATIONS = Resource(
    info=info_of(PriorityLevelConfiguration),
    defaults=compile_defaults(
        {
            "spec.exempt.nominalConcurrencyShares": 0,
            "spec.exempt.lendablePercent": 0,
            "spec.limited.nominalConcurrencyShares": 30,
            "spec.limited.lendablePercent": 0,
            "spec.limited.limitResponse.queuing.handSize": OverZero(8),
            "spec.limited.limitResponse.queuing.queues": OverZero(64),
            "spec.limited.limitResponse.queuing.queueLengthLimit": OverZero(50),
        }
    ),
    validate=validate,
    validate_update=validate_update,
    judges_updates_alone=True,
    generation=spec_changed,
    columns=(
        NAME,
        text_column("Type", "spec.type"),
        Column("NominalConcurrencyShares", _shares),
        Column("Queues", _number(f"{_QUEUING}.queues")),
        Column("HandSize", _number(f"{_QUEUING}.handSize")),
        Column("QueueLengthLimit", _number(f"{_QUEUING}.queueLengthLimit")),
        AGE,
    ),
    subresources=(StatusSubresource(prepare=keep_metadata, validate=validate_status),),
)

RESOURCES = (PRIORITY_LEVEL_CONFIGURATIONS,)
