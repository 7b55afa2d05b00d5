"""DeviceAdminAccess: devices that others use are looked into only from namespaces that are labelled for it.

Refuses claims, templates and allocations with `adminAccess` in any other namespace, as upstream's validation does.

Follows AuthorizedForAdmin and AuthorizedForAdminStatus in pkg/registry/resource/utils.go.
"""

from __future__ import annotations

from collections.abc import Sequence

import orjson

from pybernetes.api import errors
from pybernetes.api.fields import FieldPath, at, forbidden
from pybernetes.apiserver.admission.contract import Attributes, Operation, Plugin
from pybernetes.apiserver.resource import Document
from pybernetes.store.contract import Store

LABEL = "resource.kubernetes.io/admin-access"
_CLAIMS = "resourceclaims.resource.k8s.io"
_TEMPLATES = "resourceclaimtemplates.resource.k8s.io"


class DeviceAdminAccess(Plugin):
    name = "DeviceAdminAccess"
    operations = frozenset({Operation.CREATE, Operation.UPDATE})
    resources = frozenset({_CLAIMS, _TEMPLATES})
    subresources = frozenset({"", "status"})

    def __init__(self, store: Store) -> None:
        self._store = store

    async def validate(self, attributes: Attributes) -> None:
        path = _asked_at(attributes)
        if path is None or await self._is_labelled(attributes.namespace):
            return
        info = attributes.resource.info
        message = f"admin access to devices requires the `{LABEL}: true` label on the containing namespace"
        raise errors.invalid(info.group, info.kind, attributes.name, [forbidden(path, message)])

    async def _is_labelled(self, namespace: str) -> bool:
        entry = await self._store.get(f"/registry/namespaces/{namespace}")
        if entry is None:
            return False
        labels = orjson.loads(entry.value)["metadata"].get("labels") or {}
        return bool(labels.get(LABEL) == "true")


def _asked_at(attributes: Attributes) -> FieldPath | None:
    """Where the write asks for it; a spec never changes, nor does an allocation, so only new ones are looked at."""
    new = attributes.document or {}
    if attributes.subresource:
        before = _first(_results(attributes.old or {}))
        index = _first(_results(new))
        return None if index is None or before is not None else at.status.allocation.devices.results[index].adminAccess
    if attributes.operation is Operation.UPDATE:
        return None
    spec = new.get("spec") or {}
    if attributes.resource.info.group_resource == _TEMPLATES:
        spec = spec.get("spec") or {}
    requests = (spec.get("devices") or {}).get("requests") or ()
    index = _first([request.get("exactly") or {} for request in requests])
    return None if index is None else at.spec.devices.requests[index].adminAccess


def _first(items: Sequence[Document]) -> int | None:
    return next((index for index, item in enumerate(items) if item.get("adminAccess")), None)


def _results(claim: Document) -> Sequence[Document]:
    allocation = (claim.get("status") or {}).get("allocation") or {}
    results: Sequence[Document] = (allocation.get("devices") or {}).get("results") or ()
    return results
