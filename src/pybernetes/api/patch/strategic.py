"""Strategic merge patches: merge patches that know which lists are maps by a key, which are sets, which are one value.

Directives: `$patch: replace|delete` in a map, `$retainKeys`, `$setElementOrder/<list>` and
`$deleteFromPrimitiveList/<list>`; those of lists' elements are in `strategic_lists`.

Guarantees
  Elements that the patch does not name keep their relative order; new elements come where upstream puts them.
  Neither the document nor the patch is changed; the result may share parts of both.
  A directive where none is looked for stays as a field, for whoever reads the result to say that it is not known.

Follows k8s.io/apimachinery/pkg/util/strategicpatch. Where upstream goes through a patch in no certain order, deletions
from lists come before what is added to them.
"""

from __future__ import annotations

from typing import Any

from pybernetes.api.patch.error import BadPatch
from pybernetes.api.patch.strategic_facts import Facts, ListFacts, below, field_of, list_facts
from pybernetes.api.patch.strategic_lists import (
    DIRECTIVE,
    check_order,
    fresh,
    in_order,
    merged_list,
    not_of_type,
    unknown_directive,
    without_values,
)
from pybernetes.api.schema import Shape

Document = dict[str, Any]

RETAIN = "$retainKeys"
ORDER = "$setElementOrder"
DELETE_PRIMITIVES = "$deleteFromPrimitiveList"
_LIST = "[]interface {}"


def apply(document: Document, patch: Document, shape: Shape) -> Document:
    """Raises PatchError."""
    return merge_map(document, patch, shape.definition)


def merge_map(old: Document, patch: Document, facts: Facts) -> Document:
    if "$" not in "".join(patch):
        new = old.copy()
        for name, value in patch.items():
            _merge_field(new, name, value, facts)
        return new
    directive = patch.get(DIRECTIVE)
    if directive == "replace":
        return {name: value for name, value in patch.items() if name != DIRECTIVE}
    if directive == "delete":
        return {}
    if DIRECTIVE in patch:
        raise unknown_directive(directive, patch)
    new = _retained(old, patch)
    rest = {name: value for name, value in patch.items() if name != RETAIN}
    for key in [key for key in rest if key.startswith(ORDER)]:
        _put_in_order(new, key, rest, facts)
    for key in [key for key in rest if key.startswith(DELETE_PRIMITIVES)]:
        _delete_from(new, key, rest.pop(key), facts)
    for name, value in rest.items():
        _merge_field(new, name, value, facts)
    return new


def _merge_field(new: Document, name: str, value: Any, facts: Facts) -> None:
    if value is None:
        new.pop(name, None)
        return
    old = new.get(name)
    if isinstance(value, dict):
        if isinstance(old, dict):
            field = field_of(facts, name)
            new[name] = value if "replace" in field.strategies else merge_map(old, value, below(field))
        elif DIRECTIVE in value:
            new.pop(name, None)
        else:
            new[name] = fresh(value)
    elif isinstance(value, list):
        if isinstance(old, list):
            new[name] = _merge_list(old, value, list_facts(facts, name))
        else:
            new[name] = fresh(value)
    else:
        new[name] = value


def _merge_list(old: list[Any], patch: list[Any], facts: ListFacts) -> list[Any]:
    return merged_list(old, patch, facts, merge_map) if facts.merges else patch


def _retained(old: Document, patch: Document) -> Document:
    """A copy of the old map, with only the keys that the patch lets stand."""
    if RETAIN not in patch:
        return old.copy()
    keys = patch[RETAIN]
    if not isinstance(keys, list):
        raise BadPatch("invalid patch format of retainKeys")
    stated = (name for name, value in patch.items() if value is not None and name != RETAIN)
    if any(name not in keys for name in stated if not name.startswith((ORDER, DELETE_PRIMITIVES))):
        raise BadPatch("invalid patch format of retainKeys")
    return {name: value for name, value in old.items() if name in keys}


def _delete_from(new: Document, key: str, gone: Any, facts: Facts) -> None:
    """Takes away what a list of values no longer has; what it says of anything else is done as if it were a patch."""
    name = _named(key, DELETE_PRIMITIVES, "primitive")
    old = new.get(name)
    if gone is None:
        new.pop(name, None)
    elif isinstance(old, list) and isinstance(gone, list):
        left = without_values(old, gone)
        new[name] = merged_list(old, gone, list_facts(facts, name), merge_map) if left is None else left
    elif name in new and type(old) is type(gone):
        _merge_field(new, name, gone, facts)


def _put_in_order(new: Document, key: str, patch: Document, facts: Facts) -> None:
    """Merges a list and puts it into the order that the client wants, with what only the server has in between.

    Takes what it has dealt with out of the patch."""
    order = patch.pop(key)
    if not isinstance(order, list):
        raise not_of_type(_LIST, order)
    name = _named(key, ORDER, "setElementOrder")
    for side in (new, patch):
        if name in side and not isinstance(side[name], list):
            raise not_of_type(_LIST, side[name])
    known = list_facts(facts, name)
    old, stated = new.get(name), patch.pop(name, None)
    check_order(stated or [], order, known)
    if old is None and stated is None:
        return
    new[name] = in_order(_merged(old, stated, known), order, old or [], stated or [], known)


def _merged(old: list[Any] | None, stated: list[Any] | None, facts: ListFacts) -> list[Any]:
    if stated is None:
        return old or []
    return list(fresh(stated)) if old is None else _merge_list(old, stated, facts)


def _named(key: str, directive: str, what: str) -> str:
    before, slash, name = key.partition("/")
    if not slash or before != directive:
        raise BadPatch(f"invalid patch format of {what} list")
    return name
