"""What a Job's pods are to it: which run, which end, which are still to be counted, and which indexes are done.

Each finished pod is counted once, in three steps that survive a crash between any two of them: its uid is written to
`uncountedTerminatedPods`; then its finalizer is removed; then, seen without the finalizer, it moves from there into
the counter, in one write. Until the finalizer is gone the pod cannot vanish. A succeeded pod of an indexed Job needs
no uid: its index is in `completedIndexes`.
Follows pkg/controller/job (trackJobStatusAndRemoveFinalizers, indexed_job_utils.go).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from pybernetes.api.models import batch_v1, core_v1
from pybernetes.controllers import job_indexes
from pybernetes.controllers.job_backoff import finished_at
from pybernetes.controllers.pod_failure_policy import FAIL_INDEX, FAIL_JOB, IGNORE, judge
from pybernetes.controllers.pods import is_active, is_terminating

TRACKING = "batch.kubernetes.io/job-tracking"
MOST_UNCOUNTED = 500


class Ending(Enum):
    """What becomes of pods that have not ended by themselves."""

    NOT = "the Job goes on"
    SUCCESS = "the Job is over; the rest is let go without being counted"
    FAILURE = "the Job is over; the rest counts as failed"
    DELETION = "the Job is being deleted; the rest is let go without being counted"


@dataclass(frozen=True, slots=True)
class Tally:
    active: tuple[core_v1.Pod, ...]
    terminating: tuple[core_v1.Pod, ...]
    tracked: tuple[core_v1.Pod, ...]
    """Those that carry the finalizer: not counted yet, or noted to be."""

    new_succeeded: tuple[core_v1.Pod, ...]
    new_failed: tuple[core_v1.Pod, ...]
    """Ended, and not even noted yet."""

    succeeded: int
    failed: int
    """All, whether counted yet or not."""

    completed: frozenset[int]
    failed_indexes: frozenset[int]
    delayed: Mapping[int, core_v1.Pod]
    """By index, the failed pod that stays until another takes its place, for that one is told of its failures."""

    fail_job: str
    """What the pod failure policy says, if it ends the Job."""


@dataclass(frozen=True, slots=True)
class Account:
    """The counters as they are to be written, and the pods to let go thereafter."""

    succeeded: int
    failed: int
    uncounted: batch_v1.UncountedTerminatedPods
    release: tuple[core_v1.Pod, ...]
    whole: bool
    """False if there were too many for one write."""


def is_indexed(job: batch_v1.Job) -> bool:
    return job.spec.completion_mode == "Indexed"


def only_replaces_failed(job: batch_v1.Job) -> bool:
    return job.spec.pod_replacement_policy == "Failed" or job.spec.pod_failure_policy is not None


def is_failed(job: batch_v1.Job, pod: core_v1.Pod) -> bool:
    """A pod that is being deleted has failed, unless the Job waits for what it will say."""
    if pod.status.phase == "Failed":
        return True
    return not only_replaces_failed(job) and is_terminating(pod)


def is_in_range(job: batch_v1.Job, pod: core_v1.Pod) -> bool:
    """Whether the pod is one of the Job's indexes; any pod is, if the Job has none."""
    if not is_indexed(job):
        return True
    index = job_indexes.index_of(pod)
    return index is not None and index < (job.spec.completions or 0)


def counts_as_failure(job: batch_v1.Job, pod: core_v1.Pod) -> bool:
    return judge(job.spec.pod_failure_policy, pod).action != IGNORE


def tally_of(job: batch_v1.Job, pods: Sequence[core_v1.Pod]) -> Tally:
    """`pods` are those the Job controls."""
    tracked = [pod for pod in pods if TRACKING in pod.metadata.finalizers]
    known = job.status.uncounted_terminated_pods or batch_v1.UncountedTerminatedPods()
    counted = [pod for pod in tracked if is_in_range(job, pod)]
    succeeded = [pod for pod in counted if pod.status.phase == "Succeeded" and pod.metadata.uid not in known.succeeded]
    failed = [pod for pod in counted if is_failed(job, pod) and pod.metadata.uid not in known.failed]
    completed = _completed(job, succeeded)
    failed_indexes = _failed_indexes(job, counted)
    active = tuple(filter(is_active, pods))
    return Tally(
        active=active,
        terminating=tuple(filter(is_terminating, pods)),
        tracked=tuple(tracked),
        new_succeeded=tuple(succeeded),
        new_failed=tuple(failed),
        succeeded=len(completed) if is_indexed(job) else _total(job.status.succeeded, known.succeeded, succeeded),
        failed=_total(job.status.failed, known.failed, [pod for pod in failed if counts_as_failure(job, pod)]),
        completed=completed,
        failed_indexes=failed_indexes,
        delayed=_delayed(job, failed, completed | failed_indexes | _indexes(active)),
        fail_job=_fail_job(job, pods),
    )


def _total(counted: int, noted: Sequence[str], new: Sequence[core_v1.Pod]) -> int:
    return counted + len(noted) + len(new)


def _completed(job: batch_v1.Job, succeeded: Sequence[core_v1.Pod]) -> frozenset[int]:
    if not is_indexed(job):
        return frozenset()
    return job_indexes.parse(job.status.completed_indexes, job.spec.completions) | _indexes(succeeded)


def _indexes(pods: Sequence[core_v1.Pod]) -> frozenset[int]:
    return frozenset(index for pod in pods if (index := job_indexes.index_of(pod)) is not None)


def _failed_indexes(job: batch_v1.Job, tracked: Sequence[core_v1.Pod]) -> frozenset[int]:
    limit = job.spec.backoff_limit_per_index
    if not is_indexed(job) or limit is None:
        return frozenset()
    known = job_indexes.parse(job.status.failed_indexes or "", job.spec.completions)
    return known | _indexes([pod for pod in tracked if is_failed(job, pod) and _fails_its_index(job, pod, limit)])


def _fails_its_index(job: batch_v1.Job, pod: core_v1.Pod, limit: int) -> bool:
    action = judge(job.spec.pod_failure_policy, pod).action
    return action == FAIL_INDEX or (action != IGNORE and job_indexes.failures_before(pod) >= limit)


def _delayed(job: batch_v1.Job, failed: Sequence[core_v1.Pod], settled: frozenset[int]) -> Mapping[int, core_v1.Pod]:
    if job.spec.backoff_limit_per_index is None:
        return {}
    last: dict[int, core_v1.Pod] = {}
    for pod in sorted(failed, key=lambda one: (job_indexes.all_failures_before(one), finished_at(one))):
        index = job_indexes.index_of(pod)
        if index is not None and index not in settled:
            last[index] = pod
    return last


def _fail_job(job: batch_v1.Job, pods: Sequence[core_v1.Pod]) -> str:
    if job.spec.pod_failure_policy is None:
        return ""
    verdicts = (judge(job.spec.pod_failure_policy, pod) for pod in pods if is_failed(job, pod))
    return next((verdict.message for verdict in verdicts if verdict.action == FAIL_JOB), "")


def account(job: batch_v1.Job, tally: Tally, ending: Ending) -> Account:
    known = job.status.uncounted_terminated_pods or batch_v1.UncountedTerminatedPods()
    present = {pod.metadata.uid for pod in tally.tracked}
    succeeded = [uid for uid in known.succeeded if uid in present]
    failed = [uid for uid in known.failed if uid in present]
    release: list[core_v1.Pod] = []
    for pod in _leaving(job, tally, ending):
        if len(succeeded) + len(failed) >= MOST_UNCOUNTED:
            break
        release.append(pod)
        uid = pod.metadata.uid
        if pod.status.phase == "Succeeded":
            if not is_indexed(job) and uid not in known.succeeded:
                succeeded.append(uid)
        elif _is_new_failure(job, pod, ending) and uid not in known.failed:
            failed.append(uid)
    return Account(
        succeeded=len(tally.completed)
        if is_indexed(job)
        else job.status.succeeded + sum(uid not in present for uid in known.succeeded),
        failed=job.status.failed + sum(uid not in present for uid in known.failed),
        uncounted=batch_v1.UncountedTerminatedPods(succeeded=succeeded, failed=failed),
        release=tuple(release),
        whole=len(succeeded) + len(failed) < MOST_UNCOUNTED,
    )


def _leaving(job: batch_v1.Job, tally: Tally, ending: Ending) -> Iterator[core_v1.Pod]:
    kept = {pod.metadata.uid for pod in tally.delayed.values()}
    for pod in tally.tracked:
        ended = pod.status.phase == "Succeeded" or (is_failed(job, pod) and pod.metadata.uid not in kept)
        if ended or ending is not Ending.NOT:
            yield pod


def _is_new_failure(job: batch_v1.Job, pod: core_v1.Pod, ending: Ending) -> bool:
    ended = is_failed(job, pod) or ending is Ending.FAILURE
    return ended and is_in_range(job, pod) and counts_as_failure(job, pod)
