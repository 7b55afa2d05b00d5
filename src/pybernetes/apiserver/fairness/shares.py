"""How the server's seats are divided among levels, and how idle ones are lent. Pure.

Follows the digestion of configuration in k8s.io/apiserver/pkg/util/flowcontrol/apf_controller.go, and conc_alloc.go.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil

from pybernetes.api.models.flowcontrol_v1 import PriorityLevelConfiguration

_SMALLEST_TARGET = 0.001
_EPSILON = 1e-7
_MOST_OF_A_LEVEL = 0.15


@dataclass(frozen=True, slots=True)
class Limits:
    """Of one level, in seats: its own, what it keeps when all it may lend is lent, and the most it may ever have.

    ``widest`` is the most that one request may take."""

    nominal: int
    lower: int
    upper: int
    widest: int


def limits_of(levels: Iterable[PriorityLevelConfiguration], total: int) -> dict[str, Limits]:
    wanted = {level.metadata.name: level for level in levels}
    shares = {name: shares_of(level) for name, level in wanted.items()}
    whole = sum(shares.values()) or 1
    return {name: _limits(level, ceil(total * shares[name] / whole), total) for name, level in wanted.items()}


def shares_of(level: PriorityLevelConfiguration) -> int:
    half = level.spec.limited or level.spec.exempt
    if half is None or half.nominal_concurrency_shares is None:
        return 0 if level.spec.limited is None else 30
    return half.nominal_concurrency_shares


def _limits(level: PriorityLevelConfiguration, nominal: int, total: int) -> Limits:
    half = level.spec.limited or level.spec.exempt
    lendable = round(nominal * ((half.lendable_percent if half else None) or 0) / 100)
    borrowing = total
    widest = nominal
    limited = level.spec.limited
    if limited is not None:
        if limited.borrowing_limit_percent is not None:
            borrowing = round(nominal * limited.borrowing_limit_percent / 100)
        queuing = limited.limit_response.queuing
        if queuing is not None and queuing.hand_size:
            widest = max(1, min(ceil(nominal * _MOST_OF_A_LEVEL), nominal // queuing.hand_size))
    return Limits(nominal, nominal - lendable, nominal + borrowing, widest)


@dataclass(frozen=True, slots=True)
class Demand:
    """What a level has wanted lately: its highest, and the smoothed average with its deviation."""

    highest: int = 0
    smoothed: float = 0.0


def borrowed(limits: Mapping[str, Limits], demands: Mapping[str, Demand], exempt: frozenset[str]) -> dict[str, int]:
    """The seats that each level has for now. Sums to the nominal seats of all, as far as bounds allow."""
    total = sum(one.nominal for one in limits.values())
    found = {name: max(limits[name].lower, demands[name].highest) for name in exempt if name in limits}
    remaining = total - sum(found.values())
    limited = [name for name in limits if name not in exempt]
    least = {name: limits[name].lower for name in limited}
    wanted = {name: max(least[name], min(limits[name].nominal, demands[name].highest)) for name in limited}
    if remaining <= sum(least.values()):
        return found | least
    if remaining <= sum(wanted.values()):
        part = (remaining - sum(least.values())) / (sum(wanted.values()) - sum(least.values()))
        return found | {name: least[name] + round((wanted[name] - least[name]) * part) for name in limited}
    bounds = [Bounds(wanted[name], limits[name].upper, max(wanted[name], demands[name].smoothed)) for name in limited]
    given = divided(total, bounds)
    return found | {name: round(seats) for name, seats in zip(limited, given, strict=True)}


@dataclass(frozen=True, slots=True)
class Bounds:
    lower: float
    upper: float
    target: float


def divided(total: float, bounds: Sequence[Bounds]) -> list[float]:
    """Everyone the same multiple of the target, but within bounds; sums to ``total`` where the bounds permit it."""
    if total <= sum(one.lower for one in bounds) + _EPSILON:
        return [one.lower for one in bounds]
    if total >= sum(one.upper for one in bounds) - _EPSILON:
        return [one.upper for one in bounds]
    edges = sorted({bound / _target(one) for one in bounds for bound in (one.lower, one.upper)})
    low = edges[0]
    for high in edges:
        if _sum_at(high, bounds) >= total:
            break
        low = high
    at_low, at_high = _sum_at(low, bounds), _sum_at(high, bounds)
    multiple = high if at_high <= at_low else low + (high - low) * (total - at_low) / (at_high - at_low)
    return [_at(multiple, one) for one in bounds]


def _target(one: Bounds) -> float:
    return max(one.target, _SMALLEST_TARGET)


def _at(multiple: float, one: Bounds) -> float:
    return max(one.lower, min(one.upper, multiple * _target(one)))


def _sum_at(multiple: float, bounds: Sequence[Bounds]) -> float:
    return sum(_at(multiple, one) for one in bounds)
