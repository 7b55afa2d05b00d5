"""Functions on strings beyond the standard ones.

Follows github.com/google/cel-go/ext/strings.go, version 2.
"""

from __future__ import annotations

from typing import Any

from pybernetes.cel.errors import CelError
from pybernetes.cel.formatting import format_text
from pybernetes.cel.functions import Library

LIBRARY = Library()
_LOWER = {upper: upper + 32 for upper in range(65, 91)}
_UPPER = {lower: lower - 32 for lower in range(97, 123)}
_ESCAPES = {"\a": "\\a", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\v": "\\v"}

LIBRARY.method("lowerAscii", "string -> string")(lambda text: text.translate(_LOWER))
LIBRARY.method("upperAscii", "string -> string")(lambda text: text.translate(_UPPER))
LIBRARY.method("trim", "string -> string")(lambda text: text.strip())
LIBRARY.method("replace", "string, string, string -> string")(lambda text, old, new: text.replace(old, new))
LIBRARY.method("replace", "string, string, string, int -> string")(
    lambda text, old, new, times: text.replace(old, new, times)
)
LIBRARY.method("format", "string, list(dyn) -> string")(format_text)


@LIBRARY.method("charAt", "string, int -> string")
def char_at(text: str, index: int) -> str:
    if not 0 <= index <= len(text):
        raise _out_of_range(index)
    return text[index : index + 1]


@LIBRARY.method("indexOf", "string, string -> int", "string, string, int -> int")
def index_of(text: str, part: str, start: int = 0) -> int:
    if not part:
        return start
    if start < 0:
        raise _out_of_range(start)
    return text.find(part, start)


@LIBRARY.method("lastIndexOf", "string, string -> int")
def last_index_of(text: str, part: str) -> int:
    return text.rfind(part)


@LIBRARY.method("lastIndexOf", "string, string, int -> int")
def last_index_until(text: str, part: str, end: int) -> int:
    if not part:
        return end
    if end < 0:
        raise _out_of_range(end)
    return -1 if end >= len(text) else text.rfind(part, 0, end + len(part))


@LIBRARY.method("split", "string, string -> list(string)", "string, string, int -> list(string)")
def split(text: str, separator: str, limit: int = -1) -> list[str]:
    if limit == 0:
        return []
    if separator:
        return text.split(separator, limit - 1 if limit > 0 else -1)
    letters = list(text)
    return [*letters[: limit - 1], "".join(letters[limit - 1 :])] if 0 < limit < len(letters) else letters


@LIBRARY.method("substring", "string, int -> string")
def substring(text: str, start: int) -> str:
    if not 0 <= start <= len(text):
        raise _out_of_range(start)
    return text[start:]


@LIBRARY.method("substring", "string, int, int -> string")
def substring_until(text: str, start: int, end: int) -> str:
    if start > end:
        raise CelError(f"invalid substring range. start: {start}, end: {end}")
    for place in (start, end):
        if not 0 <= place <= len(text):
            raise _out_of_range(place)
    return text[start:end]


@LIBRARY.method("join", "list(string) -> string", "list(string), string -> string")
def join(parts: list[Any], separator: str = "") -> str:
    for part in parts:
        if part.__class__ is not str:
            raise CelError(f"join: invalid input: {part}")
    return separator.join(parts)


@LIBRARY.function("strings.quote", "string -> string")
def quote(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(_ESCAPES.get(letter, letter) for letter in escaped) + '"'


def _out_of_range(index: int) -> CelError:
    return CelError(f"index out of range: {index}")
