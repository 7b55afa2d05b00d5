"""The downward API: what a pod may know of itself, as text.

Guarantees  `field_text` and `resource_text` answer every field that validation lets through, and raise
            `UnknownField` for others.
Follows     pkg/fieldpath and pkg/api/v1/resource.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from pybernetes.api import quantity
from pybernetes.api.models.core_v1 import Container, Pod, ResourceFieldSelector


class UnknownField(Exception):
    """The downward API has no such field."""

    def __init__(self, path: str) -> None:
        super().__init__(f"unsupported fieldPath: {path}")


_SUBSCRIPT = re.compile(r"^(metadata\.(?:labels|annotations))\['(.*)'\]$", re.DOTALL)


def format_map(values: Mapping[str, str]) -> str:
    """Labels or annotations as lines of `key="quoted value"`, sorted by key."""
    return "\n".join(f"{key}={json.dumps(value, ensure_ascii=False)}" for key, value in sorted(values.items()))


def field_text(pod: Pod, path: str, host_ips: tuple[str, ...] = (), pod_ips: tuple[str, ...] = ()) -> str:
    """The text of a `fieldRef`. Addresses come from the caller: the pod's status may not have been written yet."""
    if match := _SUBSCRIPT.match(path):
        values = pod.metadata.labels if match[1] == "metadata.labels" else pod.metadata.annotations
        return (values or {}).get(match[2], "")
    match path:
        case "metadata.name":
            return pod.metadata.name or ""
        case "metadata.namespace":
            return pod.metadata.namespace or ""
        case "metadata.uid":
            return pod.metadata.uid or ""
        case "metadata.labels":
            return format_map(pod.metadata.labels or {})
        case "metadata.annotations":
            return format_map(pod.metadata.annotations or {})
        case "spec.nodeName":
            return pod.spec.node_name or ""
        case "spec.serviceAccountName":
            return pod.spec.service_account_name or ""
        case "status.hostIP":
            return next(iter(host_ips), "")
        case "status.hostIPs":
            return ",".join(host_ips)
        case "status.podIP":
            return next(iter(pod_ips), "")
        case "status.podIPs":
            return ",".join(pod_ips)
    raise UnknownField(path)


def resource_text(selector: ResourceFieldSelector, container: Container, allocatable: Mapping[str, str]) -> str:
    """The text of a `resourceFieldRef`; an unset limit is what the node can give."""
    kind, _, resource = selector.resource.partition(".")
    if kind not in ("limits", "requests") or not resource:
        raise UnknownField(selector.resource)
    values = (container.resources.limits if kind == "limits" else container.resources.requests) or {}
    amount = values.get(resource)
    if amount is None:
        amount = allocatable.get(resource, "0") if kind == "limits" else "0"
    divisor = selector.divisor if selector.divisor not in (None, "", "0") else "1"
    assert divisor is not None
    if resource == "cpu":
        return str(-(-quantity.milli(amount) // quantity.milli(divisor)))
    return str(-(-quantity.value(amount) // quantity.value(divisor)))


def container_named(pod: Pod, name: str) -> Container:
    for container in [*pod.spec.containers, *pod.spec.init_containers]:
        if container.name == name:
            return container
    raise UnknownField(f"container {name} not found")
