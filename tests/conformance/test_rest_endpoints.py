"""Endpoints and their slices: of pods that services select, of none, mirrored, and the API server's own."""

from __future__ import annotations

from typing import Any

import pytest

from conformance.rest_server import is_discovered, labels_of, names_of
from conformance.typed_client import Document, TypedClient
from pybernetes.testing.cluster import Cluster


class Space:
    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        client = self.client = TypedClient(cluster.server)
        self.pods = client.of("", "v1", "pods")
        self.services = client.of("", "v1", "services")
        self.endpoints = client.of("", "v1", "endpoints")
        self.slices = client.of("discovery.k8s.io", "v1", "endpointslices")

    async def service(self, name: str, *ports: Document, **spec: Any) -> Document:
        return await self.services.create({"metadata": {"name": name}, "spec": {"ports": list(ports), **spec}})

    async def pod(self, name: str, labels: dict[str, str], *ports: Document) -> Document:
        container = {"name": "container1", "image": "agnhost:2.53", "ports": list(ports)}
        await self.pods.create({"metadata": {"name": name, "labels": labels}, "spec": {"containers": [container]}})
        await self.cluster.settle(quiet=5)
        return await self.pods.get(name)

    async def slices_of(self, service: str) -> list[Document]:
        await self.cluster.settle(quiet=5)
        return await self.slices.list(f"kubernetes.io/service-name={service}")

    async def ports_by_pod(self, service: str) -> dict[str, list[int]]:
        """As the older object and as the slices tell it, which is the same."""
        old: dict[str, list[int]] = {}
        new: dict[str, list[int]] = {}
        for slice in await self.slices_of(service):
            for endpoint in slice.get("endpoints", ()):
                if endpoint["conditions"]["ready"]:
                    ports = sorted(port["port"] for port in slice["ports"])
                    new.setdefault(endpoint["targetRef"]["name"], []).extend(ports)
        for subset in (await self.endpoints.get(service)).get("subsets", ()):
            for address in subset.get("addresses", ()):
                ports = sorted(port["port"] for port in subset["ports"])
                old.setdefault(address["targetRef"]["name"], []).extend(ports)
        assert old == new
        return new


@pytest.mark.conformance("Service, endpoints", "Service, endpoints with multiple ports")
async def test_a_service_lists_the_ports_of_its_pods_while_they_are_there(cluster: Cluster) -> None:
    """That they answer is shown with real containers."""
    space = Space(cluster)
    await space.service("endpoint-test2", {"port": 80, "targetPort": 80}, selector={"name": "endpoint-test2"})
    assert await space.ports_by_pod("endpoint-test2") == {}
    for name in ("pod1", "pod2"):
        await space.pod(name, {"name": "endpoint-test2"}, {"containerPort": 80})
    assert await space.ports_by_pod("endpoint-test2") == {"pod1": [80], "pod2": [80]}
    await space.pods.delete("pod1", gracePeriodSeconds=0)
    assert await space.ports_by_pod("endpoint-test2") == {"pod2": [80]}
    await space.pods.delete("pod2", gracePeriodSeconds=0)
    assert await space.ports_by_pod("endpoint-test2") == {}

    named = [
        {"name": "portname1", "port": 80, "targetPort": "port1"},
        {"name": "portname2", "port": 81, "targetPort": "port2"},
    ]
    await space.service("multi-endpoint-test", *named, selector={"app": "multi"})
    await space.pod("pod1", {"app": "multi"}, {"name": "port1", "containerPort": 100})
    assert await space.ports_by_pod("multi-endpoint-test") == {"pod1": [100]}
    await space.pod("pod2", {"app": "multi"}, {"name": "port2", "containerPort": 101})
    assert await space.ports_by_pod("multi-endpoint-test") == {"pod1": [100], "pod2": [101]}
    await space.pods.delete("pod1", gracePeriodSeconds=0)
    assert await space.ports_by_pod("multi-endpoint-test") == {"pod2": [101]}
    await space.pods.delete("pod2", gracePeriodSeconds=0)
    assert await space.ports_by_pod("multi-endpoint-test") == {}


@pytest.mark.conformance('EndpointSlice, "empty" Service', 'Endpoints, "empty" Service')
async def test_a_service_that_matches_no_pods_has_empty_endpoints_that_go_with_it(cluster: Cluster) -> None:
    space = Space(cluster)
    await space.service("empty", {"name": "example", "port": 80}, selector={"does-not-match-any": "pods"})
    [slice] = await space.slices_of("empty")
    assert labels_of(slice)["endpointslice.kubernetes.io/managed-by"] == "endpointslice-controller.k8s.io"
    assert slice["metadata"]["ownerReferences"][0]["name"] == "empty"
    assert not slice.get("endpoints")
    assert not (await space.endpoints.get("empty")).get("subsets")
    await space.services.delete("empty")
    assert await space.slices_of("empty") == []
    assert "empty" not in names_of(await space.endpoints.list())


@pytest.mark.conformance("EndpointSlice, creation/deletion", "Endpoints, creation/deletion")
async def test_services_with_one_and_with_several_ports_have_endpoints_of_each_pod_that_goes(cluster: Cluster) -> None:
    space = Space(cluster)
    foo = {"name": "example-name", "port": 80, "targetPort": 3000, "protocol": "TCP"}
    both = [
        {"name": "example-1", "port": 80, "targetPort": "example-name", "protocol": "TCP"},
        {"name": "example-2", "port": 81, "targetPort": 3001, "protocol": "TCP"},
    ]
    await space.service("example-int-port", foo, selector={"foo": "bar"}, publishNotReadyAddresses=True)
    await space.service("example-named-port", *both, selector={"baz": "qux"})
    named = {"name": "example-name", "containerPort": 3000}
    pods = {
        "pod1": await space.pod("pod1", {"foo": "bar", "baz": "qux"}, named),
        "pod2": await space.pod("pod2", {"foo": "bar", "baz": "qux"}, named),
    }
    for service, ports in (("example-int-port", {3000}), ("example-named-port", {3000, 3001})):
        [slice] = await space.slices_of(service)
        assert slice["addressType"] == "IPv4"
        assert {port["port"] for port in slice["ports"]} == ports
        assert {port["protocol"] for port in slice["ports"]} == {"TCP"}
        by_name = {one["targetRef"]["name"]: one for one in slice["endpoints"]}
        assert by_name.keys() == pods.keys()
        for name, endpoint in by_name.items():
            assert endpoint["addresses"] == [pods[name]["status"]["podIP"]]
            assert endpoint["nodeName"] == pods[name]["spec"]["nodeName"]
            assert endpoint["targetRef"]["uid"] == pods[name]["metadata"]["uid"]
            assert endpoint["targetRef"]["kind"] == "Pod"
            assert (endpoint["conditions"]["ready"], endpoint["conditions"]["serving"]) == (True, True)
        [subset] = (await space.endpoints.get(service))["subsets"]
        assert {port["port"] for port in subset["ports"]} == ports
        addresses = {one["targetRef"]["name"]: one["ip"] for one in subset["addresses"]}
        assert addresses == {name: pod["status"]["podIP"] for name, pod in pods.items()}
    await space.pods.delete_collection("foo=bar", gracePeriodSeconds=0)
    for service in ("example-int-port", "example-named-port"):
        assert await space.ports_by_pod(service) == {}
        await space.services.delete(service)
        assert await space.slices_of(service) == []


@pytest.mark.conformance("EndpointSlice Mirroring")
async def test_endpoints_that_somebody_wrote_are_mirrored_as_they_change(cluster: Cluster) -> None:
    space = Space(cluster)
    await is_discovered(space.client, "discovery.k8s.io", "v1", "endpointslices")
    await space.service("example-custom-endpoints", {"name": "example", "port": 80, "protocol": "TCP"})
    subset = {"addresses": [{"ip": "10.1.2.3"}], "ports": [{"name": "example", "port": 80, "protocol": "TCP"}]}
    metadata = {
        "name": "example-custom-endpoints",
        "labels": {"kubernetes.io/service-name": "example-custom-endpoints"},
    }
    made = await space.endpoints.create({"metadata": metadata, "subsets": [subset]})
    [slice] = await space.slices_of("example-custom-endpoints")
    assert labels_of(slice)["endpointslice.kubernetes.io/managed-by"] == "endpointslicemirroring-controller.k8s.io"
    assert [one["addresses"] for one in slice["endpoints"]] == [["10.1.2.3"]]
    assert [(port["name"], port["port"], port["protocol"]) for port in slice["ports"]] == [("example", 80, "TCP")]
    made["subsets"][0]["addresses"] = [{"ip": "10.2.3.4"}]
    made["subsets"][0]["ports"] = [{"name": "example", "port": 81, "protocol": "TCP"}]
    await space.endpoints.update(made)
    [slice] = await space.slices_of("example-custom-endpoints")
    assert [one["addresses"] for one in slice["endpoints"]] == [["10.2.3.4"]]
    assert [port["port"] for port in slice["ports"]] == [81]
    await space.endpoints.delete("example-custom-endpoints")
    assert await space.slices_of("example-custom-endpoints") == []


@pytest.mark.conformance("Kubernetes Service", "kubernetes.default Endpoints and EndpointSlices")
async def test_the_service_kubernetes_leads_to_the_api_server(cluster: Cluster) -> None:
    space = Space(cluster)
    await cluster.settle()
    service = await space.services.get("kubernetes")
    [port] = service["spec"]["ports"]
    assert (port["name"], port["port"], port["protocol"]) == ("https", 443, "TCP")
    assert service["spec"]["clusterIP"]
    [subset] = (await space.endpoints.get("kubernetes"))["subsets"]
    addresses = [one["ip"] for one in subset["addresses"]]
    slices = await space.slices_of("kubernetes")
    assert [ip for slice in slices for endpoint in slice["endpoints"] for ip in endpoint["addresses"]] == addresses
    assert len(addresses) == 1
    for slice in slices:
        assert slice["addressType"] == "IPv4"
        assert [port["name"] for port in slice["ports"]] == ["https"]
        assert [port["port"] for port in slice["ports"]] == [subset["ports"][0]["port"]]
        assert all(endpoint["conditions"]["ready"] for endpoint in slice["endpoints"])
