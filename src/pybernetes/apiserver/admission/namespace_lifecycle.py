"""NamespaceLifecycle: nothing is created in a namespace that is not there or is going; some namespaces never go.

Follows k8s.io/apiserver/pkg/admission/plugin/namespace/lifecycle.
"""

from __future__ import annotations

from pybernetes.api import errors
from pybernetes.apiserver.admission.contract import Attributes, Operation, ReadingPlugin
from pybernetes.apiserver.admission.refusal import forbidden

IMMORTAL = frozenset({"default", "kube-system", "kube-public"})
_NAMESPACES = "namespaces"
_REVIEWS = frozenset({"localsubjectaccessreviews.authorization.k8s.io"})


class NamespaceLifecycle(ReadingPlugin):
    name = "NamespaceLifecycle"
    operations = frozenset({Operation.CREATE, Operation.UPDATE, Operation.DELETE})

    def handles(self, operation: Operation, group_resource: str, subresource: str) -> bool:
        """Subresources are content too: a token, a binding."""
        if operation is Operation.DELETE or group_resource == _NAMESPACES:
            return operation is Operation.DELETE and group_resource == _NAMESPACES and not subresource
        return operation in self.operations and group_resource not in _REVIEWS

    def mutates(self, operation: Operation, group_resource: str) -> bool:
        return operation is not Operation.DELETE

    def validates(self, operation: Operation, group_resource: str) -> bool:
        return operation is Operation.DELETE

    async def mutate(self, attributes: Attributes) -> None:
        """Judged before anything else is done for the write."""
        if attributes.namespace:
            self._require_open(attributes)

    async def validate(self, attributes: Attributes) -> None:
        if attributes.name in IMMORTAL:
            raise errors.forbidden(_NAMESPACES, attributes.name, "this namespace may not be deleted")

    def _require_open(self, attributes: Attributes) -> None:
        namespace = self._reader.get(_NAMESPACES, "", attributes.namespace)
        if namespace is None:
            raise errors.not_found(_NAMESPACES, attributes.namespace)
        if attributes.operation is Operation.UPDATE or (namespace.get("status") or {}).get("phase") != "Terminating":
            return
        name = attributes.namespace
        error = forbidden(
            attributes, f"unable to create new content in namespace {name} because it is being terminated"
        )
        cause = {
            "reason": "NamespaceTerminating",
            "message": f"namespace {name} is being terminated",
            "field": "metadata.namespace",
        }
        error.details = {**(error.details or {}), "causes": [cause]}
        raise error
