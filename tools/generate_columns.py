"""Writes what the columns of `kubectl get` are for: the field whose description a column has, or its own words.

    python tools/generate_columns.py KUBERNETES_SOURCE

reads pkg/printers/internalversion/printers.go and writes apiserver/resources/column_descriptions.json: resource
(`pods`, `deployments.apps`) → column → `@core_v1.PodStatus.podIP` or a text. The descriptions of fields themselves come
from the package lightkube-models when a table is asked for.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

from pybernetes.api import kinds
from pybernetes.api.schema.facts import module_facts

TARGET = Path(__file__).parent.parent / "src/pybernetes/apiserver/resources/column_descriptions.json"
_DEFINITIONS = re.compile(
    r"^\t(\w+) :?= (?:append\(\w+, )?\[\]metav1\.TableColumnDefinition\{\n(.*?)^\t\}", re.MULTILINE | re.DOTALL
)
_HANDLER = re.compile(r"TableHandler\((\w+), print(\w+)\)")
_NAME = re.compile(r'Name: "([^"]+)"')
_LITERAL = re.compile(r'Description: ("(?:[^"\\]|\\.)*")')
_FIELD = re.compile(r'Description: (\w+)\.(\w+)\{\}\.SwaggerDoc\(\)\["(\w+)"\]')
_VERSION = re.compile(r"v\d+(?:(?:alpha|beta)\d+)?$")
_KINDS = {
    "MutatingWebhook": "MutatingWebhookConfiguration",
    "ValidatingWebhook": "ValidatingWebhookConfiguration",
}
_NOT_IN_OLDER_VERSIONS = {
    "@rbac_v1.ClusterRoleBinding.roleRef": " This field is immutable.",
    "@rbac_v1.RoleBinding.roleRef": " This field is immutable.",
}
"""Endings of today's descriptions that those of the columns' versions lack."""
_KNOWN = {info.module for info in kinds.ALL} | {"meta_v1"}
_MODULES = {"apiv1": "core_v1", "metav1": "meta_v1", "resourceapi": "resource_v1"}


def field_of(alias: str, type_: str, field: str) -> str:
    """`batchv1.JobSpec` → `batch_v1.JobSpec`; types of versions that are gone have the same fields in v1."""
    group, version = _VERSION.sub("", alias), _VERSION.search(alias)
    modules = [_MODULES[alias]] if alias in _MODULES else [f"{group}_{version[0]}" if version else "", f"{group}_v1"]
    for module in modules:
        if module in _KNOWN and type_ in module_facts(module):
            return f"@{module}.{type_}.{field}"
    raise LookupError(f"{alias}.{type_}")


def source_of(line: str) -> str:
    if field := _FIELD.search(line):
        found = field_of(*field.groups())
        ending = _NOT_IN_OLDER_VERSIONS.get(found)
        return f"{found}~{ending}" if ending else found
    if literal := _LITERAL.search(line):
        text: str = json.loads(literal[1])
        return text
    return ""


def columns(body: str) -> dict[str, str]:
    found = ((_NAME.search(line), source_of(line)) for line in body.splitlines())
    return {name[1]: source for name, source in found if name is not None and source}


def main() -> None:
    source = Path(sys.argv[1], "pkg/printers/internalversion/printers.go").read_text()
    source = source.replace("apiv1.Event{}.InvolvedObject.", "apiv1.ObjectReference{}.")
    definitions: dict[str, dict[str, str]] = {}
    for name, body in _DEFINITIONS.findall(source):
        definitions.setdefault(name, {}).update(columns(body))
    printed = {_KINDS.get(kind, kind): definitions[name] for name, kind in _HANDLER.findall(source)}
    table = {info.group_resource: printed[info.kind] for info in kinds.ALL if info.kind in printed}
    table["scales.autoscaling"] = printed["Scale"]
    TARGET.write_text(json.dumps(dict(sorted(table.items())), indent=0, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
