#!/usr/bin/env python3
"""Writes `pybernetes/apiserver/protobuf/fields.json`: the field numbers and wire types of upstream's protobuf messages.

Sources  the files generated.proto of checkouts of kubernetes/api and kubernetes/apimachinery (bare or not), given as
         arguments, with the revision to read; the facts in `api/schema` tell which fields are inlined in JSON.

Run as `tools/generate_protobuf.py API_REPOSITORY APIMACHINERY_REPOSITORY [REVISION]`. Only facts are taken.
"""

from __future__ import annotations

import json
import re
import subprocess
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
}
_FIELD = re.compile(r"^\s*(?:(optional|repeated|required)\s+)?(map<\w+,\s*[\w.]+>|[\w.]+)\s+(\w+)\s*=\s*(\d+);", re.M)
_MESSAGE = re.compile(r"^message (\w+) \{(.*?)^\}", re.M | re.S)


def protos(repository: str, revision: str) -> Iterator[tuple[str, str]]:
    def git(*arguments: str) -> str:
        return subprocess.run(["git", "-C", repository, *arguments], check=True, capture_output=True, text=True).stdout

    for path in git("ls-tree", "-r", "--name-only", revision).split():
        if path.endswith("/generated.proto"):
            yield path, git("show", f"{revision}:{path}")


def module_of(package: str) -> str:
    """`k8s.io.api.core.v1` → `core_v1`; of apimachinery's only the last part counts, with its version if it has one."""
    parts = package.strip(".").split(".")
    return "_".join(parts[-2:]) if re.fullmatch(r"v\d+\w*", parts[-1]) else parts[-1]


def message_fields(module: str, body: str, facts: dict[str, object] | None) -> dict[str, list[str]]:
    fields = {}
    for label, type_, name, number in _FIELD.findall(body):
        shape = ""
        if type_.startswith("map<"):
            shape, type_ = "{}", type_[4:-1].split(",")[1].strip()
        elif label == "repeated":
            shape = "[]"
        kind = SCALARS.get(type_) or message_id(module, type_)
        json_name = name.lstrip("_")
        json_name = json_name[:1].lower() + json_name[1:]
        if facts is not None and json_name not in facts and "." in kind and not shape:
            json_name = ""
        fields[number] = [json_name, shape + kind]
    return fields


def message_id(module: str, type_: str) -> str:
    if "." in type_:
        package, _, name = type_.rpartition(".")
        type_id = f"{module_of(package)}.{name}"
    else:
        type_id = f"{module}.{type_}"
    return SPECIAL.get(type_id, type_id)


def generate(repositories: list[str], revision: str) -> dict[str, dict[str, list[str]]]:
    schema = {path.stem: json.loads(path.read_text()) for path in sorted(SCHEMA.glob("*_*.json"))}
    messages: dict[str, dict[str, list[str]]] = {}
    for repository in repositories:
        for _, text in protos(repository, revision):
            package = re.search(r"^package ([\w.]+);", text, re.M)
            module = module_of(package[1]) if package else ""
            if module not in schema and module != "meta_v1":
                continue
            for name, body in _MESSAGE.findall(text):
                if f"{module}.{name}" in SPECIAL or name.endswith("List"):
                    continue
                known = schema.get(module, {}).get(name)
                facts = known["fields"] if known else None
                messages[f"{module}.{name}"] = message_fields(module, body, facts)
    return dict(sorted(messages.items()))


def main() -> None:
    repositories, revision = sys.argv[1:3], (sys.argv[3:] or ["HEAD"])[0]
    rows = (
        f"{json.dumps(name)}:{json.dumps(fields, separators=(',', ':'))}"
        for name, fields in generate(repositories, revision).items()
    )
    TARGET.write_text("{\n" + ",\n".join(rows) + "\n}\n")


if __name__ == "__main__":
    main()
