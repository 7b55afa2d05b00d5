"""Endpoints and their slices list exactly the pods of a Service that are ready."""

from __future__ import annotations

from collections.abc import Iterable

from controllers.convergence import hands
from controllers.convergence.histories import History, properties
from controllers.convergence.replicas import template
from controllers.convergence.world import World
from pybernetes.api import meta
from pybernetes.api.models import core_v1, discovery_v1

SERVICE_OF = "kubernetes.io/service-name"
NAMES = ("one", "two")
"""The API server's own service has endpoints that only it writes."""


async def create_service(world: World) -> None:
    name = world.random.choice(NAMES)
    spec = {"selector": {"app": name}, "ports": [{"port": 80, "targetPort": 8080}], "clusterIP": "None"}
    await world.create(core_v1.Service, name, spec=spec)


async def create_pod(world: World) -> None:
    app, number = world.random.choice(("one", "two")), world.random.randrange(20)
    made = template(app)
    await world.create(core_v1.Pod, f"{app}-{number}", metadata={"labels": {"app": app}}, spec=made["spec"])


async def relabel_pod(world: World) -> None:
    pod = world.pick(core_v1.Pod)
    if pod is not None:
        await world.patch(pod, {"metadata": {"labels": {"app": world.random.choice(("one", "two", "none"))}}})


async def delete_service(world: World) -> None:
    service = world.get(core_v1.Service, world.random.choice(NAMES))
    if service is not None:
        await world.delete(service)


async def change_port(world: World) -> None:
    service = world.get(core_v1.Service, world.random.choice(NAMES))
    if service is not None:
        ports = [{"port": 80, "targetPort": 8000 + world.random.randrange(3)}]
        await world.patch(service, {"spec": {"ports": ports}})


def at_rest(world: World) -> Iterable[str]:
    services = {one.metadata.name: one for one in world.all(core_v1.Service) if one.metadata.name in NAMES}
    for service in services.values():
        name = service.metadata.name
        ready = sorted(
            pod.metadata.name
            for pod in world.all(core_v1.Pod)
            if pod.metadata.labels.get("app") == name and hands.is_active(pod) and meta.is_true(pod.status, "Ready")
        )
        endpoints = world.get(core_v1.Endpoints, name)
        subsets = endpoints.subsets if endpoints is not None else []
        listed = sorted(one.target_ref.name for each in subsets for one in each.addresses if one.target_ref)
        if listed != ready:
            yield f"Endpoints {name} list {listed}, ready are {ready}"
        slices = [one for one in world.all(discovery_v1.EndpointSlice) if one.metadata.labels.get(SERVICE_OF) == name]
        sliced = sorted(
            one.target_ref.name for each in slices for one in each.endpoints if one.conditions.ready and one.target_ref
        )
        if sliced != ready:
            yield f"slices of {name} list {sliced}, ready are {ready}"
        ports = {port.port for each in slices if each.endpoints for port in each.ports}
        if ports - {service.spec.ports[0].target_port}:
            yield f"slices of {name} lead to {ports}"
    for left in world.all(discovery_v1.EndpointSlice):
        if left.metadata.labels.get(SERVICE_OF) not in {*services, "kubernetes"}:
            yield f"slice {left.metadata.name} is of no service"
    for endpoint in world.all(core_v1.Endpoints):
        if endpoint.metadata.name not in {*services, "kubernetes"}:
            yield f"Endpoints {endpoint.metadata.name} are of no service"


async def begin(world: World) -> None:
    await hands.add_node(world)
    await create_service(world)


test_endpoints_converge, test_endpoints_converge_nightly, test_endpoints_converge_in_all_troubles = properties(
    History(
        controllers=("endpoints-controller", "endpointslice-controller"),
        begin=begin,
        actions={
            create_service: 2,
            create_pod: 6,
            relabel_pod: 2,
            delete_service: 1,
            change_port: 1,
            **hands.PODS_LIVES,
        },
        at_rest=at_rest,
    )
)
