"""Ownership: which objects a controller's object claims, adopts and lets go.

Rule  An object that the owner controls is kept while its labels match, and released when they do not. An object
without a controller is adopted when its labels match, unless it or the owner is being deleted.
Follows pkg/controller/controller_ref_manager.go.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from pybernetes.api import meta
from pybernetes.api.errors import ApiError
from pybernetes.api.meta import Key
from pybernetes.api.models import core_v1
from pybernetes.api.selectors import LabelSelector
from pybernetes.client import Client, PatchType, key_of
from pybernetes.client.objects import Document
from pybernetes.controllers.controller import ORPHANS, OWNED, Controller, Retry

T = TypeVar("T", bound=meta.Object)


@dataclass(frozen=True, slots=True)
class Claim(Generic[T]):
    keep: tuple[T, ...]
    adopt: tuple[T, ...]
    release: tuple[T, ...]


def claim(
    owner: Any, selector: LabelSelector, candidates: Iterable[T], accepts: Callable[[T], bool] = lambda _: True
) -> Claim[T]:
    """What the owner does not accept is as if its labels did not match."""
    keep: list[T] = []
    adopt: list[T] = []
    release: list[T] = []
    for candidate in candidates:
        metadata = candidate.metadata
        controller = meta.controller_of(candidate)
        matches = selector.matches(metadata.labels) and accepts(candidate)
        if controller is not None:
            if controller.uid == owner.metadata.uid:
                (keep if matches else release).append(candidate)
        elif matches and metadata.deletion_timestamp is None and owner.metadata.deletion_timestamp is None:
            adopt.append(candidate)
    return Claim(tuple(keep), tuple(adopt), tuple(release))


async def apply_claim(client: Client, owner: Any, claimed: Claim[T], finalizers: Sequence[str] = ()) -> tuple[T, ...]:
    """Adopts, with finalizers, and releases; returns what the owner controls afterwards."""
    if claimed.adopt:
        await _require_alive(client, owner)
    adopted = [await _adopt(client, owner, value, finalizers) for value in claimed.adopt]
    for value in claimed.release:
        await _release(client, owner, value)
    return (*claimed.keep, *(value for value in adopted if value is not None))


async def claimed_pods(
    controller: Controller,
    owner: Any,
    selector: LabelSelector,
    accepts: Callable[[core_v1.Pod], bool] = lambda _: True,
    *,
    finalizers: Sequence[str] = (),
) -> tuple[core_v1.Pod, ...]:
    """The pods that the owner controls, once it has adopted and released; for controllers that own pods."""
    return await claimed(controller, core_v1.Pod, owner, selector, accepts, finalizers=finalizers)


async def claimed(
    controller: Controller,
    model: type[T],
    owner: Any,
    selector: LabelSelector,
    accepts: Callable[[T], bool] = lambda _: True,
    *,
    finalizers: Sequence[str] = (),
) -> tuple[T, ...]:
    """The same for another kind that the controller owns."""
    informer = controller.informer(model)
    candidates = (*informer.by_index(OWNED, owner.metadata.uid), *informer.by_index(ORPHANS, owner.metadata.namespace))
    found = claim(owner, selector, candidates, accepts)
    return await apply_claim(controller.client, owner, found, finalizers)


def adopters(owners: Iterable[T], selector_of: Callable[[T], LabelSelector], pod: core_v1.Pod) -> list[Key]:
    """Those of the owners that may want a pod which has no controller."""
    if meta.controller_of(pod) is not None:
        return []
    return [key_of(owner) for owner in owners if selector_of(owner).matches(pod.metadata.labels)]


async def _require_alive(client: Client, owner: Any) -> None:
    """Asks the server, because the informer may not know yet that the owner is gone."""
    key = key_of(owner)
    fresh = await client.get(type(owner), key.name, key.namespace)
    if fresh.metadata.uid != owner.metadata.uid:
        raise Retry(f"original {type(owner).__name__} {key} is gone")
    if fresh.metadata.deletion_timestamp is not None:
        raise Retry(f"{type(owner).__name__} {key} has just been deleted")


async def _adopt(client: Client, owner: Any, value: T, finalizers: Sequence[str]) -> T | None:
    reference = meta.owner_reference(owner, controller=True)
    patch: Document = {
        "metadata": {
            "uid": value.metadata.uid,
            "ownerReferences": [
                {
                    "apiVersion": reference.api_version,
                    "kind": reference.kind,
                    "name": reference.name,
                    "uid": reference.uid,
                    "controller": True,
                    "blockOwnerDeletion": True,
                }
            ],
        }
    }
    if finalizers:
        patch["metadata"]["finalizers"] = list(finalizers)
    return await _patch(client, value, patch)


async def _release(client: Client, owner: Any, value: T) -> None:
    patch: Document = {
        "metadata": {
            "uid": value.metadata.uid,
            "ownerReferences": [{"$patch": "delete", "uid": owner.metadata.uid}],
        }
    }
    await _patch(client, value, patch)


async def _patch(client: Client, value: T, patch: Document) -> T | None:
    """None when the object is gone, or another one has its name: then there is nothing to own or to let go."""
    key = key_of(value)
    try:
        return await client.patch(type(value), key.name, key.namespace, patch, PatchType.STRATEGIC)
    except ApiError as error:
        if error.code == 404 or error.reason == "Invalid":
            return None
        raise
