"""Services: defaults, rules, what changes of type keep, and addresses that are never held twice."""

# ruff: noqa: E501
from __future__ import annotations

import copy
from random import Random
from typing import Any

import orjson
import pytest

from apiserver.resources.support import CONTEXT, cells, changed, completed_by, created, problems, update_problems
from pybernetes.api.errors import ApiError
from pybernetes.apiserver.options import ServerOptions
from pybernetes.apiserver.reader import CacheReader
from pybernetes.apiserver.resource import Document, Facilities
from pybernetes.apiserver.resources.service import SERVICES, prepare_update
from pybernetes.apiserver.resources.service_reservations import ServiceReservations
from pybernetes.apiserver.watch_cache import WatchCache
from pybernetes.store.contract import Committed, Put
from pybernetes.store.memory import MemoryStore


def service(**spec: Any) -> Document:
    return {"metadata": {"name": "web", "namespace": "default"}, "spec": {"ports": [{"port": 80}], **spec}}


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


class Keeper(ServiceReservations):
    """Reservations, and the store that their addresses are held in."""

    def __init__(self, store: MemoryStore, options: ServerOptions) -> None:
        super().__init__(Facilities(store, CacheReader(WatchCache(store)), Random(1), options))
        self.store = store


def reservations(store: MemoryStore, **options: Any) -> Keeper:
    return Keeper(store, ServerOptions(**options))


async def held(keeper: Keeper, manifest: Document, old: Document | None = None) -> Document:
    new = completed_by(SERVICES, manifest) if old is None else manifest
    reservation = keeper.reserve(new, old, CONTEXT)
    committed = await keeper.store.transact(require=tuple(reservation.require), write=tuple(reservation.write))
    assert isinstance(committed, Committed)
    reservation.confirm()
    return new


def test_a_minimal_service_gets_the_defaults_of_upstream() -> None:
    assert created(SERVICES, service(selector={"app": "web"}))["spec"] == {
        "internalTrafficPolicy": "Cluster",
        "ports": [{"port": 80, "protocol": "TCP", "targetPort": 80}],
        "selector": {"app": "web"},
        "sessionAffinity": "None",
        "type": "ClusterIP",
    }


def test_a_load_balancer_gets_its_own_defaults() -> None:
    spec = created(SERVICES, service(type="LoadBalancer", sessionAffinity="ClientIP"))["spec"]
    assert spec["externalTrafficPolicy"] == "Cluster"
    assert spec["allocateLoadBalancerNodePorts"] is True
    assert spec["sessionAffinityConfig"] == {"clientIP": {"timeoutSeconds": 10800}}


@pytest.mark.parametrize(
    ("manifest", "expected"),
    [
        (service(ports=[]), "spec.ports: Required value"),
        (service(ports=[{"port": 80}, {"port": 81}]), "spec.ports[0].name: Required value"),
        (
            service(ports=[{"port": 80, "name": "a"}, {"port": 80, "name": "b"}]),
            'spec.ports[1]: Duplicate value: {"Name":"","Protocol":"TCP","AppProtocol":null,"Port":80,"TargetPort":0,"NodePort":0}',
        ),
        (
            service(ports=[{"port": 80, "nodePort": 30000}]),
            "spec.ports[0].nodePort: Forbidden: may not be used when `type` is 'ClusterIP'",
        ),
        (service(ports=[{"port": 0}]), "spec.ports[0].port: Invalid value: 0: must be between 1 and 65535, inclusive"),
        (service(type="ExternalName", ports=[]), "spec.externalName: Required value"),
        (
            service(type="Magic"),
            'spec.type: Unsupported value: "Magic": supported values: "ClusterIP", "ExternalName", "LoadBalancer", "NodePort"',
        ),
        (
            service(type="NodePort", clusterIP="None", clusterIPs=["None"]),
            "spec.clusterIPs[0]: Invalid value: \"None\": may not be set to 'None' for NodePort services",
        ),
        (
            service(sessionAffinity="Sticky"),
            'spec.sessionAffinity: Unsupported value: "Sticky": supported values: "ClientIP", "None"',
        ),
        (
            service(externalTrafficPolicy="Local"),
            'spec.externalTrafficPolicy: Invalid value: "Local": may only be set for externally-accessible services',
        ),
    ],
)
def test_a_mistake_gets_the_message_of_upstream(manifest: Document, expected: str) -> None:
    assert expected in problems(SERVICES, manifest)


def test_a_name_must_be_a_label() -> None:
    manifest = service()
    manifest["metadata"]["name"] = "1web"
    assert problems(SERVICES, manifest) == []
    manifest["metadata"]["name"] = "Web"
    (text,) = problems(SERVICES, manifest)
    assert text.startswith('metadata.name: Invalid value: "Web": a lowercase RFC 1123 label must consist of')


async def test_a_service_gets_an_address_and_families(store: MemoryStore) -> None:
    spec = (await held(reservations(store), service()))["spec"]
    assert spec["clusterIP"].startswith("10.96.")
    assert spec["clusterIPs"] == [spec["clusterIP"]]
    assert (spec["ipFamilies"], spec["ipFamilyPolicy"]) == (["IPv4"], "SingleStack")


async def test_no_address_is_held_twice(store: MemoryStore) -> None:
    keeper = reservations(store, service_cidr="10.0.0.0/28")
    addresses = {(await held(keeper, service()))["spec"]["clusterIP"] for _ in range(14)}
    assert len(addresses) == 14
    with pytest.raises(ApiError) as full:
        await held(keeper, service())
    assert (full.value.code, "range is full" in full.value.message) == (500, True)


async def test_an_address_that_is_taken_is_refused_with_the_message_of_upstream(store: MemoryStore) -> None:
    keeper = reservations(store)
    await held(keeper, service(clusterIP="10.96.0.10"))
    with pytest.raises(ApiError) as refused:
        await held(keeper, service(clusterIP="10.96.0.10"))
    assert refused.value.message == (
        'Service "web" is invalid: spec.clusterIPs: Invalid value: ["10.96.0.10"]: '
        "failed to allocate IP 10.96.0.10: provided IP is already allocated"
    )


async def test_a_write_that_fails_gives_everything_back(store: MemoryStore) -> None:
    keeper = reservations(store)
    new = completed_by(
        SERVICES, service(type="NodePort", clusterIP="10.96.0.10", ports=[{"port": 1, "nodePort": 30005}])
    )
    keeper.reserve(new, None, CONTEXT).cancel()
    await held(keeper, service(type="NodePort", clusterIP="10.96.0.10", ports=[{"port": 1, "nodePort": 30005}]))


async def test_a_refused_port_gives_the_address_back(store: MemoryStore) -> None:
    keeper = reservations(store)
    bad = service(type="NodePort", clusterIP="10.96.0.10", ports=[{"port": 80, "nodePort": 80}])
    with pytest.raises(ApiError) as refused:
        await held(keeper, bad)
    assert refused.value.message.endswith(
        "spec.ports[0].nodePort: Invalid value: 80: provided port is not in the valid range. "
        "The range of valid ports is 30000-32767"
    )
    await held(keeper, service(clusterIP="10.96.0.10"))


async def test_what_stored_services_hold_is_taken_after_a_start(store: MemoryStore) -> None:
    first = reservations(store)
    kept = await held(first, service(type="NodePort"))
    await store.transact(require=(), write=(Put("/registry/services/specs/default/web", orjson.dumps(kept)),))
    second = reservations(store)
    await second.start()
    with pytest.raises(ApiError):
        await held(second, service(clusterIP=kept["spec"]["clusterIP"]))
    with pytest.raises(ApiError, match="provided port is already allocated"):
        await held(second, service(type="NodePort", ports=kept["spec"]["ports"]))


async def test_a_deleted_service_frees_what_it_held(store: MemoryStore) -> None:
    keeper = reservations(store)
    gone = await held(keeper, service(type="NodePort"))
    await store.transact(require=(), write=tuple(await keeper.removal(gone)))
    keeper.release(gone)
    again = await held(keeper, service(clusterIP=gone["spec"]["clusterIP"]))
    assert again["spec"]["clusterIP"] == gone["spec"]["clusterIP"]


async def test_tcp_and_udp_of_one_port_share_a_node_port(store: MemoryStore) -> None:
    ports = [{"name": "a", "port": 53, "protocol": "UDP"}, {"name": "b", "port": 53, "protocol": "TCP"}]
    stored = await held(reservations(store), service(type="NodePort", ports=ports))
    first, second = stored["spec"]["ports"]
    assert first["nodePort"] == second["nodePort"] >= 30000


async def test_picks_stay_out_of_the_low_band(store: MemoryStore) -> None:
    keeper = reservations(store)
    picked = [keeper.addresses.pick("IPv4") for _ in range(300)]
    assert not any(address.startswith("10.96.0.") for address in picked)
    assert min(keeper.ports.pick() for _ in range(300)) >= 30086


async def test_node_ports_go_with_the_type(store: MemoryStore) -> None:
    keeper = reservations(store)
    old = await held(keeper, service(type="NodePort"))
    new = changed(old, spec__type="ClusterIP")
    await held(keeper, new, copy.deepcopy(old))
    prepare_update(new, old, CONTEXT)
    assert "nodePort" not in new["spec"]["ports"][0]
    assert "externalTrafficPolicy" not in new["spec"]
    assert new["spec"]["clusterIP"] == old["spec"]["clusterIP"]
    await held(keeper, service(type="NodePort", ports=[{"port": 1, "nodePort": old["spec"]["ports"][0]["nodePort"]}]))


async def test_an_update_without_addresses_keeps_them(store: MemoryStore) -> None:
    keeper = reservations(store)
    old = await held(keeper, service(type="NodePort"))
    new = await held(keeper, created(SERVICES, service(type="NodePort")), old)
    assert new["spec"]["clusterIPs"] == old["spec"]["clusterIPs"]
    assert new["spec"]["ports"] == old["spec"]["ports"]


async def test_the_address_of_a_service_may_not_change(store: MemoryStore) -> None:
    old = await held(reservations(store), service(clusterIP="10.96.0.10"))
    assert update_problems(SERVICES, old, spec__clusterIP="10.96.0.11", spec__clusterIPs=["10.96.0.11"]) == [
        'spec.clusterIPs[0]: Invalid value: ["10.96.0.11"]: may not change once set'
    ]


async def test_a_headless_service_holds_no_address(store: MemoryStore) -> None:
    spec = (await held(reservations(store), service(clusterIP="None", selector={"a": "b"})))["spec"]
    assert (spec["clusterIPs"], spec["ipFamilyPolicy"]) == (["None"], "SingleStack")


async def test_two_families_are_refused_on_a_cluster_with_one(store: MemoryStore) -> None:
    with pytest.raises(ApiError, match="this cluster is not configured for dual-stack services"):
        await held(reservations(store), service(ipFamilyPolicy="RequireDualStack"))


@pytest.mark.parametrize(
    ("spec", "row"),
    [
        ({"clusterIP": "10.96.0.9"}, ("ClusterIP", "10.96.0.9", "<none>", "80/TCP")),
        ({"clusterIP": "None"}, ("ClusterIP", "None", "<none>", "80/TCP")),
        (
            {"type": "NodePort", "ports": [{"port": 80, "nodePort": 30001}]},
            ("NodePort", "<none>", "<none>", "80:30001/TCP"),
        ),
        ({"type": "LoadBalancer"}, ("LoadBalancer", "<none>", "<pending>", "80/TCP")),
        (
            {"type": "ExternalName", "externalName": "example.org", "ports": []},
            ("ExternalName", "<none>", "example.org", "<none>"),
        ),
    ],
)
def test_a_service_reads_as_upstream_prints_it(spec: Document, row: tuple[str, ...]) -> None:
    shown = cells(SERVICES, completed_by(SERVICES, service(**spec)))
    assert (shown["Type"], shown["Cluster-IP"], shown["External-IP"], shown["Port(s)"]) == row
