"""Is a configuration to apply such as the schema says? With upstream's words for what is not.

Follows sigs.k8s.io/structured-merge-diff/typed/validate.go: nulls are allowed everywhere, an unknown field ends the
look at its map, and an element without identity ends the look at its list.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from pybernetes.api.digits import shown_float
from pybernetes.api.fields import quoted
from pybernetes.api.patch.error import PatchError
from pybernetes.api.patch.field_set import shown_step
from pybernetes.api.patch.parts import Atomic, Kind, ListKind, MapKind, Scalar

Document = dict[str, Any]
_NUMERIC = ("int32", "int64", "double")
_TEXT = ("string", "bytes")
_OF_ANY_FORM = ("intstr",)


def problems(config: Any, kind: Kind) -> list[str]:
    """Texts, each with the path."""
    return list(_check(config, kind, ""))


def joined(found: Sequence[str]) -> str:
    return found[0] if len(found) == 1 else "\n".join(("errors:", *(f"  {one}" for one in found)))


def _check(value: Any, kind: Kind, path: str) -> Iterator[str]:
    if value is None:
        return
    granular = not isinstance(kind, Atomic)
    inside = kind.inside if isinstance(kind, Atomic) else kind
    match inside:
        case Scalar():
            wrong = _wrong_scalar(value, inside.type)
            if wrong:
                yield f"{path}: {wrong}"
        case MapKind():
            if not isinstance(value, dict):
                if inside.takes_anything:
                    return
                yield f"{path}: expected map, got &{{{go_text(value)}}}"
                return
            yield from _check_map(value, inside, path)
        case ListKind():
            if not isinstance(value, list):
                yield f"{path}: expected list, got &{{{go_text(value)}}}"
                return
            yield from _check_list(value, inside, path, granular=granular)


def _check_map(value: Document, kind: MapKind, path: str) -> Iterator[str]:
    if kind.is_struct:
        for name in value:
            if not kind.declares(name):
                yield f"{path}.{name}: field not declared in schema"
                return
    for name, item in value.items():
        inside = kind.child(name)
        if not (isinstance(item, str) and isinstance(inside, Scalar) and inside.type in _TEXT):
            yield from _check(item, inside, f"{path}.{name}")


def _check_list(value: list[Any], kind: ListKind, path: str, *, granular: bool) -> Iterator[str]:
    seen: set[str] = set()
    for index, item in enumerate(value):
        step = f"i:{index}"
        if granular:
            try:
                step = kind.step_of(item)
            except PatchError as error:
                yield f"{path}: element {index}: {error}"
                return
            if step in seen:
                yield f"{path}: duplicate entries for key {shown_step(step)}"
            seen.add(step)
        yield from _check(item, kind.element, path + shown_step(step))


def _wrong_scalar(value: Any, type_: str) -> str:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if type_ in _NUMERIC:
        return "" if number else f"expected numeric (int or float), got {go_type(value)}"
    if type_ in _TEXT:
        return (
            ""
            if isinstance(value, str)
            else f"expected string, got &value.valueUnstructured{{Value:{go_syntax(value)}}}"
        )
    if type_ == "boolean":
        return "" if isinstance(value, bool) else f"expected boolean, got &{{{go_text(value)}}}"
    if type_ in _OF_ANY_FORM or not isinstance(value, dict | list):
        return ""
    return f"expected any scalar, got &{{{go_text(value)}}}"


def go_type(value: Any) -> str:
    match value:
        case bool():
            return "bool"
        case str():
            return "string"
        case list():
            return "[]interface {}"
        case int():
            return "int64"
        case float():
            return "float64"
        case _:
            return "map[string]interface {}"


def go_text(value: Any) -> str:
    """As Go's %v."""
    match value:
        case None:
            return "<nil>"
        case bool():
            return "true" if value else "false"
        case list():
            return f"[{' '.join(map(go_text, value))}]"
        case dict():
            return f"map[{' '.join(f'{name}:{go_text(item)}' for name, item in sorted(value.items()))}]"
        case float():
            return shown_float(value)
        case int() if not -_INT64 <= value < _INT64:
            return shown_float(float(value))
        case _:
            return str(value)


_INT64 = 1 << 63


def go_syntax(value: Any) -> str:
    """As Go's %#v."""
    match value:
        case str():
            return quoted(value)
        case list():
            return f"[]interface {{}}{{{', '.join(map(_go_element, value))}}}"
        case dict():
            items = (f"{quoted(name)}:{_go_element(item)}" for name, item in sorted(value.items()))
            return f"map[string]interface {{}}{{{', '.join(items)}}}"
        case _:
            return go_text(value)


def _go_element(value: Any) -> str:
    return "interface {}(nil)" if value is None else go_syntax(value)
