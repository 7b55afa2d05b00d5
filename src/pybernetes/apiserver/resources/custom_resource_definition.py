"""CustomResourceDefinition: a kind that users define. What becomes of it is in ``apiserver/custom``.

Follows pkg/apis/apiextensions/v1/defaults.go and pkg/registry/customresourcedefinition of apiextensions-apiserver.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from pybernetes.api import errors
from pybernetes.api.fields import FieldError
from pybernetes.api.kinds import info_of
from pybernetes.api.models.apiextensions_v1 import CustomResourceDefinition
from pybernetes.api.schema import DecodeError, Shape, definition
from pybernetes.apiserver.columns import NAME
from pybernetes.apiserver.custom.definition import schema_of
from pybernetes.apiserver.custom.finalizing import marked
from pybernetes.apiserver.custom.formats import checked_format
from pybernetes.apiserver.custom.structure import children
from pybernetes.apiserver.resource import Context, Document, Resource, StatusSubresource, spec_changed
from pybernetes.apiserver.resources.cells import CREATED_AT
from pybernetes.apiserver.resources.custom_definition_rules import validate, validate_status_update, validate_update
from pybernetes.apiserver.rules import keep_metadata

INFO = replace(info_of(CustomResourceDefinition), module="")
"""Without its model: schemas are judged as the documents they are."""


def complete(crd: Document) -> None:
    spec = crd["spec"]
    names = spec["names"]
    if names["kind"]:
        names.setdefault("singular", names["kind"].lower())
        names.setdefault("listKind", f"{names['kind']}List")
    conversion = spec.setdefault("conversion", {"strategy": "None"})
    service = ((conversion.get("webhook") or {}).get("clientConfig") or {}).get("service")
    if service is not None:
        service.setdefault("port", 443)
    for version in spec["versions"] or ():
        schema = schema_of(version)
        if schema is not None:
            _read_below(schema)
    status = crd.get("status")
    if status is not None and not status.get("storedVersions"):
        crd["status"] = {**status, "storedVersions": _stored(spec)}


def _read_below(schema: Document) -> None:
    """Fields that hold a schema or something else are read here: their type says nothing of what is in them."""
    items = schema.get("items")
    if isinstance(items, list):
        schema["items"] = [_read_schema(one) for one in items]
    elif isinstance(items, dict):
        schema["items"] = _read_schema(items)
    elif items is not None:
        del schema["items"]
    for name in ("additionalProperties", "additionalItems"):
        found = schema.get(name)
        if isinstance(found, dict):
            schema[name] = _read_schema(found)
        elif not isinstance(found, bool | None):
            raise _unreadable("boolean or JSON schema expected")
    for one in children(schema):
        if isinstance(one, dict):
            _read_below(one)


def _read_schema(schema: Any) -> Document:
    try:
        return Shape(definition("apiextensions_v1.JSONSchemaProps")).read(schema).document
    except DecodeError as error:
        raise _unreadable(str(error)) from error


def _unreadable(why: str) -> errors.ApiError:
    kind = "CustomResourceDefinition"
    return errors.bad_request(f'{kind} in version "v1" cannot be handled as a {kind}: {why}')


def _initial_status(crd: Document) -> Document:
    return {"conditions": None, "acceptedNames": {"plural": "", "kind": ""}, "storedVersions": _stored(crd["spec"])}


def _stored(spec: Document) -> list[str]:
    return [one["name"] for one in spec["versions"] or () if one.get("storage")][:1]


def _prepare_update(new: Document, old: Document, context: Context) -> None:
    """A version that becomes the stored one is noted, and stays so until nothing is stored in it any more."""
    known = set(_unrecognized_formats(old))
    context.warnings.extend(_warnings_of(one for one in _unrecognized_formats(new) if one not in known))
    status = dict(new.get("status") or {})
    stored = list(status.get("storedVersions") or ())
    for version in new["spec"]["versions"] or ():
        if version.get("storage"):
            if version["name"] not in stored:
                new["status"] = {**status, "storedVersions": [*stored, version["name"]]}
            return


def _prepare_create(crd: Document, context: Context) -> None:
    context.warnings.extend(_warnings_of(_unrecognized_formats(crd)))


def _warnings_of(formats: Iterator[str]) -> Iterator[str]:
    return (f'unrecognized format "{one}"' for one in formats)


def _unrecognized_formats(crd: Document) -> Iterator[str]:
    for version in crd["spec"]["versions"] or ():
        schema = schema_of(version)
        if schema is not None:
            yield from _formats_below(schema)


def _formats_below(schema: Document) -> Iterator[str]:
    if schema.get("format") and not checked_format({**schema, "x-kubernetes-int-or-string": False}):
        yield schema["format"]
    for one in children(schema):
        yield from _formats_below(dict(one))


def _keep_spec(new: Document, old: Document, context: Context) -> None:
    new["spec"] = old["spec"]
    keep_metadata(new, old, context)


def _status_problems(new: Document, old: Document) -> Iterator[FieldError]:
    return validate_status_update(new, old)


CUSTOM_RESOURCE_DEFINITIONS = Resource(
    info=INFO,
    short_names=("crd", "crds"),
    categories=("api-extensions",),
    storage="apiextensions.k8s.io/customresourcedefinitions",
    defaults=complete,
    initial_status=_initial_status,
    prepare_create=_prepare_create,
    prepare_update=_prepare_update,
    validate=validate,
    validate_update=validate_update,
    judges_updates_alone=True,
    generation=spec_changed,
    columns=(NAME, CREATED_AT),
    subresources=(StatusSubresource(prepare=_keep_spec, validate=_status_problems),),
    held=lambda crd: not crd["metadata"].get("deletionTimestamp"),
    on_marked=marked,
    allows_unconditional_update=False,
)

RESOURCES = (CUSTOM_RESOURCE_DEFINITIONS,)
