"""What a load balancer learns of a Service's endpoints on this node."""

from __future__ import annotations

import socket

import aiohttp

from network.builders import endpoint, service, slice_of
from network.test_proxy import Watched
from pybernetes.api.models.core_v1 import Service
from pybernetes.network.proxy.health_ports import HealthPorts, local_endpoints, wanted_ports
from pybernetes.network.proxy.proxy import SERVICE_INDEX


def local(number: int, **spec: object) -> Service:
    stated = {"type": "LoadBalancer", "external_traffic_policy": "Local", "health_check_node_port": number, **spec}
    return service("web", **stated)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as one:
        port: int = one.getsockname()[1]
        return port


def test_only_local_load_balancers_have_a_port() -> None:
    assert {number: key.name for number, key in wanted_ports([local(30100)]).items()} == {30100: "web"}
    assert (
        wanted_ports([local(30100, external_traffic_policy="Cluster"), local(30101, type="NodePort"), local(0)]) == {}
    )


def test_ready_endpoints_of_this_node_count_once() -> None:
    pieces = [
        slice_of("web", "10.244.0.5", endpoint("10.244.0.6", ready=False), endpoint("10.244.1.7", node="other")),
        slice_of("web", "10.244.0.5", number=9090),
    ]
    assert local_endpoints(pieces, "node1") == 1


async def test_the_port_answers_as_long_as_the_service_wants_it() -> None:
    services, slices, number = Watched(), Watched(), free_port()
    slices.add_index(SERVICE_INDEX, lambda one: [f"default/{one.metadata.labels['kubernetes.io/service-name']}"])
    ports = HealthPorts(services, slices, "node1")  # type: ignore[arg-type]
    services.put(local(number))
    slices.put(slice_of("web", "10.244.0.5"))
    assert await ports.sync()
    async with aiohttp.ClientSession() as session:
        async with session.get(f"http://127.0.0.1:{number}/healthz") as found:
            assert (found.status, found.headers["X-Load-Balancing-Endpoint-Weight"]) == (200, "1")
            assert await found.text() == (
                '{\n\t"service": {\n\t\t"namespace": "default",\n\t\t"name": "web"\n\t},\n'
                '\t"localEndpoints": 1,\n\t"serviceProxyHealthy": true\n}'
            )
        slices.put(slice_of("web", endpoint("10.244.1.5", node="other")))
        async with session.get(f"http://127.0.0.1:{number}/") as found:
            assert found.status == 503
    services.put(service("web"))
    assert await ports.sync()
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", number)) != 0


async def test_a_port_that_is_taken_is_tried_again() -> None:
    services, slices = Watched(), Watched()
    with socket.create_server(("", 0)) as holder:
        services.put(local(holder.getsockname()[1]))
        assert not await HealthPorts(services, slices, "node1").sync()  # type: ignore[arg-type]
