"""Services' endpoints, decided: which pods are listed, on which ports, in what state, and in which slice."""

from __future__ import annotations

from typing import Any

import msgspec

from controllers.make import NOW, pod
from pybernetes.api.models import core_v1, discovery_v1
from pybernetes.controllers import endpoints
from pybernetes.controllers.endpoint_slices import SliceChanges
from pybernetes.controllers.endpointslice_plan import Topology, plan


def service(**spec: Any) -> core_v1.Service:
    port = {"name": "http", "port": 80, "targetPort": 8080, "protocol": "TCP"}
    document = {
        "metadata": {"name": "web", "namespace": "default", "uid": "uid-web", "labels": {"app": "web"}},
        "spec": {"selector": {"app": "web"}, "ports": [port], "clusterIP": "10.96.0.5", "ipFamilies": ["IPv4"], **spec},
    }
    return msgspec.convert(document, core_v1.Service)


def at(address: str, name: str = "", **more: Any) -> core_v1.Pod:
    made = pod(name or f"pod-{address}", **more)
    made.status.pod_ip = address
    made.status.pod_ips = [core_v1.PodIP(ip=address)] if address else []
    return made


def listed(slices: SliceChanges) -> dict[str, tuple[bool | None, bool | None, bool | None]]:
    return {
        one.addresses[0]: (one.conditions.ready, one.conditions.serving, one.conditions.terminating)
        for each in (*slices.create, *slices.update)
        for one in each.endpoints
    }


def sliced(one: core_v1.Service, pods: list[core_v1.Pod], slices: Any = (), zones: Any = None) -> SliceChanges:
    named = [
        msgspec.structs.replace(each, metadata=msgspec.structs.replace(each.metadata, name=f"web-{number}"))
        for number, each in enumerate(slices)
    ]
    return plan(one, pods, named, Topology(zones or {"node-0": ""})).changes


def test_ready_and_unready_pods_are_listed_apart() -> None:
    wanted = endpoints.plan(service(), [at("10.0.0.2"), at("10.0.0.1"), at("10.0.0.3", ready=False)], None)
    assert wanted is not None
    (subset,) = wanted.subsets
    assert [one.ip for one in subset.addresses] == ["10.0.0.1", "10.0.0.2"]
    assert [one.ip for one in subset.not_ready_addresses] == ["10.0.0.3"]
    assert [(port.name, port.port) for port in subset.ports] == [("http", 8080)]
    assert endpoints.plan(service(), [at("10.0.0.2"), at("10.0.0.1"), at("10.0.0.3", ready=False)], wanted) is None


def test_finished_deleted_and_addressless_pods_are_not_listed() -> None:
    pods = [at("10.0.0.1", phase="Failed"), at("10.0.0.2", deleting=True), at("", name="new")]
    wanted = endpoints.plan(service(), pods, None)
    assert wanted is not None
    assert wanted.subsets == []


def test_beyond_a_thousand_addresses_the_object_says_so() -> None:
    pods = [at(f"10.0.{number // 250}.{number % 250 + 1}") for number in range(1001)]
    wanted = endpoints.plan(service(), pods, None)
    assert wanted is not None
    assert sum(len(subset.addresses) for subset in wanted.subsets) == 1000
    assert wanted.metadata.annotations[endpoints.OVER_CAPACITY] == "truncated"


def test_a_slice_tells_ready_serving_and_terminating() -> None:
    pods = [at("10.0.0.1"), at("10.0.0.2", ready=False), at("10.0.0.3", deleting=True)]
    assert listed(sliced(service(), pods)) == {
        "10.0.0.1": (True, True, False),
        "10.0.0.2": (False, False, False),
        "10.0.0.3": (False, True, True),
    }
    all_published = service(publishNotReadyAddresses=True)
    assert [ready for ready, _, _ in listed(sliced(all_published, pods)).values()] == [True, True, True]


def test_a_named_target_port_is_looked_up_in_each_pod() -> None:
    named = service(ports=[{"port": 80, "targetPort": "web"}])
    first, second, third = at("10.0.0.1"), at("10.0.0.2"), at("10.0.0.3")
    for one, number in ((first, 8080), (second, 9090)):
        ports = [core_v1.ContainerPort(name="web", container_port=number)]
        one.spec.containers = [core_v1.Container(name="main", ports=ports)]
    planned = sliced(named, [first, second, third])
    groups = {
        (each.ports[0].port if each.ports else None): [one.addresses[0] for one in each.endpoints]
        for each in planned.create
    }
    assert groups == {8080: ["10.0.0.1"], 9090: ["10.0.0.2"], None: ["10.0.0.3"]}


def test_slices_hold_a_hundred_and_endpoints_stay_where_they_are() -> None:
    pods = [at(f"10.0.{number // 200}.{number % 200 + 1}") for number in range(150)]
    first = sliced(service(), pods)
    assert sorted(len(each.endpoints) for each in first.create) == [50, 100]
    again = sliced(service(), pods, first.create)
    assert again == SliceChanges()
    fewer = sliced(service(), pods[:-1], first.create)
    assert (len(fewer.create), len(fewer.update), len(fewer.delete)) == (0, 1, 0)
    more = sliced(service(), [*pods, at("10.9.9.9")], first.create)
    assert (len(more.create), len(more.update)) == (0, 1)
    assert len(more.update[0].endpoints) == 51


def test_a_service_without_endpoints_has_one_empty_slice() -> None:
    planned = sliced(service(), [])
    (placeholder,) = planned.create
    assert (placeholder.endpoints, placeholder.ports) == ([], [])
    assert sliced(service(), [], planned.create) == SliceChanges()
    filled = sliced(service(), [at("10.0.0.1")], planned.create)
    assert (filled.create, filled.delete) == ((), ())
    assert [(one.metadata.name, len(one.endpoints)) for one in filled.update] == [("web-0", 1)]


def test_a_slice_belongs_to_its_service_and_is_labelled() -> None:
    (made,) = sliced(service(clusterIP="None"), [at("10.0.0.1")], zones={"node-0": "west"}).create
    assert made.metadata.labels == {
        "app": "web",
        "kubernetes.io/service-name": "web",
        "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
        "service.kubernetes.io/headless": "",
    }
    assert made.metadata.owner_references[0].uid == "uid-web"
    assert (made.endpoints[0].node_name, made.endpoints[0].zone) == ("node-0", "west")


def test_the_hostname_is_told_when_the_subdomain_is_the_service() -> None:
    one = at("10.0.0.1")
    one.spec.hostname, one.spec.subdomain = "db-0", "web"
    (made,) = sliced(service(), [one]).create
    assert made.endpoints == [made.endpoints[0]]
    assert made.endpoints[0].hostname == "db-0"
    assert isinstance(made, discovery_v1.EndpointSlice)


def test_what_is_cut_off_at_a_thousand_is_shared_by_the_subsets() -> None:
    named = service(ports=[{"port": 80, "targetPort": "web"}])
    pods = []
    for number in range(1500):
        one = at(f"10.{number // 250}.0.{number % 250 + 1}", name=f"p{number}", ready=number < 900)
        ports = [core_v1.ContainerPort(name="web", container_port=8000 + number % 3)]
        one.spec.containers = [core_v1.Container(name="main", ports=ports)]
        pods.append(one)
    wanted = endpoints.plan(named, pods, None)
    assert wanted is not None
    assert [len(subset.addresses) for subset in wanted.subsets] == [300, 300, 300]
    assert [len(subset.not_ready_addresses) for subset in wanted.subsets] == [34, 34, 32]


def test_addresses_are_of_the_services_first_family() -> None:
    one = at("10.0.0.1")
    one.status.pod_ips.append(core_v1.PodIP(ip="fd00::1"))
    wanted = endpoints.plan(service(ipFamilies=["IPv6", "IPv4"]), [one, at("10.0.0.2")], None)
    assert wanted is not None
    assert [address.ip for subset in wanted.subsets for address in subset.addresses] == ["fd00::1"]


def test_endpoints_say_since_when_the_change_has_waited() -> None:
    made = endpoints.plan(service(), [at("10.0.0.1")], None, NOW)
    assert made is not None
    assert made.metadata.annotations == {"endpoints.kubernetes.io/last-change-trigger-time": "2030-01-01T12:00:00Z"}
    assert endpoints.plan(service(), [at("10.0.0.1")], made) is None
    changed = endpoints.plan(service(), [at("10.0.0.2")], made)
    assert changed is not None
    assert changed.metadata.annotations == {}
