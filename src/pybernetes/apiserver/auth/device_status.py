"""Who may say which devices a claim got, and how they are.

Guarantees
  Changing `status.allocation` or `status.reservedFor` needs the write's verb on `resourceclaims/binding`, everywhere.
  Changing what a driver says in `status.devices` needs the verb `arbitrary-node:VERB` on `resourceclaims/driver` of
  that driver, or `associated-node:VERB` for a service account on the node that the claim was allocated for.

Follows AuthorizedForBinding and AuthorizedForDeviceStatus in pkg/registry/resource/utils.go.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pybernetes.api import errors
from pybernetes.api.fields import FieldError, at, forbidden
from pybernetes.apiserver.access import forbidden as forbidden_error
from pybernetes.apiserver.admission.contract import Attributes as Admission
from pybernetes.apiserver.admission.contract import Operation, Plugin
from pybernetes.apiserver.auth.contract import Attributes, Authorizer, User

Document = Mapping[str, Any]

GROUP = "resource.k8s.io"
NODE_NAME = "authentication.kubernetes.io/node-name"


class DeviceStatusCheck(Plugin):
    name = "DeviceStatusCheck"
    operations = frozenset({Operation.UPDATE})
    resources = frozenset({f"resourceclaims.{GROUP}"})
    subresources = frozenset({"status"})

    def __init__(self, authorizer: Authorizer) -> None:
        self._authorizer = authorizer

    async def validate(self, attributes: Admission) -> None:
        new = (attributes.document or {}).get("status") or {}
        old = (attributes.old or {}).get("status") or {}
        found = [
            *await self._about_binding(attributes, new, old),
            *(await self._about_devices(attributes, new, old) if new.get("allocation") else ()),
        ]
        if found:
            info = attributes.resource.info
            raise errors.invalid(info.group, info.kind, attributes.name, found)

    async def _about_binding(self, attributes: Admission, new: Document, old: Document) -> list[FieldError]:
        if all(_same(new.get(field), old.get(field)) for field in ("allocation", "reservedFor")):
            return []
        verb = attributes.context.verb
        refusal = await self._refusal(attributes.context.user, verb, "binding", "", "")
        if not refusal:
            return []
        needed = f'requires resource="resourceclaims/binding", verb="{verb}" permission'
        return [
            forbidden(at.status.allocation, f"changing status.allocation or status.reservedFor {needed}: {refusal}")
        ]

    async def _about_devices(self, attributes: Admission, new: Document, old: Document) -> list[FieldError]:
        user, verb = attributes.context.user, attributes.context.verb
        verbs = [f"arbitrary-node:{verb}"]
        if _is_on(user, _node_of(new["allocation"])):
            verbs.insert(0, f"associated-node:{verb}")
        found = []
        for driver in sorted(_changed_drivers(new, old)):
            refusals = []
            for one in verbs:
                refusal = await self._refusal(user, one, "driver", attributes.namespace, driver)
                if not refusal:
                    break
                refusals.append(refusal)
            else:
                needed = f'requires resource="resourceclaims/driver", verb="[{" ".join(verbs)}]" permission'
                found.append(forbidden(at.status.devices, f"changing status.devices {needed}: {refusals[0]}"))
        return found

    async def _refusal(self, user: User, verb: str, subresource: str, namespace: str, name: str) -> str:
        """Why the user may not; "" if they may."""
        asked = Attributes(
            verb,
            group=GROUP,
            version="v1",
            resource="resourceclaims",
            subresource=subresource,
            namespace=namespace,
            name=name,
        )
        decision = await self._authorizer.authorize(user, asked)
        return "" if decision.allowed else forbidden_error(user, asked, decision).message


def _same(new: Any, old: Any) -> bool:
    return (new or None) == (old or None)


def _changed_drivers(new: Document, old: Document) -> Iterator[str]:
    before = {_identity(device): device for device in old.get("devices") or ()}
    for device in new.get("devices") or ():
        if before.pop(_identity(device), None) != device:
            yield device.get("driver") or ""
    yield from (device.get("driver") or "" for device in before.values())


def _identity(device: Document) -> tuple[str, ...]:
    return tuple(device.get(field) or "" for field in ("driver", "pool", "device", "shareID"))


def _node_of(allocation: Document) -> str:
    """The node that the allocation is for, where it is for exactly one by its name."""
    match (allocation.get("nodeSelector") or {}).get("nodeSelectorTerms"):
        case [{"matchFields": [{"key": "metadata.name", "operator": "In", "values": [str(node)]}], **others}]:
            return "" if others.get("matchExpressions") else node
        case _:
            return ""


def _is_on(user: User, node: str) -> bool:
    return bool(node) and user.name.startswith("system:serviceaccount:") and user.extra.get(NODE_NAME) == (node,)
