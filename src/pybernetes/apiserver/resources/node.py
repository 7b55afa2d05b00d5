"""Node: a machine that runs pods.

Follows pkg/registry/core/node, ValidateNode in pkg/apis/core/validation and printNode in pkg/printers.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from pybernetes.api.fields import (
    FieldError,
    FieldPath,
    at,
    duplicate,
    forbidden,
    invalid,
    is_dns_subdomain,
    not_supported,
    required,
)
from pybernetes.api.kinds import info_of
from pybernetes.api.models.core_v1 import Node, Taint
from pybernetes.apiserver.columns import AGE, NAME, NONE
from pybernetes.apiserver.resource import (
    Column,
    Document,
    Resource,
    SpecialSubresource,
    StatusSubresource,
)
from pybernetes.apiserver.resources.defaults import Rule, compile_defaults
from pybernetes.apiserver.validation.metadata import (
    check_metadata,
    check_metadata_update,
    label_key_messages,
    label_value_messages,
)
from pybernetes.apiserver.validation.resources import check_resource_quantity

UNKNOWN = "<unknown>"
TAINT_EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")
_ROLE_PREFIX = "node-role.kubernetes.io/"
_ROLE_LABEL = "kubernetes.io/role"


def _allocatable_from_capacity(status: Document) -> None:
    if not status.get("allocatable") and status.get("capacity"):
        status["allocatable"] = dict(status["capacity"])


def initial_status(node: Document) -> Document:
    """A node that registers itself brings its status."""
    status: Document = node.get("status") or {}
    return status


def validate(node: Node) -> Iterator[FieldError]:
    yield from check_metadata(node.metadata, is_dns_subdomain, namespaced=False)
    spec, status = node.spec, node.status
    yield from check_taints(spec.taints, at.metadata.taints)
    yield from _check_pod_cidrs(spec.pod_cidrs, at.spec)
    for path, quantities in ((at.status.capacity, status.capacity), (at.status.allocatable, status.allocatable)):
        for name, quantity in quantities.items():
            yield from check_resource_quantity(name, quantity, path.child(name))


def _check_pod_cidrs(cidrs: Sequence[str], path: FieldPath) -> Iterator[FieldError]:
    families = []
    for index, cidr in enumerate(cidrs):
        try:
            families.append(ipaddress.ip_network(cidr, strict=False).version)
        except ValueError:
            yield invalid(path.podCIDRs[index], cidr, "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)")
    if len(cidrs) > 1 and (len(cidrs) > 2 or len(set(families)) != 2):
        yield invalid(path.podCIDRs, cidrs, "may specify no more than one CIDR for each IP family")


def check_taints(taints: Sequence[Taint], path: FieldPath) -> Iterator[FieldError]:
    seen: set[tuple[str, str]] = set()
    for index, taint in enumerate(taints):
        each = path[index]
        yield from (invalid(each.key, taint.key, message) for message in label_key_messages(taint.key))
        if taint.value:
            yield from (invalid(each.value, taint.value, message) for message in label_value_messages(taint.value))
        if not taint.effect:
            yield required(each.effect)
        elif taint.effect not in TAINT_EFFECTS:
            yield not_supported(each.effect, taint.effect, TAINT_EFFECTS)
        identity = (taint.key, taint.effect)
        if identity in seen:
            yield replace(duplicate(each, taint), detail="taints must be unique by key and effect pair")
        seen.add(identity)


def validate_update(new: Node, old: Node) -> Iterator[FieldError]:
    yield from check_metadata_update(new.metadata, old.metadata)
    for index, address in enumerate(new.status.addresses):
        if address in new.status.addresses[:index]:
            yield duplicate(at.status.addresses[index], address)
    if old.spec.pod_cidrs and new.spec.pod_cidrs != old.spec.pod_cidrs:
        yield forbidden(at.spec.podCIDRs, 'node updates may not change podCIDR except from "" to valid')
    if old.spec.provider_id and new.spec.provider_id != old.spec.provider_id:
        yield forbidden(at.spec.providerID, 'node updates may not change providerID except from "" to valid')


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


NODES = Resource(
    info=info_of(Node),
    short_names=("no",),
    storage="minions",
    defaults=compile_defaults({"status": Rule(_allocatable_from_capacity)}),
    validate=validate,
    validate_update=validate_update,
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
        Column("Kernel-Version", lambda node, now: _fact(node, "kernelVersion"), priority=1),
        Column("Container-Runtime", lambda node, now: _fact(node, "containerRuntimeVersion"), priority=1),
    ),
    selectable={"spec.unschedulable": unschedulable},
    subresources=(
        StatusSubresource(validate=validate_update),
        SpecialSubresource(
            "proxy",
            ("create", "delete", "get", "patch", "update"),
            ("", "v1", "NodeProxyOptions"),
        ),
    ),
)

RESOURCES = (NODES,)
