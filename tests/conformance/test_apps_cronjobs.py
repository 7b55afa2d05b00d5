"""Cron jobs as clients see them: minutes pass at once, because time is virtual."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from conformance.typed_client import MERGE, Document, TypedClient
from pybernetes.api.errors import ApiError
from pybernetes.testing.cluster import Cluster


def cron_job(name: str, concurrency: str, seconds: int = 300, schedule: str = "*/1 * * * *", **spec: Any) -> Document:
    container = {"name": "c", "image": "busybox:1", "command": ["sleep", str(seconds)]}
    pod = {"restartPolicy": "OnFailure", "containers": [container]}
    jobs = {"spec": {"parallelism": 1, "completions": 1, "template": {"spec": pod}}}
    return {
        "metadata": {"name": name},
        "spec": {"schedule": schedule, "concurrencyPolicy": concurrency, "jobTemplate": jobs, **spec},
    }


class Space:
    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.client = TypedClient(cluster.server)
        self.cron_jobs = self.client.of("batch", "v1", "cronjobs")
        self.jobs = self.client.of("batch", "v1", "jobs")

    async def active(self, name: str) -> list[str]:
        found = await self.cron_jobs.get(name)
        return [one["name"] for one in found["status"].get("active", [])]

    async def ended(self, name: str) -> None:
        """Deleted with what it made."""
        await self.cron_jobs.delete(name, propagationPolicy="Background")
        await self.cluster.settle(quiet=60)
        assert await self.cron_jobs.list() == []
        assert await self.jobs.list() == []


@pytest.mark.conformance("CronJob AllowConcurrent", "CronJob Suspend")
async def test_jobs_may_run_beside_each_other_and_none_while_suspended(cluster: Cluster) -> None:
    space = Space(cluster)
    await space.cron_jobs.create(cron_job("concurrent", "Allow"))
    await space.cron_jobs.create(cron_job("suspended", "Allow", suspend=True))
    await cluster.clock.advance(185)
    running = await space.active("concurrent")
    assert len(running) >= 2
    jobs = await space.jobs.list()
    assert {one["metadata"]["name"] for one in jobs} == set(running)
    assert all("completionTime" not in one["status"] for one in jobs)
    assert await space.active("suspended") == []
    assert "lastScheduleTime" not in (await space.cron_jobs.get("suspended"))["status"]
    await space.cron_jobs.delete("suspended", propagationPolicy="Background")
    await space.ended("concurrent")


@pytest.mark.conformance("CronJob ForbidConcurrent")
async def test_a_job_that_still_runs_forbids_the_next(cluster: Cluster) -> None:
    space = Space(cluster)
    await space.cron_jobs.create(cron_job("forbid", "Forbid"))
    await cluster.clock.advance(65)
    (first,) = await space.active("forbid")
    await cluster.clock.advance(180)
    assert await space.active("forbid") == [first]
    assert [one["metadata"]["name"] for one in await space.jobs.list()] == [first]
    events = await space.client.of("", "v1", "events").list()
    assert "JobAlreadyActive" in {one["reason"] for one in events}
    await space.ended("forbid")


@pytest.mark.conformance("CronJob ReplaceConcurrent")
async def test_the_next_job_takes_the_place_of_one_that_still_runs(cluster: Cluster) -> None:
    space = Space(cluster)
    await space.cron_jobs.create(cron_job("replace", "Replace"))
    await cluster.clock.advance(65)
    (first,) = await space.active("replace")
    await cluster.clock.advance(60)
    (second,) = await space.active("replace")
    assert second != first
    assert [one["metadata"]["name"] for one in await space.jobs.list()] == [second]
    await space.ended("replace")


@pytest.mark.cluster(nodes=0)
@pytest.mark.conformance("CronJob API Operations")
async def test_every_operation_on_cron_jobs_and_their_status(cluster: Cluster) -> None:
    space = Space(cluster)
    groups = (await space.client.discovered("/apis"))["groups"]
    (batch,) = (one for one in groups if one["name"] == "batch")
    assert "v1" in [one["version"] for one in batch["versions"]]
    assert "v1" in [one["version"] for one in (await space.client.discovered("/apis/batch"))["versions"]]
    resources = (await space.client.discovered("/apis/batch/v1"))["resources"]
    assert {"cronjobs", "cronjobs/status"} <= {one["name"] for one in resources}

    wanted = cron_job("api", "Allow", schedule="* */1 * * ?", successfulJobsHistoryLimit=2, failedJobsHistoryLimit=2)
    wanted["metadata"]["labels"] = {"special-label": "test"}
    selected = "special-label=test"
    made = await space.cron_jobs.create(wanted)
    with pytest.raises(ApiError) as twice:
        await space.cron_jobs.create(wanted)
    assert twice.value.reason == "AlreadyExists"
    for name in ("second", "third"):
        await space.cron_jobs.create({**wanted, "metadata": {**wanted["metadata"], "name": name}})
    assert (await space.cron_jobs.get("api"))["metadata"]["uid"] == made["metadata"]["uid"]
    everywhere = space.client.of("batch", "v1", "cronjobs", None)
    assert len(await space.cron_jobs.list(selected)) == len(await everywhere.list(selected)) == 3

    async with await space.cron_jobs.watch(selected, made["metadata"]["resourceVersion"]) as watch:
        patch = {"metadata": {"annotations": {"patched": "true"}}}
        patched = await space.cron_jobs.patch("api", patch, MERGE)
        assert patched["metadata"]["annotations"]["patched"] == "true"
        changed = copy.deepcopy(patched)
        changed["metadata"]["annotations"]["updated"] = "true"
        assert (await space.cron_jobs.update(changed))["metadata"]["annotations"]["updated"] == "true"
        seen = await watch.until("MODIFIED", lambda one: "updated" in one["metadata"].get("annotations", {}))
        assert seen["metadata"]["annotations"]["patched"] == "true"

    now = "2030-01-01T00:00:00Z"
    told = {"metadata": {"annotations": {"patchedstatus": "true"}}, "status": {"lastScheduleTime": now}}
    status = await space.cron_jobs.patch("api", told, MERGE, "status")
    assert status["status"]["lastScheduleTime"] == now
    assert status["metadata"]["annotations"]["patchedstatus"] == "true"
    later = "2030-01-01T00:00:01Z"
    status["status"]["lastScheduleTime"] = later
    assert (await space.cron_jobs.update(status, "status"))["status"]["lastScheduleTime"] == later
    assert (await space.cron_jobs.get("api", "status"))["metadata"]["uid"] == made["metadata"]["uid"]

    await space.cron_jobs.delete("api")
    with pytest.raises(ApiError) as gone:
        await space.cron_jobs.get("api")
    assert gone.value.code == 404
    await space.cron_jobs.delete_collection(selected)
    assert await space.cron_jobs.list(selected) == []
