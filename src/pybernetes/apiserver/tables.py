"""Objects as rows of a table, and as their metadata alone.

Follows meta.k8s.io/v1 Table and PartialObjectMetadata, and k8s.io/apiserver/pkg/endpoints/handlers/response.go.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from enum import StrEnum
from functools import reduce
from typing import Any

from pybernetes.api import errors
from pybernetes.apiserver.columns import AGE, NAME
from pybernetes.apiserver.empty_lists import Steps, as_null, steps_of
from pybernetes.apiserver.http import ApiRequest
from pybernetes.apiserver.resource import Column, Document, Resource
from pybernetes.apiserver.resources.descriptions import described

_NULL_WHEN_EMPTY = frozenset(
    (
        "limitranges",
        "clusterroles.rbac.authorization.k8s.io",
        "roles.rbac.authorization.k8s.io",
        "csistoragecapacities.storage.k8s.io",
        "customresourcedefinitions.apiextensions.k8s.io",
    )
)
"""Kinds whose tables have null for no rows."""


class IncludeObject(StrEnum):
    NONE = "None"
    METADATA = "Metadata"
    OBJECT = "Object"


def include_object(request: ApiRequest) -> IncludeObject:
    stated = request.param("includeObject")
    try:
        return IncludeObject(stated) if stated else IncludeObject.METADATA
    except ValueError as error:
        raise errors.bad_request(
            f'Unable to convert to Table as requested: includeObject: Invalid value: "{stated}": '
            "must be 'Metadata', 'Object', 'None', or empty"
        ) from error


def columns_of(resource: Resource) -> Sequence[Column]:
    return resource.columns or (NAME, AGE)


def table(
    resource: Resource,
    documents: Iterable[Document],
    *,
    version: str,
    include: IncludeObject,
    now: datetime,
    list_metadata: Document,
    with_columns: bool = True,
) -> Document:
    columns = columns_of(resource)
    made: Document = {"kind": "Table", "apiVersion": f"meta.k8s.io/{version}", "metadata": list_metadata}
    made["columnDefinitions"] = _definitions(resource, columns) if with_columns else _no_definitions(resource)
    nulls = tuple(map(steps_of, resource.null_lists)) if include is IncludeObject.OBJECT else ()
    rows = [_row(columns, document, version, include, nulls, now) for document in documents]
    made["rows"] = rows or (None if resource.info.group_resource in _NULL_WHEN_EMPTY else rows)
    return made


def _no_definitions(resource: Resource) -> list[Document] | None:
    """As upstream's printers leave them out: those of kinds that have printers of their own with a list."""
    return [] if resource.columns and resource.custom is None else None


def _definitions(resource: Resource, columns: Sequence[Column]) -> list[Document]:
    texts = described(resource.info.group_resource) if resource.custom is None else {}
    return [
        {
            "name": column.name,
            "type": column.type,
            "format": column.format,
            "description": column.description or texts.get(column.name, ""),
            "priority": column.priority,
        }
        for column in columns
        if column.name
    ]


def _row(
    columns: Sequence[Column],
    document: Document,
    version: str,
    include: IncludeObject,
    nulls: Sequence[Steps],
    now: datetime,
) -> Document:
    row: Document = {"cells": [column.extract(document, now) for column in columns]}
    match include:
        case IncludeObject.METADATA:
            row["object"] = partial(document, version)
        case IncludeObject.OBJECT:
            row["object"] = reduce(as_null, nulls, document)
        case IncludeObject.NONE:
            row["object"] = None
    return row


_OF_WHOLE_OBJECTS = {("apps/v1", "DaemonSet"): "deprecated.daemonset.template.generation"}
"""Annotations that upstream has as fields inside, and so tells only with the whole object."""


def partial(document: Document, version: str) -> Document:
    metadata: Any = document["metadata"]
    hidden = _OF_WHOLE_OBJECTS.get((document.get("apiVersion", ""), document.get("kind", "")))
    if hidden is not None and hidden in metadata.get("annotations", ()):
        told = {name: text for name, text in metadata["annotations"].items() if name != hidden}
        metadata = {
            name: one for name, one in {**metadata, "annotations": told}.items() if one or name != "annotations"
        }
    return {"kind": "PartialObjectMetadata", "apiVersion": f"meta.k8s.io/{version}", "metadata": metadata}
