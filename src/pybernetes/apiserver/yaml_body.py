"""Bodies in YAML, read as Go's sigs.k8s.io/yaml reads them: into JSON values, with its words for what is wrong."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from typing import Any

import orjson
import yaml

from pybernetes.api.go_json import whole_number


class UnreadableYaml(ValueError):
    """The text is upstream's, as far as the parsers agree."""


class _PlainLoader(yaml.CSafeLoader):
    """YAML as JSON knows it: dates stay text."""


_PlainLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.CSafeLoader.yaml_implicit_resolvers.items()
}


_PlainLoader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)[eE][-+]?[0-9]+$"),
    list("-+.0123456789"),
)


def read_yaml(body: bytes) -> Any:
    """The first document of a body. JSON is YAML, and is read faster. Raises UnreadableYaml."""
    if body[:1] == b"{":
        try:
            return orjson.loads(body)
        except orjson.JSONDecodeError:
            pass
    try:
        return _as_json(_first_document(body))
    except yaml.MarkedYAMLError as error:
        line = f"line {error.problem_mark.line + 1}: " if error.problem_mark and error.problem_mark.line else ""
        raise UnreadableYaml(f"error converting YAML to JSON: yaml: {line}{error.problem}") from error
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise UnreadableYaml(f"error converting YAML to JSON: yaml: {error}") from error


def _first_document(body: bytes) -> Any:
    return next(yaml.load_all(body, _PlainLoader), None)


def _as_json(value: Any) -> Any:
    if isinstance(value, dict):
        return {_key(name): _as_json(member) for name, member in value.items()}
    if isinstance(value, list):
        return [_as_json(element) for element in value]
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _number(value)
    return value


def _number(value: int | float) -> int | float:
    number = whole_number(str(value)) if isinstance(value, int) else value
    if not math.isfinite(number):
        raise UnreadableYaml(f"error converting YAML to JSON: json: unsupported value: {_NOT_FINITE[str(number)]}")
    is_written_whole = isinstance(number, float) and number.is_integer() and abs(number) < _LEAST_WITH_EXPONENT
    return int(number) if is_written_whole else number


_LEAST_WITH_EXPONENT = 1e21
_NOT_FINITE = {"inf": "+Inf", "-inf": "-Inf", "nan": "NaN"}


def _key(name: Any) -> str:
    if isinstance(name, bool):
        return "true" if name else "false"
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
    except yaml.YAMLError:
        return ()
    return tuple(_repeated(root))


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
