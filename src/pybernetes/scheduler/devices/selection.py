"""Which devices a request may have, by the selectors of its class and its own. Nothing of CEL is loaded before.

What was found out about a device holds for every node: one ``Selection`` serves all nodes of an attempt.
"""

from __future__ import annotations

from collections.abc import Sequence

from pybernetes.api.device_taints import tolerates
from pybernetes.api.models import core_v1, resource_v1
from pybernetes.scheduler.devices.pools import Found, matches_node
from pybernetes.scheduler.devices.requests import AllocationFailed, Wanted

_BLOCKING = ("NoSchedule", "NoExecute")


class Selection:
    def __init__(self) -> None:
        self._known: dict[tuple[int, int], bool] = {}
        self._kept: list[object] = []
        """What the numbers in ``_known`` stand for, so that no other object gets one of them."""

    def matches(self, wanted: Wanted, found: Found, node: core_v1.Node) -> bool:
        """Raises AllocationFailed."""
        device = found.device
        if found.slice.spec.per_device_node_selection and not matches_node(
            node, device.node_name, device.all_nodes, device.node_selector
        ):
            return False
        place = (id(wanted), id(device))
        known = self._known.get(place)
        if known is None:
            known = self._known[place] = _selected(wanted, found)
            self._kept += (wanted, device)
        return known


def is_repelled(wanted: Wanted, device: resource_v1.Device) -> bool:
    """Whether a taint of the device keeps the request away."""
    return any(
        taint.effect in _BLOCKING and not any(tolerates(one, taint) for one in wanted.tolerations)
        for taint in device.taints
    )


def _selected(wanted: Wanted, found: Found) -> bool:
    device_class = wanted.device_class
    return _match(f"class {device_class.metadata.name}", device_class.spec.selectors, found) and _match(
        f"claim {wanted.claim}", wanted.selectors, found
    )


def _match(author: str, selectors: Sequence[resource_v1.DeviceSelector], found: Found) -> bool:
    if not selectors:
        return True
    from pybernetes.cel.device_selectors import Device, SelectorError, selector
    from pybernetes.cel.errors import CelError

    device = found.device
    seen = Device(found.id.driver, bool(device.allow_multiple_allocations), device.attributes, device.capacity)
    for index, one in enumerate(selectors):
        try:
            if not selector(one.cel.expression if one.cel is not None else "").matches(seen):
                return False
        except SelectorError as error:
            raise AllocationFailed(f"{author}: selector #{index}: CEL compile error: {error}") from error
        except CelError as error:
            raise AllocationFailed(f"{author}: selector #{index}: CEL runtime error: {error}") from error
    return True
