"""OwnerReferencesPermissionEnforcement: who makes an object depend on another must be allowed to.

Guarantees  Owners are changed only by those who may delete the object; ``blockOwnerDeletion`` is set only by those who
may set the owner's finalizers.
Follows plugin/pkg/admission/gc.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from pybernetes.apiserver.admission.contract import Attributes, Operation, Plugin
from pybernetes.apiserver.admission.host import Host
from pybernetes.apiserver.admission.refusal import forbidden
from pybernetes.apiserver.auth.contract import Attributes as Access
from pybernetes.apiserver.auth.contract import Authorizer
from pybernetes.apiserver.resource import Document, Resource

_ANY_FINALIZER = Access("update", group="*", version="*", resource="*", subresource="finalizers", name="*")


class OwnerReferencesPermissionEnforcement(Plugin):
    name = "OwnerReferencesPermissionEnforcement"
    operations = frozenset({Operation.CREATE, Operation.UPDATE})

    @classmethod
    def build(cls, host: Host) -> OwnerReferencesPermissionEnforcement:
        return cls(host.authorizer, host.resources)

    def __init__(self, authorizer: Authorizer, served: Callable[[], Iterable[Resource]]) -> None:
        self._authorizer = authorizer
        self._served = served

    def handles(self, operation: Operation, group_resource: str, subresource: str) -> bool:
        return operation in self.operations and (group_resource, subresource) != ("pods", "status")

    async def validate(self, attributes: Attributes) -> None:
        new, old = _owners(attributes.document), _owners(attributes.old)
        if new == old:
            return
        if attributes.operation is not Operation.CREATE:
            await self._require_deletion(attributes)
        blocking = [one for one in new if one.get("blockOwnerDeletion") and not _blocked(one, old)]
        if not blocking or (await self._authorizer.authorize(attributes.user, _ANY_FINALIZER)).allowed:
            return
        for reference in blocking:
            await self._require_finalizers(attributes, reference)

    async def _require_deletion(self, attributes: Attributes) -> None:
        info = attributes.resource.info
        asked = Access(
            "delete",
            group=info.group,
            version=info.version,
            resource=info.plural,
            subresource=attributes.subresource,
            namespace=attributes.namespace,
            name=attributes.name,
        )
        decision = await self._authorizer.authorize(attributes.user, asked)
        if not decision.allowed:
            why = f"cannot set an ownerRef on a resource you can't delete: {decision.reason}, <nil>"
            raise forbidden(attributes, why)

    async def _require_finalizers(self, attributes: Attributes, reference: Document) -> None:
        owners = list(self._resources_of(reference))
        if not owners:
            version, kind = reference.get("apiVersion", ""), reference.get("kind", "")
            raise forbidden(
                attributes,
                "cannot set blockOwnerDeletion in this case because cannot find RESTMapping for APIVersion "
                f'{version} Kind {kind}: no matches for kind "{kind}" in version "{version}"',
            )
        for owner in owners:
            asked = Access(
                "update",
                group=owner.info.group,
                version=owner.info.version,
                resource=owner.info.plural,
                subresource="finalizers",
                namespace=attributes.namespace if owner.info.namespaced else "",
                name=reference.get("name", ""),
            )
            decision = await self._authorizer.authorize(attributes.user, asked)
            if not decision.allowed:
                raise forbidden(
                    attributes,
                    "cannot set blockOwnerDeletion if an ownerReference refers to a resource you can't set finalizers "
                    f"on: {decision.reason}, <nil>",
                )

    def _resources_of(self, reference: Document) -> Iterator[Resource]:
        named = (reference.get("apiVersion"), reference.get("kind"))
        return (one for one in self._served() if (one.info.api_version, one.info.kind) == named)


def _owners(document: Document | None) -> list[Document]:
    found: list[Document] = ((document or {}).get("metadata") or {}).get("ownerReferences") or []
    return found


def _blocked(reference: Document, old: list[Document]) -> bool:
    return any(one.get("uid") == reference.get("uid") and one.get("blockOwnerDeletion") for one in old)
