"""DefaultIngressClass: an ingress that names no class gets the default one.

Follows plugin/pkg/admission/network/defaultingressclass.
"""

from __future__ import annotations

from pybernetes.apiserver.admission.contract import Attributes, Operation, ReadingPlugin
from pybernetes.apiserver.admission.default_class import default_class

CLASSES = "ingressclasses.networking.k8s.io"
MARK = "ingressclass.kubernetes.io/is-default-class"
_CLASS_ANNOTATION = "kubernetes.io/ingress.class"


class DefaultIngressClass(ReadingPlugin):
    name = "DefaultIngressClass"
    operations = frozenset({Operation.CREATE})
    resources = frozenset({"ingresses.networking.k8s.io"})

    async def mutate(self, attributes: Attributes) -> None:
        ingress = attributes.document
        if ingress is None or _CLASS_ANNOTATION in (ingress["metadata"].get("annotations") or {}):
            return
        spec = ingress.setdefault("spec", {})
        if spec.get("ingressClassName") is not None:
            return
        found = default_class(self._reader.list(CLASSES), (MARK,))
        if found is not None:
            spec["ingressClassName"] = found["metadata"]["name"]
