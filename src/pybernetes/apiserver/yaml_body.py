"""Bodies in YAML, read as Go's sigs.k8s.io/yaml reads them: into JSON values, with its words for what is wrong.

Guarantees  What aliases stand for is copied where they stand, as far as Go allows it; nothing is constructed from tags
but JSON values.

Follows go.yaml.in/yaml/v2 (resolve.go, decode.go) and convertToJSONableObject in sigs.k8s.io/yaml.
"""

from __future__ import annotations

import base64
import binascii
import copy
import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson
import yaml

from pybernetes.api import go_json
from pybernetes.api.go_json import DEEPEST_READ, TOO_DEEP, whole_number


class UnreadableYaml(ValueError):
    """The text is upstream's, as far as the parsers agree."""


def read_yaml(body: bytes) -> Any:
    """The first document of a body. JSON is YAML, and is read faster. Raises UnreadableYaml."""
    if body[:1] == b"{":
        try:
            return _from_json(body)
        except (go_json.UnreadableJson, OverflowError):
            pass
    try:
        return _Document().read(_events(body))
    except yaml.MarkedYAMLError as error:
        raise _unreadable(f"yaml: {_place(error)}{error.problem}") from error
    except yaml.reader.ReaderError as error:
        raise _unreadable(f"yaml: {error.reason}") from error
    except RecursionError as error:
        raise _unreadable(f"yaml: {TOO_DEEP}") from error


def _events(body: bytes) -> list[Any]:
    """Of the first document: it is parsed to its end before anything is made of it. The parser takes ever longer the
    deeper it gets, so it is stopped in time."""
    found: list[Any] = []
    depth = 0
    for event in yaml.parse(body, yaml.CSafeLoader):
        if isinstance(event, yaml.DocumentEndEvent):
            break
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > DEEPEST_READ:
            raise _unreadable(f"yaml: {TOO_DEEP}")
        found.append(event)
    return found


def _sorted(value: dict[str, Any] | list[Any]) -> dict[str, Any] | list[Any]:
    """On their way to JSON, maps come to be in the order of their keys, which errors tell in."""
    return {key: value[key] for key in sorted(value)} if isinstance(value, dict) else value


def _unreadable(why: str) -> UnreadableYaml:
    return UnreadableYaml(f"error converting YAML to JSON: {why}")


def _place(error: yaml.MarkedYAMLError) -> str:
    """The scanner counts lines from one, the parser from none."""
    mark = error.problem_mark if error.problem_mark and error.problem_mark.line else error.context_mark
    if mark is None or not mark.line:
        return ""
    is_scanners = isinstance(error, yaml.scanner.ScannerError) and mark is error.problem_mark
    return f"line {mark.line + 1 if is_scanners else mark.line}: "


@dataclass(slots=True)
class _Open:
    """A list or a map that is being read. ``size`` counts it and all in it, what aliases brought included."""

    value: dict[str, Any] | list[Any]
    anchor: str | None
    size: int = 1
    key: Any = None
    has_key: bool = False


@dataclass(slots=True)
class _Document:
    stack: list[_Open] = field(default_factory=list)
    anchors: dict[str, tuple[Any, int] | None] = field(default_factory=dict)
    """What has a name, and its size; None while it is being read."""
    read_count: int = 0
    alias_count: int = 0

    def read(self, events: Iterable[Any]) -> Any:
        for event in events:
            match event:
                case yaml.ScalarEvent():
                    value = _scalar(event)
                    if self._add(value, 1, event.anchor, is_merge=_is_merge(event)):
                        return _as_json(value)
                case yaml.AliasEvent():
                    value, size = self._meant(event.anchor or "")
                    if self._add(value, size, None):
                        return value
                case yaml.MappingStartEvent() | yaml.SequenceStartEvent():
                    self._begin({} if isinstance(event, yaml.MappingStartEvent) else [], event.anchor)
                case yaml.MappingEndEvent() | yaml.SequenceEndEvent():
                    ended = self.stack.pop()
                    value = _sorted(ended.value)
                    if self._add(value, ended.size, ended.anchor):
                        return value
        return None

    def _begin(self, value: dict[str, Any] | list[Any], anchor: str | None) -> None:
        self.read_count += 1
        if anchor is not None:
            self.anchors[anchor] = None
        self.stack.append(_Open(value, anchor))

    def _meant(self, anchor: str) -> tuple[Any, int]:
        if anchor not in self.anchors:
            raise _unreadable(f"yaml: unknown anchor '{anchor}' referenced")
        found = self.anchors[anchor]
        if found is None:
            raise _unreadable(f"yaml: anchor '{anchor}' value contains itself")
        value, size = found
        self.read_count += size + 1
        self.alias_count += size
        if self._is_mostly_aliases():
            raise _unreadable("yaml: document contains excessive aliasing")
        return copy.deepcopy(value), size

    def _is_mostly_aliases(self) -> bool:
        if self.alias_count <= _FREE_ALIASES or self.read_count <= _FREE_READS:
            return False
        return self.alias_count / self.read_count > _allowed_ratio(self.read_count)

    def _add(self, value: Any, size: int, anchor: str | None, *, is_merge: bool = False) -> bool:
        """Whether it is the whole document."""
        if anchor is not None:
            self.anchors[anchor] = (value, size)
        if not self.stack:
            return True
        holder = self.stack[-1]
        holder.size += size
        if isinstance(holder.value, list):
            holder.value.append(_as_json(value))
        elif not holder.has_key:
            holder.key, holder.has_key = _MERGE if is_merge else value, True
            if isinstance(value, dict | list):
                raise _unreadable(f"yaml: invalid map key: {_go_value(value)}")
        else:
            holder.has_key = False
            if holder.key is _MERGE:
                _merge(holder.value, value)
            else:
                holder.value[_key(holder.key, value)] = _as_json(value)
        return False


_MERGE = object()
_FREE_ALIASES, _FREE_READS = 100, 1000
_FEW, _MANY = 400_000, 4_000_000


def _allowed_ratio(count: int) -> float:
    """How much of what is read may come from aliases: less the more it is."""
    return 0.99 - 0.89 * (min(max(count, _FEW), _MANY) - _FEW) / (_MANY - _FEW)


def _is_merge(event: yaml.ScalarEvent) -> bool:
    return event.value == "<<" and (event.implicit[0] or event.tag == f"{_STANDARD}merge")


def _merge(into: dict[str, Any], value: Any) -> None:
    for one in reversed(value) if isinstance(value, list) else [value]:
        if not isinstance(one, dict):
            raise _unreadable("yaml: map merge requires map or sequence of maps as the value")
        into.update(one)


def _go_value(value: Any) -> str:
    """As %#v shows what is read without a type; the members are left out."""
    return "[]interface {}{...}" if isinstance(value, list) else "map[interface {}]interface {}{...}"


# ---- scalars

_STANDARD = "tag:yaml.org,2002:"
_NAMED: dict[str, tuple[str, Any]] = {
    **dict.fromkeys(("y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"), ("bool", True)),
    **dict.fromkeys(("n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"), ("bool", False)),
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), ("null", None)),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), ("float", math.nan)),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), ("float", math.inf)),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), ("float", -math.inf)),
}
_RESOLVED = ("str", "bool", "int", "float", "null", "timestamp")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_POINTED = re.compile(r"\.[0-9]+([eE][-+]?[0-9]+)?")
_INT = re.compile(r"[-+]?(0|[1-9][0-9]*|0[xX][0-9a-fA-F]+|0[bB][01]+|0[oO]?[0-7]+)")
_BASES = {"x": 16, "b": 2, "o": 8}
_TIME = re.compile(r"\d{4}-\d\d?-\d\d?([Tt ]\d\d?:\d\d?:\d\d?(\.\d+)?(Z|[-+]\d\d:\d\d)?)?")


def _scalar(event: yaml.ScalarEvent) -> Any:
    text, tag = event.value, event.tag or ""
    if not tag and not event.implicit[0]:
        return text
    kind = tag.removeprefix(_STANDARD)
    if tag and (kind == tag or kind not in _RESOLVED):
        return _decoded(text) if kind == "binary" else text
    if kind == "str":
        return text
    found, value = _resolved(text)
    if kind == "float" and found == "int":
        return float(value)
    if kind and kind != found:
        raise _unreadable(f"yaml: cannot decode !!{found} `{text}` as a !!{kind}")
    return value


def _decoded(text: str) -> str:
    try:
        return base64.b64decode("".join(text.split()), validate=True).decode("utf-8", "replace")
    except binascii.Error as error:
        raise _unreadable("yaml: !!binary value contains invalid base64 data") from error


def _resolved(text: str) -> tuple[str, Any]:
    """What a plain text means: its kind and value."""
    named = _NAMED.get(text)
    if named is not None:
        return named
    if text[0] == "." and _POINTED.fullmatch(text):
        return _finite(text, text)
    if text[0] not in "+-0123456789":
        return "str", text
    if _TIME.fullmatch(text):
        return "timestamp", text
    plain = text.replace("_", "")
    if _INT.fullmatch(plain) and (number := _whole(plain)) is not None:
        return "int", number
    return _finite(plain, text) if _FLOAT.fullmatch(plain) else ("str", text)


def _finite(plain: str, text: str) -> tuple[str, Any]:
    number = float(plain)
    return ("float", number) if math.isfinite(number) else ("str", text)


def _whole(plain: str) -> int | None:
    """None for what 64 bits do not hold."""
    sign = -1 if plain[0] == "-" else 1
    digits = plain.lstrip("+-")
    base = 10 if digits[0] != "0" or digits == "0" else _BASES.get(digits[1].lower(), 8)
    digits = digits[2:] if digits[:2].lower() in ("0x", "0b", "0o") else digits
    if len(digits) > _MOST_DIGITS:
        return None
    number = sign * int(digits, base)
    return number if -(2**63) <= number < 2**64 else None


_MOST_DIGITS = 64


# ---- as JSON


_FRACTION = re.compile(rb"[:\[,]\s*-?[0-9]+[.eE]")
"""A number that is not written as a whole one, or what looks like it within a text."""


def _from_json(body: bytes) -> Any:
    """Raises UnreadableJson, and OverflowError for a number that is none in YAML."""
    value = go_json.loads(body)
    if _FRACTION.search(body):
        value = _with_whole_numbers(value)
    return orjson.loads(orjson.dumps(value, option=orjson.OPT_SORT_KEYS))


_LEAST_BEYOND = 2.0**63
"""What is no int64 is written with an exponent, or as one that nothing reads."""


def _with_whole_numbers(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _with_whole_numbers(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_with_whole_numbers(one) for one in value]
    if not isinstance(value, float):
        return value
    if not math.isfinite(value):
        raise OverflowError
    return _number(value) if abs(value) < _LEAST_BEYOND else value


def _as_json(value: Any) -> Any:
    return _number(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


def _number(value: int | float) -> int | float:
    number = whole_number(str(value)) if isinstance(value, int) else value
    if not math.isfinite(number):
        raise _unreadable(f"json: unsupported value: {_NOT_FINITE[str(number)]}")
    is_written_whole = isinstance(number, float) and number.is_integer() and abs(number) < _LEAST_WITH_EXPONENT
    return int(number) if is_written_whole else number


_LEAST_WITH_EXPONENT = 1e21
_NOT_FINITE = {"inf": "+Inf", "-inf": "-Inf", "nan": "NaN"}
_NOT_FINITE_KEYS = {"inf": ".inf", "-inf": "-.inf", "nan": ".nan"}


def _key(name: Any, value: Any) -> str:
    if isinstance(name, bool):
        return "true" if name else "false"
    if name is None:
        shown = orjson.dumps(value).decode()
        raise _unreadable(f"unsupported map key of type: %!s(<nil>), key: <nil>, value: {shown}")
    if isinstance(name, float):
        return _NOT_FINITE_KEYS.get(str(name)) or f"{name:.8g}"
    return str(name)


def repeated_keys(body: bytes) -> Sequence[str]:
    """`line 4: key "x" already set in map` for each key that a map has more than once."""
    if body[:1] == b"{":
        try:
            if len(orjson.dumps(orjson.loads(body))) == len(body):
                return ()
        except orjson.JSONDecodeError:
            pass
    try:
        root = yaml.compose(body, yaml.CSafeLoader)
        return tuple(_repeated(root))
    except (yaml.YAMLError, RecursionError):
        return ()


def _repeated(node: Any) -> Iterator[str]:
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            name = key.value if isinstance(key, yaml.ScalarNode) else ""
            if name in seen:
                yield f'line {key.start_mark.line + 1}: key "{name}" already set in map'
            seen.add(name)
            yield from _repeated(value)
    elif isinstance(node, yaml.SequenceNode):
        for element in node.value:
            yield from _repeated(element)
