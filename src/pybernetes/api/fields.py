"""Where in an object something is wrong, and what.

`at.spec.containers[0].name` is a path; `required(path)`, `invalid(path, value, why)` … make a `FieldError`, whose
text is upstream's. The checks of names (`is_dns_label` …) are here too, for they give the detail of such errors.

Follows k8s.io/apimachinery/pkg/util/validation/field.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

import msgspec

from pybernetes.api.digits import WholeFraction, shown_float
from pybernetes.api.markup import escaped
from pybernetes.api.names import (
    in_range,
    is_c_identifier,
    is_cidr,
    is_config_key,
    is_dns1035_label,
    is_dns_label,
    is_dns_subdomain,
    is_dns_subdomain_with_underscore,
    is_domain_prefixed_path,
    is_env_name,
    is_group_id,
    is_http_header,
    is_ip,
    is_label_key,
    is_label_value,
    is_path_segment,
    is_percent,
    is_port_name,
    is_port_number,
    is_qualified_name,
    is_relaxed_env_name,
    is_user_id,
    is_wildcard_dns_subdomain,
    max_length_error,
    range_error,
    regex_error,
)

__all__ = [
    "ErrorType",
    "FieldError",
    "FieldPath",
    "aggregate",
    "at",
    "duplicate",
    "forbidden",
    "in_range",
    "internal",
    "invalid",
    "invalid_as",
    "is_c_identifier",
    "is_cidr",
    "is_config_key",
    "is_dns1035_label",
    "is_dns_label",
    "is_dns_subdomain",
    "is_dns_subdomain_with_underscore",
    "is_domain_prefixed_path",
    "is_env_name",
    "is_group_id",
    "is_http_header",
    "is_ip",
    "is_label_key",
    "is_label_value",
    "is_path_segment",
    "is_percent",
    "is_port_name",
    "is_port_number",
    "is_qualified_name",
    "is_relaxed_env_name",
    "is_user_id",
    "is_wildcard_dns_subdomain",
    "max_length_error",
    "not_found",
    "not_supported",
    "quoted",
    "range_error",
    "regex_error",
    "required",
    "too_few",
    "too_long",
    "too_long_characters",
    "too_many",
    "too_short",
    "type_invalid",
    "without_value",
]


_SHARED_ELEMENTS = 32
"""List elements beyond these get a path of their own each time."""


class FieldPath:
    """A place in a document, in JSON's names: an attribute is a field, an item is an index or a key.

    Paths are shared: a field's path is made once per parent and then found as a plain attribute, for validation asks
    for the same ones with every object.
    """

    _text: str
    _elements: dict[int, FieldPath]

    def __init__(self, text: str = "") -> None:
        self.__dict__["_text"] = text

    def child(self, name: str) -> FieldPath:
        return FieldPath(f"{self._text}.{name}" if self._text else name)

    def __getattr__(self, name: str) -> FieldPath:
        if name.startswith("_"):
            raise AttributeError(name)
        made = self.__dict__[name] = FieldPath(f"{self._text}.{name}" if self._text else name)
        return made

    def __getitem__(self, key: int | str) -> FieldPath:
        if key.__class__ is not int or not 0 <= key < _SHARED_ELEMENTS:
            return FieldPath(f"{self._text}[{key}]")
        elements = self.__dict__.get("_elements")
        if elements is None:
            elements = self.__dict__["_elements"] = {}
        found: FieldPath | None = elements.get(key)
        if found is None:
            found = elements[key] = FieldPath(f"{self._text}[{key}]")
        return found

    def __str__(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return f"FieldPath({self._text!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, FieldPath) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)


at = FieldPath()


class ErrorType(Enum):
    """The reason of a cause in a Status, and how it reads."""

    NOT_FOUND = "FieldValueNotFound", "Not found"
    REQUIRED = "FieldValueRequired", "Required value"
    DUPLICATE = "FieldValueDuplicate", "Duplicate value"
    INVALID = "FieldValueInvalid", "Invalid value"
    NOT_SUPPORTED = "FieldValueNotSupported", "Unsupported value"
    FORBIDDEN = "FieldValueForbidden", "Forbidden"
    TOO_LONG = "FieldValueTooLong", "Too long"
    TOO_SHORT = "FieldValueTooShort", "Too short"
    TOO_MANY = "FieldValueTooMany", "Too many"
    TOO_FEW = "FieldValueTooFew", "Too few"
    INTERNAL = "InternalError", "Internal error"
    TYPE_INVALID = "FieldValueTypeInvalid", "Invalid value"

    def __init__(self, reason: str, text: str) -> None:
        self.reason = reason
        self.text = text


_WITHOUT_VALUE = (
    ErrorType.REQUIRED,
    ErrorType.FORBIDDEN,
    ErrorType.TOO_LONG,
    ErrorType.TOO_SHORT,
    ErrorType.INTERNAL,
)

_OMITTED = object()


@dataclass(frozen=True, slots=True)
class FieldError:
    type: ErrorType
    path: str
    value: Any = ""
    detail: str = ""

    @property
    def body(self) -> str:
        """The text without the path."""
        text = self.type.text
        if self.type not in _WITHOUT_VALUE and self.value is not _OMITTED:
            text += ": " + _shown(self.value)
        return f"{text}: {self.detail}" if self.detail else text

    @property
    def cause(self) -> dict[str, str]:
        """As it stands among a Status document's causes."""
        return {"reason": self.type.reason, "message": self.body, "field": self.path}

    def __str__(self) -> str:
        return f"{self.path}: {self.body}"


def quoted(text: str) -> str:
    """As Go's %q."""
    if text.isascii() and text.isprintable() and '"' not in text and "\\" not in text:
        return f'"{text}"'
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t")
    return '"' + "".join(c if c.isprintable() else _escaped(c) for c in escaped.replace("\r", "\\r")) + '"'


_SHORT = {"\a": "\\a", "\b": "\\b", "\f": "\\f", "\v": "\\v"}


def _escaped(letter: str) -> str:
    code = ord(letter)
    if letter in _SHORT:
        return _SHORT[letter]
    if 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code & 0xFF:02x}"
    return f"\\x{code:02x}" if code < 0x80 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _shown(value: Any) -> str:
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, float | WholeFraction) or (value.__class__ is int and not -_INT64 <= value < _INT64):
        return shown_float(float(value))
    return escaped(_encode(value).decode())


_INT64 = 1 << 63
"""Numbers beyond it are fractions in Go."""
_encode = msgspec.json.Encoder(enc_hook=int).encode
"""Knows whole fractions."""


def required(path: FieldPath | str, detail: str = "") -> FieldError:
    return FieldError(ErrorType.REQUIRED, str(path), "", detail)


def invalid(path: FieldPath | str, value: Any, detail: str) -> FieldError:
    return FieldError(ErrorType.INVALID, str(path), value, detail)


def not_supported(path: FieldPath | str, value: Any, supported: Iterable[str]) -> FieldError:
    shown = ", ".join(quoted(str(one)) for one in supported)
    return FieldError(ErrorType.NOT_SUPPORTED, str(path), value, f"supported values: {shown}" if shown else "")


def duplicate(path: FieldPath | str, value: Any) -> FieldError:
    return FieldError(ErrorType.DUPLICATE, str(path), value)


def forbidden(path: FieldPath | str, detail: str) -> FieldError:
    return FieldError(ErrorType.FORBIDDEN, str(path), "", detail)


def not_found(path: FieldPath | str, value: Any) -> FieldError:
    return FieldError(ErrorType.NOT_FOUND, str(path), value)


def type_invalid(path: FieldPath | str, value: Any, detail: str) -> FieldError:
    return FieldError(ErrorType.TYPE_INVALID, str(path), value, detail)


def internal(path: FieldPath | str, detail: str) -> FieldError:
    return FieldError(ErrorType.INTERNAL, str(path), "", detail)


def too_long(path: FieldPath | str, value: Any, maximum: int) -> FieldError:
    """`value` is not shown: it is too long."""
    return _too_long(path, maximum, "byte")


def too_long_characters(path: FieldPath | str, value: str, maximum: int) -> FieldError:
    return _too_long(path, maximum, "character")


def _too_long(path: FieldPath | str, maximum: int, unit: str) -> FieldError:
    detail = f"may not be more than {_counted(maximum, unit)}" if maximum >= 0 else "value is too long"
    return FieldError(ErrorType.TOO_LONG, str(path), "<value omitted>", detail)


def too_short(path: FieldPath | str, value: str, minimum: int) -> FieldError:
    return FieldError(ErrorType.TOO_SHORT, str(path), value, f"must be at least {_counted(minimum, 'character')}")


def invalid_as(path: FieldPath | str, shown: str, detail: str) -> FieldError:
    """As ``invalid``, for a value that Go prints in its own way."""
    return FieldError(ErrorType.INVALID, str(path), _OMITTED, f"{shown}: {detail}")


def without_value(type: ErrorType, path: FieldPath | str, detail: str) -> FieldError:
    """For values that are too large to be shown."""
    return FieldError(type, str(path), _OMITTED, detail)


def too_many(path: FieldPath | str, actual: int, maximum: int) -> FieldError:
    """A negative `actual` is not shown."""
    value: Any = actual if actual >= 0 else _OMITTED
    return FieldError(ErrorType.TOO_MANY, str(path), value, f"must have at most {_counted(maximum, 'item')}")


def too_few(path: FieldPath | str, actual: int, minimum: int) -> FieldError:
    value: Any = actual if actual >= 0 else _OMITTED
    return FieldError(ErrorType.TOO_FEW, str(path), value, f"must have at least {_counted(minimum, 'item')}")


def _counted(count: int, unit: str) -> str:
    return f"{count} {unit}" if count == 1 else f"{count} {unit}s"


def aggregate(errors: Sequence[FieldError]) -> str:
    """Several errors as one text: each once, in brackets when there is more than one."""
    texts = list(dict.fromkeys(str(error) for error in errors))
    return texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"
