"""The end of a definition: its instances are deleted, as anybody would delete them, and then it may go.

Follows pkg/controller/finalizer of apiextensions-apiserver.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from pybernetes.api.meta import format_time
from pybernetes.apiserver.custom.definition import CLEANUP, Condition, ConditionType, is_true, with_condition
from pybernetes.apiserver.delete_plan import DeleteOptions
from pybernetes.apiserver.kind_cache import KindCache
from pybernetes.apiserver.registry import Registry
from pybernetes.apiserver.resource import Context, Document
from pybernetes.apiserver.watch_events import Event, EventType, Interest

OVERLAPPING = frozenset(("apiservices.apiregistration.k8s.io", "customresourcedefinitions.apiextensions.k8s.io"))

PENDING = Condition(
    ConditionType.TERMINATING,
    "True",
    "InstanceDeletionPending",
    "CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon",
)
IN_PROGRESS = Condition(
    ConditionType.TERMINATING, "True", "InstanceDeletionInProgress", "CustomResource deletion is in progress"
)
COMPLETED = Condition(ConditionType.TERMINATING, "False", "InstanceDeletionCompleted", "removed all instances")
OVERLAP = Condition(
    ConditionType.TERMINATING,
    "False",
    "OverlappingBuiltInResource",
    "instances overlap with built-in resources in storage",
)
NEVER = Condition(ConditionType.TERMINATING, "False", "NeverEstablished", "resource was never established")


def failed(why: str) -> Condition:
    message = f"could not issue all deletes: {why}"
    return Condition(ConditionType.TERMINATING, "True", "InstanceDeletionFailed", message)


def is_ending(definition: Document) -> bool:
    metadata = definition["metadata"]
    return bool(metadata.get("deletionTimestamp")) and CLEANUP in (metadata.get("finalizers") or ())


def marked(definition: Document) -> None:
    """Completes a definition that a deletion marks: its finalizer, and what it waits for."""
    metadata = {name: one for name, one in definition["metadata"].items() if name != "deletionGracePeriodSeconds"}
    finalizers = list(metadata.get("finalizers") or ())
    metadata["finalizers"] = finalizers if CLEANUP in finalizers else [*finalizers, CLEANUP]
    metadata["generation"] = metadata.get("generation", 1) - 1
    definition["metadata"] = metadata
    definition["status"] = with_condition(definition.get("status") or {}, PENDING, metadata["deletionTimestamp"])


def ended(definition: Document, why: Condition, context: Context) -> Document:
    """The definition without the finalizer, saying why it may go."""
    metadata = dict(definition["metadata"])
    metadata["finalizers"] = [one for one in metadata.get("finalizers") or () if one != CLEANUP]
    if not metadata["finalizers"]:
        del metadata["finalizers"]
    status = with_condition(definition.get("status") or {}, why, format_time(context.now))
    return {**definition, "metadata": metadata, "status": status}


def shortcut(definition: Document) -> Condition | None:
    """Why nothing has to be deleted; None where instances are."""
    if definition["metadata"]["name"] in OVERLAPPING:
        return OVERLAP
    return None if is_true(definition, ConditionType.ESTABLISHED) else NEVER


async def delete_instances(registry: Registry, context: Callable[[], Context]) -> None:
    """Until none is left; waits for those that finalizers keep. Raises ``ApiError`` when one cannot be deleted."""
    await registry.watch_cache.at_least(registry.store.revision)
    changes, asked = _Changes(registry.cache), set[str]()
    try:
        while registry.cache.objects:
            changes.clear()
            found = [one for one in registry.cache.under("") if one.key not in asked]
            asked.update(one.key for one in found)
            await registry.delete_all(found, DeleteOptions(), context())
            await changes.wait()
    finally:
        changes.end()


class _Changes:
    """Wakes when an object of a kind comes or goes."""

    interest = Interest()

    def __init__(self, kind: KindCache) -> None:
        self._kind = kind
        self._seen = asyncio.Event()
        self.clear = self._seen.clear
        self.wait = self._seen.wait
        kind.subscribers.add(self)

    def deliver(self, event: Event) -> None:
        if event.type is not EventType.MODIFIED:
            self._seen.set()

    def end(self) -> None:
        self._kind.subscribers.remove(self)
        self._seen.set()
