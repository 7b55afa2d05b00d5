"""What each definition and field is for, read from the docstrings of the package lightkube-models when first asked.

The sources are read as text: importing them would build thousands of classes. They are folded to a width; what that has
cost of the spaces is in `description_breaks.json`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache, lru_cache
from importlib.resources import files
from importlib.resources.abc import Traversable

import orjson

_CLASS = re.compile(r'^class (\w+)\(DictMixin\):\n    r?"""(.*?)"""', re.MULTILINE | re.DOTALL)
_PARAMETER = re.compile(r"^      \* \*\*(\w+)\*\* ``.*?`` - (.*?)(?=^      \* \*\*|\Z)", re.MULTILINE | re.DOTALL)
_PARAMETERS_TITLE = "**parameters**"


@dataclass(frozen=True, slots=True)
class Description:
    text: str = ""
    fields: Mapping[str, str] = field(default_factory=dict)


UNDESCRIBED = Description()


def describe(type_name: str) -> Description:
    """The description of `core_v1.Pod`; empty where the package has none."""
    found, breaks = as_folded(type_name), _breaks().get(type_name)
    if breaks is None:
        return found
    fields = {name: _spaced(text, breaks.get(name, {})) for name, text in found.fields.items()}
    return Description(_spaced(found.text, breaks.get("", {})), fields)


def as_folded(type_name: str) -> Description:
    """As `describe`, as far as it can be told from the package."""
    module, _, name = type_name.partition(".")
    return _module(module).get(name, UNDESCRIBED)


@cache
def _breaks() -> Mapping[str, Mapping[str, Mapping[str, str]]]:
    """Type → field ("" is the type itself) → number of a space → what stands there."""
    found: Mapping[str, Mapping[str, Mapping[str, str]]] = orjson.loads(
        files(__package__).joinpath("description_breaks.json").read_bytes()
    )
    return found


_SPACES = re.compile(r"(\s+)")


def _spaced(text: str, breaks: Mapping[str, str]) -> str:
    if not breaks:
        return text
    parts = _SPACES.split(text)
    for index, space in breaks.items():
        parts[2 * int(index) + 1] = space
    return "".join(parts)


@lru_cache(maxsize=4)
def _module(module: str) -> Mapping[str, Description]:
    source = _source(f"{module}.py")
    if source is None:
        return {}
    return {name: _parsed(docstring) for name, docstring in _CLASS.findall(source.read_text(encoding="utf-8"))}


def _source(name: str) -> Traversable | None:
    path = files("lightkube.models").joinpath(name)
    return path if path.is_file() else None


def _parsed(docstring: str) -> Description:
    text, _, parameters = docstring.partition(_PARAMETERS_TITLE)
    fields = {
        _name_in_json(name): _unfolded(description, _FIELD_INDENT)
        for name, description in _PARAMETER.findall(parameters)
    }
    return Description(_unfolded(text, _CLASS_INDENT), fields)


_CLASS_INDENT, _FIELD_INDENT = 6, 8
_WIDTH = 78
"""Lines that would have been longer were folded."""


def _name_in_json(name: str) -> str:
    """Python's keywords have an underscore behind them, and no name has a dash."""
    return name.rstrip("_").replace("_", "-")


def _unfolded(text: str, indent: int) -> str:
    """The text without the breaks that only fit it to a width, and with the empty lines between its paragraphs.

    A break stays where the next word would have fitted, or before and behind lines that are indented.
    """
    before, *rest = text.strip().split("\n")
    parts = [before]
    for raw in rest:
        line = raw[indent:] if not raw[:indent].strip() else raw.lstrip()
        if not line:
            before = ""
            continue
        if not before:
            parts += ("\n\n", line)
        elif _is_indented(line):
            parts += ("\n", line)
        elif len(before) + 1 + len(line.split(" ", 1)[0]) > _WIDTH:
            parts += (" ", line)
        else:
            parts += ("\n" if _is_indented(before) else "\n\n", line)
        before = line
    return "".join(parts).rstrip()


def _is_indented(line: str) -> bool:
    return line[:1] in (" ", "\t")
