"""Several profiles, and a plugin that fails, in a whole cluster."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from pybernetes.api import meta
from pybernetes.api.models import core_v1
from pybernetes.scheduler.plain_plugins import row_of
from pybernetes.scheduler.registry import ROWS
from scheduler.configured import configuration, scheduled


def pod(name: str, scheduler: str = "", **metadata: Any) -> core_v1.Pod:
    spec = {"containers": [{"name": "main", "image": "busybox"}], "schedulerName": scheduler}
    return msgspec.convert({"metadata": {"name": name, "namespace": "default", **metadata}, "spec": spec}, core_v1.Pod)


@pytest.mark.virtual_time
async def test_each_profile_schedules_the_pods_of_its_name() -> None:
    terms = [{"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["node-1"]}]}]
    added = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}
    second = {"schedulerName": "second", "pluginConfig": [{"name": "NodeAffinity", "args": {"addedAffinity": added}}]}
    async with scheduled(configuration({"schedulerName": "default-scheduler"}, second)) as cluster:
        made = [await cluster.apply(pod(f"p{number}", "second")) for number in range(4)]
        plain = await cluster.apply(pod("plain"))
        foreign = await cluster.apply(pod("foreign", "third"))
        await cluster.settle()
        assert {(await cluster.get(one)).spec.node_name for one in made} == {"node-1"}
        assert (await cluster.get(plain)).spec.node_name
        assert (await cluster.get(foreign)).spec.node_name == ""
        events = await cluster.client.list(core_v1.Event, "default", field_selector="reason=Scheduled")
        sources = {one.involved_object.name: one.reporting_component for one in events.items}
        assert sources["plain"] == "default-scheduler"
        assert sources["p0"] == "second"


@pytest.mark.virtual_time
async def test_a_plugin_that_raises_fails_the_attempt_of_one_pod_and_says_so() -> None:
    def moody(pod: core_v1.Pod, node: core_v1.Node) -> str | None:
        if pod.metadata.labels.get("mood") == "bad":
            raise RuntimeError("not today")
        return None

    rows = {**ROWS, "Moody": row_of("Moody", moody)}
    async with scheduled(configuration(), rows) as cluster:
        bad = await cluster.apply(pod("bad", labels={"mood": "bad"}))
        good = await cluster.apply(pod("good"))
        await cluster.settle()
        assert (await cluster.get(good)).spec.node_name
        condition = meta.condition((await cluster.get(bad)).status, "PodScheduled")
        message = 'running "Moody" Filter plugin: not today'
        assert (condition.status, condition.reason, condition.message) == ("False", "SchedulerError", message)
        events = await cluster.client.list(core_v1.Event, "default", field_selector="reason=FailedScheduling")
        assert {(one.involved_object.name, one.message) for one in events.items} == {("bad", message)}
