"""How upstream shows a whole object in an error: its internal type, under the names of Go's fields, and as a diff.

Objects of apimachinery (label selectors, references to owners) are shown as in JSON, for they have no internal type.
The names are in internal_types.json (`tools/generate_internal_types.py`), which is read when the first such error is
made. Follows k8s.io/apimachinery/pkg/util/diff.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from difflib import unified_diff
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from pybernetes.api.models.core_v1 import PodSpec, PodTemplateSpec
from pybernetes.api.models.meta_v1 import LabelSelector

_ATTRIBUTE_VALUES = ("int", "bool", "string", "version", "ints", "bools", "strings", "versions")
_RENAMED = {
    "datadiskuri": "diskuri",
    "endpointsname": "endpoints",
    "discoverychapauth": "chapauthdiscovery",
    "sessionchapauth": "chapauthsession",
    "objectmeta": "metadata",
    "cephmonitors": "monitors",
    "rbdimage": "image",
    "rbdpool": "pool",
    "radosuser": "user",
    **{f"{name.rstrip('s')}value{name[len(name.rstrip('s')) :]}": name for name in _ATTRIBUTE_VALUES},
}
"""Names that differ between the internal types and JSON in more than case."""
_OF_THE_HOST = ("HostNetwork", "HostPID", "HostIPC", "ShareProcessNamespace", "HostUsers")
"""What the internal types keep in a pod's security context, and JSON in its spec."""

Names = Sequence[tuple[str, str]]
"""Go's name and the attribute of the model."""


def internal_form(value: Any) -> Any:
    if isinstance(value, PodSpec):
        return _pod_spec(value)
    if isinstance(value, LabelSelector):
        return _selector(value)
    if isinstance(value, PodTemplateSpec):
        # The template's metadata is part of it, and as in JSON.
        metadata = msgspec.to_builtins(value.metadata)
        sorted_maps = {
            name: dict(sorted(part.items())) if isinstance(part, dict) else part for name, part in metadata.items()
        }
        return sorted_maps | {"Spec": _pod_spec(value.spec)}
    if isinstance(value, msgspec.Struct):
        names = _names_of(type(value))
        if names is None:
            return msgspec.to_builtins(value)
        return _struct(value, names)
    if isinstance(value, list):
        return [internal_form(item) for item in value] or None
    if isinstance(value, dict):
        return {key: internal_form(value[key]) for key in sorted(value)} or None
    return value


def _struct(value: msgspec.Struct, names: Names) -> dict[str, Any]:
    form: dict[str, Any] = {}
    for name, attribute in names:
        if name == "ObjectMeta":
            form |= msgspec.to_builtins(value.metadata, order="deterministic")  # type: ignore[attr-defined]
        else:
            form[name] = internal_form(getattr(value, attribute))
    return form


def _selector(selector: LabelSelector) -> dict[str, Any]:
    form: dict[str, Any] = {}
    if selector.match_labels:
        form["matchLabels"] = dict(sorted(selector.match_labels.items()))
    if selector.match_expressions:
        form["matchExpressions"] = [
            {"key": one.key, "operator": one.operator} | ({"values": one.values} if one.values else {})
            for one in selector.match_expressions
        ]
    return form


def _pod_spec(spec: PodSpec) -> dict[str, Any]:
    form = {name: internal_form(getattr(spec, attribute)) for name, attribute in _names_of(PodSpec) or ()}
    context = form["SecurityContext"]
    if context is not None:
        attributes = {field.encode_name.lower(): field.name for field in msgspec.structs.fields(PodSpec)}
        shared = {name: getattr(spec, attributes[name.lower()]) for name in _OF_THE_HOST}
        form["SecurityContext"] = shared | context
    return form


def difference(old: Any, new: Any) -> str:
    """What changed, as a unified diff of the two internal forms."""
    return form_difference(internal_form(old), internal_form(new))


def form_difference(old: Any, new: Any) -> str:
    """The same for what is in internal form already."""
    lines = unified_diff(_lines(old), _lines(new), n=3)
    return "".join([*lines][2:])


def _lines(form: Any) -> list[str]:
    text = json.dumps(form, indent=1, ensure_ascii=False)
    for letter in "<>&":
        text = text.replace(letter, f"\\u{ord(letter):04x}")
    return [f"{line}\n" for line in text.split("\n")]


@cache
def _names_of(type_: type[msgspec.Struct]) -> Names | None:
    fields = _types().get(f"{type_.__module__.rpartition('.')[2]}.{type_.__name__}")
    if fields is None:
        return None
    attributes = {field.encode_name.lower(): field.name for field in msgspec.structs.fields(type_)}
    found = ((name, attributes.get(_RENAMED.get(name.lower(), name.lower()))) for name in fields)
    return tuple((name, attribute) for name, attribute in found if attribute is not None)


@cache
def _types() -> Mapping[str, Sequence[str]]:
    types: dict[str, list[str]] = json.loads(Path(__file__).with_name("internal_types.json").read_bytes())
    return types
