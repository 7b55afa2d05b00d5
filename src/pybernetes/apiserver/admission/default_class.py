"""The class that an operator has marked as the default one.

Follows GetDefaultClass in pkg/volume/util/storageclass.go, and its like for ingress classes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pybernetes.apiserver.resource import Document


def default_class(classes: Iterable[Document], marks: Sequence[str]) -> Document | None:
    """The newest of those with one of the annotations; of equally new ones the first by name."""
    marked = sorted((one for one in classes if _is_marked(one, marks)), key=lambda one: str(one["metadata"]["name"]))
    return max(marked, key=lambda one: str(one["metadata"].get("creationTimestamp", "")), default=None)


def _is_marked(document: Document, marks: Sequence[str]) -> bool:
    annotations = document["metadata"].get("annotations") or {}
    return any(annotations.get(mark) == "true" for mark in marks)
