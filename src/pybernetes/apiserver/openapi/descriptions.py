"""What each definition and field is for, read from the docstrings of the package lightkube-models when first asked.

The sources are read as text: importing them would build thousands of classes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.resources import files
from importlib.resources.abc import Traversable

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
    module, _, name = type_name.partition(".")
    return _module(module).get(name, UNDESCRIBED)


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
    fields = {name: _flowed(description) for name, description in _PARAMETER.findall(parameters)}
    return Description(_flowed(text), fields)


def _flowed(text: str) -> str:
    """The text without the line breaks that only fit it to a width; blank lines stay."""
    paragraphs = re.split(r"\n\s*\n", text.strip())
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)
