"""Which of several values that do not fit is told of, and how.

Guarantees  Go keeps the first value of a wrong type in mind and reads on; what a type's own way of reading refuses
(a quantity, a time) ends the reading and is told instead. Numbers are told as they were written.

Follows d.saveError and addErrorContext of Go's encoding/json.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from pybernetes.api.schema.scalars import DecodeError, Mismatch
from pybernetes.api.schema.shape import Shape

_MOST = 64
"""Values of a wrong type after which nothing is looked for any more."""
_Path = Sequence[str | int]


def told_of(error: DecodeError, document: Any, shape: Shape, body: bytes = b"") -> str:
    """Of a document that could not be read; ``body`` is the JSON that it comes from, if it does."""
    final = _refused_later(error, document, shape) or error
    return _as_written(final, body) if body else str(final)


def _refused_later(error: DecodeError, document: Any, shape: Shape) -> DecodeError | None:
    for _ in range(_MOST):
        if not isinstance(error, Mismatch) or not error.path:
            return None
        document = _without(document, error.path)
        try:
            shape.read(document)
        except Mismatch as another:
            error = another
        except DecodeError as final:
            return final
        else:
            return None
    return None


def _without(value: Any, path: _Path) -> Any:
    """A copy; an element of a list becomes null."""
    step, rest = path[0], path[1:]
    inner = _without(value[step], rest) if rest else None
    if isinstance(value, list):
        return [inner if index == step else one for index, one in enumerate(value)]
    return {**value, step: inner}


class _Written(str):
    """A number as it stands in a text."""


def _as_written(error: DecodeError, body: bytes) -> str:
    told = str(error)
    if not isinstance(error.value, float):
        return told
    found = json.loads(body.decode("utf-8", "replace"), parse_float=_Written, parse_int=_Written)
    for step in error.path:
        found = found[step]
    return told.replace(f"number {error.value}", f"number {found}", 1) if isinstance(found, _Written) else told
