"""Node: a machine that runs pods.

Follows pkg/registry/core/node and printNode in pkg/printers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime

from pybernetes.api.fields import at
from pybernetes.api.kinds import info_of
from pybernetes.api.models.core_v1 import Node
from pybernetes.apiserver.columns import AGE, NAME, NONE
from pybernetes.apiserver.resource import (
    Column,
    Context,
    Document,
    Resource,
    SpecialSubresource,
    StatusSubresource,
)
from pybernetes.apiserver.resources.defaults import Rule, compile_defaults
from pybernetes.apiserver.validation.addresses import cidr_warnings
from pybernetes.apiserver.validation.node import check_node, check_node_update

UNKNOWN = "<unknown>"
_ROLE_PREFIX = "node-role.kubernetes.io/"
_ROLE_LABEL = "kubernetes.io/role"


def _allocatable_from_capacity(status: Document) -> None:
    if "allocatable" not in status and status.get("capacity"):
        status["allocatable"] = dict(status["capacity"])


def _one_pod_cidr(spec: Document) -> None:
    """The older field of the two is the first of the newer one, and decides where they differ."""
    first, ranges = spec.get("podCIDR"), spec.get("podCIDRs")
    if first and (not ranges or ranges[0] != first):
        spec["podCIDRs"] = [first]
    elif ranges:
        spec["podCIDR"] = ranges[0]


def initial_status(node: Document) -> Document:
    """A node that registers itself brings its status."""
    status: Document = node.get("status") or {}
    return status


def prepare_create(node: Document, context: Context) -> None:
    (node.get("spec") or {}).pop("configSource", None)
    (node.get("status") or {}).pop("config", None)


def prepare_update(new: Document, old: Document, context: Context) -> None:
    if "configSource" not in (old.get("spec") or {}):
        (new.get("spec") or {}).pop("configSource", None)


def prepare_status(new: Document, old: Document, context: Context) -> None:
    if "config" not in (old.get("status") or {}):
        (new.get("status") or {}).pop("config", None)


def warnings(node: Document) -> Iterator[str]:
    spec = node.get("spec") or {}
    if "configSource" in spec:
        yield "spec.configSource: the feature is removed"
    if spec.get("externalID"):
        yield "spec.externalID: this field is deprecated, and is unused by Kubernetes"
    for index, cidr in enumerate(spec.get("podCIDRs") or ()):
        yield from cidr_warnings(cidr, at.spec.podCIDRs[index])


def unschedulable(node: Document) -> str:
    return "true" if (node.get("spec") or {}).get("unschedulable") else "false"


def _status(node: Document, now: datetime) -> str:
    conditions = (node.get("status") or {}).get("conditions") or ()
    ready = next((condition for condition in conditions if condition.get("type") == "Ready"), None)
    words = ["Unknown" if ready is None else "Ready" if ready.get("status") == "True" else "NotReady"]
    if (node.get("spec") or {}).get("unschedulable"):
        words.append("SchedulingDisabled")
    return ",".join(words)


def _roles(node: Document, now: datetime) -> str:
    roles = set()
    for key, value in (node["metadata"].get("labels") or {}).items():
        if key.startswith(_ROLE_PREFIX) and len(key) > len(_ROLE_PREFIX):
            roles.add(key[len(_ROLE_PREFIX) :])
        elif key == _ROLE_LABEL and value:
            roles.add(value)
    return ",".join(sorted(roles)) or NONE


def _address(node: Document, type_: str) -> str:
    for address in (node.get("status") or {}).get("addresses") or ():
        if address.get("type") == type_:
            text: str = address["address"]
            return text
    return NONE


def _fact(node: Document, name: str) -> str:
    facts: Mapping[str, str] = (node.get("status") or {}).get("nodeInfo") or {}
    return facts.get(name) or UNKNOWN


def _kernel(node: Document, now: datetime) -> str:
    facts: Mapping[str, str] = (node.get("status") or {}).get("nodeInfo") or {}
    version, architecture = facts.get("kernelVersion") or UNKNOWN, facts.get("architecture")
    return f"{version} ({architecture})" if architecture else version


NODES = Resource(
    info=info_of(Node),
    short_names=("no",),
    storage="minions",
    defaults=compile_defaults({"status": Rule(_allocatable_from_capacity), "spec": Rule(_one_pod_cidr)}),
    validate=check_node,
    validate_update=check_node_update,
    prepare_create=prepare_create,
    prepare_update=prepare_update,
    warnings=warnings,
    null_lists=("status.images[].names",),
    initial_status=initial_status,
    columns=(
        NAME,
        Column("Status", _status),
        Column("Roles", _roles),
        AGE,
        Column("Version", lambda node, now: (node.get("status") or {}).get("nodeInfo", {}).get("kubeletVersion", "")),
        Column("Internal-IP", lambda node, now: _address(node, "InternalIP"), priority=1),
        Column("External-IP", lambda node, now: _address(node, "ExternalIP"), priority=1),
        Column("OS-Image", lambda node, now: _fact(node, "osImage"), priority=1),
        Column("Kernel-Version", _kernel, priority=1),
        Column("Container-Runtime", lambda node, now: _fact(node, "containerRuntimeVersion"), priority=1),
    ),
    selectable={"spec.unschedulable": unschedulable},
    subresources=(
        StatusSubresource(prepare=prepare_status, validate=check_node_update),
        SpecialSubresource(
            "proxy",
            ("create", "delete", "get", "patch", "update"),
            ("", "v1", "NodeProxyOptions"),
        ),
    ),
)

RESOURCES = (NODES,)
