"""How objects of custom kinds are taken apart: kinds made from structural schemas.

What a schema keeps without knowing it is taken apart by its values: maps are granular, lists are one value.
Follows k8s.io/kube-openapi/pkg/schemaconv and the deduced types of sigs.k8s.io/structured-merge-diff.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pybernetes.api.patch.parts import ANYTHING, Atomic, Kind, ListKind, MapKind, Scalar, kind_of
from pybernetes.api.schema import definition

Schema = Mapping[str, Any]

_SCALARS = {"string": "string", "integer": "int64", "number": "double", "boolean": "boolean"}
_TEXT_FORMATS = (None, "", "byte")
"""A text of another format may be any scalar."""
_PRESERVES = "x-kubernetes-preserve-unknown-fields"


class Deduced(MapKind):
    """Whatever the value is."""

    __slots__ = ()
    takes_anything = True

    def __init__(self) -> None:
        super().__init__(lambda: DEDUCED)


DEDUCED = Deduced()


class DeclaredMap(MapKind):
    """A map with declared fields; ``others`` are the rest, None where there may be none."""

    __slots__ = ("_declared", "_others")

    def __init__(self, declared: Mapping[str, Kind], others: Kind | None) -> None:
        super().__init__(lambda: others or ANYTHING)
        self._declared = declared
        self._others = others

    def declares(self, name: str) -> bool:
        return name in self._declared

    @property
    def is_struct(self) -> bool:
        return self._others is None

    def child(self, name: str) -> Kind:
        return self._declared.get(name) or self._others or ANYTHING


def structure_of(schema: Schema | None) -> Kind:
    """Of a whole object. Compiled anew: keep it."""
    if schema is None:
        return DeclaredMap(_identity(), DEDUCED)
    declared = {name: _of(one) for name, one in (schema.get("properties") or {}).items()}
    return DeclaredMap({**declared, **_identity()}, _others(schema))


def _identity() -> dict[str, Kind]:
    text = Scalar("string")
    return {"apiVersion": text, "kind": text, "metadata": kind_of(definition("meta_v1.ObjectMeta"))}


def _others(schema: Schema) -> Kind | None:
    others = schema.get("additionalProperties")
    if isinstance(others, Mapping):
        return _of(others)
    return DEDUCED if others or schema.get(_PRESERVES) else None


def _of(schema: Schema) -> Kind:
    if schema.get("x-kubernetes-int-or-string"):
        return Scalar("intstr")
    type_ = schema.get("type", "")
    if type_ == "array":
        return _list(schema)
    if type_ == "object":
        return _map(schema)
    if type_ == "string" and schema.get("format") not in _TEXT_FORMATS:
        return Scalar("untyped")
    if type_ in _SCALARS:
        return Scalar(_SCALARS[type_])
    return DEDUCED if schema.get(_PRESERVES) else ANYTHING


def _map(schema: Schema) -> Kind:
    declared = {name: _of(one) for name, one in (schema.get("properties") or {}).items()}
    if schema.get("x-kubernetes-embedded-resource"):
        declared |= _identity()
    others = _others(schema)
    inside = DeclaredMap(declared, others if declared or others else DEDUCED)
    return Atomic(inside) if schema.get("x-kubernetes-map-type") == "atomic" else inside


def _list(schema: Schema) -> Kind:
    items: Schema = schema.get("items") or {}
    element = _of(items)
    type_ = schema.get("x-kubernetes-list-type")
    keys = tuple(schema.get("x-kubernetes-list-map-keys") or ()) if type_ == "map" else ()
    fields: Schema = items.get("properties") or {}
    inside = ListKind(lambda: element, keys, tuple(fields.get(key, {}).get("default") for key in keys))
    return inside if type_ in ("map", "set") else Atomic(inside)
