"""StorageObjectInUseProtection: claims, volumes and volume attributes classes carry the finalizers that hold them while
they are used. The protection controllers take them off.

Follows plugin/pkg/admission/storage/storageobjectinuseprotection.
"""

from __future__ import annotations

from pybernetes.apiserver.admission.contract import Attributes, Operation, Plugin

FINALIZERS = {
    "persistentvolumes": "kubernetes.io/pv-protection",
    "persistentvolumeclaims": "kubernetes.io/pvc-protection",
    "volumeattributesclasses.storage.k8s.io": "kubernetes.io/vac-protection",
}


class StorageObjectInUseProtection(Plugin):
    name = "StorageObjectInUseProtection"
    operations = frozenset({Operation.CREATE})
    resources = frozenset(FINALIZERS)

    async def mutate(self, attributes: Attributes) -> None:
        if attributes.document is None:
            return
        finalizer = FINALIZERS[attributes.resource.info.group_resource]
        metadata = attributes.document["metadata"]
        present = metadata.get("finalizers") or []
        if finalizer not in present:
            metadata["finalizers"] = [*present, finalizer]
