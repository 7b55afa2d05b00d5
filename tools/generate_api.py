#!/usr/bin/env python3
"""Writes `pybernetes/api/models/*.py` and `pybernetes/api/schema/*.json` for one version of Kubernetes.

Sources
  the definitions in the package kubernetes-validate: types, required fields, enums, list and patch facts;
  `field_facts.json` beside this file: for each field, in upstream's order, whether it is a pointer (`null`: written
  as null when it is not given), left out when it is empty (`omit`; `omitzero` also where it is a struct) or written
  always (`kept`: as it is given, because an empty list differs from none), and the name that decode errors give its
  type; fields of a struct that is embedded stand in a map under the struct's name.

The output depends on these alone: the same input writes the same bytes. Run it as `tools/generate_api.py`;
with `--check` it writes nothing and fails when a file differs.
"""

from __future__ import annotations

import argparse
import json
import keyword
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

VERSION = "v1.36.0-local"
LINE_LENGTH = 120
ROOT = Path(__file__).resolve().parent.parent
API = ROOT / "src" / "pybernetes" / "api"
FIELD_FACTS = Path(__file__).resolve().parent / "field_facts.json"
META = "io.k8s.apimachinery.pkg.apis.meta.v1."

# Definitions that are a value in JSON and not a struct: the name of their type in the facts.
SCALARS = {
    META + "Time": "time",
    META + "MicroTime": "microtime",
    META + "FieldsV1": "any",
    META + "Patch": "any",
    "io.k8s.apimachinery.pkg.api.resource.Quantity": "quantity",
    "io.k8s.apimachinery.pkg.util.intstr.IntOrString": "intstr",
    "io.k8s.apimachinery.pkg.runtime.RawExtension": "any",
    "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSON": "any",
    "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaPropsOrArray": "any",
    "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaPropsOrBool": "any",
    "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaPropsOrStringArray": "any",
}

# Type in the facts → its annotation, and the default of a field whose empty value is not None.
PYTHON = {
    "string": ("str", '""'),
    "boolean": ("bool", "False"),
    "int32": ("int", "0"),
    "int64": ("int", "0"),
    "double": ("float", "0.0"),
    "bytes": ("bytes", 'b""'),
    "time": ("datetime", None),
    "microtime": ("str", None),
    "quantity": ("str", '"0"'),
    "intstr": ("int | str", "0"),
    "any": ("Any", None),
}

# What upstream writes for an empty field that is never left out. Empty lists and maps are written as such, not as
# null; a pointer that is never left out is not written.
ZERO: dict[str, Any] = {
    "string": "",
    "boolean": False,
    "int32": 0,
    "int64": 0,
    "double": 0,
    "time": None,
    "microtime": None,
    "quantity": "0",
    "intstr": 0,
}


@dataclass(frozen=True, slots=True)
class Field:
    json_name: str
    type: str
    """`string`, `[]core_v1.Container`, `{}quantity`, …"""
    pointer: bool
    always: bool
    null: bool
    omit_empty: bool
    required: bool
    shown_type: str
    embedded: str
    """The embedded structs that it belongs to: `RuleWithOperations.Rule`."""
    facts: dict[str, Any]

    @property
    def item(self) -> str:
        return self.type.removeprefix("[]").removeprefix("{}").removeprefix("[]")

    @property
    def is_struct(self) -> bool:
        return "." in self.type and not self.type.startswith(("[]", "{}"))


@dataclass(frozen=True, slots=True)
class Definition:
    name: str
    module: str
    fields: tuple[Field, ...]
    kinds: tuple[tuple[str, str, str], ...]
    atomic: bool
    unions: list[dict[str, Any]] = field(default_factory=list)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--check", action="store_true", help="write nothing; fail when a file differs")
    check = parser.parse_args().check
    stale = [path for path, text in sorted(generate().items()) if not path.exists() or path.read_text() != text]
    for path in stale:
        print(("differs: " if check else "wrote ") + str(path.relative_to(ROOT)))
        if not check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text_of(path))
    return 1 if check and stale else 0


_GENERATED: dict[Path, str] = {}


def text_of(path: Path) -> str:
    return generate()[path]


def generate() -> dict[Path, str]:
    """The text of every generated file."""
    if not _GENERATED:
        modules: dict[str, dict[str, Definition]] = {}
        for definition in read_definitions():
            modules.setdefault(definition.module, {})[definition.name] = definition
        for module, definitions in modules.items():
            _GENERATED[API / "models" / f"{module}.py"] = render_models(module, definitions)
            _GENERATED[API / "schema" / f"{module}.json"] = render_facts(definitions)
    return _GENERATED


# -- reading ---------------------------------------------------------------------------------------------------------


def read_definitions() -> Iterator[Definition]:
    known: dict[str, dict[str, Any]] = json.loads(FIELD_FACTS.read_text())
    for key, schema in sorted(load_schemas().items()):
        if key in SCALARS:
            continue
        order = {name: (stated, within) for name, stated, within in stated_fields(known.get(key, {}))}
        properties: dict[str, Any] = schema.get("properties", {})
        names = [*order, *(name for name in properties if name not in order)]
        required = set(schema.get("required", ()))
        yield Definition(
            name=key.rsplit(".", 1)[1],
            module=module_of(key),
            fields=tuple(read_field(n, properties[n], order.get(n, ("omit", "")), n in required) for n in names),
            kinds=kinds_of(schema, properties),
            atomic=schema.get("x-kubernetes-map-type") == "atomic",
        )


def stated_fields(known: dict[str, Any], within: str = "") -> Iterator[tuple[str, str, str]]:
    """Name, what is known of it, and the embedded structs around it."""
    for name, stated in known.items():
        if isinstance(stated, str):
            yield name, stated, within
        else:
            yield from stated_fields(stated, f"{within}.{name}" if within else name)


def load_schemas() -> dict[str, Any]:
    import kubernetes_validate

    folder = Path(kubernetes_validate.__file__).parent / "kubernetes-json-schema" / VERSION
    schemas: dict[str, Any] = json.loads((folder / "_definitions.json").read_text())["$defs"]
    return schemas


def kinds_of(schema: dict[str, Any], properties: dict[str, Any]) -> tuple[tuple[str, str, str], ...]:
    if "enum" not in properties.get("kind", {}):
        return ()
    found = [(k["group"], k["version"], k["kind"]) for k in schema.get("x-kubernetes-group-version-kind", ())]
    return tuple(found[:1])  # The options of a deletion are repeated for every group.


def read_field(name: str, schema: dict[str, Any], known: tuple[str, str], required: bool) -> Field:
    written, _, shown = known[0].partition(" ")
    pointer = written in ("pointer", "null")
    type_ = type_of(schema)
    is_struct = "." in type_ and not type_.startswith(("[]", "{}"))
    written_when_empty = written == "always" or (written == "omit" and (is_struct or type_ in WRITTEN_STRUCTS))
    facts = {
        ours: schema[theirs]
        for theirs, ours in FACTS.items()
        if theirs in schema and not (theirs == "enum" and name in ("kind", "apiVersion"))
    }
    return Field(
        json_name=name,
        type=type_,
        pointer=pointer,
        null=written == "null",
        always=written_when_empty and not pointer and type_ not in ("any", "bytes"),
        omit_empty=not written_when_empty and not pointer and written != "kept" and type_ != "any",
        required=required,
        shown_type=shown,
        embedded=known[1],
        facts=facts,
    )


# Structs in Go (so that `omitempty` does nothing) that are one value in JSON.
WRITTEN_STRUCTS = ("time", "microtime", "quantity", "intstr")

FACTS = {
    "enum": "enum",
    "x-kubernetes-list-type": "list",
    "x-kubernetes-list-map-keys": "keys",
    "x-kubernetes-map-type": "map",
    "x-kubernetes-patch-merge-key": "merge_key",
    "x-kubernetes-patch-strategy": "strategy",
}


def type_of(schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        key = schema["$ref"].removeprefix("#/$defs/")
        return SCALARS.get(key) or f"{module_of(key)}.{key.rsplit('.', 1)[1]}"
    types = schema.get("type", "any")
    kind = types if isinstance(types, str) else types[0]
    if kind == "array":
        return "[]" + type_of(schema["items"])
    if kind == "object":
        return "{}" + type_of(schema.get("additionalProperties", {}))
    if kind == "integer":
        return str(schema.get("format", "int64"))
    if kind == "number":
        return "double"
    if kind == "string" and schema.get("format") == "byte":
        return "bytes"
    return str(kind)


def module_of(key: str) -> str:
    if key == "io.k8s.apimachinery.pkg.version.Info":
        return "version"
    parts = key.split(".")
    return f"{parts[-3]}_{parts[-2]}"


# -- models ----------------------------------------------------------------------------------------------------------


def render_models(module: str, definitions: dict[str, Definition]) -> str:
    ordered = dependencies_first(module, definitions)
    body = "\n\n\n".join(render_class(module, d) for d in ordered)
    others = sorted({t.rsplit(".", 1)[0] for d in ordered for t in struct_types(d)} - {module})
    standard = ["from datetime import datetime"] if re.search(r"\bdatetime\b", body) else []
    standard += ["from typing import Any"] if re.search(r"\bAny\b", body) else []
    third = ["import msgspec"] if "msgspec." in body else []
    base = ["Model"] + (["always"] if "always(" in body else [])
    ours = [f"from pybernetes.api.models import {', '.join(others)}"] if others else []
    ours.append(f"from pybernetes.api.models.base import {', '.join(base)}")
    imports = "\n\n".join("\n".join(block) for block in (standard, third, ours) if block)
    header = f'"""Objects of {module}. Generated by tools/generate_api.py: change that, not this."""'
    return f"{header}\n\nfrom __future__ import annotations\n\n{imports}\n\n\n{body}\n"


def dependencies_first(module: str, definitions: dict[str, Definition]) -> list[Definition]:
    """By name, but a struct that others hold by value (their default is made from its class) before these."""
    ordered: dict[str, Definition] = {}

    def visit(definition: Definition) -> None:
        if definition.name in ordered:
            return
        for f in definition.fields:
            home, _, name = f.type.rpartition(".")
            if f.is_struct and f.always and home == module:
                visit(definitions[name])
        ordered[definition.name] = definition

    for name in sorted(definitions):
        visit(definitions[name])
    return list(ordered.values())


def struct_types(definition: Definition) -> Iterator[str]:
    for f in definition.fields:
        if "." in f.item:
            yield f.item


def render_class(module: str, definition: Definition) -> str:
    lines = [f"class {definition.name}(Model, kw_only=True):"]
    lines += ["    " + render_field(module, definition, f) for f in definition.fields] or ["    pass"]
    return "\n".join(lines)


def render_field(module: str, definition: Definition, f: Field) -> str:
    name = python_name(f.json_name)
    if definition.kinds and f.json_name in ("apiVersion", "kind"):
        group, version, kind = definition.kinds[0]
        value = kind if f.json_name == "kind" else f"{group}/{version}" if group else version
        return f'{name}: str = always("{value}")'
    annotation, default, factory = annotation_of(module, f)
    if factory:
        arguments = f"default_factory={factory}"
    elif camel(name) == f.json_name:
        return f"{name}: {annotation} = {default}"
    else:
        arguments = f"default={default}" if default not in ("[]", "{}") else f"default_factory={FACTORIES[default]}"
    if camel(name) != f.json_name:
        arguments += f', name="{f.json_name}"'
    line = f"{name}: {annotation} = msgspec.field({arguments})"
    if len(line) + 4 <= LINE_LENGTH:
        return line
    return f"{name}: {annotation} = msgspec.field(\n        {arguments}\n    )"


FACTORIES = {"[]": "list", "{}": "dict"}


def annotation_of(module: str, f: Field) -> tuple[str, str, str]:
    """The annotation, the default, and the factory where the default is made by one."""
    if f.type.startswith("[]"):
        return python_type(module, f.type), "[]", ""
    if f.type.startswith("{}"):
        return python_type(module, f.type), "{}", ""
    if f.is_struct:
        struct = python_type(module, f.type)
        return (struct, "", struct) if f.always else (f"{struct} | None", "None", "")
    annotation, empty = PYTHON[f.type]
    if f.type == "any":
        return "Any", "None", ""
    if f.pointer or empty is None or (f.type in WRITTEN_STRUCTS and not f.always):
        return f"{annotation} | None", "None", ""
    return annotation, empty, ""


def python_type(module: str, type_: str) -> str:
    if type_.startswith("[]"):
        return f"list[{python_type(module, type_[2:])}]"
    if type_.startswith("{}"):
        return f"dict[str, {python_type(module, type_[2:])}]"
    if "." in type_:
        home, name = type_.split(".")
        return name if home == module else type_
    return PYTHON[type_][0]


def python_name(json_name: str) -> str:
    name = json_name.lstrip("$").replace("-", "_")
    name = re.sub(r"([A-Z]{2,})s(?=$|[A-Z])", lambda m: "_" + m[1].lower() + "s_", name).strip("_")
    name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()
    name = re.sub(r"__+", "_", name)
    return name + "_" if keyword.iskeyword(name) or name in SHADOWING or json_name.startswith("$") else name


# Names that annotations in the same class need.
SHADOWING = {"bool", "bytes", "datetime", "dict", "float", "int", "list", "str"}


def camel(name: str) -> str:
    """What msgspec makes of a name under `rename="camel"`."""
    if name.endswith("_"):
        return ""
    first, *rest = name.split("_")
    return first + "".join(part.title() for part in rest)


# -- facts -----------------------------------------------------------------------------------------------------------


def render_facts(definitions: dict[str, Definition]) -> str:
    lines = (f"{json.dumps(name)}: {compact(definition_facts(d))}" for name, d in sorted(definitions.items()))
    return "{\n" + ",\n".join(lines) + "\n}\n"


def definition_facts(definition: Definition) -> dict[str, Any]:
    facts: dict[str, Any] = {}
    if definition.kinds:
        facts["kinds"] = [list(kind) for kind in definition.kinds]
    if definition.atomic:
        facts["map"] = "atomic"
    facts["fields"] = {f.json_name: field_facts(f) for f in definition.fields}
    return facts


def field_facts(f: Field) -> dict[str, Any]:
    facts: dict[str, Any] = {"type": f.type}
    if f.required:
        facts["required"] = True
    if f.always:
        facts["always"] = True
    if f.null:
        facts["null"] = True
    if f.omit_empty:
        facts["omit"] = True
    if f.shown_type:
        facts["go"] = f.shown_type
    if f.embedded:
        facts["embedded"] = f.embedded
    return facts | f.facts


def compact(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))


if __name__ == "__main__":
    sys.exit(main())
