"""Jobs, decided: what is counted, made, ended and concluded from a given set of pods."""

from __future__ import annotations

from datetime import timedelta
from random import Random
from typing import Any

import msgspec
import pytest

from controllers.make import NOW, pod
from pybernetes.api import meta
from pybernetes.api.models import batch_v1, core_v1
from pybernetes.controllers import job_indexes
from pybernetes.controllers.finished_jobs import is_finished
from pybernetes.controllers.job_plan import NewPod, Plan, plan
from pybernetes.controllers.job_tally import TRACKING


def job(**spec: Any) -> batch_v1.Job:
    document = {
        "metadata": {"name": "work", "namespace": "default", "uid": "uid-work"},
        "spec": {"completions": 1, "parallelism": 1, "backoffLimit": 6, **spec},
        "status": {"startTime": (NOW - timedelta(minutes=5)).isoformat()},
    }
    return msgspec.convert(document, batch_v1.Job)


def job_pod(name: str, phase: str = "Running", *, index: int | None = None, ended: float = 3600) -> core_v1.Pod:
    made = pod(name, phase=phase, ready=phase == "Running")
    made.metadata.finalizers = [TRACKING]
    if index is not None:
        made.metadata.annotations = {job_indexes.INDEX: str(index)}
    if phase in ("Succeeded", "Failed"):
        code = 0 if phase == "Succeeded" else 1
        state = core_v1.ContainerStateTerminated(exit_code=code, finished_at=NOW - timedelta(seconds=ended))
        made.status.container_statuses[0].state = core_v1.ContainerState(terminated=state)
    return made


def after(one: batch_v1.Job, planned: Plan) -> batch_v1.Job:
    return msgspec.structs.replace(one, status=planned.status)


def test_a_new_job_gets_as_many_pods_as_may_run_at_once() -> None:
    assert plan(job(completions=5, parallelism=2), [], NOW).create == (NewPod(), NewPod())
    assert len(plan(job(completions=2, parallelism=10), [], NOW).create) == 2


def test_a_finished_pod_is_noted_then_released_then_counted() -> None:
    one, done = job(completions=2), job_pod("a", "Succeeded")
    noted = plan(one, [done], NOW)
    uncounted = noted.status.uncounted_terminated_pods
    assert uncounted is not None
    assert (noted.status.succeeded, uncounted.succeeded) == (0, ["uid-a"])
    assert noted.release == (done,)
    done.metadata.finalizers = []
    counted = plan(after(one, noted), [done], NOW)
    assert counted.status.succeeded == 1
    assert counted.status.uncounted_terminated_pods == batch_v1.UncountedTerminatedPods()
    assert plan(after(one, counted), [done], NOW).status.succeeded == 1


def test_a_pod_that_vanished_after_it_was_noted_still_counts() -> None:
    one = job(completions=2)
    noted = plan(one, [job_pod("a", "Failed")], NOW)
    assert plan(after(one, noted), [], NOW).status.failed == 1


@pytest.mark.parametrize("seed", range(40))
def test_no_crash_between_the_steps_counts_a_pod_twice_or_not_at_all(seed: int) -> None:
    """Status writes may be lost, finalizers removed or not, and pods deleted once they have none."""
    chance = Random(seed)
    one = job(completions=20, parallelism=6)
    phases = {f"p{number}": chance.choice(["Succeeded", "Failed"]) for number in range(6)}
    pods = [job_pod(name, phase) for name, phase in phases.items()]
    for _ in range(30):
        planned = plan(one, pods, NOW)
        if chance.random() < 0.6:
            one = after(one, planned)
            for released in planned.release:
                if chance.random() < 0.5:
                    released.metadata.finalizers = []
        pods = [each for each in pods if each.metadata.finalizers or chance.random() < 0.7]
    for _ in range(3):
        planned = plan(one, pods, NOW)
        one = after(one, planned)
        for released in planned.release:
            released.metadata.finalizers = []
    assert one.status.succeeded == sum(phase == "Succeeded" for phase in phases.values())
    assert one.status.failed == sum(phase == "Failed" for phase in phases.values())


def conclude(one: batch_v1.Job, pods: list[core_v1.Pod]) -> batch_v1.Job:
    """Passes until the Job is over; released pods lose their finalizer, deleted ones go."""
    for _ in range(6):
        planned = plan(one, pods, NOW)
        one = after(one, planned)
        for released in planned.release:
            released.metadata.finalizers = []
        pods = [each for each in pods if each not in planned.delete]
        if is_finished(one):
            return one
    raise AssertionError(f"not over: {one.status}")


def condition(one: batch_v1.Job, kind: str) -> tuple[str, str]:
    found = meta.condition(one.status, kind)
    return (found.reason, found.message) if found is not None else ("", "")


def test_enough_successes_complete_the_job_and_end_what_is_left() -> None:
    one = job(completions=1, parallelism=2)
    over = conclude(one, [job_pod("a", "Succeeded"), job_pod("b")])
    assert condition(over, "Complete") == ("CompletionsReached", "Reached expected number of succeeded pods")
    assert condition(over, "SuccessCriteriaMet")[0] == "CompletionsReached"
    assert over.status.completion_time == NOW
    assert (over.status.succeeded, over.status.active) == (1, 0)


def test_too_many_failures_fail_the_job() -> None:
    over = conclude(job(backoffLimit=1), [job_pod("a", "Failed"), job_pod("b", "Failed"), job_pod("c")])
    assert condition(over, "Failed") == ("BackoffLimitExceeded", "Job has reached the specified backoff limit")
    assert over.status.failed == 3, "what still ran counts as failed"
    assert over.status.completion_time is None


def test_a_job_that_is_active_for_too_long_fails() -> None:
    over = conclude(job(activeDeadlineSeconds=60), [job_pod("a")])
    assert condition(over, "Failed") == ("DeadlineExceeded", "Job was active longer than specified deadline")


def test_a_deadline_that_is_still_to_come_is_waited_for() -> None:
    assert plan(job(activeDeadlineSeconds=400), [job_pod("a")], NOW).look_again == 100


@pytest.mark.parametrize(("failures", "wait"), [(1, 10), (2, 20), (3, 40)])
def test_after_failures_in_a_row_the_next_pod_waits_longer(failures: int, wait: float) -> None:
    pods = [job_pod(f"p{number}", "Failed", ended=number) for number in range(failures)]
    planned = plan(job(), pods, NOW)
    assert planned.create == ()
    assert planned.look_again == wait


def test_a_suspended_job_has_no_pods_and_runs_again_when_resumed() -> None:
    one = job(suspend=True)
    running = job_pod("a")
    stopped = plan(one, [running], NOW)
    assert stopped.discard == (running,)
    assert stopped.status.start_time is None
    assert condition(after(one, stopped), "Suspended") == ("JobSuspended", "Job suspended")
    one = after(one, stopped)
    one.spec.suspend = False
    resumed = plan(one, [], NOW)
    assert resumed.status.start_time == NOW
    assert len(resumed.create) == 1
    assert not meta.is_true(resumed.status, "Suspended")


def test_an_indexed_job_makes_a_pod_for_each_index_that_has_none() -> None:
    one = job(completions=4, parallelism=3, completionMode="Indexed")
    pods = [job_pod("a", "Succeeded", index=0), job_pod("b", index=2)]
    planned = plan(one, pods, NOW)
    assert [new.index for new in planned.create] == [1, 3]
    assert planned.status.completed_indexes == "0"


def test_two_pods_of_one_index_are_one_too_many() -> None:
    one = job(completions=2, parallelism=2, completionMode="Indexed")
    first, second = job_pod("a", index=0), job_pod("b", index=0)
    assert plan(one, [first, second], NOW).discard == (first,)


def test_an_index_that_fails_too_often_fails_alone() -> None:
    one = job(completions=2, parallelism=2, completionMode="Indexed", backoffLimitPerIndex=0)
    pods = [job_pod("a", "Failed", index=0), job_pod("b", "Succeeded", index=1)]
    planned = plan(one, pods, NOW)
    assert planned.status.failed_indexes == "0"
    assert condition(conclude(one, pods), "Failed") == ("FailedIndexes", "Job has failed indexes")


def test_the_pod_failure_policy_can_end_the_job_or_overlook_a_failure() -> None:
    on_exit = {"action": "FailJob", "onExitCodes": {"operator": "In", "values": [1]}}
    over = conclude(job(podFailurePolicy={"rules": [on_exit]}), [job_pod("a", "Failed")])
    assert condition(over, "Failed") == (
        "PodFailurePolicy",
        "Container main for pod default/a failed with exit code 1 matching FailJob rule at index 0",
    )
    ignoring = {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}
    failed = job_pod("a", "Failed")
    failed.status.conditions.append(core_v1.PodCondition(type="DisruptionTarget", status="True"))
    planned = plan(job(podFailurePolicy={"rules": [ignoring]}), [failed], NOW)
    assert planned.status.uncounted_terminated_pods == batch_v1.UncountedTerminatedPods()
    assert planned.release == (failed,)


@pytest.mark.parametrize(
    ("indexes", "text"), [([], ""), ([0], "0"), ([0, 1], "0,1"), ([0, 1, 2, 5, 7, 8, 9], "0-2,5,7-9")]
)
def test_indexes_are_spelled_as_ranges(indexes: list[int], text: str) -> None:
    assert job_indexes.spell(indexes) == text
    assert job_indexes.parse(text, 10) == frozenset(indexes)
    assert job_indexes.parse(text, 2) == frozenset(indexes) & {0, 1}


def test_a_pod_that_is_deleted_has_failed_unless_its_end_is_waited_for() -> None:
    going = job_pod("a")
    going.metadata.deletion_timestamp = NOW
    once = plan(job(podReplacementPolicy="TerminatingOrFailed"), [going], NOW)
    assert once.status.uncounted_terminated_pods == batch_v1.UncountedTerminatedPods(failed=["uid-a"])
    assert (once.release, once.look_again, once.status.terminating) == ((going,), 10, 1)
    waiting = plan(job(podReplacementPolicy="Failed"), [going], NOW)
    assert (waiting.release, waiting.create, waiting.status.terminating) == ((), (), 1)


def test_failures_are_remembered_when_their_pods_are_gone() -> None:
    first = plan(job(), [job_pod("a", "Failed", ended=5)], NOW)
    second = plan(job(), [job_pod("b", "Failed", ended=1)], NOW, first.backoff)
    assert second.look_again == 19
    succeeded = plan(job(completions=3), [job_pod("c", "Succeeded", ended=0)], NOW, second.backoff)
    assert len(succeeded.create) == 1


def test_a_failed_pod_of_an_index_stays_until_its_successor_knows_of_it() -> None:
    one = job(completions=2, parallelism=2, completionMode="Indexed", backoffLimitPerIndex=3)
    failed, running = job_pod("a", "Failed", index=0, ended=5), job_pod("b", index=1)
    waits = plan(one, [failed, running], NOW)
    assert (waits.release, waits.create, waits.look_again) == ((), (), 5)
    later = NOW + timedelta(seconds=5)
    assert plan(one, [failed, running], later).create == (NewPod(0, failures=1),)
    successor = job_pod("c", index=0)
    assert plan(one, [failed, running, successor], later).release == (failed,)


def test_a_job_that_shrinks_forgets_the_indexes_beyond_its_end() -> None:
    one = job(completions=2, parallelism=4, completionMode="Indexed")
    one.status.completed_indexes = "0,3"
    first, beyond = job_pod("b", index=1), job_pod("c", index=2)
    planned = plan(one, [first, beyond], NOW)
    assert planned.discard == (beyond,)
    assert (planned.status.completed_indexes, planned.status.succeeded) == ("0", 1)


def test_conditions_keep_their_place_when_they_change() -> None:
    one = after(one := job(suspend=True), plan(one, [], NOW))
    one.status.conditions.append(batch_v1.JobCondition(type="Mine", status="True"))
    one.spec.suspend = False
    resumed = plan(one, [], NOW).status.conditions
    assert [(each.type, each.status) for each in resumed] == [("Suspended", "False"), ("Mine", "True")]


def test_a_job_that_is_being_deleted_lets_its_pods_go() -> None:
    one = job(completions=3, parallelism=2)
    one.metadata.deletion_timestamp = NOW
    pods = [job_pod("a"), job_pod("b", "Succeeded")]
    planned = plan(one, pods, NOW)
    assert (planned.release, planned.create, planned.delete, planned.discard) == (tuple(pods), (), (), ())
