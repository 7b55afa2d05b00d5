"""How upstream's messages show a whole object of its internal types.

Those types have no JSON names, so their fields stand there under Go's own, and what is not set is null or a zero.
Types of `meta/v1` are their own internal types and keep their JSON form.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

_META = "pybernetes.api.models.meta_v1"
_ACRONYMS = {"cel": "CEL", "cidr": "CIDR", "id": "ID", "ip": "IP", "ips": "IPs", "uid": "UID", "url": "URL"}
_OWN_NAMES = {
    "DeviceAttribute": {
        name: f"{name.rstrip('s').capitalize()}Value{'s' if name.endswith('s') else ''}"
        for name in ("int", "bool", "string", "version", "ints", "bools", "strings", "versions")
    }
}
_ACRONYM_START = re.compile("(api|uid|ip|cidr)(?=[A-Z])")


def internal_form(value: Any) -> Any:
    """A value that encodes as upstream would show it; plain values stay what they are."""
    if isinstance(value, msgspec.Struct):
        if type(value).__module__ == _META:
            return value
        own = _OWN_NAMES.get(type(value).__name__, _ACRONYMS)
        shown: dict[str, Any] = {}
        for field, name in zip(value.__struct_fields__, value.__struct_encode_fields__, strict=True):
            part = getattr(value, field)
            if name == "metadata":  # Embedded: its fields are the object's.
                shown.update(msgspec.to_builtins(part))
            else:
                shown[own.get(name) or _go_name(name)] = internal_form(part)
        return shown
    if isinstance(value, list):
        return [internal_form(item) for item in value] or None
    if isinstance(value, dict):
        return {key: internal_form(item) for key, item in value.items()} or None
    return value


def _go_name(name: str) -> str:
    started = _ACRONYM_START.sub(lambda found: found.group().upper(), name, count=1) if name[0].islower() else name
    return started[0].upper() + started[1:]
