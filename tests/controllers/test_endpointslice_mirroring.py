"""Endpoints that somebody wrote by hand, and the slices that repeat them."""

from __future__ import annotations

from typing import Any

import msgspec

from pybernetes.api.models import core_v1, discovery_v1
from pybernetes.controllers.endpoint_slices import SliceChanges
from pybernetes.controllers.endpointslice_mirroring import is_mirrored, plan
from pybernetes.testing.cluster import Cluster


def manual(*subsets: dict[str, Any], **metadata: Any) -> core_v1.Endpoints:
    document = {"metadata": {"name": "db", "namespace": "default", "uid": "u", **metadata}, "subsets": list(subsets)}
    return msgspec.convert(document, core_v1.Endpoints)


def subset(*ready: str, unready: tuple[str, ...] = (), port: int = 5432) -> dict[str, Any]:
    return {
        "addresses": [{"ip": ip} for ip in ready],
        "notReadyAddresses": [{"ip": ip} for ip in unready],
        "ports": [{"name": "sql", "port": port, "protocol": "TCP"}],
    }


def named(changes: SliceChanges) -> list[discovery_v1.EndpointSlice]:
    made = []
    for number, one in enumerate((*changes.create, *changes.update)):
        metadata = msgspec.structs.replace(one.metadata, name=one.metadata.name or f"db-{number}")
        made.append(msgspec.structs.replace(one, metadata=metadata))
    return made


def test_each_family_of_a_subset_has_a_slice() -> None:
    annotations = {"note": "x", "kubectl.kubernetes.io/last-applied-configuration": "{}"}
    endpoints = manual(
        subset("10.1.0.1", "fd00::1", unready=("10.1.0.2",)), labels={"app": "db"}, annotations=annotations
    )
    created = plan(endpoints, ()).changes.create
    told = {
        one.address_type: [
            (each.addresses[0], each.conditions.ready, each.conditions.serving) for each in one.endpoints
        ]
        for one in created
    }
    assert told == {"IPv4": [("10.1.0.1", True, None), ("10.1.0.2", False, None)], "IPv6": [("fd00::1", True, None)]}
    first = created[0]
    assert first.metadata.labels == {
        "app": "db",
        "kubernetes.io/service-name": "db",
        "endpointslice.kubernetes.io/managed-by": "endpointslicemirroring-controller.k8s.io",
    }
    assert first.metadata.annotations == {"note": "x"}
    assert [(one.kind, one.name) for one in first.metadata.owner_references] == [("Endpoints", "db")]
    assert plan(endpoints, named(plan(endpoints, ()).changes)).changes == SliceChanges()


def test_a_changed_subset_is_written_over_the_slice_that_is_there() -> None:
    present = named(plan(manual(subset("10.1.0.1")), ()).changes)
    more = plan(manual(subset("10.1.0.1", "10.1.0.3")), present).changes
    assert [(one.metadata.name, len(one.endpoints)) for one in more.update] == [("db-0", 2)]
    elsewhere = plan(manual(subset("10.1.0.1", port=5433)), present).changes
    assert [(one.metadata.name, one.ports[0].port) for one in elsewhere.update] == [("db-0", 5433)]
    assert (elsewhere.create, elsewhere.delete) == ((), ())
    assert plan(manual(), present).changes.delete == tuple(present)


def test_what_cannot_be_mirrored_is_told() -> None:
    many = [f"10.{number // 250}.0.{number % 250 + 1}" for number in range(1002)]
    planned = plan(manual(subset(*many), subset("nonsense", port=1)), ())
    assert sum(len(one.endpoints) for one in planned.changes.create) == 1000
    assert planned.events == (
        ("InvalidIPAddress", "Skipped 1 invalid IP addresses when mirroring to EndpointSlices"),
        (
            "TooManyAddressesToMirror",
            "A max of 1000 addresses can be mirrored to EndpointSlices per Endpoints subset. 3 addresses were skipped",
        ),
    )


def test_a_label_or_a_leader_keeps_endpoints_from_being_mirrored() -> None:
    assert is_mirrored(manual())
    assert not is_mirrored(manual(labels={"endpointslice.kubernetes.io/skip-mirror": "true"}))
    assert not is_mirrored(manual(annotations={"control-plane.alpha.kubernetes.io/leader": "{}"}))


async def mirrors(cluster: Cluster) -> list[str]:
    slices = (await cluster.client.list(discovery_v1.EndpointSlice, "default")).items
    own = [one for one in slices if one.metadata.labels.get("kubernetes.io/service-name") == "db"]
    return sorted(address for one in own for each in one.endpoints for address in each.addresses)


async def test_slices_follow_endpoints_and_go_with_their_service(cluster: Cluster) -> None:
    document = {"metadata": {"name": "db", "namespace": "default"}, "spec": {"ports": [{"port": 5432}]}}
    service = await cluster.apply(msgspec.convert(document, core_v1.Service))
    endpoints = manual(subset("10.1.0.1"))
    endpoints.metadata.uid = ""
    endpoints = await cluster.apply(endpoints)
    await cluster.settle()
    assert await mirrors(cluster) == ["10.1.0.1"]
    endpoints.subsets[0].addresses.append(core_v1.EndpointAddress(ip="10.1.0.2"))
    await cluster.client.update(endpoints)
    await cluster.settle()
    assert await mirrors(cluster) == ["10.1.0.1", "10.1.0.2"]
    await cluster.delete(service)
    await cluster.settle(quiet=5)
    assert await mirrors(cluster) == []
    assert [
        one for one in (await cluster.client.list(core_v1.Endpoints, "default")).items if one.metadata.name == "db"
    ] == []
