"""Writes the fields of Kubernetes' internal types, which upstream shows in errors about whole objects.

    python tools/generate_internal_types.py KUBERNETES_SOURCE

reads pkg/apis/*/types.go and writes apiserver/validation/internal_types.json: type (`core_v1.PodSpec`) → the names of
its fields in their order, those of embedded types in their place (`ObjectMeta` stands for its own).
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

TARGET = Path(__file__).parent.parent / "src/pybernetes/apiserver/validation/internal_types.json"
ROOTS = {
    "core_v1": (
        *(
            "PodSpec",
            "PersistentVolumeSpec",
            "PersistentVolumeClaimSpec",
            "EphemeralContainer",
            "ServiceSpec",
            "ScopeSelector",
        ),
        *("Taint", "NodeAddress", "NodeConfigSource", "EventSource"),
    ),
    "apps_v1": ("DeploymentStrategy", "DaemonSetUpdateStrategy", "StatefulSetSpec"),
    "batch_v1": ("JobSpec", "UncountedTerminatedPods"),
    "autoscaling_v2": ("HorizontalPodAutoscalerSpec",),
    "flowcontrol_v1": ("FlowSchemaSpec", "PriorityLevelConfigurationSpec"),
    "networking_v1": ("ParentReference", "IngressRule"),
    "policy_v1": ("PodDisruptionBudgetSpec",),
    "rbac_v1": ("RoleRef",),
    "resource_v1": ("ResourceClaimTemplateSpec", "AllocationResult", "DeviceAttribute"),
    "storage_v1": ("VolumeAttachmentSpec", "CSINodeDriver"),
}
_STRUCT = re.compile(r"^type (\w+) struct \{\n(.*?)^\}", re.MULTILINE | re.DOTALL)
_FIELD = re.compile(r"^\t(\w+)[ \t]+(\S+)")
_EMBEDDED = re.compile(r"^\t(\w+)\s*(?://.*)?$")

Fields = list[tuple[str, str]]


def structs(source: str) -> dict[str, str]:
    return dict(_STRUCT.findall(source))


def fields_of(name: str, bodies: dict[str, str]) -> Fields:
    found: Fields = []
    for line in bodies[name].splitlines():
        if line.startswith("\tmetav1.ObjectMeta"):
            found.append(("ObjectMeta", "ObjectMeta"))
        elif embedded := _EMBEDDED.match(line):
            found += fields_of(embedded[1], bodies)
        elif field := _FIELD.match(line):
            found.append((field[1], re.sub(r"^(\*|\[\]|map\[\w+\])*", "", field[2])))
    return found


def reachable(bodies: dict[str, str], roots: tuple[str, ...]) -> dict[str, list[str]]:
    table: dict[str, list[str]] = {}
    waiting = list(roots)
    while waiting:
        name = waiting.pop()
        if name in table or name not in bodies:
            continue
        fields = fields_of(name, bodies)
        table[name] = [field for field, _ in fields]
        waiting += [type_ for _, type_ in fields]
    return dict(sorted(table.items()))


def main() -> None:
    lines = []
    for module, roots in ROOTS.items():
        source = Path(sys.argv[1], "pkg/apis", module.partition("_")[0], "types.go").read_text()
        for name, fields in reachable(structs(source), roots).items():
            lines.append(f'"{module}.{name}": {json.dumps(fields)}')
    TARGET.write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main()
