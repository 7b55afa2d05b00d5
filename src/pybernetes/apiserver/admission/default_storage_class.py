"""DefaultStorageClass: a claim that names no class gets the default one.

Follows plugin/pkg/admission/storage/storageclass/setdefault.
"""

from __future__ import annotations

from pybernetes.apiserver.admission.contract import Attributes, Operation, ReadingPlugin
from pybernetes.apiserver.admission.default_class import default_class

CLASSES = "storageclasses.storage.k8s.io"
MARKS = ("storageclass.kubernetes.io/is-default-class", "storageclass.beta.kubernetes.io/is-default-class")
_CLASS_ANNOTATION = "volume.beta.kubernetes.io/storage-class"


class DefaultStorageClass(ReadingPlugin):
    name = "DefaultStorageClass"
    operations = frozenset({Operation.CREATE})
    resources = frozenset({"persistentvolumeclaims"})

    async def mutate(self, attributes: Attributes) -> None:
        claim = attributes.document
        if claim is None or _CLASS_ANNOTATION in (claim["metadata"].get("annotations") or {}):
            return
        spec = claim.setdefault("spec", {})
        if spec.get("storageClassName") is not None:
            return
        found = default_class(self._reader.list(CLASSES), MARKS)
        if found is not None:
            spec["storageClassName"] = found["metadata"]["name"]
