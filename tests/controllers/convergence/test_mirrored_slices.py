"""Endpoints that somebody wrote for a Service without a selector have slices that say the same, and no others have."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from controllers.convergence.histories import History, properties
from controllers.convergence.world import World
from pybernetes.api.models import core_v1, discovery_v1
from pybernetes.controllers.endpoint_slices import MANAGED_BY, SERVICE_NAME
from pybernetes.controllers.endpointslice_mirroring import MANAGER, is_mirrored

NAMES = ("one", "two", "three")


async def create_service(world: World) -> None:
    selector = world.random.choice(({}, {}, {}, {"selector": {"app": "x"}}))
    await world.create(core_v1.Service, world.random.choice(NAMES), spec={"ports": [{"port": 80}], **selector})


async def change_selector(world: World) -> None:
    service = world.get(core_v1.Service, world.random.choice(NAMES))
    if service is not None:
        await world.patch(service, {"spec": {"selector": world.random.choice((None, {"app": "x"}))}})


async def delete_service(world: World) -> None:
    service = world.get(core_v1.Service, world.random.choice(NAMES))
    if service is not None:
        await world.delete(service)


async def write_endpoints(world: World) -> None:
    name, subsets = world.random.choice(NAMES), _subsets(world)
    present = world.get(core_v1.Endpoints, name)
    if present is None:
        await world.create(core_v1.Endpoints, name, subsets=subsets)
    else:
        await world.patch(present, {"subsets": subsets})


def _subsets(world: World) -> list[dict[str, Any]]:
    addresses = [{"ip": f"10.0.0.{world.random.randrange(1, 40)}"} for _ in range(world.random.randrange(4))]
    longer = [{"ip": f"fd00::{world.random.randrange(1, 40)}"} for _ in range(world.random.randrange(2))]
    ports = [{"name": "web", "port": 8000 + world.random.randrange(3)}]
    parts = [{"addresses": [*addresses, *longer], "ports": ports}] if addresses or longer else []
    if world.random.random() < 0.3:
        parts.append({"notReadyAddresses": [{"ip": "10.0.1.1"}], "ports": [{"name": "other", "port": 9000}]})
    return parts


async def skip(world: World) -> None:
    endpoints = world.get(core_v1.Endpoints, world.random.choice(NAMES))
    if endpoints is not None:
        label = {"endpointslice.kubernetes.io/skip-mirror": world.random.choice((None, "true"))}
        await world.patch(endpoints, {"metadata": {"labels": label}})


async def delete_endpoints(world: World) -> None:
    endpoints = world.get(core_v1.Endpoints, world.random.choice(NAMES))
    if endpoints is not None:
        await world.delete(endpoints)


async def spoil_slice(world: World) -> None:
    one = world.pick(discovery_v1.EndpointSlice)
    if one is not None and one.metadata.labels.get(MANAGED_BY) == MANAGER:
        await world.patch(one, {"endpoints": []})


def at_rest(world: World) -> Iterable[str]:
    mirrors = [one for one in world.all(discovery_v1.EndpointSlice) if one.metadata.labels.get(MANAGED_BY) == MANAGER]
    for left in mirrors:
        if left.metadata.labels.get(SERVICE_NAME) not in NAMES:
            yield f"{left.metadata.name} mirrors nothing"
    for name in NAMES:
        said = sorted(
            (endpoint.addresses[0], port.port, endpoint.conditions.ready)
            for one in mirrors
            if one.metadata.labels[SERVICE_NAME] == name
            for endpoint in one.endpoints
            for port in one.ports
        )
        wanted = sorted(set(_written(world, name)))
        if said != wanted:
            yield f"slices of {name} say {said}, written is {wanted}"


def _written(world: World, name: str) -> Iterable[tuple[str, int, bool]]:
    service, endpoints = world.get(core_v1.Service, name), world.get(core_v1.Endpoints, name)
    if service is None or endpoints is None or service.spec.selector or not is_mirrored(endpoints):
        return
    for subset in endpoints.subsets:
        for addresses, ready in ((subset.addresses, True), (subset.not_ready_addresses, False)):
            yield from ((one.ip, port.port, ready) for one in addresses for port in subset.ports)


test_endpoints_are_mirrored, test_endpoints_are_mirrored_nightly, test_endpoints_are_mirrored_in_all_troubles = (
    properties(
        History(
            controllers=("endpointslice-mirroring-controller",),
            actions={
                create_service: 4,
                change_selector: 1,
                delete_service: 1,
                write_endpoints: 6,
                skip: 1,
                delete_endpoints: 1,
                spoil_slice: 1,
            },
            at_rest=at_rest,
        ),
        seeds=1,
    )
)
