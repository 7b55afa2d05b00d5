"""KubeSchedulerConfiguration: what a file chooses, and what it is told when it cannot be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pybernetes.scheduler.configuration.loading import load
from pybernetes.scheduler.configuration.merging import ConfigurationError
from pybernetes.scheduler.evaluation import Placement
from pybernetes.scheduler.pod_info import PodInfo
from pybernetes.scheduler.registry import argument_types
from scheduler.configured import ConfiguredWorld, configuration
from scheduler.objects import World, node, pod


def chosen(world: World, one: PodInfo) -> str:
    decision = world.evaluator.decide(one)
    assert isinstance(decision, Placement), decision
    return decision.node


def with_arguments(plugin: str, **arguments: Any) -> dict[str, Any]:
    return configuration({"pluginConfig": [{"name": plugin, "args": arguments}]})


def filters(world: ConfiguredWorld) -> list[str]:
    return [one.name for one in next(iter(world.profiles.values())).filters]


def scores(world: ConfiguredWorld) -> dict[str, int]:
    return {one.plugin.name: one.weight for one in next(iter(world.profiles.values())).scores}


def test_the_default_profile_has_upstreams_order_and_weights() -> None:
    world = ConfiguredWorld(configuration())
    assert list(world.profiles) == ["default-scheduler"]
    assert filters(world) == [
        "NodeUnschedulable",
        "NodeName",
        "TaintToleration",
        "NodeAffinity",
        "NodePorts",
        "NodeResourcesFit",
        "VolumeRestrictions",
        "NodeVolumeLimits",
        "VolumeBinding",
        "VolumeZone",
        "PodTopologySpread",
        "InterPodAffinity",
        "DynamicResources",
        "NodeDeclaredFeatures",
    ]
    assert scores(world) == {
        "TaintToleration": 3,
        "NodeAffinity": 2,
        "NodeResourcesFit": 1,
        "PodTopologySpread": 2,
        "InterPodAffinity": 2,
        "DynamicResources": 2,
        "NodeResourcesBalancedAllocation": 1,
        "ImageLocality": 1,
    }


def test_a_plugin_is_turned_off_at_one_point_and_weighed_at_another() -> None:
    plugins = {
        "filter": {"disabled": [{"name": "NodePorts"}]},
        "score": {"disabled": [{"name": "ImageLocality"}], "enabled": [{"name": "NodeAffinity", "weight": 7}]},
    }
    world = ConfiguredWorld(configuration({"plugins": plugins}))
    assert "NodePorts" not in filters(world)
    assert scores(world)["NodeAffinity"] == 7
    assert next(iter(scores(world))) == "NodeAffinity"
    assert "ImageLocality" not in scores(world)


def test_multi_point_turns_off_everywhere_and_weighs_everywhere() -> None:
    plugins = {
        "multiPoint": {
            "disabled": [{"name": "InterPodAffinity"}],
            "enabled": [{"name": "TaintToleration", "weight": 9}],
        }
    }
    world = ConfiguredWorld(configuration({"plugins": plugins}))
    assert "InterPodAffinity" not in filters(world)
    assert "InterPodAffinity" not in scores(world)
    assert scores(world)["TaintToleration"] == 9
    assert filters(world).index("TaintToleration") == 2


def test_a_star_turns_off_all_and_no_weight_is_one() -> None:
    plugins = {"score": {"disabled": [{"name": "*"}], "enabled": [{"name": "NodeResourcesFit", "weight": 0}]}}
    world = ConfiguredWorld(configuration({"plugins": plugins}))
    assert scores(world) == {"NodeResourcesFit": 1}


def test_profiles_decide_by_their_own_plugins_on_the_same_nodes() -> None:
    packing = {"scoringStrategy": {"type": "MostAllocated", "resources": [{"name": "cpu"}]}}
    world = ConfiguredWorld(
        configuration(
            {"schedulerName": "spreading"},
            {"schedulerName": "packing", "pluginConfig": [{"name": "NodeResourcesFit", "args": packing}]},
        ),
        node("empty"),
        node("busy"),
    )
    world.place(pod("filler", cpu="2", memory="4Gi"), "busy")
    one = pod("p", cpu="1", memory="2Gi")
    placed = {name: evaluator.decide(one) for name, evaluator in world.evaluators.items()}
    assert placed == {"spreading": Placement("empty", 2), "packing": Placement("busy", 2)}


RATIO = {
    "type": "RequestedToCapacityRatio",
    "resources": [{"name": "example.com/gpu", "weight": 3}],
    "requestedToCapacityRatio": {"shape": [{"utilization": 0, "score": 0}, {"utilization": 100, "score": 10}]},
}


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"scoringStrategy": {"type": "LeastAllocated"}}, "empty"),
        ({"scoringStrategy": {"type": "MostAllocated"}}, "full"),
        ({"scoringStrategy": RATIO}, "full"),
    ],
)
def test_a_scoring_strategy_says_how_full_nodes_should_be(arguments: dict[str, Any], expected: str) -> None:
    only = {"score": {"disabled": [{"name": "*"}], "enabled": [{"name": "NodeResourcesFit"}]}}
    document = configuration({"plugins": only, "pluginConfig": [{"name": "NodeResourcesFit", "args": arguments}]})
    nodes = [node(name, cpu="8", memory="8Gi") for name in ("empty", "full")]
    for one in nodes:
        one.status.allocatable["example.com/gpu"] = "8"
    world = ConfiguredWorld(document, *nodes)
    world.place(pod("filler", cpu="4", memory="4Gi", requests={"example.com/gpu": "4"}), "full")
    assert chosen(world, pod("p", cpu="1", memory="1Gi", requests={"example.com/gpu": "1"})) == expected


def test_ignored_resources_are_not_looked_for() -> None:
    one = pod("p", requests={"example.com/gpu": "1", "example.org/fpga": "1"})
    arguments = {"ignoredResources": ["example.com/gpu"], "ignoredResourceGroups": ["example.org"]}
    assert chosen(ConfiguredWorld(with_arguments("NodeResourcesFit", **arguments), node("a")), one) == "a"
    ignoring_one = {"ignoredResources": ["example.com/gpu"]}
    refused = ConfiguredWorld(with_arguments("NodeResourcesFit", **ignoring_one), node("a")).evaluator.diagnose(one)
    assert refused.reasons == {"Insufficient example.org/fpga": 1}


def test_added_affinity_holds_for_every_pod_of_the_profile() -> None:
    terms = [{"matchExpressions": [{"key": "pool", "operator": "In", "values": ["web"]}]}]
    added = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}
    world = ConfiguredWorld(
        with_arguments("NodeAffinity", addedAffinity=added), node("a"), node("b", labels={"pool": "web"})
    )
    assert chosen(world, pod("p")) == "b"
    assert world.evaluator.diagnose(pod("q", nodeSelector={"disk": "ssd"})).reasons == {
        "node(s) didn't match scheduler-enforced node affinity": 1,
        "node(s) didn't match Pod's node affinity/selector": 1,
    }


def test_default_constraints_from_a_list_hold_hard() -> None:
    constraint = {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"}
    document = with_arguments("PodTopologySpread", defaultingType="List", defaultConstraints=[constraint])
    world = ConfiguredWorld(
        document, node("a", cpu="64", memory="64Gi", labels={"zone": "a"}), node("b", labels={"zone": "b"})
    )
    world.workloads.set_service("default", "web", {"app": "web"})
    world.place(pod("w1", labels={"app": "web"}), "a")
    assert chosen(world, pod("w2", labels={"app": "web"})) == "b"
    assert chosen(world, pod("stranger", cpu="1", memory="1Gi")) == "a"


def test_hard_affinity_of_placed_pods_pulls_by_its_weight() -> None:
    term = {"topologyKey": "kubernetes.io/hostname", "labelSelector": {"matchLabels": {"app": "web"}}}
    wants = {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}
    holder = pod("holder", labels={"app": "web"}, affinity=wants)

    def placed(**arguments: Any) -> bool:
        world = ConfiguredWorld(with_arguments("InterPodAffinity", **arguments), node("a"), node("b"))
        world.place(holder, "b")
        profile = world.profiles["default-scheduler"]
        plugin = next(one.plugin for one in profile.scores if one.plugin.name == "InterPodAffinity")
        return plugin.prefers(pod("p", labels={"app": "web"}), world.state.nodes)

    assert placed(hardPodAffinityWeight=1)
    assert not placed(hardPodAffinityWeight=0)
    assert not placed(hardPodAffinityWeight=1, ignorePreferredTermsOfExistingPods=True)


def profile_with(**plugins: Any) -> dict[str, Any]:
    return configuration({"plugins": plugins})


START = "initializing profiles: creating profile for scheduler name default-scheduler: "
MADE = START + 'initializing plugin "NodeResourcesFit": '
FIT = "profiles[0].pluginConfig[0].args"


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (profile_with(filter={"enabled": [{"name": "Nope"}]}), START + 'FilterPlugin "Nope" does not exist'),
        (profile_with(multiPoint={"enabled": [{"name": "Nope"}]}), START + 'PreFilterPlugin "Nope" does not exist'),
        (
            profile_with(score={"enabled": [{"name": "NodePorts"}]}),
            START + 'plugin "NodePorts" does not extend ScorePlugin plugin',
        ),
        (
            profile_with(filter={"enabled": [{"name": "NodePorts"}, {"name": "NodePorts"}]}),
            START + 'plugin "NodePorts" already registered as "FilterPlugin"',
        ),
        (
            profile_with(queueSort={"disabled": [{"name": "*"}]}),
            START
            + 'only one queue sort plugin required for profile with scheduler name "default-scheduler", but got 0',
        ),
        (
            profile_with(bind={"disabled": [{"name": "*"}]}),
            START + 'at least one bind plugin is needed for profile with scheduler name "default-scheduler"',
        ),
        (
            profile_with(multiPoint={"enabled": [{"name": "PodGroupPodsCount"}]}),
            START + 'plugin "PodGroupPodsCount" is not built',
        ),
        (
            configuration({"schedulerName": "a"}, {"schedulerName": "a"}),
            "profiles[1].schedulerName: Duplicate value: {}",
        ),
        (configuration({"schedulerName": "a"}, {}), "profiles[1].schedulerName: Required value"),
        (
            configuration(
                {"schedulerName": "a"},
                {"schedulerName": "b", "plugins": {"queueSort": {"enabled": [{"name": "Other"}]}}},
            ),
            "profiles[1].plugins.queueSort: Invalid value: "
            '{"Enabled":[{"Name":"Other","Weight":0}],"Disabled":null}: must be the same for all profiles',
        ),
        (
            profile_with(filter={"enabled": [{"name": "EBSLimits"}]}),
            'profiles[0].plugins.filter.enabled[0]: Invalid value: "EBSLimits": was invalid in version '
            '"kubescheduler.config.k8s.io/v1" (KubeSchedulerConfiguration is version "kubescheduler.config.k8s.io/v1")',
        ),
        (
            configuration(parallelism=0),
            "parallelism: Invalid value: 0: should be an integer value greater than zero",
        ),
        (
            configuration(percentageOfNodesToScore=101),
            "percentageOfNodesToScore: Invalid value: 101: not in valid range [0-100]",
        ),
        (
            configuration(podInitialBackoffSeconds=5, podMaxBackoffSeconds=1),
            "podMaxBackoffSeconds: Invalid value: 1: must be greater than or equal to PodInitialBackoffSeconds",
        ),
        (
            configuration(leaderElection={"leaseDuration": "5s"}),
            'leaderElection.leaseDuration: Invalid value: "10s": must be greater than `RenewDeadline`',
        ),
        (configuration({"nope": 1}), 'strict decoding error: unknown field "profiles[0].nope"'),
        (
            with_arguments("NodeResourcesFit", nope=1),
            "strict decoding error: decoding .profiles[0].pluginConfig[0]: strict decoding error: "
            'decoding args for plugin NodeResourcesFit: strict decoding error: unknown field "nope"',
        ),
        (
            with_arguments("NodeResourcesFit", kind="InterPodAffinityArgs"),
            "decoding .profiles[0].pluginConfig[0]: args for plugin NodeResourcesFit were not of type "
            "NodeResourcesFitArgs.kubescheduler.config.k8s.io, got InterPodAffinityArgs.kubescheduler.config.k8s.io",
        ),
        (
            with_arguments("InterPodAffinity", hardPodAffinityWeight=101),
            f"{FIT}.hardPodAffinityWeight: Invalid value: 101: not in valid range [0, 100]",
        ),
        (
            with_arguments("DefaultPreemption", minCandidateNodesPercentage=0, minCandidateNodesAbsolute=0),
            f"[{FIT}.minCandidateNodesPercentage: Invalid value: 0: cannot be zero at the same time as "
            f"minCandidateNodesAbsolute, {FIT}.minCandidateNodesAbsolute: Invalid value: 0: cannot be zero at the "
            "same time as minCandidateNodesPercentage]",
        ),
        (
            with_arguments("NodeResourcesFit", scoringStrategy={"type": "Fullest"}),
            f'{MADE}scoringStrategy.type: Unsupported value: "Fullest": supported values: "LeastAllocated", '
            '"MostAllocated", "RequestedToCapacityRatio"',
        ),
        (
            with_arguments("NodeResourcesFit", scoringStrategy={"type": "RequestedToCapacityRatio"}),
            f"{MADE}scoringStrategy.requestedToCapacityRatio: Required value: must be specified when type is "
            "RequestedToCapacityRatio",
        ),
        (
            with_arguments(
                "PodTopologySpread",
                defaultConstraints=[{"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway"}],
            ),
            f'{FIT}.defaultingType: Invalid value: "System": when .defaultConstraints are not empty',
        ),
        (
            with_arguments("NodeResourcesBalancedAllocation", resources=[{"name": "cpu", "weight": 2}]),
            f"{FIT}.resources[0].weight: Invalid value: 2: must be 1",
        ),
        (
            {"kind": "Deployment", "apiVersion": "apps/v1"},
            'no kind "Deployment" is registered for version "apps/v1" in scheme '
            '"k8s.io/kubernetes/pkg/scheduler/apis/config/scheme/scheme.go:29"',
        ),
        (
            configuration(parallelism="many"),
            "json: cannot unmarshal string into Go struct field KubeSchedulerConfiguration.parallelism of type int32",
        ),
        (
            configuration(leaderElection={"leaseDuration": "0s", "resourceName": "", "resourceLock": "x"}),
            'leaderElection.resourceLock: Invalid value: "x": resourceLock value must be "leases"',
        ),
    ],
)
def test_what_cannot_be_is_told_in_upstreams_words(document: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError) as told:
        ConfiguredWorld(document)
    assert str(told.value) == message


def test_a_file_is_read_with_what_is_accepted_and_changes_nothing(tmp_path: Path) -> None:
    file = tmp_path / "scheduler.yaml"
    file.write_text(
        "apiVersion: kubescheduler.config.k8s.io/v1\nkind: KubeSchedulerConfiguration\nparallelism: 4\n"
        "percentageOfNodesToScore: 50\nleaderElection: {leaderElect: false}\n"
        "clientConnection: {kubeconfig: /etc/kubernetes/scheduler.conf, qps: 100}\npodMaxBackoffSeconds: 30\n"
    )
    read = load(file, argument_types())
    assert read.document.pod_max_backoff_seconds == 30
    assert read.document.client_connection.qps == 100.0
    assert read.scheduler_names == {"default-scheduler"}
