"""What the columns of tables are for, as table answers tell it.

A column that shows a field has the field's description, which is read from the package lightkube-models when a table is
first asked for, less the ending after `~` that an older version's has not; the others have words of their own. Which is
which stands in column_descriptions.json (`tools/generate_columns.py`). Follows AddHandlers in
pkg/printers/internalversion.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path

import orjson

_AGE = "@meta_v1.ObjectMeta.creationTimestamp"
_COMMON = {"Name": "@meta_v1.ObjectMeta.name", "Age": _AGE, "Created At": _AGE}


@cache
def described(group_resource: str) -> Mapping[str, str]:
    """By the names of the columns; of a kind without facts nothing but its name and age is described."""
    sources = _COMMON | _sources().get(group_resource, {})
    return {name: _text(source) for name, source in sources.items()}


def _text(source: str) -> str:
    if not source.startswith("@"):
        return source
    from pybernetes.apiserver.openapi.descriptions import describe

    named, _, ending = source[1:].partition("~")
    definition, _, field = named.rpartition(".")
    return describe(definition).fields.get(field, "").removesuffix(ending)


@cache
def _sources() -> Mapping[str, dict[str, str]]:
    sources: dict[str, dict[str, str]] = orjson.loads(Path(__file__).with_name("column_descriptions.json").read_bytes())
    return sources
