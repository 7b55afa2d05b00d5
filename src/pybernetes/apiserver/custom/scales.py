"""The scale of a custom kind: where its replicas and its selector are.

Follows ValidateScaleSpec and ValidateScaleStatus, and pkg/registry/customresource/etcd.go of apiextensions-apiserver.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pybernetes.api.fields import FieldError, invalid
from pybernetes.apiserver.custom.numbers import shown
from pybernetes.apiserver.resource import Document, ScaleSubresource

MOST_REPLICAS = 2**31 - 1


@dataclass(frozen=True, slots=True)
class ScalePaths:
    """With their leading dots, as they are declared."""

    replicas: str
    current: str
    selector: str | None

    @classmethod
    def of(cls, declared: Mapping[str, Any]) -> ScalePaths:
        return cls(declared["specReplicasPath"], declared["statusReplicasPath"], declared.get("labelSelectorPath"))

    def subresource(self) -> ScaleSubresource:
        return ScaleSubresource(
            selector=self._selector,
            replicas=self.replicas.lstrip("."),
            current=self.current.lstrip("."),
            judged_whole=True,
        )

    def problems(self, document: Document, *, status_only: bool) -> Iterator[FieldError]:
        if not status_only:
            yield from _replicas(document, self.replicas)
        yield from _replicas(document, self.current)
        if self.selector:
            value = at(document, self.selector)
            if isinstance(value, Misplaced):
                yield invalid(self.selector, "", str(value))
            elif value is not None and not isinstance(value, str):
                yield invalid(self.selector, "", _mistyped(self.selector, value, "string"))

    def _selector(self, document: Document) -> str:
        value = at(document, self.selector) if self.selector else None
        return value if isinstance(value, str) else ""


class Misplaced(str):
    """Why there can be nothing at a path: what leads to it is no object."""


def at(document: Document, path: str) -> Any:
    """None where there is nothing."""
    found: Any = document
    way = ""
    for name in path.lstrip(".").split("."):
        way += f".{name}"
        if found is None:
            return None
        if not isinstance(found, dict):
            return Misplaced(_mistyped(way, found, "map[string]interface{}"))
        found = found.get(name)
    return found


def _replicas(document: Document, path: str) -> Iterator[FieldError]:
    value = at(document, path)
    if value is None:
        return
    if isinstance(value, Misplaced):
        yield invalid(path, 0, str(value))
    elif not isinstance(value, int) or isinstance(value, bool):
        yield invalid(path, 0, _mistyped(path, value, "int64"))
    elif value < 0:
        yield invalid(path, value, "should be a non-negative integer")
    elif value > MOST_REPLICAS:
        yield invalid(path, value, f"should be less than or equal to {MOST_REPLICAS}")


_GO = {bool: "bool", str: "string", float: "float64", int: "int64", list: "[]interface {}"}


def _mistyped(path: str, value: Any, wanted: str) -> str:
    is_ = _GO.get(type(value), "map[string]interface {}")
    return f"{path} accessor error: {_plainly(value)} is of the type {is_}, expected {wanted}"


def _plainly(value: Any) -> str:
    """As Go's %v."""
    match value:
        case None:
            return "<nil>"
        case bool():
            return "true" if value else "false"
        case int() | float():
            return shown(value)
        case list():
            return f"[{' '.join(map(_plainly, value))}]"
        case dict():
            return f"map[{' '.join(f'{name}:{_plainly(one)}' for name, one in sorted(value.items()))}]"
    return str(value)
