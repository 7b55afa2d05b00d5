"""Documents by the schema: which fields they have, how two differ, one laid over the other, parts taken away.

Guarantees  Arguments are left alone; what did not change is shared with the results.

Follows sigs.k8s.io/structured-merge-diff/typed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import msgspec

from pybernetes.api.patch.error import PatchError
from pybernetes.api.patch.field_set import EMPTY, LEAF, SELF, Fields, Step, ordered, shown_step
from pybernetes.api.patch.parts import ANYTHING, Kind, ListKind, MapKind

Document = dict[str, Any]
_ABSENT: Any = object()


def fields_of(value: Any, kind: Kind) -> Fields:
    """What a configuration states, as a whole set."""
    return kind.owned(value) or EMPTY


# -- comparing -------------------------------------------------------------------------------------------------------


class Difference(msgspec.Struct, frozen=True):
    set: Fields
    """What was added or modified."""
    removed: Fields

    def filtered(self, keep: Callable[[Fields], Fields]) -> Difference:
        return Difference(keep(self.set), keep(self.removed) if self.removed else EMPTY)


def compare(old: Document, new: Document, kind: Kind) -> Difference:
    """Whole sets of what was set and removed."""
    found, removed = _compared(old, new, kind)
    return Difference(found, removed)


def _compared(old: Any, new: Any, kind: Kind) -> tuple[Fields, Fields]:
    found: Fields = {}
    removed: Fields = {}
    if isinstance(kind, MapKind):
        _compare_maps(old, new, kind, found, removed)
    elif isinstance(kind, ListKind):
        _compare_lists(old, new, kind, found, removed)
    return found if len(found) < 2 else ordered(found), removed if len(removed) < 2 else ordered(removed)


def _compare_maps(
    old: Mapping[str, Any], new: Mapping[str, Any], kind: MapKind, found: Fields, removed: Fields
) -> None:
    for name, item in new.items():
        before = old.get(name, _ABSENT)
        if before is item:
            continue
        if before is _ABSENT:
            found["f:" + name] = kind.child(name).whole(item)
        elif before != item:
            _compare_parts("f:" + name, before, item, kind.child(name), found, removed)
    if not old.keys() <= new.keys():
        for name, item in old.items():
            if name not in new:
                removed["f:" + name] = kind.child(name).whole(item)


def _compare_parts(step: Step, old: Any, new: Any, kind: Kind, found: Fields, removed: Fields) -> None:
    """Two values that are not equal. An empty or null one is as if it had no parts."""
    if isinstance(kind, MapKind) and kind.takes_anything:
        if _has_no_parts(old) and isinstance(new, dict) and new:
            found[step] = kind.whole(new)
            return
        if _has_no_parts(new) and isinstance(old, dict) and old:
            found[step] = LEAF
            removed[step] = {name: node for name, node in kind.whole(old).items() if name != SELF}
            return
    parted = dict if isinstance(kind, MapKind) else list if isinstance(kind, ListKind) else None
    if (
        parted is None
        or not (old or new)
        or not (old is None or isinstance(old, parted))
        or not (new is None or isinstance(new, parted))
    ):
        found[step] = LEAF
        return
    set_below, removed_below = _compared(old or parted(), new or parted(), kind)
    if set_below:
        found[step] = set_below
    if removed_below:
        removed[step] = removed_below


def _has_no_parts(value: Any) -> bool:
    """Unlike a map, and unlike a null, which may stand for one."""
    return value is not None and not isinstance(value, dict)


def _compare_lists(old: Sequence[Any], new: Sequence[Any], kind: ListKind, found: Fields, removed: Fields) -> None:
    before, after = _by_step(old, kind), _by_step(new, kind)
    element = kind.element
    for step, items in after.items():
        others = before.get(step, ())
        if len(items) == 1 and len(others) == 1:
            if others[0] != items[0]:
                _compare_parts(step, others[0], items[0], element, found, removed)
        elif len(items) == 1:
            found[step] = element.whole(items[0])
            if others:
                removed[step] = LEAF
        elif len(others) > 1:
            if list(others) != items:
                found[step] = LEAF
        else:
            found[step] = LEAF
            if others:
                removed[step] = element.whole(others[0])
    for step, items in before.items():
        if step not in after:
            removed[step] = element.whole(items[0]) if len(items) == 1 else LEAF


def _by_step(items: Sequence[Any], kind: ListKind) -> dict[Step, list[Any]]:
    found: dict[Step, list[Any]] = {}
    for item in items:
        found.setdefault(kind.step_of(item), []).append(item)
    return found


# -- merging ---------------------------------------------------------------------------------------------------------


def merge(live: Any, config: Any, kind: Kind) -> Any:
    """The live value with all that the configuration says laid over it: a null says nothing about a value that has
    parts. Raises PatchError.
    """
    if isinstance(kind, MapKind) and isinstance(live, dict) and isinstance(config, dict):
        merged = dict(live)
        for name, item in config.items():
            before = live.get(name)
            if before is not None and (item is None or isinstance(item, dict | list)):
                item = merge(before, item, kind.child(name))
            merged[name] = item
        return merged
    if isinstance(kind, ListKind) and isinstance(live, list) and isinstance(config, list):
        return _merge_lists(live, config, kind) if live or config else config
    if config is None and live and isinstance(kind, MapKind | ListKind) and _has_parts(live, kind):
        return live
    return config


def _has_parts(value: Any, kind: MapKind | ListKind) -> bool:
    """What may be anything has parts only when it is a map."""
    return isinstance(value, dict) or isinstance(kind, ListKind) or not kind.takes_anything


def _merge_lists(live: Sequence[Any], config: Sequence[Any], kind: ListKind) -> list[Any]:
    """In the order of the configuration, with what only the live list has where it stood between them."""
    steps, wanted_steps = [kind.step_of(item) for item in live], [kind.step_of(item) for item in config]
    wanted = dict(zip(wanted_steps, config, strict=True))
    if len(wanted) < len(config):
        twice = next(step for index, step in enumerate(wanted_steps) if step in wanted_steps[:index])
        raise PatchError(f"duplicate entries for key {shown_step(twice)}")
    before = _by_step(live, kind)
    shared = [step for step in wanted_steps if step in before]
    merged: list[Any] = []
    done: set[Step] = set()
    i = j = turn = 0

    def take(step: Step) -> None:
        others = before.get(step, ())
        item = wanted[step]
        merged.append(merge(others[0], item, kind.element) if len(others) == 1 else item)
        done.add(step)

    while i < len(steps) or j < len(wanted_steps):
        next_shared = shared[turn] if turn < len(shared) else None
        if i < len(steps) and j < len(wanted_steps):
            if steps[i] == wanted_steps[j]:
                take(steps[i])
                i, j, turn = i + 1, j + 1, turn + 1
                continue
            if steps[i] in wanted and next_shared is not None and next_shared != steps[i]:
                i += 1
                continue
        if i < len(steps):
            if steps[i] not in wanted:
                merged.append(live[i])
                i += 1
                continue
            if steps[i] in done:
                i += 1
        if j < len(wanted_steps):
            step = wanted_steps[j]
            take(step)
            j += 1
            if step == next_shared:
                turn += 1
    return merged


# -- removing --------------------------------------------------------------------------------------------------------


def remove(value: Any, gone: Fields, kind: Kind) -> Any:
    """The value without the members of a set; what is emptied by it stays, empty."""
    if isinstance(kind, MapKind) and isinstance(value, dict):
        return _removed_from_map(value, gone, kind)
    if isinstance(kind, ListKind) and isinstance(value, list):
        return list(_kept(value, gone, kind))
    return value


def _removed_from_map(value: Mapping[str, Any], gone: Fields, kind: MapKind) -> Document:
    result: Document = {}
    for name, item in value.items():
        below = gone.get("f:" + name)
        if below is None:
            result[name] = item
        elif below and SELF not in below:
            result[name] = _emptied(item, below, kind.child(name))
    return result


def _kept(items: Sequence[Any], gone: Fields, kind: ListKind) -> Iterable[Any]:
    for item in items:
        below = gone.get(kind.step_of(item))
        if below is None:
            yield item
        elif below and SELF not in below:
            yield _emptied(item, below, kind.element)


def _emptied(value: Any, gone: Fields, kind: Kind) -> Any:
    """An atomic value that something below was taken from is emptied whole."""
    if isinstance(value, dict | list) and not isinstance(kind, MapKind | ListKind):
        return type(value)()
    return remove(value, gone, kind)


def with_named_fields(fields: Fields, kind: Kind) -> Fields:
    """With every field of a struct on the way to a member; keys of maps and elements of lists are not added."""
    result: Fields = {}
    for step, node in fields.items():
        if not node:
            result[step] = node
            continue
        if step == SELF:
            continue
        name = step[2:]
        if isinstance(kind, MapKind):
            below = with_named_fields(node, kind.child(name))
            named = kind.declares(name)
        else:
            below = with_named_fields(node, kind.element if isinstance(kind, ListKind) else ANYTHING)
            named = False
        result[step] = {SELF: LEAF, **below} if (named or SELF in node) and SELF not in below else below
    return result
