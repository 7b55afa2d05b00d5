"""The versions of a definition: names, which one is stored, schemas, columns, subresources, selectable fields.

Follows validateCustomResourceDefinitionVersion in pkg/apis/apiextensions/validation of apiextensions-apiserver.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from pybernetes.api.fields import (
    FieldError,
    FieldPath,
    at,
    duplicate,
    invalid,
    is_dns1035_label,
    required,
    too_many,
)
from pybernetes.apiserver.cel.field_paths import FieldPathError, resolve
from pybernetes.apiserver.custom.definition import schema_of
from pybernetes.apiserver.resource import Document
from pybernetes.apiserver.resources.custom_internal_form import (
    internal_columns,
    internal_selectable,
    internal_subresources,
    internal_validation,
)
from pybernetes.apiserver.resources.custom_leniency import MOST_SELECTABLE, Leniency, every
from pybernetes.apiserver.resources.custom_schema_rules import Demands, check_root

COLUMN_TYPES = ("boolean", "date", "integer", "number", "string")
COLUMN_FORMATS = ("byte", "date", "date-time", "double", "float", "int32", "int64", "password")
_SHARED = {
    "schema": "validation",
    "subresources": "subresources",
    "additionalPrinterColumns": "additionalPrinterColumns",
    "selectableFields": "selectableFields",
}
"""Fields of versions → where they stand in upstream's internal form when all versions have the same."""


def check_versions(spec: Document, leniency: Leniency) -> Iterator[FieldError]:
    versions: Sequence[Document] = spec["versions"] or []
    shared = {name for name in _SHARED if _is_shared(versions, name)}
    if not leniency.missing_schemas:
        yield from _missing_schemas(versions)
    if leniency.missing_schemas and not spec.get("preserveUnknownFields"):
        yield from _pruned_away(versions)
    has_defaults = any(
        one.get("default") is not None
        for version in versions
        if (schema := schema_of(version)) is not None
        for one in every(schema)
    )
    if has_defaults and spec.get("preserveUnknownFields"):
        yield invalid(at.spec.preserveUnknownFields, True, "must be false in order to use defaults in the schema")
    demands = Demands(
        structural=not (leniency.unstructured and spec.get("preserveUnknownFields")),
        known_types=not leniency.odd_types,
        atomic_sets=not leniency.composite_sets,
        firm_keys=not leniency.loose_keys,
    )
    for index, version in enumerate(versions):
        path = at.spec.versions[index]
        if messages := is_dns1035_label(version["name"]):
            yield invalid(path.child("name"), version["name"], ",".join(messages))
        yield from _check_version(version, path, shared, demands, leniency)
    yield from _check_set(versions)
    first = versions[0]["name"] if versions else ""
    if first and (messages := is_dns1035_label(first)):
        yield invalid(at.spec.version, first, ",".join(messages))
    if versions:
        yield from _check_shared(versions, shared, demands, leniency)


def _is_shared(versions: Sequence[Document], name: str) -> bool:
    """Whether all versions have the same, so that upstream has it once."""
    return bool(versions) and all(one.get(name) == versions[0].get(name) for one in versions)


def _missing_schemas(versions: Sequence[Document]) -> Iterator[FieldError]:
    for index, version in enumerate(versions):
        if schema_of(version) is None:
            yield required(at.spec.versions[index].schema.openAPIV3Schema)


def _pruned_away(versions: Sequence[Document]) -> Iterator[FieldError]:
    for index, version in enumerate(versions):
        if version.get("served") and schema_of(version) is None:
            path = at.spec.versions[index].schema.openAPIV3Schema
            yield required(path, "because otherwise all fields are pruned")


def _check_set(versions: Sequence[Document]) -> Iterator[FieldError]:
    names = [version["name"] for version in versions]
    if len(set(names)) != len(names):
        yield invalid(at.spec.versions, _internal(versions), "must contain unique version names")
    if sum(1 for version in versions if version.get("storage")) != 1:
        why = "must have exactly one version marked as storage version"
        yield invalid(at.spec.versions, _internal(versions), why)


def _internal(versions: Sequence[Document]) -> Any:
    """The versions as upstream shows them: in Go's names, without what they share."""
    if not versions:
        return None
    return [
        {
            "Name": one["name"],
            "Served": bool(one.get("served")),
            "Storage": bool(one.get("storage")),
            "Deprecated": bool(one.get("deprecated")),
            "DeprecationWarning": one.get("deprecationWarning"),
            **{
                name: None if _is_shared(versions, field) else shown(one.get(field))
                for field, (name, shown) in _INTERNAL.items()
            },
        }
        for one in versions
    ]


_INTERNAL: Mapping[str, tuple[str, Callable[[Any], Any]]] = {
    "schema": ("Schema", internal_validation),
    "subresources": ("Subresources", internal_subresources),
    "additionalPrinterColumns": ("AdditionalPrinterColumns", internal_columns),
    "selectableFields": ("SelectableFields", internal_selectable),
}


def _check_version(
    version: Document, path: FieldPath, shared: set[str], demands: Demands, leniency: Leniency
) -> Iterator[FieldError]:
    warning = version.get("deprecationWarning")
    yield from (
        invalid(path.deprecationWarning, warning, why)
        for why in _deprecation_problems(bool(version.get("deprecated")), warning)
    )
    for name in _SHARED:
        if name == "selectableFields" and name not in shared and "schema" in shared and version.get(name):
            yield invalid(path.selectableFields, "", _WITHOUT_SCHEMA)
        elif name not in shared:
            yield from _check_part(version, name, path.child(name), demands, leniency)


def _check_shared(
    versions: Sequence[Document], shared: set[str], demands: Demands, leniency: Leniency
) -> Iterator[FieldError]:
    for name, place in _SHARED.items():
        if name == "selectableFields" and name in shared and "schema" not in shared and versions[0].get(name):
            yield invalid(at.spec.selectableFields, "", "may only be set when validations.schema is included")
        elif name in shared:
            yield from _check_part(versions[0], name, at.spec.child(place), demands, leniency)


def _check_part(
    version: Document, name: str, path: FieldPath, demands: Demands, leniency: Leniency
) -> Iterator[FieldError]:
    part = version.get(name)
    if not part:
        return
    match name:
        case "schema":
            schema = schema_of(version)
            has_status = (version.get("subresources") or {}).get("status") is not None
            if schema is not None:
                yield from check_root(schema, path, demands, has_status=has_status)
        case "subresources":
            yield from _check_subresources(part, path)
        case "additionalPrinterColumns":
            for index, column in enumerate(part):
                yield from _check_column(column, path[index])
        case _:
            yield from _check_selectable(version, part, path, leniency)


def _deprecation_problems(deprecated: bool, warning: str | None) -> Iterator[str]:
    if warning is None:
        return
    if not deprecated:
        yield "can only be set for deprecated versions"
        return
    if len(warning.encode()) > 256:
        yield "must be <= 256 characters long"
    if not warning:
        yield "must not be an empty string"
    for index, letter in enumerate(warning):
        if not letter.isprintable():
            where = len(warning[:index].encode())
            yield f"must only contain printable UTF-8 characters; non-printable character found at index {where}"
            return


def _check_column(column: Document, path: FieldPath) -> Iterator[FieldError]:
    if not column["name"]:
        yield required(path.child("name"))
    types = f"must be one of {','.join(COLUMN_TYPES)}"
    if not column["type"]:
        yield required(path.type, types)
    elif column["type"] not in COLUMN_TYPES:
        yield invalid(path.type, column["type"], types)
    format = column.get("format")
    if format and format not in COLUMN_FORMATS:
        yield invalid(path.format, format, f"must be one of {','.join(COLUMN_FORMATS)}")
    if not column["jsonPath"]:
        yield required(path.JSONPath)
    else:
        yield from _check_simple_path(column["jsonPath"], path.JSONPath)


def _check_simple_path(text: str, path: FieldPath) -> Iterator[FieldError]:
    if not text.startswith("."):
        yield invalid(path, text, "must be a simple json path starting with .")


def _check_subresources(subresources: Document, path: FieldPath) -> Iterator[FieldError]:
    scale = subresources.get("scale")
    if scale is None:
        return
    for name, root in (("specReplicasPath", ".spec."), ("statusReplicasPath", ".status.")):
        where = path.child(f"scale.{name}")
        if not scale.get(name):
            yield required(where)
            continue
        yield from _check_path_below(scale[name], where, (root,), root.rstrip("."))
    selector = scale.get("labelSelectorPath")
    if selector:
        either = "either .spec or .status"
        yield from _check_path_below(selector, path.child("scale.labelSelectorPath"), (".spec.", ".status."), either)


def _check_path_below(text: str, path: FieldPath, roots: tuple[str, ...], named: str) -> Iterator[FieldError]:
    problems = list(_check_simple_path(text, path))
    yield from problems
    if not problems and not text.startswith(roots):
        yield invalid(path, text, f"should be a json path under {named}")


_WITHOUT_SCHEMA = "may only be set when `version.schema.openAPIV3Schema` is not included"


def _check_selectable(
    version: Document, selectable: Sequence[Document], path: FieldPath, leniency: Leniency
) -> Iterator[FieldError]:
    schema = schema_of(version)
    if schema is None:
        yield invalid(path, "", _WITHOUT_SCHEMA)
        return
    seen: set[str] = set()
    for index, one in enumerate(selectable):
        text, where = one["jsonPath"], path[index].jsonPath
        if not text:
            yield required(where)
            continue
        try:
            found, node = resolve(text, schema, brackets=False)
        except FieldPathError as error:
            yield invalid(where, text, f"is an invalid path: {error}")
            continue
        if str(found).partition(".")[0] == "metadata":
            yield invalid(where, text, "must not point to fields in metadata")
        if node.get("type") not in ("string", "boolean", "integer"):
            why = "must point to a field of type string, boolean or integer. "
            yield invalid(where, text, f"{why}Enum string fields and strings with formats are allowed.")
        if str(found) in seen:
            yield duplicate(where, text)
        seen.add(str(found))
    if len(seen) > MOST_SELECTABLE and version["name"] not in leniency.many_selectable:
        yield too_many(path, len(seen), MOST_SELECTABLE)
