"""Which devices claims get on a node."""

from __future__ import annotations

import pytest

from pybernetes.scheduler.devices.requests import AllocationFailed
from pybernetes.scheduler.devices.search import InvalidPools
from scheduler.devices.device_world import Devices, claim, device, device_class, exactly, first_of, slice_of
from scheduler.objects import node

NODE, OTHER = node("a"), node("b")
BIG = {"attributes": {"size": {"int": 80}, "numa": {"int": 0}}}
SMALL = {"attributes": {"size": {"int": 20}, "numa": {"int": 1}}}
WANTS_BIG = 'device.attributes["gpu.example.com"].size > 40'


def test_a_claim_gets_the_first_devices_that_its_class_and_its_request_select() -> None:
    own_driver = device_class("gpu", 'device.driver == "gpu.example.com"')
    devices = Devices(own_driver, slice_of("a", device("d0", **SMALL), device("d1", **BIG), device("d2", **BIG)))
    assert devices.names(NODE, claim("c", exactly("one", "gpu", WANTS_BIG))) == ["d1"]
    assert devices.names(NODE, claim("c", exactly("two", "gpu", WANTS_BIG, count=2))) == ["d1", "d2"]
    assert devices.names(NODE, claim("c", exactly("three", "gpu", WANTS_BIG, count=3))) is None
    assert devices.names(OTHER, claim("c", exactly())) is None


def test_two_claims_never_get_one_device_and_what_is_taken_is_given_to_nobody() -> None:
    devices = Devices(device_class(), slice_of("a", device("d0"), device("d1")))
    assert devices.names(NODE, claim("x", exactly()), claim("y", exactly())) == ["d0", "d1"]
    first = devices.given(NODE, claim("x", exactly()))
    assert first is not None
    devices.taken.add(first[0])
    assert devices.names(NODE, claim("y", exactly())) == ["d1"]
    assert devices.names(NODE, claim("y", exactly(count=2))) is None
    devices.taken.remove(first[0])
    assert devices.names(NODE, claim("y", exactly(count=2))) == ["d0", "d1"]


def test_the_search_takes_back_what_leaves_another_request_without_a_device() -> None:
    devices = Devices(device_class(), slice_of("a", device("d0", **BIG), device("d1", **SMALL)))
    picky = claim("c", exactly("any"), exactly("big", "gpu", WANTS_BIG))
    assert devices.names(NODE, picky) == ["d1", "d0"]


def test_an_alternative_is_taken_only_when_those_before_it_cannot_be_had() -> None:
    devices = Devices(device_class(), slice_of("a", device("d0", **SMALL), device("d1", **SMALL)))
    choosy = claim("c", first_of("gpu", exactly("big", "gpu", WANTS_BIG), exactly("two", "gpu", count=2)))
    given = devices.given(NODE, choosy)
    assert given is not None
    assert [(one.request, one.device) for one in given[0].devices.results] == [("gpu/two", "d0"), ("gpu/two", "d1")]


def test_all_means_every_device_that_matches_and_at_least_one() -> None:
    devices = Devices(device_class(), slice_of("a", device("d0", **BIG), device("d1", **SMALL), device("d2", **BIG)))
    every = claim("c", exactly("all", "gpu", WANTS_BIG, allocationMode="All", count=0))
    assert devices.names(NODE, every) == ["d0", "d2"]
    none = claim("c", exactly("all", "gpu", "false", allocationMode="All", count=0))
    assert devices.names(NODE, none) is None
    taken = devices.given(NODE, claim("x", exactly("one", "gpu", WANTS_BIG)))
    assert taken is not None
    devices.taken.add(taken[0])
    assert devices.names(NODE, every) is None


def test_constraints_keep_devices_together_or_apart() -> None:
    apart = [device("d0", **BIG), device("d1", **SMALL), device("d2", **SMALL)]
    devices = Devices(device_class(), slice_of("a", *apart))
    same = {"constraints": [{"matchAttribute": "gpu.example.com/numa"}]}
    assert devices.names(NODE, claim("c", exactly(count=2), **same)) == ["d1", "d2"]
    distinct = {"constraints": [{"distinctAttribute": "gpu.example.com/numa"}]}
    assert devices.names(NODE, claim("c", exactly(count=2), **distinct)) == ["d0", "d1"]
    assert devices.names(NODE, claim("c", exactly(count=3), **distinct)) is None
    of_one = {"constraints": [{"requests": ["x"], "matchAttribute": "gpu.example.com/numa"}]}
    assert devices.names(NODE, claim("c", exactly("x"), exactly("y", count=2), **of_one)) == ["d0", "d1", "d2"]
    unknown = {"constraints": [{"matchAttribute": "gpu.example.com/colour"}]}
    assert devices.names(NODE, claim("c", exactly(), **unknown)) is None


def test_an_administrators_access_takes_nothing_from_others() -> None:
    devices = Devices(device_class(), slice_of("a", device("d0")))
    admin = devices.given(NODE, claim("watch", exactly(adminAccess=True)))
    assert admin is not None
    assert admin[0].devices.results[0].admin_access is True
    devices.taken.add(admin[0])
    used = devices.given(NODE, claim("use", exactly()))
    assert used is not None
    devices.taken.add(used[0])
    assert devices.names(NODE, claim("watch", exactly(adminAccess=True))) == ["d0"]
    assert devices.names(NODE, claim("use", exactly())) is None


def test_taints_keep_requests_away_that_do_not_tolerate_them() -> None:
    sick = {"taints": [{"key": "sick", "value": "yes", "effect": "NoSchedule"}]}
    noted = {"taints": [{"key": "noted", "effect": "None"}]}
    devices = Devices(device_class(), slice_of("a", device("d0", **sick), device("d1", **noted)))
    assert devices.names(NODE, claim("c", exactly())) == ["d1"]
    brave = exactly(tolerations=[{"key": "sick", "operator": "Equal", "value": "yes"}])
    assert devices.names(NODE, claim("c", brave)) == ["d0"]


def test_partitions_share_the_counters_of_their_device() -> None:
    half = {"consumesCounters": [{"counterSet": "memory", "counters": {"memory": {"value": "40Gi"}}}]}
    whole = {"consumesCounters": [{"counterSet": "memory", "counters": {"memory": {"value": "80Gi"}}}]}
    counters = slice_of(
        "z", pool="a", count=2, sharedCounters=[{"name": "memory", "counters": {"memory": {"value": "80Gi"}}}]
    )
    parts = slice_of("a", device("whole", **whole), device("left", **half), device("right", **half), count=2)
    devices = Devices(device_class(), counters, parts)
    assert devices.names(NODE, claim("c", exactly())) == ["whole"]
    assert devices.names(NODE, claim("c", exactly(count=2))) == ["left", "right"]
    one_half = devices.given(NODE, claim("c", exactly("one", "gpu"), exactly("other", "gpu")))
    assert one_half is not None
    devices.taken.add(one_half[0])
    assert devices.names(NODE, claim("d", exactly())) is None


def test_a_device_for_many_gives_each_its_share_until_nothing_is_left() -> None:
    policy = {"default": "10Gi", "validRange": {"min": "10Gi", "step": "10Gi"}}
    shared = {"allowMultipleAllocations": True, "capacity": {"memory": {"value": "40Gi", "requestPolicy": policy}}}
    devices = Devices(device_class(), slice_of("a", device("d0", **shared)))
    asks = exactly(capacity={"requests": {"memory": "15Gi"}})
    given = devices.given(NODE, claim("x", asks), claim("y", exactly()))
    assert given is not None
    results = [one.devices.results[0] for one in given]
    assert [one.consumed_capacity for one in results] == [{"memory": "20Gi"}, {"memory": "10Gi"}]
    assert len({one.share_id for one in results}) == 2
    assert None not in {one.share_id for one in results}
    for one in given:
        devices.taken.add(one)
    assert devices.names(NODE, claim("z", asks)) is None
    assert devices.names(NODE, claim("z", exactly())) == ["d0"]
    assert devices.names(NODE, claim("z", exactly(capacity={"requests": {"bandwidth": "1"}}))) is None


def test_a_claim_says_where_its_devices_can_be_used() -> None:
    zone = {"nodeSelectorTerms": [{"matchExpressions": [{"key": "zone", "operator": "In", "values": ["x"]}]}]}
    here, there = node("a", labels={"zone": "x"}), node("b", labels={"zone": "y"})
    devices = Devices(device_class(), slice_of("shared", device("d0"), nodeSelector=zone), slice_of("b", device("own")))
    given = devices.given(here, claim("c", exactly()))
    assert given is not None
    assert given[0].node_selector is not None
    assert given[0].node_selector.node_selector_terms[0].match_expressions[0].values == ["x"]
    own = devices.given(there, claim("c", exactly()))
    assert own is not None
    assert own[0].node_selector is not None
    assert own[0].node_selector.node_selector_terms[0].match_fields[0].values == ["b"]
    everywhere = Devices(device_class(), slice_of("net", device("d0"), allNodes=True))
    anywhere = everywhere.given(there, claim("c", exactly()))
    assert anywhere is not None
    assert anywhere[0].node_selector is None


def test_devices_may_be_for_different_nodes_in_one_slice() -> None:
    ours, theirs = device("ours", nodeName="a"), device("theirs", nodeName="b")
    devices = Devices(device_class(), slice_of("s", theirs, ours, perDeviceNodeSelection=True))
    assert devices.names(NODE, claim("c", exactly())) == ["ours"]
    assert devices.names(OTHER, claim("c", exactly())) == ["theirs"]


def test_devices_of_pools_that_are_being_updated_are_not_given_out() -> None:
    devices = Devices(device_class(), slice_of("a", device("d0"), count=2))
    assert devices.names(NODE, claim("c", exactly())) is None
    with pytest.raises(AllocationFailed, match=r"resource pool gpu\.example\.com/a is currently being updated"):
        devices.names(NODE, claim("c", exactly(allocationMode="All", count=0)))
    devices.slices.set("new", slice_of("new", device("d1"), pool="a", nodeName="a", generation=2))
    assert devices.names(NODE, claim("c", exactly())) == ["d1"]


def test_a_pool_that_contradicts_itself_is_told() -> None:
    twice = Devices(device_class(), slice_of("a", device("d0"), device("d0")))
    with pytest.raises(InvalidPools, match="invalid resource pools were encountered"):
        twice.names(NODE, claim("c", exactly()))


def test_a_selector_that_cannot_be_evaluated_fails_with_its_authors_name() -> None:
    devices = Devices(device_class("gpu", 'device.attributes["gpu.example.com"].size > 1'), slice_of("a", device("d0")))
    with pytest.raises(AllocationFailed, match=r"class gpu: selector #0: CEL runtime error: no such key: size"):
        devices.names(NODE, claim("c", exactly()))
    with pytest.raises(AllocationFailed, match="claim default/c: selector #0: CEL runtime error"):
        Devices(device_class(), slice_of("a", device("d0"))).names(NODE, claim("c", exactly("one", "gpu", WANTS_BIG)))


def test_configuration_of_classes_and_claims_comes_with_the_devices() -> None:
    setting = {"opaque": {"driver": "gpu.example.com", "parameters": {"mode": "fast"}}}
    own = {"config": [{"requests": ["b"], **setting}, {"requests": ["elsewhere"], **setting}, {**setting}]}
    devices = Devices(device_class(config=[setting]), slice_of("a", device("d0"), device("d1")))
    given = devices.given(NODE, claim("c", exactly("a"), exactly("b"), **own))
    assert given is not None
    assert [(one.source, one.requests) for one in given[0].devices.config] == [
        ("FromClass", ["a", "b"]),
        ("FromClaim", ["b"]),
        ("FromClaim", []),
    ]


def test_a_search_without_end_is_given_up() -> None:
    from pybernetes.scheduler.devices.requests import wanted
    from pybernetes.scheduler.devices.search import find_devices
    from pybernetes.scheduler.devices.selection import Selection

    alike = [device(f"d{number}", **BIG) for number in range(24)]
    devices = Devices(device_class(), slice_of("a", *alike))
    endless = claim("c", exactly("many", "gpu", count=12), exactly("never", "gpu", "false"))
    asked = [wanted(endless, devices.classes)]
    with pytest.raises(AllocationFailed, match="node a: timed out trying to allocate devices"):
        find_devices(NODE, asked, devices.slices.pools_for(NODE), devices.taken, Selection(), most_steps=2000)
