"""PersistentVolumeClaimResize: a claim grows only while it is bound and where its class allows it.

Follows plugin/pkg/admission/storage/persistentvolume/resize.
"""

from __future__ import annotations

from pybernetes.api import quantity
from pybernetes.api.quantity import Quantity
from pybernetes.api.quota.claims import class_of
from pybernetes.apiserver.admission.contract import Attributes, Operation, ReadingPlugin
from pybernetes.apiserver.admission.refusal import forbidden
from pybernetes.apiserver.resource import Document

CLASSES = "storageclasses.storage.k8s.io"


class PersistentVolumeClaimResize(ReadingPlugin):
    name = "PersistentVolumeClaimResize"
    operations = frozenset({Operation.UPDATE})
    resources = frozenset({"persistentvolumeclaims"})

    async def validate(self, attributes: Attributes) -> None:
        new, old = attributes.document, attributes.old
        if new is None or old is None or _size(new) <= _size(old):
            return
        if (old.get("status") or {}).get("phase") != "Bound":
            raise forbidden(attributes, "Only bound persistent volume claims can be expanded")
        if not self._may_grow(new, old):
            raise forbidden(
                attributes,
                "only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc must "
                "support resize",
            )

    def _may_grow(self, new: Document, old: Document) -> bool:
        name = class_of(new)
        if not name or name != class_of(old):
            return False
        found = self._reader.get(CLASSES, "", name)
        return found is not None and bool(found.get("allowVolumeExpansion"))


def _size(claim: Document) -> Quantity:
    requests = ((claim.get("spec") or {}).get("resources") or {}).get("requests") or {}
    return quantity.parse(requests.get("storage", "0"))
