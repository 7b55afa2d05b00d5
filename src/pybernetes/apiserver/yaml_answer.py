"""Documents as YAML, with the quotes, the folding and the order of keys that Go's sigs.k8s.io/yaml gives them."""

from __future__ import annotations

import re
from functools import cmp_to_key
from itertools import zip_longest
from typing import Any

import orjson
import yaml

from pybernetes.api.errors import ApiError

_SPECIAL = re.compile(
    r"(?:|~|null|Null|NULL|y|Y|yes|Yes|YES|n|N|no|No|NO|true|True|TRUE|false|False|FALSE|on|On|ON|off|Off|OFF"
    r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)"
    r"|[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?"
    r"|\d{4}-\d{1,2}-\d{1,2}(?:(?:[Tt]|\s+)\d{1,2}:\d{1,2}:\d{1,2}(?:\.\d+)?(?:Z|[-+]\d\d:\d\d)?)?)"
)
"""What would not be read back as text; besides numbers."""
_NUMBER = re.compile(
    r"[-+]?(?:0[xX][0-9a-fA-F]+|0[bB][01]+|0[oO]?[0-7]+|(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?)"
)
_NUMERIC_START = frozenset("+-.0123456789")
_NATURAL = re.compile(r"\d+|\D")


_UNREADABLE = re.compile(r"[\x7f-\x84\x86-\x9f\ufffe\uffff]")
"""What Go writes into JSON as it is, and does not read in YAML: there it makes its YAML of its JSON."""


def write_yaml(document: Any) -> bytes:
    """Raises ApiError for what upstream cannot write as YAML."""
    if _UNREADABLE.search(orjson.dumps(document).decode()):
        raise ApiError(500, "", "yaml: control characters are not allowed")
    text: str = yaml.dump(_sorted(document), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=80)
    return text.encode()


class _Dumper(yaml.CSafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True


_Dumper.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag.rpartition(":")[2] in ("bool", "int", "float", "null")]
    for first, resolvers in yaml.CSafeDumper.yaml_implicit_resolvers.items()
}


def _text(dumper: _Dumper, value: str) -> yaml.ScalarNode:
    style = "|" if "\n" in value else '"' if _reads_as_something_else(value) else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style)


_Dumper.add_representer(str, _text)


def _reads_as_something_else(text: str) -> bool:
    if _SPECIAL.fullmatch(text):
        return True
    return text[0] in _NUMERIC_START and _NUMBER.fullmatch(text.replace("_", "")) is not None


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _sorted(value[name]) for name in sorted(value, key=_in_order)}
    if isinstance(value, list):
        return [_sorted(element) for element in value]
    return value


def _compare(one: str, other: str) -> int:
    """Runs of digits as numbers; signs before letters, but behind them where a number has just ended."""
    after_number = False
    for left, right in zip_longest(_NATURAL.findall(one), _NATURAL.findall(other), fillvalue=""):
        if left != right:
            return -1 if _rank(left, after_number) < _rank(right, after_number) else 1
        after_number = left.isdigit()
    return 0


def _rank(part: str, after_number: bool) -> tuple[int, int, str]:
    if not part:
        return (0, 0, "")
    if part.isalpha():
        return (1 if after_number else 3, 0, part)
    return (2, int(part) if part.isdigit() else 0, part)


_in_order = cmp_to_key(_compare)
