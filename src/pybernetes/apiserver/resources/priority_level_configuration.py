"""PriorityLevelConfiguration: how many requests of a level run at once, and how the others wait.

Follows pkg/apis/flowcontrol/v1/defaults.go and validation, and printPriorityLevelConfiguration in pkg/printers.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from pybernetes.api.fields import FieldError, at, forbidden, invalid, is_dns_subdomain, not_supported, required
from pybernetes.api.kinds import info_of
from pybernetes.api.models.flowcontrol_v1 import LimitedPriorityLevelConfiguration, PriorityLevelConfiguration
from pybernetes.apiserver.columns import AGE, NAME, NONE
from pybernetes.apiserver.resource import Column, Document, Resource, StatusSubresource, spec_changed
from pybernetes.apiserver.resources.cells import at_path, text_column
from pybernetes.apiserver.resources.defaults import OverZero, Rule, compile_defaults
from pybernetes.apiserver.validation.metadata import check_metadata, check_only_metadata

EXEMPT = "exempt"


def default_exempt(spec: Document) -> None:
    if spec.get("type") == "Exempt":
        exempt = spec.setdefault("exempt", {})
        exempt.setdefault("nominalConcurrencyShares", 0)
        exempt.setdefault("lendablePercent", 0)


def validate(level: PriorityLevelConfiguration) -> Iterator[FieldError]:
    yield from check_metadata(level.metadata, is_dns_subdomain, namespaced=False)
    spec = level.spec
    if (level.metadata.name == EXEMPT) != (spec.type == "Exempt"):
        yield invalid(at.spec.type, spec.type, "type must be 'Exempt' if and only if name is 'exempt'")
    match spec.type:
        case "Exempt":
            if spec.limited is not None:
                yield forbidden(at.spec.limited, "must be nil if the type is not Limited")
        case "Limited":
            if spec.exempt is not None:
                yield forbidden(at.spec.exempt, "must be nil if the type is Limited")
            if spec.limited is None:
                yield required(at.spec.limited, "must not be empty when type is Limited")
            else:
                yield from _check_limited(spec.limited)
        case _:
            yield not_supported(at.spec.type, spec.type, ("Exempt", "Limited"))


def _check_limited(limited: LimitedPriorityLevelConfiguration) -> Iterator[FieldError]:
    path = at.spec.limited
    shares, response = limited.nominal_concurrency_shares, limited.limit_response
    if shares is not None and shares < 0:
        yield invalid(path.nominalConcurrencyShares, shares, "must be a non-negative integer")
    if response.type == "Reject":
        if response.queuing is not None:
            yield forbidden(path.limitResponse.queuing, "must be nil if limited.limitResponse.type is not Limited")
    elif response.type != "Queue":
        yield not_supported(path.limitResponse.type, response.type, ("Queue", "Reject"))
    elif response.queuing is None:
        yield required(path.limitResponse.queuing, "must not be empty if limited.limitResponse.type is Limited")
    else:
        queuing = response.queuing
        for name, value in (
            ("queueLengthLimit", queuing.queue_length_limit),
            ("queues", queuing.queues),
            ("handSize", queuing.hand_size),
        ):
            if value <= 0:
                yield invalid(path.limitResponse.queuing.child(name), value, "must be positive")
        if queuing.hand_size > queuing.queues > 0:
            message = f"should not be greater than queues ({queuing.queues})"
            yield invalid(path.limitResponse.queuing.handSize, queuing.hand_size, message)


def _number(path: str) -> Any:
    def shown(level: Document, now: datetime) -> Any:
        return at_path(level, path, NONE)

    return shown


def _shares(level: Document, now: datetime) -> Any:
    spec = level.get("spec") or {}
    holder = spec.get("limited") or spec.get("exempt") or {}
    return holder.get("nominalConcurrencyShares", NONE)


_QUEUING = "spec.limited.limitResponse.queuing"

PRIORITY_LEVEL_CONFIGURATIONS = Resource(
    info=info_of(PriorityLevelConfiguration),
    defaults=compile_defaults(
        {
            "spec": Rule(default_exempt),
            "spec.limited.nominalConcurrencyShares": 30,
            "spec.limited.lendablePercent": 0,
            "spec.limited.limitResponse.queuing.handSize": OverZero(8),
            "spec.limited.limitResponse.queuing.queues": OverZero(64),
            "spec.limited.limitResponse.queuing.queueLengthLimit": OverZero(50),
        }
    ),
    validate=validate,
    validate_update=check_only_metadata,
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
    subresources=(StatusSubresource(validate=check_only_metadata),),
)

RESOURCES = (PRIORITY_LEVEL_CONFIGURATIONS,)
