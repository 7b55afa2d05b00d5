"""How endpoints are packed into slices, and which clients they are for."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from controllers.make import NOW
from controllers.test_endpoints import at, service
from pybernetes.api.meta import Key
from pybernetes.api.models import core_v1, discovery_v1
from pybernetes.controllers.endpointslice_plan import Plan, Topology, plan
from pybernetes.controllers.topology_hints import cpu_shares, is_overloaded
from pybernetes.controllers.trigger_times import TriggerTimes, with_trigger_time

AUTO = {"service.kubernetes.io/topology-mode": "Auto"}


def pods(count: int, *, nodes: int = 1, first: int = 0) -> list[core_v1.Pod]:
    return [
        at(f"10.0.{number // 200}.{number % 200 + 1}", name=f"p{number}", node=f"node-{number % nodes}")
        for number in range(first, first + count)
    ]


def written(
    planned: Plan, before: tuple[discovery_v1.EndpointSlice, ...] = ()
) -> tuple[discovery_v1.EndpointSlice, ...]:
    """The slices as they are after a plan, with names."""
    changes = planned.changes
    gone = {one.metadata.name for one in (*changes.update, *changes.delete)}
    left = [one for one in before if one.metadata.name not in gone]
    made = []
    for number, one in enumerate(changes.create, len(before)):
        made.append(msgspec.structs.replace(one, metadata=msgspec.structs.replace(one.metadata, name=f"s{number}")))
    return (*left, *changes.update, *made)


def sizes(slices: Any) -> list[int]:
    return sorted(len(one.endpoints) for one in slices)


ONE_NODE = Topology({"node-0": ""})


def test_new_endpoints_go_into_the_slice_they_fill_best_and_no_other_is_written() -> None:
    first = written(plan(service(), pods(250), (), ONE_NODE))
    assert sizes(first) == [50, 100, 100]
    more = plan(service(), pods(260), first, ONE_NODE)
    assert (more.changes.create, sizes(more.changes.update), more.changes.delete) == ((), [60], ())
    too_many = plan(service(), pods(301), first, ONE_NODE)
    assert (sizes(too_many.changes.create), sizes(too_many.changes.update)) == ([51], [])


def test_slices_that_are_written_anyway_are_filled_first() -> None:
    first = written(plan(service(), pods(150), (), ONE_NODE))
    replaced = [*pods(99, first=1), *pods(51, first=100), *pods(2, first=400)]
    changes = plan(service(), replaced, first, ONE_NODE).changes
    assert (sizes(changes.create), sizes(changes.update)) == ([], [52, 100])


def test_a_dual_stack_service_has_slices_of_each_family() -> None:
    both = service(ipFamilies=["IPv4", "IPv6"], clusterIPs=["10.96.0.5", "fd00::5"])
    (pod,) = pods(1)
    pod.status.pod_ips.append(core_v1.PodIP(ip="fd00:0::0:7"))
    planned = plan(both, [pod], (), ONE_NODE)
    found = {one.address_type: [each.addresses for each in one.endpoints] for one in planned.changes.create}
    assert found == {"IPv4": [["10.0.0.1"]], "IPv6": [["fd00::7"]]}
    present = written(planned)
    single = plan(service(ipFamilies=["IPv4"]), [pod], present, ONE_NODE)
    assert [one.address_type for one in single.changes.delete] == ["IPv6"]


def test_a_slice_of_an_older_service_of_the_name_goes() -> None:
    before = written(plan(service(), pods(1), (), ONE_NODE))
    before[0].metadata.owner_references[0].uid = "another"
    changes = plan(service(), pods(1), before, ONE_NODE).changes
    assert (len(changes.create), changes.update, changes.delete) == (1, (), before)


def test_a_pod_of_an_unknown_node_is_left_out_unless_everything_is_published() -> None:
    planned = plan(service(), pods(2, nodes=2), (), ONE_NODE)
    assert (sizes(planned.changes.create), planned.skipped) == ([1], ("p1",))
    published = plan(service(publishNotReadyAddresses=True), pods(2, nodes=2), (), ONE_NODE)
    assert (sizes(published.changes.create), published.skipped) == ([2], ())


def test_labels_of_the_service_follow_and_reserved_ones_do_not() -> None:
    before = written(plan(service(), pods(1), (), ONE_NODE))
    relabelled = service()
    relabelled.metadata.labels = {"tier": "front", "kubernetes.io/service-name": "other"}
    (changed,) = plan(relabelled, pods(1), before, ONE_NODE).changes.update
    assert changed.metadata.labels == {
        "tier": "front",
        "kubernetes.io/service-name": "web",
        "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
    }


def node(zone: str, cpu: str = "4", **labels: str) -> core_v1.Node:
    document = {
        "metadata": {"name": zone, "labels": {"topology.kubernetes.io/zone": zone, **labels}},
        "status": {"allocatable": {"cpu": cpu}, "conditions": [{"type": "Ready", "status": "True"}]},
    }
    return msgspec.convert(document, core_v1.Node)


def test_zones_share_by_their_cpus_and_control_planes_do_not_count() -> None:
    control_plane = node("c", **{"node-role.kubernetes.io/control-plane": ""})
    assert cpu_shares([node("a", "3"), node("b", "500m"), node("b", "500m"), control_plane]) == {"a": 0.75, "b": 0.25}
    assert cpu_shares([node("a"), node("")]) == {}
    assert cpu_shares([node("a"), node("a")]) == {}


def hints(slices: Any) -> Counter[str]:
    return Counter(
        zone.name
        for one in slices
        for endpoint in one.endpoints
        for zone in (endpoint.hints.for_zones if endpoint.hints else [])
    )


def annotated(**spec: Any) -> core_v1.Service:
    made = service(**spec)
    made.metadata.annotations.update(AUTO)
    return made


ZONES = {"node-0": "a", "node-1": "b", "node-2": "c"}
EVEN = {"a": 1 / 3, "b": 1 / 3, "c": 1 / 3}


def test_endpoints_are_shared_out_over_zones_by_their_cpus() -> None:
    planned = plan(annotated(), pods(9, nodes=2), (), Topology(ZONES, EVEN))
    assert hints(planned.changes.create) == {"a": 3, "b": 3, "c": 3}
    assert planned.spread == {"IPv4": {"a": 3, "b": 3, "c": 3}}
    assert planned.events == (
        ("Normal", "TopologyAwareHintsEnabled", "Topology Aware Hints has been enabled, addressType: IPv4"),
    )
    present = written(planned)
    settled = plan(annotated(), pods(9, nodes=2), present, Topology(ZONES, EVEN, was_spread=True))
    assert (settled.changes.update, settled.events) == ((), ())
    off = plan(service(), pods(9, nodes=2), present, Topology(ZONES, was_spread=True))
    assert (hints(off.changes.update), sizes(off.changes.update)) == ({}, [9])
    assert [message for _, _, message in off.events] == ["Topology Aware Hints has been disabled, addressType: IPv4"]


@pytest.mark.parametrize(
    ("count", "shares", "message"),
    [
        (2, EVEN, "Insufficient number of endpoints (2 endpoints, 3 zones)"),
        (
            9,
            {},
            "Insufficient Node information: allocatable CPU or zone not specified on one or more nodes",
        ),
        (
            4,
            EVEN,
            "Unable to allocate minimum required endpoints to each zone without exceeding overload threshold "
            "(4 endpoints, 3 zones)",
        ),
    ],
)
def test_why_endpoints_are_not_shared_out(count: int, shares: dict[str, float], message: str) -> None:
    planned = plan(annotated(), pods(count, nodes=3), (), Topology(ZONES, shares))
    assert planned.events == (("Warning", "TopologyAwareHintsDisabled", f"{message}, addressType: IPv4"),)
    assert hints(planned.changes.create) == {}


def test_an_endpoint_without_a_zone_ends_the_sharing_out() -> None:
    planned = plan(annotated(), pods(9, nodes=3), (), Topology(ZONES | {"node-2": ""}, EVEN))
    assert [message for _, _, message in planned.events] == [
        "One or more endpoints do not have a zone specified, addressType: IPv4"
    ]


def test_a_zone_is_overloaded_when_its_cpus_need_more_endpoints() -> None:
    assert not is_overloaded({"a": 3, "b": 3}, {"a": 0.5, "b": 0.5})
    assert is_overloaded({"a": 5, "b": 1}, {"a": 0.5, "b": 0.5})
    assert is_overloaded({"a": 3}, {})


@pytest.mark.parametrize("distribution", ["PreferClose", "PreferSameZone", "PreferSameNode"])
def test_close_endpoints_are_preferred_by_hints(distribution: str) -> None:
    planned = plan(service(trafficDistribution=distribution), pods(2, nodes=2), (), Topology(ZONES | {"node-1": ""}))
    (made,) = planned.changes.create
    told = [
        None if one.hints is None else ([z.name for z in one.hints.for_zones], [n.name for n in one.hints.for_nodes])
        for one in made.endpoints
    ]
    by_node = distribution == "PreferSameNode"
    assert told == [(["a"], ["node-0"] if by_node else []), ([], ["node-1"]) if by_node else None]
    present = written(planned)
    again = plan(service(trafficDistribution=distribution), pods(2, nodes=2), present, Topology(ZONES | {"node-1": ""}))
    assert again.changes.update == ()
    assert len(plan(service(), pods(2, nodes=2), present, Topology(ZONES | {"node-1": ""})).changes.update) == 1


def test_the_time_of_the_change_that_led_here_is_the_earliest_since_the_last_look() -> None:
    times, key, one = TriggerTimes(), Key("default", "web"), service()
    one.metadata.creation_timestamp = NOW
    first, second = at("10.0.0.1", ready_for=50), at("10.0.0.2", ready_for=20)
    assert times.next(key, one, [first]) == NOW
    assert times.next(key, one, [first]) is None
    assert times.next(key, one, [first, second]) == NOW - timedelta(seconds=20)
    assert with_trigger_time({"a": "b"}, NOW) == {
        "a": "b",
        "endpoints.kubernetes.io/last-change-trigger-time": "2030-01-01T12:00:00Z",
    }
