"""Namespaces: one that is deleted goes only after everything in it is gone.

Guarantees
  Pods are deleted first, and nothing else before the last of them is gone, so that what they need outlives them.
  Every kind that discovery lists is emptied, custom ones too. Kinds that cannot be asked hold the namespace.
  While something remains, conditions say what, and which finalizers hold it.
Follows pkg/controller/namespace/deletion.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import msgspec

from pybernetes.api import kinds
from pybernetes.api.errors import ApiError
from pybernetes.api.meta import Key
from pybernetes.api.models import core_v1, meta_v1
from pybernetes.client.discovery import Discovered, discover
from pybernetes.client.resource import ResourceClient
from pybernetes.controllers.controller import DONE, Controller, For, Requeue, Result

FINALIZER = "kubernetes"
LOOK_AGAIN_FOR_PODS, LOOK_AGAIN = 1.0, 5.0
PODS = Discovered(kinds.info_of(core_v1.Pod), frozenset({"list", "delete", "deletecollection"}))


class Item(msgspec.Struct, kw_only=True):
    """What is looked at of whatever lives in a namespace."""

    metadata: meta_v1.ObjectMeta = msgspec.field(default_factory=meta_v1.ObjectMeta)


@dataclass(frozen=True, slots=True)
class Remains:
    """What is left in a namespace after a pass."""

    objects: Mapping[str, int]
    """By resource and group, such as `deployments.apps` or `pods.`."""

    finalizers: Mapping[str, int]
    undiscovered: tuple[str, ...]
    errors: tuple[str, ...]

    @property
    def is_empty(self) -> bool:
        return not self.objects and not self.errors and not self.undiscovered


class NamespaceController(Controller):
    name = "namespace-controller"
    watches = (For(core_v1.Namespace),)
    workers = 10

    async def reconcile(self, key: Key) -> Result:
        namespace = self.informer(core_v1.Namespace).get(key)
        if namespace is None or namespace.metadata.deletion_timestamp is None:
            return DONE
        if FINALIZER not in namespace.spec.finalizers:
            return DONE
        namespace = await self._mark_terminating(namespace)
        remains = await self._empty(key.name)
        if remains.is_empty:
            await self._finalize(namespace)
            return DONE
        only_pods = remains.objects.keys() == {"pods."} and not remains.errors
        # As upstream: what remains is not told before the pods are gone.
        await self._report(namespace, replace(remains, objects={}, finalizers={}) if only_pods else remains)
        return Requeue(LOOK_AGAIN_FOR_PODS if only_pods else LOOK_AGAIN)

    async def _mark_terminating(self, namespace: core_v1.Namespace) -> core_v1.Namespace:
        if namespace.status.phase == "Terminating":
            return namespace
        status = msgspec.structs.replace(namespace.status, phase="Terminating")
        return await self.client.update_status(msgspec.structs.replace(namespace, status=status))

    async def _empty(self, namespace: str) -> Remains:
        pods = await self._empty_of(namespace, (PODS,), ())
        if not pods.is_empty:
            return pods
        found = await discover(self.client)
        others = [
            each for each in found.supporting("list", "delete") if each.info.namespaced and each.info != PODS.info
        ]
        return await self._empty_of(namespace, others, found.failed)

    async def _empty_of(self, namespace: str, wanted: Sequence[Discovered], undiscovered: tuple[str, ...]) -> Remains:
        objects: dict[str, int] = {}
        finalizers: Counter[str] = Counter()
        errors: list[str] = []
        for each in wanted:
            try:
                left = await self._delete_all(namespace, each)
            except ApiError as error:
                errors.append(str(error))
                continue
            if left:
                objects[f"{each.info.plural}.{each.info.group}"] = len(left)
                finalizers.update(name for item in left for name in item.metadata.finalizers)
        return Remains(objects, finalizers, undiscovered, tuple(errors))

    async def _delete_all(self, namespace: str, kind: Discovered) -> list[Item]:
        items = ResourceClient(self.client.transport, kind.info, Item)
        present = (await items.list(namespace)).items
        if not present:
            return []
        if "deletecollection" in kind.verbs:
            await items.delete_collection(namespace, propagation="Background")
        else:
            for item in present:
                if item.metadata.deletion_timestamp is None:
                    await items.delete(item.metadata.name, namespace, propagation="Background")
        return (await items.list(namespace)).items

    async def _finalize(self, namespace: core_v1.Namespace) -> None:
        spec = core_v1.NamespaceSpec(finalizers=[name for name in namespace.spec.finalizers if name != FINALIZER])
        finished = msgspec.structs.replace(namespace, spec=spec)
        try:
            await self.client.of(core_v1.Namespace).update(finished, subresource="finalize")
        except ApiError as error:
            if error.code != 404:
                raise

    async def _report(self, namespace: core_v1.Namespace, remains: Remains) -> None:
        conditions = conditions_of(namespace.status.conditions, remains, self.now())
        if conditions == namespace.status.conditions:
            return
        status = msgspec.structs.replace(namespace.status, conditions=conditions)
        await self.client.update_status(msgspec.structs.replace(namespace, status=status))


def conditions_of(
    old: Sequence[core_v1.NamespaceCondition], remains: Remains, now: datetime
) -> list[core_v1.NamespaceCondition]:
    """What the namespace says about its own deletion, in upstream's words."""
    rows = [
        _row(
            "NamespaceDeletionDiscoveryFailure",
            (
                "DiscoveryFailed",
                f"Discovery failed for some groups, {len(remains.undiscovered)} failing: "
                f"unable to retrieve the complete list of server APIs: {', '.join(remains.undiscovered)}",
            )
            if remains.undiscovered
            else None,
            ("ResourcesDiscovered", "All resources successfully discovered"),
        ),
        _row(
            "NamespaceDeletionGroupVersionParsingFailure",
            None,
            ("ParsedGroupVersions", "All legacy kube types successfully parsed"),
        ),
        _row(
            "NamespaceDeletionContentFailure",
            (
                "ContentDeletionFailed",
                f"Failed to delete all resource types, {len(remains.errors)} remaining: "
                f"{', '.join(sorted(remains.errors))}",
            )
            if remains.errors
            else None,
            ("ContentDeleted", "All content successfully deleted, may be waiting on finalization"),
        ),
        _row(
            "NamespaceContentRemaining",
            ("SomeResourcesRemain", f"Some resources are remaining: {_counted(remains.objects, 'has')}")
            if remains.objects
            else None,
            ("ContentRemoved", "All content successfully removed"),
        ),
        _row(
            "NamespaceFinalizersRemaining",
            (
                "SomeFinalizersRemain",
                f"Some content in the namespace has finalizers remaining: {_counted(remains.finalizers, 'in')}",
            )
            if remains.finalizers
            else None,
            ("ContentHasNoFinalizers", "All content-preserving finalizers finished"),
        ),
    ]
    known = {condition.type: condition for condition in old}
    return [_kept(known.get(row.type), row, now) for row in rows]


def _row(type: str, trouble: tuple[str, str] | None, fine: tuple[str, str]) -> core_v1.NamespaceCondition:
    reason, message = trouble or fine
    return core_v1.NamespaceCondition(type=type, status="True" if trouble else "False", reason=reason, message=message)


def _kept(
    old: core_v1.NamespaceCondition | None, new: core_v1.NamespaceCondition, now: datetime
) -> core_v1.NamespaceCondition:
    since = old.last_transition_time if old is not None and old.status == new.status else now
    return msgspec.structs.replace(new, last_transition_time=since)


def _counted(counts: Mapping[str, int], verb: str) -> str:
    return ", ".join(f"{name} {verb} {number} resource instances" for name, number in sorted(counts.items()))
