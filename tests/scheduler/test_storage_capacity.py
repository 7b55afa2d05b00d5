"""Storage that is made when the node is known: whether a node has room for it, and which has most."""

from __future__ import annotations

from random import Random
from typing import Any

import msgspec

from pybernetes.api.features import STORAGE_CAPACITY_SCORING
from pybernetes.api.meta import Key
from pybernetes.api.models import core_v1, storage_v1
from pybernetes.scheduler.assumed_volumes import AssumedVolumes
from pybernetes.scheduler.configuration.loading import read
from pybernetes.scheduler.configuration.merging import ConfigurationError
from pybernetes.scheduler.evaluation import Diagnosis, Evaluator, Placement
from pybernetes.scheduler.explaining.listed_objects import ListedObjects
from pybernetes.scheduler.framework import ClusterEvent
from pybernetes.scheduler.pod_info import PodInfo
from pybernetes.scheduler.profiles import build_profiles
from pybernetes.scheduler.registry import ROWS, Parts, argument_types, with_features
from pybernetes.scheduler.storage_space import follow_spaces, space_of
from scheduler.configured import configuration
from scheduler.objects import World, node, pod

SHORT = "node(s) did not have enough free storage"


def capacity(name: str, zone: str | None, **amounts: str) -> storage_v1.CSIStorageCapacity:
    topology = {} if zone is None else {"nodeTopology": {"matchLabels": {"zone": zone}}}
    document = {"metadata": {"name": name, "namespace": "csi"}, "storageClassName": "fast", **topology, **amounts}
    return msgspec.convert(document, storage_v1.CSIStorageCapacity)


class Storage(World):
    """A class of volumes that are made on demand by a driver that tells of its room."""

    def __init__(self, *capacities: storage_v1.CSIStorageCapacity, tells: bool = True) -> None:
        super().__init__(node("a", labels={"zone": "a"}), node("b", labels={"zone": "b"}))
        known = self.state.storage
        known.classes["fast"] = msgspec.convert(
            {"metadata": {"name": "fast"}, "provisioner": "csi.x", "volumeBindingMode": "WaitForFirstConsumer"},
            storage_v1.StorageClass,
        )
        known.csi_drivers["csi.x"] = msgspec.convert(
            {"metadata": {"name": "csi.x"}, "spec": {"storageCapacity": tells}}, storage_v1.CSIDriver
        )
        for one in capacities:
            known.spaces.setdefault("fast", {})[Key("csi", one.metadata.name)] = space_of(one)

    def wants(self, *sizes: str) -> PodInfo:
        """A pod with a claim of each size."""
        volumes = []
        for index, size in enumerate(sizes):
            name = f"claim{index}"
            document = {
                "metadata": {"name": name, "namespace": "default"},
                "spec": {"storageClassName": "fast", "resources": {"requests": {"storage": size}}},
            }
            self.state.storage.claims[Key("default", name)] = msgspec.convert(document, core_v1.PersistentVolumeClaim)
            volumes.append({"name": name, "persistentVolumeClaim": {"claimName": name}})
        return pod("p", volumes=volumes)

    def scored(self, shape: list[dict[str, int]] | None = None) -> Evaluator:
        rows = with_features(ROWS, frozenset((STORAGE_CAPACITY_SCORING,)))
        profile: dict[str, Any] = {
            "plugins": {"score": {"disabled": [{"name": "*"}], "enabled": [{"name": "VolumeBinding"}]}}
        }
        if shape is not None:
            profile["pluginConfig"] = [{"name": "VolumeBinding", "args": {"shape": shape}}]
        parts = Parts(self.state, self.workloads, AssumedVolumes(self.state.storage))
        profiles = build_profiles(read(configuration(profile), argument_types(rows)), parts, rows)
        return Evaluator(self.state, next(iter(profiles.values())), Random(1))


def test_a_pod_goes_where_there_is_room_for_its_volumes() -> None:
    world = Storage(capacity("a", "a", capacity="5Gi"), capacity("b", "b", capacity="50Gi"))
    assert world.evaluator.decide(world.wants("10Gi")) == Placement("b", 1)
    refused = world.evaluator.decide(world.wants("100Gi"))
    assert isinstance(refused, Diagnosis)
    assert refused.reasons == {SHORT: 2}
    assert not refused.resolvable.any()


def test_the_largest_volume_counts_before_what_there_is_in_all() -> None:
    world = Storage(capacity("a", "a", capacity="500Gi", maximumVolumeSize="5Gi"), capacity("b", "b", capacity="50Gi"))
    assert world.evaluator.decide(world.wants("10Gi")) == Placement("b", 1)


def test_what_no_node_reaches_or_nobody_knows_is_no_room() -> None:
    world = Storage(capacity("nowhere", None, capacity="500Gi"), capacity("unknown", "b"))
    refused = world.evaluator.decide(world.wants("1Gi"))
    assert isinstance(refused, Diagnosis)
    assert refused.reasons == {SHORT: 2}


def test_a_driver_that_does_not_tell_is_believed_to_have_room() -> None:
    world = Storage(tells=False)
    placed = world.evaluator.decide(world.wants("100Gi"))
    assert isinstance(placed, Placement)
    assert placed.feasible == 2


def test_the_node_with_most_room_is_preferred_and_a_shape_says_otherwise() -> None:
    world = Storage(capacity("a", "a", capacity="20Gi"), capacity("b", "b", capacity="100Gi"))
    assert world.scored().decide(world.wants("10Gi")) == Placement("b", 2)
    packed = [{"utilization": 0, "score": 0}, {"utilization": 100, "score": 10}]
    assert world.scored(packed).decide(world.wants("10Gi")) == Placement("a", 2)


def test_a_shape_needs_the_feature_and_must_rise() -> None:
    falling = [{"utilization": 50, "score": 0}, {"utilization": 10, "score": 10}]
    document = configuration({"pluginConfig": [{"name": "VolumeBinding", "args": {"shape": falling}}]})
    for features, message in (
        ((), "unexpected field `shape`, remove it or turn on the feature gate StorageCapacityScoring"),
        ((STORAGE_CAPACITY_SCORING,), "values must be sorted in increasing order"),
    ):
        try:
            read(document, argument_types(with_features(ROWS, frozenset(features))))
        except ConfigurationError as error:
            told = str(error)
        else:
            told = ""
        assert message in told


def test_more_room_is_told_and_less_is_not() -> None:
    world, listed, told = Storage(), ListedObjects(), []
    follow_spaces(listed.informers, world.state.storage.spaces, told.append)
    listed.tell([capacity("a", "a", capacity="5Gi")])
    assert told == [ClusterEvent.CAPACITY_CHANGED]
    assert world.evaluator.decide(world.wants("5Gi")) == Placement("a", 1)
