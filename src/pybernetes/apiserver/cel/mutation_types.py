"""What mutations construct: `Object{spec: Object.spec{…}}`, whose fields are of any type, and `JSONPatch{…}`.

Follows k8s.io/apiserver/pkg/cel/mutation.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pybernetes.cel.types import DYN, STRING, ObjectType, Type, object_type


class _AnyFields(Mapping[str, Type]):
    """Every name is a field; none is listed."""

    def __init__(self, known: Mapping[str, Type], other: Type) -> None:
        self._known = known
        self._other = other

    def __getitem__(self, name: str) -> Type:
        return self._known.get(name, self._other)

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


_PATCH_FIELDS = {"op": STRING, "path": STRING, "from": STRING, "value": DYN}
_NO_TYPE = Type("unspecified", "")
"""Nothing can be assigned to a field that an operation of a patch does not have."""

OBJECT = object_type("Object", _AnyFields({}, DYN))
JSON_PATCH = object_type("JSONPatch", _AnyFields(_PATCH_FIELDS, _NO_TYPE))


def constructed(name: str) -> ObjectType | None:
    """The type that `name{…}` makes."""
    if name == JSON_PATCH.name:
        return JSON_PATCH
    if name == OBJECT.name:
        return OBJECT
    return object_type(name, _AnyFields({}, DYN)) if name.startswith("Object.") else None
