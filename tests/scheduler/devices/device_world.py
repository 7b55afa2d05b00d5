"""Slices, classes and claims of devices for tests, with only what a test cares about."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from pybernetes.api.models import core_v1, resource_v1
from pybernetes.scheduler.devices.outcome import allocation_of
from pybernetes.scheduler.devices.pools import Slices
from pybernetes.scheduler.devices.requests import wanted
from pybernetes.scheduler.devices.search import ClaimDevices, find_devices
from pybernetes.scheduler.devices.selection import Selection
from pybernetes.scheduler.devices.taken import TakenDevices

DRIVER = "gpu.example.com"


def device(name: str, **fields: Any) -> dict[str, Any]:
    return {"name": name, **fields}


def slice_of(
    name: str, *devices: dict[str, Any], pool: str = "", count: int = 1, **spec: Any
) -> resource_v1.ResourceSlice:
    where = (
        {} if {"allNodes", "nodeSelector", "perDeviceNodeSelection", "nodeName"} & spec.keys() else {"nodeName": name}
    )
    of_pool = {"name": pool or name, "generation": spec.pop("generation", 1), "resourceSliceCount": count}
    document = {
        "metadata": {"name": name},
        "spec": {"driver": DRIVER, "pool": of_pool, "devices": list(devices), **where, **spec},
    }
    return msgspec.convert(document, resource_v1.ResourceSlice)


def device_class(name: str = "gpu", *expressions: str, **spec: Any) -> resource_v1.DeviceClass:
    selectors = [{"cel": {"expression": one}} for one in expressions]
    return msgspec.convert(
        {"metadata": {"name": name}, "spec": {"selectors": selectors, **spec}}, resource_v1.DeviceClass
    )


def exactly(name: str = "one", device_class: str = "gpu", *expressions: str, **fields: Any) -> dict[str, Any]:
    return {"name": name, "exactly": _asked(device_class, expressions, {"count": 1, **fields})}


def first_of(name: str, *alternatives: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "firstAvailable": [{"name": one["name"], **one["exactly"]} for one in alternatives]}


def _asked(device_class: str, expressions: Sequence[str], fields: dict[str, Any]) -> dict[str, Any]:
    selectors = [{"cel": {"expression": one}} for one in expressions]
    return {"deviceClassName": device_class, "selectors": selectors, "allocationMode": "ExactCount", **fields}


def claim(name: str, *requests: dict[str, Any], **devices: Any) -> resource_v1.ResourceClaim:
    document = {
        "metadata": {"name": name, "namespace": "default", "uid": f"uid-{name}", "resourceVersion": "1"},
        "spec": {"devices": {"requests": list(requests), **devices}},
    }
    return msgspec.convert(document, resource_v1.ResourceClaim)


class Devices:
    """What there is, and what a node can give."""

    def __init__(self, *objects: resource_v1.ResourceSlice | resource_v1.DeviceClass) -> None:
        self.slices, self.taken = Slices(), TakenDevices()
        self.classes: dict[str, resource_v1.DeviceClass] = {}
        for one in objects:
            if isinstance(one, resource_v1.ResourceSlice):
                self.slices.set(one.metadata.name, one)
            else:
                self.classes[one.metadata.name] = one

    def found(self, node: core_v1.Node, *claims: resource_v1.ResourceClaim) -> tuple[ClaimDevices, ...] | None:
        asked = [wanted(one, self.classes) for one in claims]
        return find_devices(node, asked, self.slices.pools_for(node), self.taken, Selection())

    def given(
        self, node: core_v1.Node, *claims: resource_v1.ResourceClaim
    ) -> list[resource_v1.AllocationResult] | None:
        found = self.found(node, *claims)
        return None if found is None else [allocation_of(one, node.metadata.name) for one in found]

    def names(self, node: core_v1.Node, *claims: resource_v1.ResourceClaim) -> list[str] | None:
        """The devices of all claims, in order."""
        given = self.given(node, *claims)
        return None if given is None else [one.device for each in given for one in each.devices.results]
