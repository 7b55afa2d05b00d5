"""Cells that the tables of several kinds share.

Follows pkg/printers/internalversion/printers.go.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from pybernetes.apiserver.columns import NONE
from pybernetes.apiserver.resource import Column, Document

_OPERATORS = {"In": "in", "NotIn": "notin"}


def at_path(document: Document, path: str, default: Any = None) -> Any:
    value: Any = document
    for name in path.split("."):
        value = value.get(name)
        if value is None:
            return default
    return value


def text_at(path: str, default: str = "") -> Callable[[Document], str]:
    """A selectable field's text, `default` when it is absent."""
    names = path.split(".")

    def text(document: Document) -> str:
        value: Any = document
        for name in names:
            value = value.get(name)
            if value is None:
                return default
        if isinstance(value, bool):
            return "true" if value else "false"
        return str(value)

    return text


def text_column(name: str, path: str, default: str = "", *, priority: int = 0) -> Column:
    return Column(name, lambda document, now: at_path(document, path) or default, priority=priority)


def number_column(name: str, path: str, type: str = "integer") -> Column:
    """Some of upstream's columns hold numbers and are declared as ``string``."""
    return Column(name, lambda document, now: at_path(document, path, 0), type)


def format_labels(labels: Mapping[str, str] | None) -> str:
    return ",".join(f"{key}={value}" for key, value in sorted(labels.items())) if labels else NONE


def format_selector(selector: Document | None) -> str:
    """A label selector of an object, in the text form of queries."""
    if not selector:
        return NONE
    requirements = [(key, f"{key}={value}") for key, value in (selector.get("matchLabels") or {}).items()]
    for expression in selector.get("matchExpressions") or ():
        key, operator = expression.get("key", ""), expression.get("operator", "")
        if operator in _OPERATORS:
            values = ",".join(sorted(expression.get("values") or ()))
            requirements.append((key, f"{key} {_OPERATORS[operator]} ({values})"))
        else:
            requirements.append((key, key if operator == "Exists" else f"!{key}"))
    return ",".join(text for _, text in sorted(requirements)) or NONE


def query_of_selector(document: Document) -> str:
    """The `selector` of a scale."""
    text = format_selector((document.get("spec") or {}).get("selector"))
    return "" if text == NONE else text


_ACCESS_MODES = {
    "ReadWriteOnce": "RWO",
    "ReadOnlyMany": "ROX",
    "ReadWriteMany": "RWX",
    "ReadWriteOncePod": "RWOP",
}


def access_modes(modes: Iterable[str] | None) -> str:
    given = set(modes or ())
    return ",".join(short for mode, short in _ACCESS_MODES.items() if mode in given)


CLASS_ANNOTATION = "volume.beta.kubernetes.io/storage-class"
ATTRIBUTES_CLASS = "spec.volumeAttributesClassName"


def storage_class(document: Document, now: datetime) -> str:
    """Of a volume or claim: the annotation of old counts first."""
    annotated: str | None = (document["metadata"].get("annotations") or {}).get(CLASS_ANNOTATION)
    return at_path(document, "spec.storageClassName", "") if annotated is None else annotated


def _containers(document: Document, spec_path: str) -> Iterable[Document]:
    containers: Iterable[Document] = at_path(document, f"{spec_path}.containers", ())
    return containers


def container_columns(spec_path: str = "spec.template.spec") -> tuple[Column, Column]:
    def names(document: Document, now: datetime) -> str:
        return ",".join(container.get("name", "") for container in _containers(document, spec_path))

    def images(document: Document, now: datetime) -> str:
        return ",".join(container.get("image", "") for container in _containers(document, spec_path))

    return Column("Containers", names, priority=1), Column("Images", images, priority=1)


def selector_column(priority: int = 1) -> Column:
    return Column(
        "Selector", lambda document, now: format_selector(document["spec"].get("selector")), priority=priority
    )


CREATED_AT = Column("Created At", lambda document, now: document["metadata"].get("creationTimestamp") or "", "date")


def as_stored(column: Column, to_storage: Callable[[Document], Document]) -> Column:
    """The same column of a version that is stored as another one."""
    extract = column.extract
    return replace(column, extract=lambda document, now: extract(to_storage(document), now))
