"""Containers that are started again, and pods that begin anew, as the rules of their containers say."""

from __future__ import annotations

import asyncio
from pathlib import Path
from random import Random

import pytest

from kubelet.observations import NOW, declared, exited, observed, seen
from kubelet.worlds import LoopClock, api, container, pod, states, world
from pybernetes.api.models.core_v1 import (
    Container,
    ContainerRestartRule,
    ContainerRestartRuleOnExitCodes,
    Pod,
    PodStatus,
)
from pybernetes.client import Client
from pybernetes.kubelet import restart_rules
from pybernetes.kubelet.configuration import NodeConfiguration
from pybernetes.kubelet.hollow_nodes import HollowNodes, configurations
from pybernetes.kubelet.status import status_of
from pybernetes.kubelet.status_context import StatusContext


def rule(action: str, *codes: int, operator: str = "In") -> ContainerRestartRule:
    return ContainerRestartRule(
        action=action, exit_codes=ContainerRestartRuleOnExitCodes(operator=operator, values=list(codes))
    )


def all_on_42(value: Pod, index: int = 0) -> Pod:
    value.spec.restart_policy = "Never"
    value.spec.containers[index].restart_policy = "Never"
    value.spec.containers[index].restart_policy_rules = [rule("RestartAllContainers", 42)]
    return value


@pytest.mark.parametrize(
    ("policy", "rules", "code", "again"),
    [
        ("Never", [rule("Restart", 42)], 42, True),
        ("Never", [rule("Restart", 42)], 1, False),
        ("Never", [rule("Restart", 0, operator="NotIn")], 1, True),
        ("Never", [rule("RestartAllContainers", 42)], 42, True),
        ("OnFailure", [rule("Restart", 42)], 1, True),
        ("OnFailure", [rule("Restart", 42)], 0, False),
        (None, [rule("Restart", 42)], 42, False),
    ],
)
def test_the_first_rule_that_fits_decides_and_then_the_policy(
    policy: str | None, rules: list[ContainerRestartRule], code: int, again: bool
) -> None:
    value = declared(restart_policy="Never")
    value.spec.containers[0].restart_policy = policy
    value.spec.containers[0].restart_policy_rules = rules
    assert restart_rules.should_restart(value, value.spec.containers[0], code) is again


def test_a_pod_whose_container_ends_with_the_rule_says_so_and_loses_the_one_to_blame_last() -> None:
    value = all_on_42(declared("a", "b"))
    report = observed(exited("a", 42), seen("b"))
    status = status_of(value, report, StatusContext(now=NOW))
    (told,) = [one for one in status.conditions if one.type == "AllContainersRestarting"]
    assert (told.status, told.reason) == ("True", "RestartAllContainersStarted")
    assert told.message == "container exited with restart policy rule"
    assert status.phase == "Running"
    found = restart_rules.resets(value, report, status)
    assert [(one.container.name, one.kill) for one in found] == [("b", True), ("a", False)]

    after = status_of(value, observed(), StatusContext(now=NOW, old=status))
    assert [one.status for one in after.conditions if one.type == "AllContainersRestarting"] == ["False"]
    for one in after.container_statuses:
        assert (one.state.waiting.reason, one.restart_count) == ("RestartingAllContainers", 1)
        assert (one.last_state.terminated.reason, one.last_state.terminated.exit_code) == (
            "RestartingAllContainers",
            137,
        )
    assert after.phase == "Running"
    assert restart_rules.resets(value, observed(), after) == ()


def test_other_codes_and_other_pods_leave_the_others_alone() -> None:
    value = all_on_42(declared("a", "b"))
    status = status_of(value, observed(exited("a", 1), seen("b")), StatusContext(now=NOW))
    assert [one.status for one in status.conditions if one.type == "AllContainersRestarting"] == ["False"]
    plain = status_of(declared(), observed(), StatusContext(now=NOW))
    assert "AllContainersRestarting" not in {one.type for one in plain.conditions}
    assert not restart_rules.wants_restart_of_all(declared(), observed(exited("main", 42)), PodStatus())


def anew() -> Pod:
    """Its program ends with 42 after two seconds."""
    main = container("main", "sh", "-c", "sleep 2; exit 42")
    return all_on_42(pod("anew", main))


EXPECTED = [
    *(("Running", 0), ("Error", 0), ("RestartingAllContainers", 1)),
    *(("Running", 1), ("Error", 1), ("RestartingAllContainers", 2), ("Running", 2)),
]


@pytest.mark.virtual_time
async def test_a_pod_begins_anew_in_its_sandbox_without_a_pause(tmp_path: Path) -> None:
    async with world(tmp_path) as cluster:
        watching = asyncio.create_task(states(cluster.client, "anew", 6))
        await asyncio.sleep(0.1)
        value = anew()
        value.spec.init_containers = [Container(name="first", image="busybox", command=["true"])]
        await cluster.client.create(value)
        seen_states = await watching
        assert [one for one in seen_states if one[0] != "PodInitializing"][:2] == EXPECTED[:2]
        found = await cluster.until(lambda: _restarted(cluster.client, 2), 60)
        assert cluster.clock.monotonic() < 20
        assert found.status.init_container_statuses[0].restart_count == 2
        assert len(await cluster.runtime.list_sandboxes()) == 1
        assert {c.type: c.status for c in found.status.conditions}["Initialized"] == "True"


async def _restarted(client: Client, count: int) -> Pod | None:
    found = await client.get(Pod, "anew", "default")
    statuses = found.status.container_statuses
    running = bool(statuses) and statuses[0].restart_count == count and statuses[0].state.running is not None
    return found if running else None


@pytest.mark.virtual_time
async def test_a_pod_of_a_pretended_node_begins_anew_too() -> None:
    clock = LoopClock()
    async with api(clock) as client:
        nodes = HollowNodes(client, configurations(1, NodeConfiguration("template")), clock, Random(1))
        task = asyncio.create_task(nodes.run())
        await nodes.registered()
        watching = asyncio.create_task(states(client, "anew", 7))
        await asyncio.sleep(0.1)
        value = anew()
        value.spec.node_name = "node-0"
        await client.create(value)
        assert await watching == EXPECTED
        task.cancel()
        await asyncio.wait([task])
