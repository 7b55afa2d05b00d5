"""Sets of fields of an object, in the form they have in `metadata.managedFields` (FieldsV1): nested maps of steps.

A step is `f:spec`, `k:{"name":"web"}` (an element of a list by its keys), `v:"x"` (an element of a set by its value) or
`i:0`. A node is in the set if it is empty or has the step `.`; the root never is, so `{}` as a whole set is empty.

Guarantees  Sets are values: nothing here changes its arguments, and results share what did not change with them. The
steps of a node stand in upstream's order.

Follows sigs.k8s.io/structured-merge-diff/fieldpath.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any

from pybernetes.api import go_json
from pybernetes.api.fields import quoted

Step = str
Path = tuple[Step, ...]
Fields = dict[str, Any]
"""A whole set, or a node of one."""

SELF = "."
LEAF: Fields = {}
EMPTY: Fields = {}


def fields_at(*paths: Path) -> Fields:
    found = EMPTY
    for path in paths:
        one = LEAF
        for step in reversed(path):
            one = {step: one}
        found = union(found, one)
    return found


def union(one: Fields, other: Fields) -> Fields:
    """Of two whole sets."""
    if not one or one is other:
        return other
    return _united(one, other) if other else one


def _united(one: Fields, other: Fields) -> Fields:
    result = one
    grown = False
    for step, there in other.items():
        here = one.get(step)
        both = there if here is None else _both(here, there)
        if both is not here:
            if result is one:
                result = dict(one)
            grown = grown or here is None
            result[step] = both
    return ordered(result) if grown else result


def _both(here: Fields, there: Fields) -> Fields:
    """Of two nodes."""
    if here is there or not (here or there):
        return here
    if not here:
        return there if SELF in there else {SELF: LEAF, **there}
    if not there:
        return here if SELF in here else {SELF: LEAF, **here}
    return _united(here, there)


def intersection(one: Fields, other: Fields) -> Fields:
    result: Fields = {}
    for step, here in one.items():
        there = other.get(step)
        if there is None or step == SELF:
            continue
        below = intersection(here, there) if here and there else EMPTY
        if _is_member(here) and _is_member(there):
            result[step] = {SELF: LEAF, **below} if below else LEAF
        elif below:
            result[step] = below
    return result


def difference(one: Fields, other: Fields) -> Fields:
    """Without the members of `other`; what lies below them stays."""
    return _without_each(one, other, _less)


def without(one: Fields, other: Fields) -> Fields:
    """Without the members of `other` and all that lies below them."""
    return _without_each(one, other, _less_all)


Left = Fields | None
"""What is left of a node; None when nothing is."""


def _without_each(one: Fields, other: Fields, less: Callable[[Fields, Fields], Left]) -> Fields:
    result = one
    for step, there in other.items():
        here = one.get(step)
        if here is None or step == SELF:
            continue
        left = less(here, there)
        if left is here:
            continue
        if result is one:
            result = dict(one)
        if left is None:
            del result[step]
        else:
            result[step] = left
    return result


def _less(here: Fields, there: Fields) -> Left:
    if not here:
        return None if _is_member(there) else here
    left = difference(here, there) if there else here
    if SELF in left and _is_member(there):
        left = {step: node for step, node in left.items() if step != SELF}
    return _tidy(left)


def _less_all(here: Fields, there: Fields) -> Left:
    if _is_member(there):
        return None
    return _tidy(without(here, there)) if here else here


def _tidy(node: Fields) -> Left:
    """A node from which steps were taken."""
    if not node:
        return None
    return LEAF if len(node) == 1 and SELF in node else node


def within(one: Fields, pattern: Mapping[str, Any]) -> Fields:
    """The members at or below the places of a pattern: steps, `*` for any, and `{}` where the pattern ends."""
    result: Fields = {}
    for step, here in one.items():
        wanted = pattern.get(step, pattern.get("*")) if step != SELF else None
        if wanted is None:
            continue
        if not wanted:
            result[step] = here
            continue
        below = within(here, wanted)
        if below:
            result[step] = {SELF: LEAF, **below} if SELF in here else below
        elif _is_member(here):
            result[step] = LEAF
    return result


def has(fields: Fields, path: Path) -> bool:
    for step in path:
        found = fields.get(step)
        if found is None:
            return False
        fields = found
    return bool(path) and _is_member(fields)


def paths(fields: Fields, prefix: Path = ()) -> Iterator[Path]:
    """The members: those of a node before those below it."""
    for step, node in fields.items():
        if step != SELF and _is_member(node):
            yield (*prefix, step)
    for step, node in fields.items():
        if node:
            yield from paths(node, (*prefix, step))


def ordered(node: Fields) -> Fields:
    """The node with its steps in order."""
    if len(node) < 2:
        return node
    steps = sorted(node) if all(step[0] in "f." for step in node) else sorted(node, key=_rank)
    return {step: node[step] for step in steps}


class MalformedFields(ValueError):
    """What somebody wrote is no set of fields."""


def canonical(node: Any) -> Fields:
    """A set as somebody wrote it, with its steps in order at every depth. Raises MalformedFields.

    Kinds of steps that nobody knows yet are left out.
    """
    if node is None:
        return LEAF
    if not isinstance(node, dict):
        raise MalformedFields("a set of fields is an object")
    return ordered({step: canonical(below) for step, below in node.items() if _is_known(step)})


def _is_known(step: str) -> bool:
    if step == SELF:
        return True
    if step[1:2] != ":":
        raise MalformedFields(f"{quoted(step)} does not say what it is")
    if step[0] in "kvi":
        _check_value(step)
    return step[0] in "fkvi"


def _check_value(step: str) -> None:
    try:
        value = json.loads(step[2:])
    except ValueError as error:
        raise MalformedFields(f"{quoted(step)} is not written in JSON") from error
    if (step[0] == "k" and not isinstance(value, dict)) or (step[0] == "i" and not isinstance(value, int)):
        raise MalformedFields(f"{quoted(step)} has a value of a wrong type")


def includes(one: Fields, other: Fields) -> bool:
    """Whether all members of `other` are members of `one`; False where that takes a closer look to tell."""
    for step, there in other.items():
        here = one.get(step)
        if here is None:
            return False
        if not there:
            if here and SELF not in here:
                return False
        elif not includes(here, there):
            return False
    return True


def _is_member(node: Fields) -> bool:
    return not node or SELF in node


# -- steps -----------------------------------------------------------------------------------------------------------


def field_step(name: str) -> Step:
    return "f:" + name


def key_step(keys: Mapping[str, Any]) -> Step:
    return "k:" + _json(dict(keys))


def value_step(value: Any) -> Step:
    return "v:" + _json(value)


def _json(value: Any) -> str:
    return go_json.escaped(json.dumps(value, separators=(",", ":"), sort_keys=True, ensure_ascii=False))


_KINDS = {".": 0, "f": 1, "k": 2, "v": 3, "i": 4}


@lru_cache(maxsize=8192)
def _rank(step: Step) -> tuple[Any, ...]:
    kind, _, rest = step.partition(":")
    match kind:
        case "k":
            return _KINDS["k"], tuple((name, *_value_rank(value)) for name, value in sorted(json.loads(rest).items()))
        case "v":
            return _KINDS["v"], _value_rank(json.loads(rest))
        case "i":
            return _KINDS["i"], int(rest)
        case _:
            return _KINDS.get(kind, len(_KINDS)), rest


def _value_rank(value: Any) -> tuple[int, Any]:
    """Numbers before texts before booleans, each in its own order."""
    if isinstance(value, bool):
        return 2, value
    if isinstance(value, int | float):
        return 0, value
    return (1, value) if isinstance(value, str) else (3, str(value))


def shown(path: Iterable[Step]) -> str:
    """`.spec.containers[name="web"].image`"""
    return "".join(map(shown_step, path))


def shown_step(step: Step) -> str:
    kind, _, rest = step.partition(":")
    match kind:
        case "f":
            return "." + rest
        case "k":
            pairs = ",".join(f"{key}={_shown_value(value)}" for key, value in sorted(json.loads(rest).items()))
            return f"[{pairs}]"
        case "v":
            return f"[={_shown_value(json.loads(rest))}]"
        case _:
            return f"[{rest}]"


def _shown_value(value: Any) -> str:
    match value:
        case str():
            return quoted(value)
        case list():
            return f"[{','.join(map(_shown_value, value))}]"
        case dict():
            return "".join(f"{name}={_shown_value(item)}" for name, item in sorted(value.items()))
        case _:
            return json.dumps(value)
