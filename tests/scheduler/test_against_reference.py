"""Each plugin says of all nodes at once what its plain reference says of one node after the other."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pybernetes.api.models import core_v1
from pybernetes.scheduler.arrays import EVERY_ROW, Mask, Rows
from pybernetes.scheduler.columns import NodeColumns
from pybernetes.scheduler.framework import AdmittingPlugin, Code, FilterPlugin, ScorePlugin
from pybernetes.scheduler.pod_info import PodInfo, pod_info
from scheduler.clusters import Document, clusters, made, node_affinities, pods
from scheduler.configured import ConfiguredWorld
from scheduler.reference.images import ImageLocality
from scheduler.reference.inter_pod_affinity import InterPodAffinity
from scheduler.reference.node_affinity import NodeAffinity
from scheduler.reference.node_basics import NodeName, NodePorts, NodeUnschedulable
from scheduler.reference.resources import NodeResourcesBalancedAllocation, NodeResourcesFit
from scheduler.reference.selector_spread import SelectorSpread
from scheduler.reference.taint_toleration import TaintToleration
from scheduler.reference.topology_spread import PodTopologySpread
from scheduler.reference.volumes import NodeVolumeLimits, VolumeBinding, VolumeRestrictions, VolumeZone
from scheduler.reference.world import Cluster, Verdict

WEIGHTS = {"cpu": 1, "memory": 2, "example.com/gpu": 3}
RESOURCES = [{"name": name, "weight": weight} for name, weight in WEIGHTS.items()]
Arguments = dict[str, Any]


@dataclass(frozen=True)
class Case:
    """What of a cluster matters to a plugin, its arguments, and the reference made of them."""

    name: str
    features: tuple[str, ...]
    reference: Callable[[Arguments], Any]
    arguments: st.SearchStrategy[Arguments] = st.just({})


def affinity_of(arguments: Arguments) -> core_v1.NodeAffinity | None:
    return msgspec.convert(arguments["addedAffinity"], core_v1.NodeAffinity) if arguments else None


def fit_of(arguments: Arguments) -> NodeResourcesFit:
    return NodeResourcesFit(
        WEIGHTS,
        most=arguments["scoringStrategy"]["type"] == "MostAllocated",
        ignored=arguments["ignoredResources"],
        groups=arguments["ignoredResourceGroups"],
    )


def spread_of(arguments: Arguments) -> PodTopologySpread:
    if not arguments:
        return PodTopologySpread()
    return PodTopologySpread(msgspec.convert(arguments["defaultConstraints"], list[core_v1.TopologySpreadConstraint]))


added_affinities = node_affinities.filter(bool).map(lambda one: {"addedAffinity": one})
fit_arguments = st.fixed_dictionaries(
    {
        "scoringStrategy": st.sampled_from(["LeastAllocated", "MostAllocated"]).map(
            lambda kind: {"type": kind, "resources": RESOURCES}
        ),
        "ignoredResources": st.sampled_from([[], ["example.com/gpu"]]),
        "ignoredResourceGroups": st.sampled_from([[], ["example.com"]]),
    }
)
default_constraints = st.lists(
    st.fixed_dictionaries(
        {
            "topologyKey": st.sampled_from(["kubernetes.io/hostname", "topology.kubernetes.io/zone", "rack"]),
            "maxSkew": st.integers(1, 3),
            "whenUnsatisfiable": st.sampled_from(["DoNotSchedule", "ScheduleAnyway"]),
        }
    ),
    max_size=2,
    unique_by=lambda one: (one["topologyKey"], one["whenUnsatisfiable"]),
).map(lambda constraints: {"defaultConstraints": constraints, "defaultingType": "List"})
company_arguments = st.fixed_dictionaries(
    {"hardPodAffinityWeight": st.sampled_from([0, 1, 7]), "ignorePreferredTermsOfExistingPods": st.booleans()}
)

CASES = (
    Case("NodeName", ("names",), lambda given: NodeName()),
    Case("NodeUnschedulable", ("taints",), lambda given: NodeUnschedulable()),
    Case("TaintToleration", ("taints",), lambda given: TaintToleration()),
    Case("NodeAffinity", ("affinity",), lambda given: NodeAffinity(affinity_of(given)), st.just({}) | added_affinities),
    Case("NodePorts", ("ports",), lambda given: NodePorts()),
    Case("NodeResourcesFit", ("resources",), fit_of, fit_arguments),
    Case(
        "NodeResourcesBalancedAllocation",
        ("resources",),
        lambda given: NodeResourcesBalancedAllocation(WEIGHTS),
        st.just({"resources": [{"name": name, "weight": 1} for name in WEIGHTS]}),
    ),
    Case("ImageLocality", ("images",), lambda given: ImageLocality()),
    Case(
        "InterPodAffinity",
        ("company",),
        lambda given: InterPodAffinity(
            hard_weight=given["hardPodAffinityWeight"], ignore_preferred=given["ignorePreferredTermsOfExistingPods"]
        ),
        company_arguments,
    ),
    Case(
        "PodTopologySpread",
        ("spread", "taints", "affinity", "services"),
        spread_of,
        st.just({}) | default_constraints,
    ),
    Case("SelectorSpread", ("services", "spread"), lambda given: SelectorSpread()),
    Case("VolumeRestrictions", ("volumes",), lambda given: VolumeRestrictions()),
    Case("NodeVolumeLimits", ("volumes",), lambda given: NodeVolumeLimits()),
    Case("VolumeZone", ("volumes",), lambda given: VolumeZone()),
    Case("VolumeBinding", ("volumes",), lambda given: VolumeBinding()),
)


def profile_with(name: str, arguments: Arguments) -> Mapping[str, Any]:
    profile: dict[str, Any] = {"schedulerName": "default-scheduler"}
    if arguments:
        profile["pluginConfig"] = [{"name": name, "args": arguments}]
    if name == "SelectorSpread":
        profile["plugins"] = {"score": {"enabled": [{"name": name}]}}
    return profile


def verdicts(
    plugin: FilterPlugin, one: PodInfo, columns: NodeColumns, rows: Rows = EVERY_ROW
) -> dict[str, Verdict | None]:
    """What the vector plugin says of each of the asked nodes."""
    asked = np.arange(columns.capacity)[rows]
    found: dict[str, Verdict | None] = {}
    refusals = plugin.filter(one, columns, rows) if plugin.concerns(one, columns) else ()
    for place, row in enumerate(asked):
        if row < columns.size and columns.present[row]:
            mine = [refusal for refusal in refusals if refusal.mask[place]]
            hopeless = any(refusal.code is Code.UNRESOLVABLE for refusal in mine)
            reasons = tuple(sorted(refusal.reason for refusal in mine))
            found[columns.names[row]] = Verdict(reasons, hopeless) if mine else None
    return found


def expected(reference: Any, one: core_v1.Pod, cluster: Cluster) -> dict[str, Verdict | None]:
    found: dict[str, Verdict | None] = {}
    for node in cluster.nodes:
        verdict = reference.filter(one, node, cluster)
        if verdict is not None:
            verdict = Verdict(tuple(sorted(verdict.reasons)), verdict.hopeless)
        found[node.metadata.name] = verdict
    return found


def agree_on_nodes(world: ConfiguredWorld, cluster: Cluster, name: str, reference: Any, one: core_v1.Pod) -> None:
    profile = world.profiles["default-scheduler"]
    plugin = next(each for each in profile.filters if each.name == name)
    columns = world.state.nodes
    if hasattr(reference, "reject"):
        rejection = cast(AdmittingPlugin, plugin).rejection(pod_info(one))
        wanted = reference.reject(one, cluster)
        assert (rejection.reason if rejection else None) == wanted
        if wanted is not None:
            return
    everywhere = verdicts(plugin, pod_info(one), columns)
    assert everywhere == expected(reference, one, cluster)
    for row in range(columns.size):
        alone = verdicts(plugin, pod_info(one), columns, np.array([row]))
        assert alone == {columns.names[row]: everywhere[columns.names[row]]}


def agree_on_scores(
    world: ConfiguredWorld, cluster: Cluster, name: str, reference: Any, one: core_v1.Pod, feasible: Sequence[bool]
) -> None:
    profile = world.profiles["default-scheduler"]
    plugin: ScorePlugin = next(each.plugin for each in profile.scores if each.plugin.name == name)
    columns = world.state.nodes
    mask: Mask = np.zeros(columns.capacity, np.bool_)
    mask[: len(feasible)] = feasible
    chosen = [node for node, is_feasible in zip(cluster.nodes, feasible, strict=True) if is_feasible]
    info = pod_info(one)
    raw = plugin.score(info, columns, EVERY_ROW, mask)
    if not plugin.prefers(info, columns):
        # Skipped: every node must be the same to the reference.
        assert len(set(final(reference, one, chosen, cluster)[1].values())) <= 1
        return
    wanted_raw, wanted = final(reference, one, chosen, cluster)
    got = plugin.normalise(info, columns, raw, mask)
    by_name = {columns.names[row]: row for row in np.flatnonzero(mask)}
    assert {node: int(raw[row]) for node, row in by_name.items()} == wanted_raw
    assert {node: int(got[row]) for node, row in by_name.items()} == wanted


def final(
    reference: Any, one: core_v1.Pod, chosen: Sequence[core_v1.Node], cluster: Cluster
) -> tuple[dict[str, int], dict[str, int]]:
    """Raw scores, and those that count."""
    if isinstance(reference, PodTopologySpread):
        scores = reference.score_all(one, chosen, cluster)
        return {name: -1 if raw is None else raw for name, raw in scores.items()}, reference.normalise_all(scores)
    raw = {node.metadata.name: int(reference.score(one, node, cluster)) for node in chosen}
    if isinstance(reference, SelectorSpread):
        return raw, reference.normalise_in(raw, cluster)
    return raw, reference.normalise(raw)


@st.composite
def situations(draw: st.DrawFn, case: Case) -> tuple[Arguments, Document, core_v1.Pod, list[bool]]:
    cluster = draw(clusters(case.features))
    document = draw(pods(case.features))
    if "names" in case.features:
        document["spec"]["nodeName"] = draw(st.sampled_from(["", "n0", "n1", "n9"]))
    count = len(cluster["nodes"])
    feasible = draw(st.lists(st.booleans(), min_size=count, max_size=count).filter(any))
    return draw(case.arguments), cluster, msgspec.convert(document, core_v1.Pod), feasible


def hold(case: Case, data: st.DataObject) -> None:
    arguments, document, one, feasible = data.draw(situations(case))
    world, cluster = made(document, profile_with(case.name, arguments))
    reference = case.reference(arguments)
    if hasattr(reference, "filter"):
        agree_on_nodes(world, cluster, case.name, reference, one)
    if hasattr(reference, "score") or hasattr(reference, "score_all"):
        agree_on_scores(world, cluster, case.name, reference, one, feasible)


every_plugin = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


@every_plugin
@settings(max_examples=30)
@given(data=st.data())
def test_a_plugin_says_what_its_reference_says(case: Case, data: st.DataObject) -> None:
    hold(case, data)


@pytest.mark.nightly
@pytest.mark.timeout(3600)
@every_plugin
@settings(max_examples=1500)
@given(data=st.data())
def test_a_plugin_says_what_its_reference_says_in_many_more_clusters(case: Case, data: st.DataObject) -> None:
    hold(case, data)
