"""What calls cost at most, and how large their results are, from the sizes of their arguments.

Any change here changes which definitions are accepted.

Follows github.com/google/cel-go/checker/cost.go and k8s.io/apiserver/pkg/cel/library/cost.go.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import ceil, prod
from typing import Any, NamedTuple

from pybernetes.cel.functions import Overload
from pybernetes.cel.types import Type
from pybernetes.cel.values import MAX_UINT

LETTER, PATTERN_LETTER = 0.1, 0.25
"""Cost of looking at a letter, and of applying one of a pattern."""
AUTHORIZATION = 350_000
_FORMAT_PATTERN = 128


class Size(NamedTuple):
    min: int
    max: int


class Argument(NamedTuple):
    type: Type
    known: Size | None
    items: Callable[[], Size | None]
    """The size of its elements, where a schema tells."""
    literal: Any = None

    @property
    def size(self) -> Size:
        return self.known if self.known is not None else UNKNOWN


UNKNOWN = Size(0, MAX_UINT)
FIXED_ONE = Size(1, 1)
Estimate = tuple[int, Size | None]
Estimator = Callable[[Overload, "Argument | None", Sequence[Argument]], "Estimate | None"]


def plus(*costs: int) -> int:
    return min(sum(costs), MAX_UINT)


def times(*factors: int) -> int:
    return min(prod(factors), MAX_UINT)


def union(left: Size, right: Size) -> Size:
    return Size(min(left.min, right.min), max(left.max, right.max))


def call_estimate(
    function: str, overload: Overload, target: Argument | None, arguments: Sequence[Argument]
) -> Estimate:
    """(the cost of the call itself, the size of what it gives if that is known)"""
    special = _ESTIMATES.get(function)
    found = special(overload, target, arguments) if special is not None else None
    return found if found is not None else (1, None)


def _scaled(count: int, factor: float) -> int:
    return min(ceil(count * factor), MAX_UINT)


def _sum(*sizes: Size) -> Size:
    return Size(plus(*(one.min for one in sizes)), plus(*(one.max for one in sizes)))


def _product(left: Size, right: Size) -> Size:
    return Size(times(left.min, right.min), times(left.max, right.max))


def _first(target: Argument | None, arguments: Sequence[Argument]) -> Argument:
    return target if target is not None else arguments[0]


def _traversal(factor: float = LETTER, *, keeps_size: bool = False) -> Estimator:
    def made(overload: Overload, target: Argument | None, arguments: Sequence[Argument]) -> Estimate | None:
        if target is None and not arguments:
            return None
        size = _first(target, arguments).size
        return _scaled(size.max, factor), size if keeps_size else None

    return made


def _elements(overload: Overload, target: Argument | None, arguments: Sequence[Argument]) -> Estimate | None:
    if target is None:
        return None
    if not target.type.params:
        return _scaled(target.size.max, LETTER), None
    each = 1
    if target.type.params[0].kind in ("string", "bytes"):
        each = plus(each, _scaled((target.items() or UNKNOWN).max, LETTER))
    return times(target.size.max, each), None


def _replace(overload: Overload, target: Argument | None, arguments: Sequence[Argument]) -> Estimate | None:
    if target is None:
        return None
    size, old, new = target.size, arguments[0].size, arguments[1].size
    if old.min == 0:
        most = Size(0, plus(times(plus(size.max, 1), new.max), size.max))
    elif new.max <= old.min:
        most = Size(0, size.max)
    else:
        most = Size(0, times(ceil(size.max / old.min), new.max))
    return _scaled(size.max, 2 * LETTER), most


def _split(overload: Overload, target: Argument | None, arguments: Sequence[Argument]) -> Estimate | None:
    if target is None:
        return None
    most = target.size.max
    if len(arguments) > 1 and isinstance(arguments[1].literal, int):
        most = arguments[1].literal if arguments[1].literal >= 0 else MAX_UINT
    return _scaled(target.size.max, 2 * LETTER), Size(0, most)


def _join(overload: Overload, target: Argument | None, arguments: Sequence[Argument]) -> Estimate | None:
    if target is None:
        return None
    count = target.size
    size = _product(count, target.items() or UNKNOWN)
    if arguments:
        size = _sum(size, _product(arguments[0].size, Size(max(count.min - 1, 0), max(count.max - 1, 0))))
    return _scaled(size.max, LETTER), size


def _find(overload: Overload, target: Argument | None, arguments: Sequence[Argument]) -> Estimate | None:
    text, pattern = (target, arguments[0]) if target is not None else (arguments[0], arguments[1])
    cost = times(_scaled(plus(text.size.max, 1), LETTER), _scaled(pattern.size.max, PATTERN_LETTER))
    return cost, Size(0, text.size.max)


def _matches(overload: Overload, target: Argument | None, arguments: Sequence[Argument]) -> Estimate | None:
    found = _find(overload, target, arguments)
    return None if found is None or target is None else (found[0], None)


def _contains(overload: Overload, target: Argument | None, arguments: Sequence[Argument]) -> Estimate | None:
    if target is None or target.type.kind == "list":
        return None
    return times(_scaled(target.size.max, LETTER), _scaled(arguments[0].size.max, LETTER)), None


def _prefix(overload: Overload, target: Argument | None, arguments: Sequence[Argument]) -> Estimate | None:
    return _scaled(arguments[0].size.max, LETTER), None


def _member(overload: Overload, target: Argument | None, arguments: Sequence[Argument]) -> Estimate | None:
    return (arguments[1].size.max, None) if overload.kinds[1] == "list" else None


def _addition(overload: Overload, target: Argument | None, arguments: Sequence[Argument]) -> Estimate | None:
    kind = overload.kinds[0]
    if kind not in ("string", "bytes", "list"):
        return None
    size = _sum(arguments[0].size, arguments[1].size)
    return (1 if kind == "list" else _scaled(size.max, LETTER)), size


def _equality(overload: Overload, target: Argument | None, arguments: Sequence[Argument]) -> Estimate | None:
    left, right = arguments
    if left.type == right.type and left.type.name in _CHEAP:
        return 1, None
    return _scaled(min(left.size.max, right.size.max), LETTER), None


_CHEAP = frozenset({"net.IP", "net.CIDR", "kubernetes.Quantity", "kubernetes.Semver"})


def _comparison(overload: Overload, target: Argument | None, arguments: Sequence[Argument]) -> Estimate | None:
    if overload.kinds[0] not in ("string", "bytes"):
        return None
    return _scaled(min(arguments[0].size.max, arguments[1].size.max), LETTER), None


def _to_bytes(overload: Overload, target: Argument | None, arguments: Sequence[Argument]) -> Estimate | None:
    if overload.kinds[0] != "string":
        return None
    size = arguments[0].size
    return _scaled(size.max, LETTER), Size(size.min, times(size.max, 4))


def _to_string(overload: Overload, target: Argument | None, arguments: Sequence[Argument]) -> Estimate | None:
    if overload.kinds[0] != "bytes":
        return None
    size = arguments[0].size
    return _scaled(size.max, LETTER), Size(size.min // 4, size.max)


def _quote(overload: Overload, target: Argument | None, arguments: Sequence[Argument]) -> Estimate | None:
    size = arguments[0].size
    return _scaled(size.max, LETTER), Size(size.min + 2, plus(times(size.max, 2), 2))


def _contains_ip(overload: Overload, target: Argument | None, arguments: Sequence[Argument]) -> Estimate | None:
    parsing = _scaled(arguments[0].size.max, LETTER) if overload.kinds[1] == "string" else 0
    return plus(_scaled(32, LETTER), parsing), None


def _contains_cidr(overload: Overload, target: Argument | None, arguments: Sequence[Argument]) -> Estimate | None:
    found = _contains_ip(overload, target, arguments)
    return (plus(found[0], _scaled(16, LETTER), 1), None) if found else None


def _validate(overload: Overload, target: Argument | None, arguments: Sequence[Argument]) -> Estimate | None:
    letters = _scaled(arguments[0].size.max, LETTER)
    return _scaled(letters, _FORMAT_PATTERN * PATTERN_LETTER), None


def _selector(overload: Overload, target: Argument | None, arguments: Sequence[Argument]) -> Estimate | None:
    length = arguments[0].size.max
    return plus(10, _scaled(length, LETTER), _scaled(_scaled(length, 0.5), 50)), None


def _authorization(overload: Overload, target: Argument | None, arguments: Sequence[Argument]) -> Estimate | None:
    return AUTHORIZATION, None


def _parse_ip(overload: Overload, target: Argument | None, arguments: Sequence[Argument]) -> Estimate | None:
    return None if overload.member else (_scaled(arguments[0].size.max, LETTER), None)


_ESTIMATES: dict[str, Estimator] = {
    "check": _authorization,
    "fieldSelector": _selector,
    "labelSelector": _selector,
    **dict.fromkeys(("isSorted", "sum", "max", "min", "indexOf", "lastIndexOf"), _elements),
    **dict.fromkeys(("url", "jsonpatch.escapeKey"), _traversal(keeps_size=True)),
    **dict.fromkeys(("lowerAscii", "upperAscii", "substring", "trim"), _traversal(keeps_size=True)),
    **dict.fromkeys(("isIP", "cidr", "isCIDR", "quantity", "isQuantity", "semver", "isSemver"), _traversal()),
    "format": _traversal(),
    "ip.isCanonical": _traversal(2 * LETTER),
    "ip": _parse_ip,
    "containsIP": _contains_ip,
    "containsCIDR": _contains_cidr,
    "replace": _replace,
    "split": _split,
    "join": _join,
    "find": _find,
    "findAll": _find,
    "matches": _matches,
    "contains": _contains,
    "startsWith": _prefix,
    "endsWith": _prefix,
    "@in": _member,
    "_+_": _addition,
    "_==_": _equality,
    "_!=_": _equality,
    **dict.fromkeys(("_<_", "_<=_", "_>_", "_>=_"), _comparison),
    "bytes": _to_bytes,
    "string": _to_string,
    "strings.quote": _quote,
    "validate": _validate,
}
