"""What does not fit into a type, in the words of Go's encoding/json."""

from __future__ import annotations

import re

import msgspec

_GIVEN = {"str": "string", "int": "number", "float": "number", "bool": "bool", "object": "object", "array": "array"}
_WANTED = {"str": "string", "int": "int64", "bool": "bool", "object": "map[string]string", "array": "[]string"}
_MISMATCH = re.compile(r"Expected `([a-z]+)[^`]*`, got `([a-z]+)`(?: - (?:at|key in) `\$\.?([^`]*)`)?")


def unmarshalling(error: msgspec.ValidationError, struct: str) -> str:
    """``struct`` is upstream's name of the type that holds the field."""
    text = str(error)
    if "base64" in text:
        return "illegal base64 data at input byte 0"
    found = _MISMATCH.match(text)
    if found is None:
        return f"json: {text}"
    wanted, given, path = found.groups(default="")
    field = f"{struct}.{path}" if path else struct
    return f"json: cannot unmarshal {_GIVEN.get(given, given)} into Go struct field {field} of type {_WANTED[wanted]}"
