#!/usr/bin/env python3
"""Writes `pybernetes/apiserver/protobuf/fields.json`: the field numbers and wire types of upstream's protobuf messages.

Sources  the files generated.proto and generated.pb.go below directories of a checkout of kubernetes, given as arguments
         (staging/src/k8s.io/api, apimachinery, apiextensions-apiserver, kube-aggregator); the facts in `api/schema`
         tell which fields are inlined in JSON.

A type begins with "?" where a field that has its zero value is left out, and all else (but lists and maps) is always
written. Run as `tools/generate_protobuf.py DIRECTORY…`. Only facts are taken.
"""

from __future__ import annotations

import functools
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SCHEMA = ROOT / "src" / "pybernetes" / "api" / "schema"
TARGET = ROOT / "src" / "pybernetes" / "apiserver" / "protobuf" / "fields.json"

SCALARS = {
    "string": "s",
    "bytes": "y",
    "bool": "b",
    "int32": "i",
    "int64": "i",
    "uint32": "u",
    "uint64": "u",
    "double": "d",
}
SPECIAL = {
    "meta_v1.Time": "time",
    "meta_v1.MicroTime": "microtime",
    "meta_v1.FieldsV1": "raw",
    "meta_v1.Duration": "duration",
    "runtime.RawExtension": "raw",
    "resource.Quantity": "quantity",
    "intstr.IntOrString": "intstr",
    "apiextensions_v1.JSON": "raw",
    "apiextensions_v1.JSONSchemaPropsOrBool": "schema|bool",
    "apiextensions_v1.JSONSchemaPropsOrArray": "schema|[]schema",
    "apiextensions_v1.JSONSchemaPropsOrStringArray": "schema|[]s",
}
_FIELD = re.compile(r"^\s*(?:(optional|repeated|required)\s+)?(map<\w+,\s*[\w.]+>|[\w.]+)\s+(\w+)\s*=\s*(\d+);", re.M)
_WRITER = re.compile(r"^func \(m \*?(\w+)\) MarshalToSizedBuffer\(.*?^\}", re.M | re.S)
_ONLY_IF_SET = re.compile(r"^\tif m\.\w+ != nil \{.*?((?:^\t\ti--\n\t\tdAtA\[i\] = 0x\w+\n)+)^\t\}", re.M | re.S)
"""With the bytes of the field's tag, the last first."""
_MESSAGE = re.compile(r"^message (\w+) \{(.*?)^\}", re.M | re.S)


def protos(directory: str) -> Iterator[tuple[str, str]]:
    """The text of each generated.proto, and of the Go file beside it."""
    for path in sorted(Path(directory).rglob("generated.proto")):
        marshalling = path.with_suffix(".pb.go")
        yield path.read_text(), marshalling.read_text() if marshalling.exists() else ""


def module_of(package: str) -> str:
    """`k8s.io.api.core.v1` → `core_v1`; of apimachinery's only the last part counts, with its version if it has one."""
    parts = package.strip(".").split(".")
    return "_".join(parts[-2:]) if re.fullmatch(r"v\d+\w*", parts[-1]) else parts[-1]


def optional_fields(marshalling: str) -> dict[str, set[int]]:
    """Message → the numbers of the fields that are written only if they are set."""
    return {
        found[1]: {number_of(tag) for tag in _ONLY_IF_SET.findall(found[0])} for found in _WRITER.finditer(marshalling)
    }


def number_of(tag: str) -> int:
    septets = [int(byte, 16) & 0x7F for byte in re.findall(r"0x\w+", tag)]
    return functools.reduce(lambda high, low: high << 7 | low, septets) >> 3


_LIST_WRITER = re.compile(r"^func \(m (\w+)\) MarshalToSizedBuffer\(", re.M)
"""Of a Go type that is a list itself: its message has one field, whose name says nothing."""


def message_fields(module: str, body: str, facts: dict[str, object] | None, optional: set[int]) -> dict[str, list[str]]:
    fields = {}
    for label, type_, name, number in _FIELD.findall(body):
        shape = "?" if int(number) in optional else ""
        if type_.startswith("map<"):
            shape, type_ = "{}", type_[4:-1].split(",")[1].strip()
        elif label == "repeated":
            shape = "[]"
        kind = SCALARS.get(type_) or message_id(module, type_)
        name_in_json = json_name(name, facts)
        if facts is not None and name_in_json not in facts and "." in kind and not shape:
            name_in_json = ""
        fields[number] = [name_in_json, shape + kind]
    return fields


def json_name(name: str, facts: dict[str, object] | None) -> str:
    """Most fields are called in JSON as in protobuf; some differ in their letters' case, some of JSON Schema's more."""
    name = name.lstrip("_")
    name = name[:1].lower() + name[1:]
    if not facts or name in facts:
        return name
    with_dashes = re.sub(r"[A-Z]", lambda letter: f"-{letter[0].lower()}", name)
    written = {other.lower(): other for other in facts}
    return next((written[one] for one in (name.lower(), f"${name}", with_dashes) if one in written), name)


def message_id(module: str, type_: str) -> str:
    if "." in type_:
        package, _, name = type_.rpartition(".")
        type_id = f"{module_of(package)}.{name}"
    else:
        type_id = f"{module}.{type_}"
    return SPECIAL.get(type_id, type_id)


_WITHOUT_FACTS = frozenset({"meta_v1", "apidiscovery_v2"})
_LISTS_OF_THEIR_OWN = frozenset({"APIGroupList", "APIResourceList"})
"""What ends in List and is no list of objects."""


def generate(directories: list[str]) -> dict[str, dict[str, list[str]]]:
    schema = {path.stem: json.loads(path.read_text()) for path in sorted(SCHEMA.glob("*_*.json"))}
    messages: dict[str, dict[str, list[str]]] = {}
    for directory in directories:
        for text, marshalling in protos(directory):
            package = re.search(r"^package ([\w.]+);", text, re.M)
            module = module_of(package[1]) if package else ""
            if module not in schema and module not in _WITHOUT_FACTS:
                continue
            optional = optional_fields(marshalling)
            lists = _LIST_WRITER.findall(marshalling)
            for name, body in _MESSAGE.findall(text):
                if f"{module}.{name}" in SPECIAL or (name.endswith("List") and name not in _LISTS_OF_THEIR_OWN):
                    continue
                known = schema.get(module, {}).get(name)
                facts = known["fields"] if known else None
                if name in lists:
                    body = body.replace(" items = ", " _ = ")
                messages[f"{module}.{name}"] = message_fields(module, body, facts, optional.get(name, set()))
    return dict(sorted(messages.items()))


def main() -> None:
    rows = (
        f"{json.dumps(name)}:{json.dumps(fields, separators=(',', ':'))}"
        for name, fields in generate(sys.argv[1:]).items()
    )
    TARGET.write_text("{\n" + ",\n".join(rows) + "\n}\n")


if __name__ == "__main__":
    main()
