"""Documents of OpenAPI v2 put together: one server's part into another's. Pure.

Guarantees  Paths that are there stay as they are. A definition of a name that is taken by another one gets a new name,
            and so do the references to it.
Follows     k8s.io/kube-openapi/pkg/aggregator.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pybernetes.apiserver.openapi.parameters import inlined

Document = dict[str, Any]

_PREFIX = "#/definitions/"


def below(document: Document, prefix: str) -> Document:
    """The paths that begin with ``prefix``, with all their parameters, and the definitions that they lead to."""
    found = {path: item for path, item in (document.get("paths") or {}).items() if path.startswith(prefix)}
    paths = inlined(found, document.get("parameters") or {})
    definitions = document.get("definitions") or {}
    wanted = dict.fromkeys(_references(paths))
    pending = list(wanted)
    while pending:
        for name in _references(definitions.get(pending.pop())):
            if name not in wanted:
                wanted[name] = None
                pending.append(name)
    return {"paths": paths, "definitions": {name: definitions[name] for name in wanted if name in definitions}}


def merged(document: Document, parts: Iterable[Document]) -> Document:
    """A new document; the parts are read only."""
    paths, definitions = dict(document["paths"]), dict(document["definitions"])
    for part in parts:
        renamed = _new_names(definitions, part["definitions"])
        for name, definition in part["definitions"].items():
            definitions.setdefault(renamed.get(name, name), _with_names(definition, renamed))
        for path, item in part["paths"].items():
            paths.setdefault(path, _with_names(item, renamed))
    return {**document, "paths": paths, "definitions": definitions}


def _new_names(taken: Mapping[str, Any], definitions: Mapping[str, Any]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, definition in definitions.items():
        if name not in taken or taken[name] == definition:
            continue
        number = 2
        while f"{name}_v{number}" in taken or f"{name}_v{number}" in definitions:
            number += 1
        found[name] = f"{name}_v{number}"
    return found


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, one in value.items():
            if key == "$ref" and isinstance(one, str) and one.startswith(_PREFIX):
                yield one.removeprefix(_PREFIX)
            else:
                yield from _references(one)
    elif isinstance(value, list):
        for one in value:
            yield from _references(one)


def _with_names(value: Any, renamed: Mapping[str, str]) -> Any:
    if not renamed:
        return value
    if isinstance(value, dict):
        return {key: _reference(one, renamed) if key == "$ref" else _with_names(one, renamed)
                for key, one in value.items()}  # fmt: skip
    if isinstance(value, list):
        return [_with_names(one, renamed) for one in value]
    return value


def _reference(value: Any, renamed: Mapping[str, str]) -> Any:
    if not isinstance(value, str) or not value.startswith(_PREFIX):
        return value
    name = value.removeprefix(_PREFIX)
    return _PREFIX + renamed.get(name, name)
