"""What controllers of EndpointSlices share: which endpoints are the same, how slices are reused, and how written.

Follows staging/src/k8s.io/endpointslice/util and reconciler.go (finalize).
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from pybernetes.api.errors import ApiError
from pybernetes.api.meta import Key
from pybernetes.api.models import discovery_v1
from pybernetes.client import Unreachable
from pybernetes.controllers.controller import Controller
from pybernetes.controllers.service_pods import HEADLESS_LABEL

SERVICE_NAME = "kubernetes.io/service-name"
MANAGED_BY = "endpointslice.kubernetes.io/managed-by"
RESERVED_LABELS = frozenset((SERVICE_NAME, MANAGED_BY, HEADLESS_LABEL))
MOST_ENDPOINTS = 100
OF_SERVICE = "service-of-slice"
"""The index of slices by manager, namespace and Service."""

Slice = discovery_v1.EndpointSlice
Endpoint = discovery_v1.Endpoint


@dataclass(frozen=True, slots=True)
class SliceChanges:
    create: tuple[Slice, ...] = ()
    update: tuple[Slice, ...] = ()
    delete: tuple[Slice, ...] = ()


def service_of(one: Slice) -> Iterable[str]:
    labels = one.metadata.labels
    if SERVICE_NAME in labels:
        yield f"{labels.get(MANAGED_BY, '')}/{one.metadata.namespace}/{labels[SERVICE_NAME]}"


def keys_managed_by(manager: str) -> Callable[[Controller, Slice], Iterable[Key]]:
    """For `Maps(EndpointSlice, …)`: the key of the Service that a slice of this manager is for."""

    def keys(controller: Controller, one: Slice) -> Iterable[Key]:
        labels = one.metadata.labels
        if labels.get(MANAGED_BY) == manager and labels.get(SERVICE_NAME):
            yield Key(one.metadata.namespace, labels[SERVICE_NAME])

    return keys


def slices_of(controller: Controller, manager: str, key: Key) -> list[Slice]:
    """Those that are not being deleted; the informer needs the index `OF_SERVICE`."""
    found = controller.informer(Slice).by_index(OF_SERVICE, f"{manager}/{key.namespace}/{key.name}")
    return [one for one in found if one.metadata.deletion_timestamp is None]


def identity(endpoint: Endpoint) -> Hashable:
    """What makes it the same endpoint, whatever its state."""
    target = endpoint.target_ref
    whom = ("", "") if target is None else (target.namespace, target.name)
    return tuple(sorted(endpoint.addresses)), endpoint.hostname or "", whom


def is_up_to_date(present: Endpoint, wanted: Endpoint) -> bool:
    """Whether two endpoints of one identity say the same. Hints do not count: they are decided afterwards."""
    return bool(_state(present) == _state(wanted))


def _state(endpoint: Endpoint) -> Any:
    target = endpoint.target_ref
    reference = None if target is None else msgspec.structs.replace(target, resource_version="")
    return endpoint.node_name, endpoint.zone, endpoint.conditions, reference


def ports_key(ports: Iterable[discovery_v1.EndpointPort]) -> Hashable:
    """Equal for equal sets of ports in any order."""
    return frozenset((one.name or "", one.port or 0, one.protocol or "TCP", one.app_protocol) for one in ports)


def recycled(create: Sequence[Slice], delete: Sequence[Slice], *, reusable: Callable[[Slice], bool]) -> SliceChanges:
    """Slices that would go are written over instead of making new ones, where the address type is the same."""
    left, kept, update = list(create), [], []
    for one in delete:
        new = next((each for each in reversed(left) if each.address_type == one.address_type), None)
        if new is None or not reusable(one):
            kept.append(one)
            continue
        left.remove(new)
        present = one.metadata
        metadata = msgspec.structs.replace(
            new.metadata, name=present.name, uid=present.uid, resource_version=present.resource_version
        )
        update.append(msgspec.structs.replace(new, metadata=metadata))
    return SliceChanges(tuple(left), tuple(update), tuple(kept))


async def write(controller: Controller, key: Key, changes: SliceChanges) -> None:
    """Creations are expected before they are asked for: a slice made twice would be hard to get rid of."""
    if changes.create:
        controller.expectations.expect_creations(key, len(changes.create))
    for made, one in enumerate(changes.create):
        try:
            await controller.client.create(one)
        except (ApiError, Unreachable) as error:
            controller.expectations.creation_observed(key, len(changes.create) - made)
            if isinstance(error, ApiError) and is_namespace_terminating(error):
                return
            raise
    for one in changes.update:
        await controller.client.update(one)
    for one in changes.delete:
        await _delete(controller, one)


async def _delete(controller: Controller, one: Slice) -> None:
    metadata = one.metadata
    try:
        await controller.client.delete(Slice, metadata.name, metadata.namespace, uid=metadata.uid)
    except ApiError as error:
        if error.code != 404:
            raise


def is_namespace_terminating(error: ApiError) -> bool:
    """Whether a creation failed because the namespace is going: then it will never succeed."""
    causes = (error.details or {}).get("causes") or ()
    return any(cause.get("reason") == "NamespaceTerminating" for cause in causes)
