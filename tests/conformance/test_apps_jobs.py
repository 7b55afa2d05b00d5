"""Jobs as clients see them. How containers end is told to hollow nodes by pods' annotations and simple commands."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from conformance.typed_client import MERGE, Document, TypedClient, condition, is_true
from pybernetes.api.codec import from_document
from pybernetes.api.errors import ApiError
from pybernetes.api.models import core_v1
from pybernetes.testing.cluster import Cluster

NEVER = {"lastProbeTime": None, "lastTransitionTime": None}
INDEX = "batch.kubernetes.io/job-completion-index"


def job(name: str, command: str = "sleep 1000000", policy: str = "Never", **spec: Any) -> Document:
    container = {"name": "c", "image": "busybox:1", "command": ["/bin/sh", "-c", command]}
    template = {"metadata": {"labels": {"job": name}}, "spec": {"restartPolicy": policy, "containers": [container]}}
    defaults = {"parallelism": 2, "completions": 4, "backoffLimit": 6}
    return {"metadata": {"name": name}, "spec": {**defaults, **spec, "template": template}}


def indexed(name: str, **spec: Any) -> Document:
    return job(name, completionMode="Indexed", **spec)


class Space:
    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        client = self.client = TypedClient(cluster.server)
        self.jobs = client.of("batch", "v1", "jobs")
        self.pods = client.of("", "v1", "pods")

    async def pods_of(self, name: str) -> list[Document]:
        return await self.pods.list(f"job={name}")

    async def running(self, name: str) -> dict[int, Document]:
        """Those that run, by index."""
        await self.cluster.settle(quiet=5)
        pods = await self.pods_of(name)
        return {index_of(pod): pod for pod in pods if pod["status"]["phase"] == "Running"}

    async def end(self, pod: Document, code: int = 0) -> None:
        await self.cluster.end(from_document(core_v1.Pod, pod), code)

    async def ended(self, name: str, type: str, reason: str, target: str, patience: float = 60) -> Document:
        """The job's status once it is over, for a reason that its earlier condition tells as well."""
        await self.cluster.settle(quiet=patience)
        found = await self.jobs.get(name)
        for wanted in (target, type):
            told = condition(found, wanted)
            assert told is not None
            assert (told["status"], told["reason"]) == ("True", reason)
        status: Document = found["status"]
        assert (status.get("active", 0), status["ready"], status["terminating"]) == (0, 0, 0)
        return status


def index_of(pod: Document) -> int:
    return int(pod["metadata"].get("annotations", {}).get(INDEX, -1))


def owner_of(pod: Document) -> str | None:
    owners = pod["metadata"].get("ownerReferences", [])
    return next((one["uid"] for one in owners if one["controller"]), None)


@pytest.mark.conformance("Jobs, orphan pods, re-adoption", "Jobs, active pods, graceful termination")
async def test_a_job_takes_its_pods_back_lets_strangers_go_and_is_deleted_with_them(cluster: Cluster) -> None:
    space = Space(cluster)
    made = await space.jobs.create(job("work"))
    await cluster.settle(quiet=5)
    first, second = await space.pods_of("work")
    assert owner_of(first) == owner_of(second) == made["metadata"]["uid"]
    status = (await space.jobs.get("work"))["status"]
    assert (status["active"], status["ready"]) == (2, 2)

    orphan = copy.deepcopy(first)
    orphan["metadata"]["ownerReferences"] = []
    await space.pods.update(orphan)
    await cluster.settle(quiet=5)
    back = await space.pods.get(first["metadata"]["name"])
    assert owner_of(back) == made["metadata"]["uid"]
    assert back["metadata"]["finalizers"] == ["batch.kubernetes.io/job-tracking"]
    assert len(await space.pods_of("work")) == 2

    back["metadata"]["labels"] = {}
    await space.pods.update(back)
    await cluster.settle(quiet=5)
    stranger = await space.pods.get(first["metadata"]["name"])
    assert owner_of(stranger) is None
    assert stranger["metadata"].get("finalizers", []) == []
    assert len(await space.pods_of("work")) == 2

    await space.jobs.delete("work", propagationPolicy="Background")
    await cluster.settle(quiet=60)
    with pytest.raises(ApiError) as gone:
        await space.jobs.get("work")
    assert gone.value.code == 404
    assert await space.pods_of("work") == []


@pytest.mark.conformance("Jobs, apply changes to status")
async def test_what_is_written_to_a_jobs_status_is_seen(cluster: Cluster) -> None:
    space = Space(cluster)
    await space.jobs.create(job("work"))
    await cluster.settle(quiet=5)
    read = await space.jobs.get("work")
    async with await space.jobs.watch(version=read["metadata"]["resourceVersion"]) as watch:
        told = {"type": "CustomConditionType", "status": "True", "reason": "Test", "message": "Set from a test"}
        patch = {"metadata": {"annotations": {"patchedstatus": "true"}}, "status": {"conditions": [told]}}
        patched = await space.jobs.patch("work", patch, MERGE, "status")
        assert is_true(patched, "CustomConditionType")
        assert patched["metadata"]["annotations"]["patchedstatus"] == "true"
        await watch.until("MODIFIED", lambda one: is_true(one, "CustomConditionType"))

        changed = await space.jobs.get("work")
        for one in changed["status"]["conditions"]:
            one["status"] = "False"
        updated = await space.jobs.update(changed, "status")
        assert condition(updated, "CustomConditionType") == {**told, "status": "False", **NEVER}
        await watch.until("MODIFIED", lambda one: (condition(one, "CustomConditionType") or {})["status"] == "False")
        changed["status"]["startTime"] = "2029-12-31T23:59:59Z"
        with pytest.raises(ApiError) as refused:
            await space.jobs.update({**changed, "metadata": updated["metadata"]}, "status")
        assert refused.value.code == 422
    assert (await space.jobs.get("work", "status"))["metadata"]["uid"] == read["metadata"]["uid"]
    await cluster.settle()
    kept = await space.jobs.get("work")
    assert (condition(kept, "CustomConditionType") or {})["status"] == "False"
    assert kept["status"]["active"] == 2


@pytest.mark.conformance("Jobs, manage lifecycle")
async def test_the_life_of_a_suspended_job(cluster: Cluster) -> None:
    space = Space(cluster)
    suspended = job("held", suspend=True)
    suspended["metadata"]["labels"] = {"e2e-job-label": "held"}
    async with await space.jobs.watch("e2e-job-label=held") as watch:
        await space.jobs.create(suspended)
        await watch.until("ADDED")
        await cluster.settle(quiet=5)
        seen = await watch.until("MODIFIED", lambda one: is_true(one, "Suspended"))
        assert condition(seen, "Suspended")["reason"] == "JobSuspended"  # type: ignore[index]
        assert await space.pods_of("held") == []
        patched = await space.jobs.patch("held", {"metadata": {"labels": {"held": "patched"}}})
        assert patched["metadata"]["labels"]["held"] == "patched"

        again = await space.jobs.get("held")
        again["spec"]["suspend"] = False
        again["metadata"].setdefault("annotations", {})["updated"] = "true"
        updated = await space.jobs.update(again)
        assert (updated["spec"]["suspend"], updated["metadata"]["annotations"]["updated"]) == (False, "true")
        await watch.until("MODIFIED", lambda one: one["status"].get("active") == 2)
        resumed = await space.jobs.get("held")
        assert condition(resumed, "Suspended")["status"] == "False"  # type: ignore[index]
        assert "startTime" in resumed["status"]

        everywhere = space.client.of("batch", "v1", "jobs", None)
        assert [one["metadata"]["name"] for one in await everywhere.list("e2e-job-label=held")] == ["held"]
        await space.jobs.delete_collection("held=patched", propagationPolicy="Background")
        await watch.until("DELETED")
    assert await everywhere.list("e2e-job-label=held") == []
    await cluster.settle(quiet=60)
    assert await space.pods_of("held") == []


@pytest.mark.conformance("Ensure Pods of an Indexed Job get a unique index.")
async def test_pods_of_an_indexed_job_know_their_index(cluster: Cluster) -> None:
    space = Space(cluster)
    await space.jobs.create(job("steps", "true", completionMode="Indexed"))
    status = await space.ended("steps", "Complete", "CompletionsReached", "SuccessCriteriaMet", 5)
    assert (status["succeeded"], status["completedIndexes"]) == (4, "0-3")
    pods = await space.pods_of("steps")
    assert sorted(map(index_of, pods)) == [0, 1, 2, 3]
    for pod in pods:
        number = str(index_of(pod))
        assert pod["metadata"]["labels"][INDEX] == number
        assert pod["metadata"]["name"].startswith(f"steps-{number}-")
        assert pod["spec"]["hostname"] == f"steps-{number}"
        (variable,) = pod["spec"]["containers"][0]["env"]
        assert variable["name"] == "JOB_COMPLETION_INDEX"
        assert variable["valueFrom"]["fieldRef"]["fieldPath"] == f"metadata.labels['{INDEX}']"


@pytest.mark.conformance("Verify Pod Failure policy allows to fail job early on exit code.")
async def test_an_exit_code_that_the_policy_names_fails_the_job_early(cluster: Cluster) -> None:
    space = Space(cluster)
    rule = {"action": "FailJob", "onExitCodes": {"operator": "In", "values": [1]}}
    await space.jobs.create(indexed("early", completions=2, backoffLimit=1, podFailurePolicy={"rules": [rule]}))
    pods = await space.running("early")
    await space.end(pods[0], 1)
    status = await space.ended("early", "Failed", "PodFailurePolicy", "FailureTarget")
    assert status["failed"] == 2
    message = next(one["message"] for one in status["conditions"] if one["type"] == "Failed")
    name = pods[0]["metadata"]["name"]
    assert message == f"Container c for pod default/{name} failed with exit code 1 matching FailJob rule at index 0"


@pytest.mark.conformance(
    "Ensure that all indexes are executed for an indexed job with backoffLimitPerIndex despite some failing"
)
async def test_indexes_that_fail_do_not_keep_others_from_being_done(cluster: Cluster) -> None:
    space = Space(cluster)
    spec = {"parallelism": 2, "completions": 4, "backoffLimitPerIndex": 1, "backoffLimit": None}
    await space.jobs.create(indexed("odd", **spec))
    for _ in range(8):
        for number, pod in (await space.running("odd")).items():
            await space.end(pod, number % 2)
        await cluster.clock.advance(21)
    status = await space.ended("odd", "Failed", "FailedIndexes", "FailureTarget")
    assert (status["failedIndexes"], status["completedIndexes"]) == ("1,3", "0,2")
    assert (status["failed"], status["succeeded"]) == (4, 2)
    counts = {
        pod["metadata"]["annotations"]["batch.kubernetes.io/job-index-failure-count"]
        for pod in await space.pods_of("odd")
        if index_of(pod) == 1
    }
    assert counts == {"0", "1"}


@pytest.mark.conformance("Mark indexes as failed when the FailIndex action is matched in podFailurePolicy")
async def test_an_exit_code_may_fail_an_index_at_once(cluster: Cluster) -> None:
    space = Space(cluster)
    rule = {"action": "FailIndex", "onExitCodes": {"operator": "NotIn", "values": [0]}}
    policy = {"podFailurePolicy": {"rules": [rule]}, "backoffLimitPerIndex": 1}
    await space.jobs.create(indexed("strict", parallelism=2, completions=2, **policy))
    for number, pod in (await space.running("strict")).items():
        await space.end(pod, 1 - number)
    status = await space.ended("strict", "Failed", "FailedIndexes", "FailureTarget")
    assert (status["failedIndexes"], status["completedIndexes"]) == ("0", "1")
    assert (status["failed"], status["succeeded"]) == (1, 1)


@pytest.mark.conformance("Terminate job execution when the maxFailedIndexes is exceeded")
async def test_too_many_failed_indexes_end_the_job(cluster: Cluster) -> None:
    space = Space(cluster)
    limits = {"backoffLimitPerIndex": 0, "maxFailedIndexes": 0}
    await space.jobs.create(indexed("limited", completions=10, parallelism=10, **limits))
    await space.end((await space.running("limited"))[3], 1)
    status = await space.ended("limited", "Failed", "MaxFailedIndexesExceeded", "FailureTarget")
    assert status["failed"] == 10
    assert status["failedIndexes"] == "3"
    assert status.get("completedIndexes", "") == ""


@pytest.mark.conformance(
    "Ensure that job with successPolicy succeeded when all indexes succeeded",
    "Ensure that job with successPolicy succeededCount rule succeeded even when some indexes remain pending",
    "Ensure that job with successPolicy succeededIndexes rule succeeded even when some indexes remain pending",
)
@pytest.mark.parametrize(
    ("rule", "done", "completed"),
    [
        ({"succeededIndexes": "0-2"}, [0, 1, 2], "0-2"),
        ({"succeededIndexes": "0-1", "succeededCount": 1}, [1], "1"),
        ({"succeededCount": 1}, [0], "0"),
        ({"succeededIndexes": "0,2"}, [2, 0], "0,2"),
    ],
)
async def test_a_success_policy_ends_a_job_with_indexes_left(
    cluster: Cluster, rule: Document, done: list[int], completed: str
) -> None:
    space = Space(cluster)
    await space.jobs.create(indexed("enough", completions=3, parallelism=3, successPolicy={"rules": [rule]}))
    pods = await space.running("enough")
    for number in done:
        await space.end(pods[number])
    status = await space.ended("enough", "Complete", "SuccessPolicy", "SuccessCriteriaMet")
    assert (status["completedIndexes"], status["succeeded"]) == (completed, len(done))
    assert status.get("failed", 0) == 0
    assert "completionTime" in status
