"""Selectors of devices: `device.attributes["dra.example.com"].memory_type == "hbm"`.

``problems(expression)`` says what is wrong with one; ``selector(expression)`` gives one that judges devices.

Semantics
  Attributes and capacities stand under their domains; a name without one is in its driver's. A domain that a device
  does not have is an empty map, a name that it does not have is an error of the evaluation.

Follows k8s.io/dynamic-resource-allocation/cel.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

from pybernetes.api import quantity
from pybernetes.api.models.resource_v1 import DeviceAttribute, DeviceCapacity
from pybernetes.cel.call_estimates import Size
from pybernetes.cel.environment import Environment, Program
from pybernetes.cel.errors import CelError, CompileError
from pybernetes.cel.estimates import Path, estimate
from pybernetes.cel.library.quantity import Amount
from pybernetes.cel.library.semver import to_semver
from pybernetes.cel.macros import expand_with_bind
from pybernetes.cel.types import ANY, BOOL, STRING, map_of, object_type, opaque, shown_type
from pybernetes.cel.values import DefaultMap, kind_of

COST_LIMIT = 1_000_000
"""What one selector may cost, by its estimate and when it is evaluated."""
_DOMAIN, _NAME, _DRIVER, _TEXT = 63, 32, 63, 64
_MOST_ENTRIES = 32
_DEVICE = object_type(
    "kubernetes.DRADevice",
    {
        "driver": STRING,
        "allowMultipleAllocations": BOOL,
        "attributes": map_of(STRING, map_of(STRING, ANY)),
        "capacity": map_of(STRING, map_of(STRING, opaque("kubernetes.Quantity"))),
    },
)


class SelectorError(Exception):
    """The expression does not compile, or gives something that is no answer; the message is for its author."""


@dataclass(frozen=True, slots=True)
class Device:
    """What an expression may know of a device."""

    driver: str
    allow_multiple_allocations: bool
    attributes: Mapping[str, DeviceAttribute]
    capacity: Mapping[str, DeviceCapacity]


@dataclass(frozen=True, slots=True)
class Selector:
    program: Program
    most: int
    """The estimate of its cost."""

    def matches(self, device: Device) -> bool:
        """Raises ``CelError``."""
        value = self.program.evaluate({"device": _value(device)}, limit=COST_LIMIT)
        if value.__class__ is not bool:
            raise CelError(f"CEL result of type {kind_of(value)} could not be converted to bool")
        return bool(value)


@lru_cache(maxsize=1024)
def selector(expression: str) -> Selector:
    """Compiled once. Raises ``SelectorError``."""
    try:
        program = _environment().compile(expression)
    except CompileError as error:
        raise SelectorError(f"compilation failed: {error}") from None
    if program.result not in (BOOL, ANY):
        raise SelectorError(f"must evaluate to bool or the unknown type, not {shown_type(program.result)}")
    return Selector(program, estimate(program.tree, program.checked, _size_of))


def _value(device: Device) -> Mapping[str, Any]:
    attributes: dict[str, Any] = DefaultMap()
    for name, attribute in device.attributes.items():
        domain, own = _split(name, device.driver)
        attributes.setdefault(domain, {})[own] = _attribute(name, attribute)
    capacity: dict[str, Any] = DefaultMap()
    for name, amount in device.capacity.items():
        domain, own = _split(name, device.driver)
        capacity.setdefault(domain, {})[own] = Amount(quantity.parse(amount.value))
    return {
        "driver": device.driver,
        "allowMultipleAllocations": device.allow_multiple_allocations,
        "attributes": attributes,
        "capacity": capacity,
    }


def _split(name: str, driver: str) -> tuple[str, str]:
    domain, slash, own = name.partition("/")
    return (domain, own) if slash else (driver, name)


def _attribute(name: str, attribute: DeviceAttribute) -> Any:
    for value in (attribute.int_, attribute.bool_, attribute.string):
        if value is not None:
            return value
    if attribute.version is None:
        raise CelError(f"attribute {name}: unsupported attribute value")
    try:
        return to_semver(attribute.version)
    except CelError as error:
        raise CelError(f"attribute {name}: parse semantic version: {error}") from None


@cache
def _environment() -> Environment:
    return Environment({"device": _DEVICE}, expand=expand_with_bind)


_SIZES: Mapping[Path, int] = {
    (): 0,
    ("driver",): _DRIVER,
    ("allowMultipleAllocations",): 1,
    ("attributes",): _MOST_ENTRIES,
    ("attributes", "@keys"): _DOMAIN,
    ("attributes", "@values"): _MOST_ENTRIES,
    ("attributes", "@values", "@keys"): _NAME,
    ("attributes", "@values", "@values"): _TEXT,
    ("capacity",): _MOST_ENTRIES,
    ("capacity", "@keys"): _DOMAIN,
    ("capacity", "@values"): _MOST_ENTRIES,
    ("capacity", "@values", "@keys"): _NAME,
    ("capacity", "@values", "@values"): 0,
}


def _size_of(path: Path) -> Size | None:
    """A name below a domain's attributes is as long as any attribute."""
    if not path or path[0] != "device":
        return None
    below = tuple("@values" if step == "@items" else step for step in path[1:])
    if len(below) == 3 and below[:2] == ("attributes", "@values") and not below[2].startswith("@"):
        below = ("attributes", "@values", "@values")
    most = _SIZES.get(below)
    return None if most is None else Size(0, most)
