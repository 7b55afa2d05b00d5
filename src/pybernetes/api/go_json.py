"""JSON as Go reads it: what is wrong with a text, in Go's words, and what it takes that stricter parsers refuse.

Guarantees  `loads` gives what `orjson` gives where that reads the text, unless it is nested too deeply. Beyond it,
bytes that are no UTF-8 and halves of surrogate pairs read as U+FFFD.

Follows Go's encoding/json, and sigs.k8s.io/json, which keeps the words of its older scanner.
"""

from __future__ import annotations

import json
import re
from enum import Enum
from typing import Any

import orjson

from pybernetes.api.fields import quoted
from pybernetes.api.markup import escaped as escaped
from pybernetes.api.markup import escaped_bytes as escaped_bytes

DEEPEST = 10_000
"""What Go reads."""
DEEPEST_READ = 200
"""What is read here: other parts wrap it, and work on it recursively."""
TOO_DEEP = f"exceeded max depth of {DEEPEST_READ}"
"""What is said of that; Go names no number."""


class UnreadableJson(ValueError):
    """The text is Go's."""


class Words(Enum):
    """Whose they are."""

    DECODER = "encoding/json"
    SCANNER = "sigs.k8s.io/json"


class _Unexpected(Exception):
    """A byte at a place; ``where`` is the scanner's. ``escape`` is where the escape sequence around it begins."""

    def __init__(self, at: int, where: str, escape: int | None = None) -> None:
        super().__init__(at, where)
        self.at = at
        self.where = where
        self.escape = escape


def type_of(value: Any) -> str:
    """What Go's decoder calls a value that does not fit."""
    match value:
        case None:
            return "null"
        case bool():
            return "bool"
        case str():
            return "string"
        case list():
            return "array"
        case dict():
            return "object"
        case _:
            return "number"


def dumps(value: Any, option: int | None = None) -> bytes:
    """A document as Go's encoder writes it."""
    return escaped_bytes(orjson.dumps(value, option=option))


def whole_number(text: str) -> int | float:
    """As Go holds what its decoder knows no type for: a float where 64 bits do not suffice. May be infinite."""
    number = int(text) if len(text) <= _LONGEST_INT64 else None
    return number if number is not None and -(2**63) <= number < 2**63 else float(text)


_LONGEST_INT64 = len(str(-(2**63)))


def loads(body: bytes, words: Words = Words.DECODER) -> Any:
    """Raises UnreadableJson."""
    value = _loaded(body, words)
    if body.count(b"{") + body.count(b"[") > DEEPEST_READ and is_too_deep(value):
        raise UnreadableJson(TOO_DEEP)
    return value


def is_too_deep(value: Any) -> bool:
    """Whether it is nested so much deeper than ``DEEPEST_READ`` that what works on it would fail."""
    for _ in range(_MOST_WRITABLE - DEEPEST_READ):
        value = (value,)
    try:
        orjson.dumps(value, default=str)
    except TypeError:
        return True
    return False


_MOST_WRITABLE = 254
"""What orjson writes."""


def _loaded(body: bytes, words: Words) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        pass
    try:
        _check(body)
    except _Unexpected as found:
        told = _as_decoder if words is Words.DECODER else _as_scanner
        raise UnreadableJson(told(body, found)) from found
    try:
        return _paired(json.loads(body.decode("utf-8", "replace"), parse_int=whole_number))
    except RecursionError as error:
        raise UnreadableJson(TOO_DEEP) from error


_HALF = re.compile("[\ud800-\udfff]")


def _paired(value: Any) -> Any:
    if isinstance(value, str):
        return _HALF.sub("\ufffd", value)
    if isinstance(value, dict):
        return {_HALF.sub("\ufffd", name): _paired(item) for name, item in value.items()}
    return [_paired(item) for item in value] if isinstance(value, list) else value


_SPACE = re.compile(rb"[ \t\r\n]*")
_PLAIN = re.compile(rb'[^"\\\x00-\x1f]*')
_ESCAPE = re.compile(rb'\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})')
_HEX = re.compile(rb"[0-9a-fA-F]*")
_DIGITS = re.compile(rb"[0-9]*")
_LITERALS = {ord("t"): b"true", ord("f"): b"false", ord("n"): b"null"}
_VALUE, _KEY = "looking for beginning of value", "looking for beginning of object key string"


def _check(body: bytes) -> None:
    """Raises _Unexpected, or UnreadableJson, for what Go cannot read either."""
    at = _value(body, 0, _VALUE)
    at = _skip(body, at)
    if at < len(body):
        raise _Unexpected(at, "after top-level value")


def _value(body: bytes, at: int, looking: str) -> int:
    """The place after a value; nested ones are kept on a stack of their closing brackets."""
    closing: list[int] = []
    while True:
        at = _skip(body, at)
        letter = _letter(body, at)
        if letter in b"{[" and letter:
            if len(closing) >= DEEPEST:
                raise UnreadableJson("exceeded max depth")
            closing.append(ord("}") if letter == b"{" else ord("]"))
            at = _skip(body, at + 1)
            if at < len(body) and body[at] == closing[-1]:
                closing.pop()
                at += 1
            elif letter == b"{":
                at = _key(body, at)
                continue
            else:
                continue
        else:
            at = _scalar(body, at, looking)
        while closing:
            at = _skip(body, at)
            letter = _letter(body, at)
            if letter == b",":
                at = _key(body, _skip(body, at + 1)) if closing[-1] == ord("}") else at + 1
                break
            if letter[:1] and letter[0] == closing[-1]:
                closing.pop()
                at += 1
                continue
            where = "after object key:value pair" if closing[-1] == ord("}") else "after array element"
            raise _Unexpected(at, where)
        else:
            return at


def _key(body: bytes, at: int) -> int:
    if _letter(body, at) != b'"':
        raise _Unexpected(at, _KEY)
    at = _skip(body, _string(body, at))
    if _letter(body, at) != b":":
        raise _Unexpected(at, "after object key")
    return at + 1


def _scalar(body: bytes, at: int, looking: str) -> int:
    letter = _letter(body, at)
    if letter == b'"':
        return _string(body, at)
    if letter and letter in b"-0123456789":
        return _number(body, at)
    literal = _LITERALS.get(letter[0]) if letter else None
    if literal is None:
        raise _Unexpected(at, looking)
    for offset, wanted in enumerate(literal):
        if at + offset >= len(body) or body[at + offset] != wanted:
            where = f"in literal {literal.decode()} (expecting {quoted(chr(wanted)).replace(chr(34), chr(39))})"
            raise _Unexpected(at + offset, where)
    return at + len(literal)


def _string(body: bytes, at: int) -> int:
    at += 1
    while True:
        at = _end(_PLAIN, body, at)
        letter = _letter(body, at)
        if letter == b'"':
            return at + 1
        if letter != b"\\":
            raise _Unexpected(at, "in string literal")
        match = _ESCAPE.match(body, at)
        if match is None:
            if _letter(body, at + 1) == b"u":
                raise _Unexpected(_end(_HEX, body, at + 2), "in \\u hexadecimal character escape", at)
            raise _Unexpected(at + 1, "in string escape code", at)
        at = match.end()


def _number(body: bytes, at: int) -> int:
    if body[at] == ord("-"):
        at += 1
    if _letter(body, at) == b"0":
        at += 1
    else:
        at = _digits(body, at, "in numeric literal")
    if _letter(body, at) == b".":
        at = _digits(body, at + 1, "after decimal point in numeric literal")
    if _letter(body, at) in (b"e", b"E"):
        at += 2 if _letter(body, at + 1) in (b"+", b"-") else 1
        at = _digits(body, at, "in exponent of numeric literal")
    return at


def _digits(body: bytes, at: int, where: str) -> int:
    end = _end(_DIGITS, body, at)
    if end == at:
        raise _Unexpected(at, where)
    return end


def _skip(body: bytes, at: int) -> int:
    return _end(_SPACE, body, at)


def _end(pattern: re.Pattern[bytes], body: bytes, at: int) -> int:
    match = pattern.match(body, at)
    return match.end() if match else at


def _letter(body: bytes, at: int) -> bytes:
    """Empty past the end."""
    return body[at : at + 1]


_ENDED = "unexpected end of JSON input"
_NUMBER = "in numeric literal"
_UNFINISHED = ("in literal", "escape", "numeric literal")
"""Where a space, which the scanner takes for the end, is no part of what is read."""


def _as_decoder(body: bytes, found: _Unexpected) -> str:
    at, where = found.at, found.where
    if found.escape is not None:
        length = 6 if body[found.escape + 1 : found.escape + 2] == b"u" else 2
        if found.escape + length > len(body):
            return _ENDED
        return f"invalid escape sequence {_sequence(body[found.escape : found.escape + length])} in string"
    if at >= len(body):
        return _ENDED
    where = _NUMBER if where.endswith("numeric literal") else where.replace("in string literal", "in string")
    letter = body[at : at + 4].decode("utf-8", "ignore")[:1]
    if not letter or not body[at : at + 4].startswith(letter.encode()):
        return f"invalid character '\\x{body[at]:02x}' {where}"
    return f"invalid character {_shown(letter)} {where}"


def _sequence(shown: bytes) -> str:
    try:
        text = shown.decode()
    except UnicodeDecodeError:
        text = ""
    if text.isprintable() and text and "`" not in text:
        return f"`{text}`"
    letters = shown.decode("utf-8", "surrogateescape")
    return '"' + "".join(map(_quoted_letter, letters)) + '"'


def _quoted_letter(letter: str) -> str:
    return f"\\x{ord(letter) & 0xFF:02x}" if _HALF.match(letter) else quoted(letter)[1:-1]


def _as_scanner(body: bytes, found: _Unexpected) -> str:
    """The scanner looks at bytes, which it shows as if each were a letter."""
    if found.at < len(body):
        return f"invalid character {_shown(chr(body[found.at]))} {found.where}"
    if any(place in found.where for place in _UNFINISHED):
        return f"invalid character ' ' {found.where}"
    return _ENDED


def _shown(letter: str) -> str:
    return {"'": "'\\''", '"': "'\"'"}.get(letter) or f"'{quoted(letter)[1:-1]}'"
