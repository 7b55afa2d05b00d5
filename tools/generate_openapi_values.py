#!/usr/bin/env python3
"""Writes `pybernetes/apiserver/openapi/values.json`: enums, defaults and unions of fields, and what free-form ones are.

Source  OpenAPI documents of Kubernetes, v3, as `kubectl get --raw /openapi/v3/apis/apps/v1` prints them, in files given
        as arguments, and that of v2 as `/openapi/v2` prints it, as the last. Only facts are taken: names and values.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from pybernetes.apiserver.openapi.names import FREE_FORM, definition_name

ROOT = Path(__file__).resolve().parent.parent
SCHEMA = ROOT / "src" / "pybernetes" / "api" / "schema"
TARGET = ROOT / "src" / "pybernetes" / "apiserver" / "openapi" / "values.json"
_REFERENCE = "#/components/schemas/"
_FREE_FORM_BY_NAME = {name: short for short, name in FREE_FORM.items()}


def type_names() -> dict[str, str]:
    """Definition's name → the facts' (`core_v1.Pod`)."""
    modules = {path.stem: json.loads(path.read_text()) for path in SCHEMA.glob("*v*.json")}
    names = (f"{module}.{name}" for module, types in modules.items() for name in types)
    return {definition_name(name): name for name in names}


def values_of(schema: dict[str, Any]) -> dict[str, Any]:
    fields = schema.get("properties", {})
    found = {
        "defaults": {name: field["default"] for name, field in fields.items() if "default" in field},
        "enums": {name: one_of for name, field in fields.items() if (one_of := enum(field))},
        "free": {name: short for name, field in fields.items() if (short := free_form(field))},
        "apart": [name for name, field in fields.items() if "\n\n\nPossible enum" in field.get("description", "")],
        "unions": schema.get("x-kubernetes-unions"),
    }
    return {name: value for name, value in found.items() if value}


def enum(field: dict[str, Any]) -> list[str] | None:
    """Of the field, or of what its list or map holds."""
    inner = field.get("items") or field.get("additionalProperties") or field
    return inner.get("enum")


def free_form(field: dict[str, Any]) -> str | None:
    inner = field.get("items") or field.get("additionalProperties") or field
    reference = (inner.get("allOf") or [inner])[0].get("$ref", "")
    return _FREE_FORM_BY_NAME.get(reference.removeprefix(_REFERENCE))


def main() -> None:
    *paths, v2 = (json.loads(Path(name).read_text()) for name in sys.argv[1:])
    names = type_names()
    types = {
        names[name]: values
        for document in paths
        for name, schema in document.get("components", {}).get("schemas", {}).items()
        if name in names and (values := values_of(schema))
    }
    options = v2["definitions"]["io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions"]
    versions = [[one["group"], one["version"]] for one in options["x-kubernetes-group-version-kind"]]
    rows = [f"{json.dumps(name)}:{json.dumps(types[name], separators=(',', ':'))}" for name in sorted(types)]
    text = f'{{"versions":{json.dumps(versions, separators=(",", ":"))},\n"types":{{\n' + ",\n".join(rows) + "\n}}\n"
    TARGET.write_text(text)


if __name__ == "__main__":
    main()
