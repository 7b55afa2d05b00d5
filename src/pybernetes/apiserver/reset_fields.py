"""What each door of a kind resets, and so nobody comes to manage through it.

The main door resets `status` where there is a status subresource; `/status` resets `spec`. The table has the rest.
Follows GetResetFields of the strategies in pkg/registry.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from pybernetes.api.patch.field_set import Fields, fields_at, without
from pybernetes.apiserver.resource import Resource

Keep = Callable[[Fields], Fields]

_STATUS = fields_at(("f:status",))
_SPEC = fields_at(("f:spec",))
_SPEC_AND_METADATA = fields_at(("f:spec",), ("f:metadata",))
_NOTHING: Fields = {}

_RESET: Mapping[tuple[str, str], Fields] = {
    ("certificatesigningrequests.certificates.k8s.io", ""): fields_at(("f:spec",), ("f:status",)),
    ("certificatesigningrequests.certificates.k8s.io", "status"): fields_at(("f:spec",), ("f:status", "f:conditions")),
    ("certificatesigningrequests.certificates.k8s.io", "approval"): fields_at(
        ("f:spec",), ("f:status", "f:certificate")
    ),
    ("deployments.apps", "status"): fields_at(("f:spec",), ("f:metadata", "f:labels")),
    ("namespaces", "finalize"): _STATUS,
    ("podcertificaterequests.certificates.k8s.io", ""): _NOTHING,
    ("pods", "status"): fields_at(
        ("f:spec",), ("f:metadata", "f:deletionTimestamp"), ("f:metadata", "f:ownerReferences")
    ),
    **{
        (kind, "status"): _SPEC_AND_METADATA
        for kind in (
            "apiservices.apiregistration.k8s.io",
            "devicetaintrules.resource.k8s.io",
            "flowschemas.flowcontrol.apiserver.k8s.io",
            "podgroups.scheduling.k8s.io",
            "prioritylevelconfigurations.flowcontrol.apiserver.k8s.io",
            "resourceclaims.resource.k8s.io",
            "resourcepoolstatusrequests.resource.k8s.io",
            "servicecidrs.networking.k8s.io",
            "storageversionmigrations.storagemigration.k8s.io",
            "storageversions.internal.apiserver.k8s.io",
            "validatingadmissionpolicies.admissionregistration.k8s.io",
            "volumeattachments.storage.k8s.io",
        )
    },
}


def everything(fields: Fields) -> Fields:
    return fields


def kept_through(resource: Resource, subresource: str) -> Keep:
    """What of a set of fields can be managed through a door."""
    door = resource.info.group_resource, subresource
    reset = _RESET.get(door)
    if reset is None:
        reset = _default(resource, subresource)
    return partial(_without, reset) if reset else everything


def _default(resource: Resource, subresource: str) -> Fields:
    if subresource == "status":
        return _SPEC if resource.info.module else _SPEC_AND_METADATA
    return _STATUS if resource.has_status and not subresource else _NOTHING


def _without(reset: Fields, fields: Fields) -> Fields:
    return without(fields, reset)
