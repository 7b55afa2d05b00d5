"""Values that are not structs, lists or maps: is the JSON value of the type, and what is its one way to be written?

A reader takes a value, its place and the unknown fields found so far, and answers the value to keep.
The place is a linked list of steps from the root, and is only looked at when something is wrong.

Follows the messages of Go's encoding/json and the UnmarshalJSON methods of Time, Quantity and IntOrString.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from pybernetes.api import quantity
from pybernetes.api.schema.time_misfits import misfit_of_time


class DecodeError(ValueError):
    """The document cannot be the kind: the text is upstream's decode error, without the kind it was meant for."""

    alone = ""
    """What is said where the value was read by itself and not within a document, if that differs."""
    path: Sequence[str | int] = ()
    """Fields' names, keys and indexes that lead to ``value``, where it is known."""
    value: Any = None


Place = tuple[Any, str | int | tuple[str], str]
"""A step into a document: the place it starts from (or None), the step (a field's name, an index, or a map's key in a
tuple), the name of the struct it leaves with those of the embedded ones it goes through. A plain tuple, for one is made
for each value that is looked into."""

Reader = Callable[[Any, Place | None, list[str]], Any]


def path_of(place: Place | None, name: str | None = None) -> str:
    """`spec.containers[0].image`"""
    steps: list[str] = [] if name is None else [name]
    while place is not None:
        place, step, _ = place
        steps.append(f"[{step}]" if isinstance(step, int) else step if isinstance(step, str) else step[0])
    text = ""
    for step in reversed(steps):
        text += step if step.startswith("[") or not text else "." + step
    return text


class Mismatch(DecodeError):
    """The JSON value at ``path`` is not of the field's type."""

    plain = ""
    """Go's kind of the field where its type is a named text or boolean."""

    def __init__(self, why: str, path: Sequence[str | int], value: Any, go_type: str) -> None:
        super().__init__(why)
        self.path = path
        self.value = value
        self.go_type = go_type


def mismatch(value: Any, place: Place | None, go_type: str) -> Mismatch:
    """The JSON value is not of the field's type."""
    path: list[str | int] = []
    fields: list[str] = []
    struct = ""
    while place is not None:
        place, step, left = place
        path.insert(0, step[0] if isinstance(step, tuple) else step)
        if isinstance(step, str):
            owner, _, embedded = left.partition(".")
            fields += [step, *reversed(embedded.split("."))] if embedded else [step]
            struct = struct or owner
    into = f"Go struct field {struct}.{'.'.join(reversed(fields))} of" if fields else "Go value of"
    why = f"json: cannot unmarshal {_kind(value, go_type)} into {into} type {go_type}"
    return Mismatch(why, path, value, go_type)


def not_unmarshalled(value: Any, place: Place | None, go_type: str) -> DecodeError:
    """The type reads its values itself, from another JSON type than this."""
    wrong = mismatch(value, place, go_type)
    error = DecodeError(str(wrong))
    error.path, error.value = wrong.path, value
    error.alone = str(mismatch(value, None, go_type))
    return error


def _kind(value: Any, go_type: str) -> str:
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int | float):
        return f"number {value}" if go_type in ("int32", "int64", "uint8") else "number"
    return "string" if isinstance(value, str) else "array" if isinstance(value, list) else "object"


def exactly(type_: type, go_type: str) -> Reader:
    def read(value: Any, place: Place | None, unknown: list[str]) -> Any:
        if value.__class__ is type_:
            return value
        wrong = mismatch(value, place, go_type)
        wrong.plain = "bool" if type_ is bool else "string"
        raise wrong

    return read


def integer(bits: int, go_type: str) -> Reader:
    low, high = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1

    def read(value: Any, place: Place | None, unknown: list[str]) -> Any:
        if value.__class__ is int and low <= value <= high:
            return value
        raise mismatch(value, place, go_type)

    return read


def double(value: Any, place: Place | None, unknown: list[str]) -> Any:
    if value.__class__ is float or value.__class__ is int:
        return value
    raise mismatch(value, place, "float64")


def _amount(written: Callable[[str], str]) -> Reader:
    def read(value: Any, place: Place | None, unknown: list[str]) -> str:
        try:
            if value.__class__ is str:
                return written(value.strip(" "))
            if value.__class__ is int or value.__class__ is float:
                return written(str(value))
            return written("object")
        except quantity.QuantityError as error:
            raise DecodeError(str(error)) from error

    return read


def int_or_string(value: Any, place: Place | None, unknown: list[str]) -> Any:
    if value.__class__ is str or (value.__class__ is int and -(2**31) <= value < 2**31):
        return value
    raise not_unmarshalled(value, place, "int32")


_DATE = r"(\d{4}-\d\d-\d\d)T"
_ZONE = r"(?:Z|[+-]\d\d:[0-5]\d)"
_is_time = re.compile(rf"{_DATE}(\d\d?)(:\d\d:\d\d(?:[.,]\d+)?{_ZONE})", re.ASCII).fullmatch
_is_micro_time = re.compile(rf"{_DATE}(\d\d?)(:\d\d:\d\d[.,]\d{{6}}{_ZONE})", re.ASCII).fullmatch


def time(value: Any, place: Place | None, unknown: list[str]) -> str:
    if isinstance(value, str):
        return _whole_seconds(value)
    raise not_unmarshalled(value, place, "string")


def micro_time(value: Any, place: Place | None, unknown: list[str]) -> str:
    """With six digits of a second's fraction, neither more nor fewer."""
    if isinstance(value, str):
        return _micro_seconds(value)
    raise not_unmarshalled(value, place, "string")


@lru_cache(maxsize=8192)
def _whole_seconds(value: str) -> str:
    moment = _moment(_is_time(value))
    if moment is None:
        raise DecodeError(misfit_of_time(value))
    return moment.replace(tzinfo=None).isoformat(timespec="seconds") + "Z"


@lru_cache(maxsize=8192)
def _micro_seconds(value: str) -> str:
    moment = _moment(_is_micro_time(value))
    if moment is None:
        raise DecodeError(misfit_of_time(value, micro=True))
    return moment.replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def _moment(parts: re.Match[str] | None) -> datetime | None:
    if parts is None:
        return None
    date, hour, rest = parts.groups()
    try:
        return datetime.fromisoformat(f"{date}T{hour:0>2}{rest}").astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def octets(value: Any, place: Place | None, unknown: list[str]) -> str:
    """Base64, which stays base64; a list of numbers is read as the octets it lists."""
    if value.__class__ is list:
        return base64.b64encode(bytes(_octet(one, (place, index, "")) for index, one in enumerate(value))).decode()
    if value.__class__ is not str:
        raise mismatch(value, place, "[]uint8")
    text = value.replace("\n", "").replace("\r", "") if "\n" in value or "\r" in value else value
    try:
        base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise DecodeError(f"illegal base64 data at input byte {_wrong_base64(value)}") from error
    padding = text.find("=")
    if len(text) % 4 or 0 <= padding < len(text) - 2:
        raise DecodeError(f"illegal base64 data at input byte {_wrong_base64(value)}")
    return str(text)


def _octet(value: Any, place: Place) -> int:
    if value is None:
        return 0
    if value.__class__ is int and 0 <= value < 256:
        return int(value)
    raise mismatch(value, place, "uint8")


_GROUPS = re.compile(r"(?:[\r\n]*[A-Za-z0-9+/]){4}")
_LETTERS = re.compile(r"[\r\n]*[A-Za-z0-9+/]")
_PADDING = re.compile(r"[\r\n]*=")


def _wrong_base64(text: str) -> int:
    """Where Go stops reading: at what is no letter, before the last group if that is too short, behind the padding."""
    place = letters = 0
    while group := _GROUPS.match(text, place):
        place = group.end()
    while letter := _LETTERS.match(text, place):
        place, letters = letter.end(), letters + 1
    rest = text[place:].lstrip("\r\n")
    place = len(text) - len(rest)
    if not rest:
        return place - letters
    if rest[0] != "=" or letters < 2:
        return place
    place += 1
    if letters == 2:
        second = _PADDING.match(text, place)
        if second is None:
            return len(text) if place == len(text) else place - 1
        place = second.end()
    return place


def anything(value: Any, place: Place | None, unknown: list[str]) -> Any:
    return value


# Type in the facts → its reader where the Go type says nothing more.
READERS: dict[str, Reader] = {
    "string": exactly(str, "string"),
    "boolean": exactly(bool, "bool"),
    "int32": integer(32, "int32"),
    "int64": integer(64, "int64"),
    "double": double,
    "quantity": _amount(quantity.canonical),
    "resource": _amount(quantity.canonical_milli),
    "intstr": int_or_string,
    "time": time,
    "microtime": micro_time,
    "bytes": octets,
    "any": anything,
}

GO_TYPES = {
    "string": "string",
    "boolean": "bool",
    "int32": "int32",
    "int64": "int64",
    "double": "float64",
    "quantity": "resource.Quantity",
    "resource": "resource.Quantity",
    "intstr": "intstr.IntOrString",
    "time": "v1.Time",
    "microtime": "v1.MicroTime",
    "bytes": "[]uint8",
    "any": "interface {}",
}

# Type → what an absent value of it is, where upstream has no null for it.
ZERO: dict[str, Any] = {
    "string": "",
    "boolean": False,
    "int32": 0,
    "int64": 0,
    "double": 0,
    "quantity": "0",
    "resource": "0",
    "intstr": 0,
    "bytes": "",
}
