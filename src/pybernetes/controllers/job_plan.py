"""What a Job needs next: a function of the Job, its pods and the time.

Each finished pod is counted once, in three steps that survive a crash between any two of them: its uid is written to
`uncountedTerminatedPods`; then its finalizer is removed; then, seen without the finalizer, it moves from there into
the counter, in one write. Until the finalizer is gone the pod cannot vanish.
Follows pkg/controller/job (trackJobStatusAndRemoveFinalizers).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec

from pybernetes.api import meta
from pybernetes.api.models import batch_v1, core_v1
from pybernetes.controllers import job_indexes
from pybernetes.controllers.pod_failure_policy import FAIL_INDEX, FAIL_JOB, IGNORE, judge
from pybernetes.controllers.pods import is_active, is_ready, is_terminating

TRACKING = "batch.kubernetes.io/job-tracking"
FIRST_BACKOFF, LONGEST_BACKOFF = 10.0, 600.0
MOST_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Outcome:
    """Why the Job is over."""

    succeeded: bool
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class NewPod:
    index: int | None = None
    failures: int = 0


@dataclass(frozen=True, slots=True)
class Plan:
    status: batch_v1.JobStatus
    release: tuple[core_v1.Pod, ...]
    """Pods whose finalizer goes once `status` is written."""
    create: tuple[NewPod, ...] = ()
    delete: tuple[core_v1.Pod, ...] = ()
    look_again: float | None = None
    finished: Outcome | None = None
    """Set when this plan's status is the first to say that the Job is over."""


@dataclass(frozen=True, slots=True)
class _Tally:
    """Pods by what they are to the Job, with the counters as they will be."""

    active: tuple[core_v1.Pod, ...]
    terminating: tuple[core_v1.Pod, ...]
    succeeded: int
    failed: int
    uncounted: batch_v1.UncountedTerminatedPods
    release: tuple[core_v1.Pod, ...]
    completed: frozenset[int]
    failed_indexes: frozenset[int]
    index_failures: Mapping[int, int]
    fail_job: str
    """What the pod failure policy says, if it ends the Job."""
    last_failure: datetime | None
    failures_in_a_row: int

    @property
    def all_succeeded(self) -> int:
        return self.succeeded + len(self.uncounted.succeeded)

    @property
    def all_failed(self) -> int:
        return self.failed + len(self.uncounted.failed)


def is_finished(job: batch_v1.Job) -> bool:
    return meta.is_true(job.status, "Complete") or meta.is_true(job.status, "Failed")


def is_indexed(job: batch_v1.Job) -> bool:
    return job.spec.completion_mode == "Indexed"


def plan(job: batch_v1.Job, pods: Sequence[core_v1.Pod], now: datetime) -> Plan:
    """`pods` are those the Job controls."""
    if is_finished(job):
        return Plan(job.status, tuple(pod for pod in pods if TRACKING in pod.metadata.finalizers))
    tally = _tally(job, pods)
    outcome = _outcome_so_far(job) or _outcome(job, tally, now)
    if outcome is not None:
        return _finish(job, tally, outcome, now)
    if job.spec.suspend:
        return _suspend(job, tally, now)
    return _go_on(job, tally, now)


def _tally(job: batch_v1.Job, pods: Sequence[core_v1.Pod]) -> _Tally:
    status = job.status
    known = status.uncounted_terminated_pods or batch_v1.UncountedTerminatedPods()
    tracked = {pod.metadata.uid for pod in pods if TRACKING in pod.metadata.finalizers}
    succeeded_uids = [uid for uid in known.succeeded if uid in tracked]
    failed_uids = [uid for uid in known.failed if uid in tracked]
    succeeded = status.succeeded + len(known.succeeded) - len(succeeded_uids)
    failed = status.failed + len(known.failed) - len(failed_uids)
    noted = {*known.succeeded, *known.failed}
    completed = set(job_indexes.parse(status.completed_indexes))
    failed_indexes = set(job_indexes.parse(status.failed_indexes or ""))
    index_failures: Counter[int] = Counter()
    release, fail_job = [], ""
    for pod in pods:
        index = job_indexes.index_of(pod)
        uid, phase = pod.metadata.uid, pod.status.phase
        if uid not in tracked or phase not in ("Succeeded", "Failed"):
            continue
        release.append(pod)
        if phase == "Succeeded":
            is_first = index is None or (index not in completed and _is_in_range(job, index))
            if uid not in noted and is_first:
                succeeded_uids.append(uid)
            if index is not None and _is_in_range(job, index):
                completed.add(index)
            continue
        verdict = judge(job.spec.pod_failure_policy, pod)
        if verdict.action == FAIL_JOB:
            fail_job = fail_job or verdict.message
        if uid not in noted and verdict.action != IGNORE:
            failed_uids.append(uid)
        if index is not None and verdict.action != IGNORE:
            index_failures[index] = max(index_failures[index], job_indexes.failures_before(pod) + 1)
            limit = job.spec.backoff_limit_per_index
            if verdict.action == FAIL_INDEX or (limit is not None and index_failures[index] > limit):
                failed_indexes.add(index)
    last, in_a_row = _latest_failures(pods)
    return _Tally(
        active=tuple(filter(is_active, pods)),
        terminating=tuple(filter(is_terminating, pods)),
        succeeded=succeeded,
        failed=failed,
        uncounted=batch_v1.UncountedTerminatedPods(succeeded=succeeded_uids, failed=failed_uids),
        release=tuple(release),
        completed=frozenset(completed),
        failed_indexes=frozenset(failed_indexes - completed),
        index_failures=index_failures,
        fail_job=fail_job,
        last_failure=last,
        failures_in_a_row=in_a_row,
    )


def _is_in_range(job: batch_v1.Job, index: int) -> bool:
    return index < (job.spec.completions or 0)


def _latest_failures(pods: Iterable[core_v1.Pod]) -> tuple[datetime | None, int]:
    """When the last pod failed, and how many did so since the last success, as far as their pods still exist."""
    finished = sorted((ended, pod.status.phase) for pod in pods if (ended := finished_at(pod)) is not None)
    in_a_row = 0
    for _, phase in reversed(finished):
        if phase != "Failed":
            break
        in_a_row += 1
    return (finished[-1][0] if in_a_row else None), in_a_row


def finished_at(pod: core_v1.Pod) -> datetime | None:
    """When the last container ended; None while the pod has not finished."""
    if pod.status.phase not in ("Succeeded", "Failed"):
        return None
    ends = [
        status.state.terminated.finished_at
        for status in pod.status.container_statuses
        if status.state.terminated is not None and status.state.terminated.finished_at is not None
    ]
    return max(ends, default=pod.metadata.creation_timestamp)


def _outcome_so_far(job: batch_v1.Job) -> Outcome | None:
    """What was decided in an earlier pass, while pods were still ending."""
    for kind, succeeded in (("SuccessCriteriaMet", True), ("FailureTarget", False)):
        known = meta.condition(job.status, kind)
        if known is not None and known.status == "True":
            return Outcome(succeeded, known.reason, known.message)
    return None


def _outcome(job: batch_v1.Job, tally: _Tally, now: datetime) -> Outcome | None:
    spec = job.spec
    if tally.fail_job:
        return Outcome(False, "PodFailurePolicy", tally.fail_job)
    if spec.backoff_limit_per_index is None and _past_backoff_limit(job, tally):
        return Outcome(False, "BackoffLimitExceeded", "Job has reached the specified backoff limit")
    if _deadline(job, now) == 0:
        return Outcome(False, "DeadlineExceeded", "Job was active longer than specified deadline")
    if spec.max_failed_indexes is not None and len(tally.failed_indexes) > spec.max_failed_indexes:
        return Outcome(
            False, "MaxFailedIndexesExceeded", "Job has exceeded the specified maximal number of failed indexes"
        )
    if is_indexed(job) and (rule := _met_success_rule(job, tally.completed)) is not None:
        return Outcome(True, "SuccessPolicy", f"Matched rules at index {rule}")
    if spec.completions is None:
        done = tally.all_succeeded > 0 and not tally.active
        return Outcome(True, "CompletionsReached", "Reached expected number of succeeded pods") if done else None
    if is_indexed(job) and len(tally.completed) + len(tally.failed_indexes) >= spec.completions:
        if tally.failed_indexes:
            return Outcome(False, "FailedIndexes", "Job has failed indexes")
        return Outcome(True, "CompletionsReached", "Reached expected number of succeeded pods")
    if not is_indexed(job) and tally.all_succeeded >= spec.completions:
        return Outcome(True, "CompletionsReached", "Reached expected number of succeeded pods")
    return None


def _past_backoff_limit(job: batch_v1.Job, tally: _Tally) -> bool:
    limit = 6 if job.spec.backoff_limit is None else job.spec.backoff_limit
    if tally.all_failed > limit:
        return True
    if job.spec.template.spec.restart_policy != "OnFailure":
        return False
    restarts = sum(
        status.restart_count
        for pod in tally.active
        for status in (*pod.status.init_container_statuses, *pod.status.container_statuses)
    )
    return restarts > 0 if limit == 0 else restarts >= limit


def _met_success_rule(job: batch_v1.Job, completed: frozenset[int]) -> int | None:
    policy = job.spec.success_policy
    for number, rule in enumerate(policy.rules if policy else ()):
        wanted = job_indexes.parse(rule.succeeded_indexes) if rule.succeeded_indexes is not None else None
        met = completed if wanted is None else completed & wanted
        if len(met) >= (rule.succeeded_count if rule.succeeded_count is not None else len(wanted or ())):
            return number
    return None


def _deadline(job: batch_v1.Job, now: datetime) -> float | None:
    """Seconds until the Job has been active for too long; None without a deadline."""
    limit, started = job.spec.active_deadline_seconds, job.status.start_time
    if limit is None or started is None or job.spec.suspend:
        return None
    return max(0.0, limit - (now - started).total_seconds())


def _finish(job: batch_v1.Job, tally: _Tally, outcome: Outcome, now: datetime) -> Plan:
    """Remaining pods are ended first; the Job is over once all are gone and counted."""
    status = _status(job, tally, now)
    target = "SuccessCriteriaMet" if outcome.succeeded else "FailureTarget"
    _say(status, target, outcome.reason, outcome.message, now)
    settled = not (tally.active or tally.terminating or tally.uncounted.succeeded or tally.uncounted.failed)
    if not settled:
        return Plan(status, tally.release, delete=tally.active)
    status.uncounted_terminated_pods = batch_v1.UncountedTerminatedPods()
    _say(status, "Complete" if outcome.succeeded else "Failed", outcome.reason, outcome.message, now)
    if outcome.succeeded:
        status.completion_time = now
    return Plan(status, tally.release, finished=outcome)


def _suspend(job: batch_v1.Job, tally: _Tally, now: datetime) -> Plan:
    status = _status(job, tally, now)
    status.start_time = None
    _say(status, "Suspended", "JobSuspended", "Job suspended", now)
    return Plan(status, tally.release, delete=tally.active)


def _go_on(job: batch_v1.Job, tally: _Tally, now: datetime) -> Plan:
    status = _status(job, tally, now)
    if meta.is_true(status, "Suspended"):
        _say(status, "Suspended", "JobResumed", "Job resumed", now, value="False")
        status.start_time = now
    wanted = _wanted_active(job, tally)
    occupied = len(tally.active) + (len(tally.terminating) if job.spec.pod_replacement_policy == "Failed" else 0)
    deadline = _deadline(job, now)
    doomed = _obsolete(job, tally)
    if doomed or len(tally.active) > wanted:
        surplus = [pod for pod in sorted(tally.active, key=_worth) if pod not in doomed]
        return Plan(status, tally.release, delete=(*doomed, *surplus[: max(0, len(surplus) - wanted)]))
    missing = min(wanted - occupied, MOST_AT_ONCE)
    wait = _backoff(tally, now)
    if missing > 0 and wait > 0:
        return Plan(status, tally.release, look_again=min(wait, deadline or wait))
    return Plan(status, tally.release, create=_new_pods(job, tally, missing), look_again=deadline)


def _wanted_active(job: batch_v1.Job, tally: _Tally) -> int:
    parallelism = 1 if job.spec.parallelism is None else job.spec.parallelism
    if job.spec.completions is None:
        return len(tally.active) if tally.all_succeeded else parallelism
    done = len(tally.completed | tally.failed_indexes) if is_indexed(job) else tally.all_succeeded
    return min(parallelism, max(0, job.spec.completions - done))


def _obsolete(job: batch_v1.Job, tally: _Tally) -> tuple[core_v1.Pod, ...]:
    """Active pods of an indexed Job whose index needs no pod (any more)."""
    if not is_indexed(job):
        return ()
    seen: set[int] = set()
    doomed = []
    for pod in tally.active:
        index = job_indexes.index_of(pod)
        done = index is None or index in tally.completed | tally.failed_indexes or not _is_in_range(job, index)
        if done or index in seen:
            doomed.append(pod)
        elif index is not None:
            seen.add(index)
    return tuple(doomed)


def _worth(pod: core_v1.Pod) -> tuple[bool, bool, float]:
    """Least worth keeping first: not scheduled, not ready, youngest."""
    created = pod.metadata.creation_timestamp
    return bool(pod.spec.node_name), is_ready(pod), -created.timestamp() if created else 0.0


def _new_pods(job: batch_v1.Job, tally: _Tally, missing: int) -> tuple[NewPod, ...]:
    if missing <= 0:
        return ()
    if not is_indexed(job):
        return tuple(NewPod() for _ in range(missing))
    taken = {job_indexes.index_of(pod) for pod in tally.active} | tally.completed | tally.failed_indexes
    if job.spec.pod_replacement_policy == "Failed":
        taken |= {job_indexes.index_of(pod) for pod in tally.terminating}
    free = [index for index in range(job.spec.completions or 0) if index not in taken]
    return tuple(NewPod(index, tally.index_failures.get(index, 0)) for index in free[:missing])


def _backoff(tally: _Tally, now: datetime) -> float:
    """Seconds until a pod may be made after the last failure: 10, doubling, at most 600."""
    if tally.last_failure is None:
        return 0.0
    delay = min(FIRST_BACKOFF * 2 ** (min(tally.failures_in_a_row, 20) - 1), LONGEST_BACKOFF)
    return (tally.last_failure + timedelta(seconds=delay) - now).total_seconds()


def _status(job: batch_v1.Job, tally: _Tally, now: datetime) -> batch_v1.JobStatus:
    """A new status with the counters; conditions are copied so that they may be added to."""
    status = msgspec.structs.replace(
        job.status,
        conditions=list(job.status.conditions),
        active=len(tally.active),
        ready=sum(map(is_ready, tally.active)),
        terminating=len(tally.terminating),
        succeeded=tally.succeeded,
        failed=tally.failed,
        uncounted_terminated_pods=tally.uncounted,
    )
    if status.start_time is None and not job.spec.suspend:
        status.start_time = now
    if is_indexed(job):
        status.completed_indexes = job_indexes.spell(tally.completed)
        if job.spec.backoff_limit_per_index is not None:
            status.failed_indexes = job_indexes.spell(tally.failed_indexes)
    return status


def _say(
    status: batch_v1.JobStatus, kind: str, reason: str, message: str, now: datetime, *, value: str = "True"
) -> None:
    known = meta.condition(status, kind)
    if known is not None and known.status == value:
        return
    new = batch_v1.JobCondition(
        type=kind, status=value, reason=reason, message=message, last_probe_time=now, last_transition_time=now
    )
    status.conditions = [one for one in status.conditions if one.type != kind] + [new]
