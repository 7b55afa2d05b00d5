"""Lists that upstream stores as null when they are empty: protobuf does not tell an empty list from none.

Documents have `[]` there, the bytes that are stored and go out have `null`. A path names fields in JSON's spelling,
`[]` steps into every element of a list: `spec.drivers[].topologyKeys`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

Steps = Sequence[str]


def steps_of(path: str) -> Steps:
    return tuple(path.replace("[]", ".[]").split("."))


def stated(document: Any, paths: Iterable[Steps]) -> tuple[Steps, ...]:
    """Those of the lists that somebody stated to be empty; lists within lists are no fields of their own."""
    return tuple(steps for steps in paths if "[]" not in steps and _at(document, steps) == [])


def unstated(document: Any, paths: Iterable[Steps]) -> tuple[Steps, ...]:
    """Those of the lists that have no elements."""
    return tuple(steps for steps in paths if not _at(document, steps))


def _at(value: Any, steps: Steps) -> Any:
    for name in steps:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def as_null(value: Any, steps: Steps) -> Any:
    """The same value, or a copy in which the list is null."""
    if not steps:
        return None if value == [] else value
    name, rest = steps[0], steps[1:]
    if name == "[]":
        return [as_null(one, rest) for one in value] if value else value
    if not value or name not in value:
        return value
    below = value[name]
    changed = as_null(below, rest)
    return value if changed is below else {**value, name: changed}


def as_list(holder: Any, steps: Steps) -> None:
    """Puts the empty list in the place of the null."""
    name, rest = steps[0], steps[1:]
    if name == "[]":
        for one in holder or ():
            as_list(one, rest)
    elif holder and name in holder:
        if rest:
            as_list(holder[name], rest)
        elif holder[name] is None:
            holder[name] = []
