"""What a Job needs next: a function of the Job, its pods, its failures so far and the time.

`job_tally` says what the pods are to the Job and how they are counted; here is decided how the Job ends, and which
pods it makes and ends until then.
Follows pkg/controller/job/job_controller.go (syncJob, manageJob).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import msgspec

from pybernetes.api import meta
from pybernetes.api.models import batch_v1, core_v1
from pybernetes.controllers import job_indexes
from pybernetes.controllers.finished_jobs import is_finished
from pybernetes.controllers.job_backoff import NO_FAILURES, Backoff
from pybernetes.controllers.job_tally import (
    TRACKING,
    Account,
    Ending,
    Tally,
    account,
    counts_as_failure,
    is_indexed,
    only_replaces_failed,
    tally_of,
)
from pybernetes.controllers.pods import is_ready

MOST_AT_ONCE = 500
COMPLETIONS_REACHED = "Reached expected number of succeeded pods"


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
    ignored_failures: int = 0


@dataclass(frozen=True, slots=True)
class Plan:
    status: batch_v1.JobStatus
    release: tuple[core_v1.Pod, ...]
    """Pods whose finalizer goes once `status` is written."""
    create: tuple[NewPod, ...] = ()
    delete: tuple[core_v1.Pod, ...] = ()
    discard: tuple[core_v1.Pod, ...] = ()
    """Pods that are too many: let go before they are deleted, and never counted."""
    look_again: float | None = None
    finished: Outcome | None = None
    """Set when this plan's status is the first to say that the Job is over."""
    backoff: Backoff = NO_FAILURES
    """The failures so far, once `status` is written."""


def plan(job: batch_v1.Job, pods: Sequence[core_v1.Pod], now: datetime, backoff: Backoff = NO_FAILURES) -> Plan:
    """`pods` are those the Job controls."""
    if is_finished(job):
        return Plan(job.status, tuple(pod for pod in pods if TRACKING in pod.metadata.finalizers))
    tally = tally_of(job, pods)
    backoff = backoff.after(tally.new_succeeded, tally.new_failed)
    outcome = _outcome_so_far(job) or _outcome(job, tally, now)
    if outcome is not None:
        decided = _finish(job, tally, outcome, now)
    elif job.metadata.deletion_timestamp is not None:
        let_go = account(job, tally, Ending.DELETION)
        decided = Plan(_status(job, tally, let_go, now), let_go.release)
    elif job.spec.suspend:
        decided = _suspend(job, tally, now)
    else:
        decided = _go_on(job, tally, now, backoff)
    return replace(decided, backoff=backoff)


def _outcome_so_far(job: batch_v1.Job) -> Outcome | None:
    """What was decided in an earlier pass, while pods were still ending."""
    for kind, succeeded in (("SuccessCriteriaMet", True), ("FailureTarget", False)):
        known = meta.condition(job.status, kind)
        if known is not None and known.status == "True":
            return Outcome(succeeded, known.reason, known.message)
    return None


def _outcome(job: batch_v1.Job, tally: Tally, now: datetime) -> Outcome | None:
    return _failure(job, tally, now) or _success(job, tally)


def _failure(job: batch_v1.Job, tally: Tally, now: datetime) -> Outcome | None:
    spec = job.spec
    if tally.fail_job:
        return Outcome(False, "PodFailurePolicy", tally.fail_job)
    if _past_backoff_limit(job, tally):
        return Outcome(False, "BackoffLimitExceeded", "Job has reached the specified backoff limit")
    if _deadline(job, now) == 0:
        return Outcome(False, "DeadlineExceeded", "Job was active longer than specified deadline")
    if spec.max_failed_indexes is not None and len(tally.failed_indexes) > spec.max_failed_indexes:
        message = "Job has exceeded the specified maximal number of failed indexes"
        return Outcome(False, "MaxFailedIndexesExceeded", message)
    done = len(tally.completed) + len(tally.failed_indexes)
    if tally.failed_indexes and done >= (spec.completions or 0):
        return Outcome(False, "FailedIndexes", "Job has failed indexes")
    return None


def _success(job: batch_v1.Job, tally: Tally) -> Outcome | None:
    if is_indexed(job) and (rule := _met_success_rule(job, tally.completed)) is not None:
        return Outcome(True, "SuccessPolicy", f"Matched rules at index {rule}")
    if job.spec.completions is None:
        stays_active = tally.active and not job.spec.suspend
        reached = tally.succeeded > 0 and not stays_active
    else:
        reached = tally.succeeded >= job.spec.completions
    return Outcome(True, "CompletionsReached", COMPLETIONS_REACHED) if reached else None


def _past_backoff_limit(job: batch_v1.Job, tally: Tally) -> bool:
    limit = 6 if job.spec.backoff_limit is None else job.spec.backoff_limit
    if tally.failed > limit:
        return True
    if job.spec.template.spec.restart_policy != "OnFailure":
        return False
    restarts = sum(
        status.restart_count
        for pod in (*tally.active, *tally.terminating)
        for status in (*pod.status.init_container_statuses, *pod.status.container_statuses)
    )
    return restarts > 0 if limit == 0 else restarts >= limit


def _met_success_rule(job: batch_v1.Job, completed: frozenset[int]) -> int | None:
    policy = job.spec.success_policy
    for number, rule in enumerate(policy.rules if policy else ()):
        if rule.succeeded_indexes is None:
            met, enough = completed, rule.succeeded_count
        else:
            wanted = job_indexes.parse(rule.succeeded_indexes, job.spec.completions)
            met = completed & wanted
            enough = len(wanted) if rule.succeeded_count is None else min(len(wanted), rule.succeeded_count)
        if completed and enough is not None and len(met) >= enough:
            return number
    return None


def _deadline(job: batch_v1.Job, now: datetime) -> float | None:
    """Seconds until the Job has been active for too long; None without a deadline."""
    limit, started = job.spec.active_deadline_seconds, job.status.start_time
    if limit is None or started is None or job.spec.suspend:
        return None
    return max(0.0, limit - (now - started).total_seconds())


def _finish(job: batch_v1.Job, tally: Tally, outcome: Outcome, now: datetime) -> Plan:
    """Remaining pods are ended first; the Job is over once all are gone and counted."""
    counted = account(job, tally, Ending.SUCCESS if outcome.succeeded else Ending.FAILURE)
    status = _status(job, tally, counted, now, ended=tally.active)
    target = "SuccessCriteriaMet" if outcome.succeeded else "FailureTarget"
    _say(status, target, outcome.reason, outcome.message, now)
    if tally.active or tally.terminating or tally.tracked or not counted.whole:
        return Plan(status, counted.release, delete=tally.active)
    _say(status, "Complete" if outcome.succeeded else "Failed", outcome.reason, outcome.message, now)
    if outcome.succeeded:
        status.completion_time = now
    return Plan(status, counted.release, finished=outcome)


def _suspend(job: batch_v1.Job, tally: Tally, now: datetime) -> Plan:
    counted = account(job, tally, Ending.NOT)
    status = _status(job, tally, counted, now, ended=tally.active)
    if _say(status, "Suspended", "JobSuspended", "Job suspended", now):
        status.start_time = None
    return Plan(status, counted.release, discard=tally.active)


def _go_on(job: batch_v1.Job, tally: Tally, now: datetime, backoff: Backoff) -> Plan:
    counted = account(job, tally, Ending.NOT)
    wanted = _wanted_active(job, tally)
    doomed = _doomed(job, tally, wanted)
    status = _status(job, tally, counted, now, ended=doomed)
    if meta.condition(status, "Suspended") and _say(status, "Suspended", "JobResumed", "Job resumed", now, "False"):
        status.start_time = now
    if doomed:
        return Plan(status, counted.release, discard=doomed)
    occupied = len(tally.active) + (len(tally.terminating) if only_replaces_failed(job) else 0)
    missing = min(wanted - occupied, MOST_AT_ONCE)
    deadline = _deadline(job, now)
    create, wait = _new_pods(job, tally, missing, now, backoff)
    if missing > 0 and wait > 0 and not create:
        return Plan(status, counted.release, look_again=min(wait, deadline or wait))
    status.active += len(create)
    return Plan(status, counted.release, create=create, look_again=deadline)


def _wanted_active(job: batch_v1.Job, tally: Tally) -> int:
    parallelism = 1 if job.spec.parallelism is None else job.spec.parallelism
    if job.spec.completions is None:
        return len(tally.active) if tally.succeeded else parallelism
    return min(parallelism, max(0, job.spec.completions - tally.succeeded))


def _doomed(job: batch_v1.Job, tally: Tally, wanted: int) -> tuple[core_v1.Pod, ...]:
    """Active pods that are too many, and those of an indexed Job without an index of their own."""
    kept = sorted(tally.active, key=_worth)
    doomed: list[core_v1.Pod] = []
    if is_indexed(job):
        best = {job_indexes.index_of(pod): pod.metadata.uid for pod in kept}
        needed = {best[index] for index in best if index is not None and index < (job.spec.completions or 0)}
        doomed = [pod for pod in kept if pod.metadata.uid not in needed]
        kept = [pod for pod in kept if pod.metadata.uid in needed]
    surplus = max(0, len(kept) - wanted)
    if len(doomed) < len(tally.active) - wanted:
        doomed += kept[:surplus]
    return tuple(doomed[:MOST_AT_ONCE])


def _worth(pod: core_v1.Pod) -> tuple[bool, bool, bool, float]:
    """Least worth keeping first: not scheduled, not running, not ready, youngest."""
    created = pod.metadata.creation_timestamp
    age = -created.timestamp() if created else 0.0
    return bool(pod.spec.node_name), pod.status.phase == "Running", is_ready(pod), age


def _new_pods(
    job: batch_v1.Job, tally: Tally, missing: int, now: datetime, backoff: Backoff
) -> tuple[tuple[NewPod, ...], float]:
    """The pods to make now, and the seconds until another may be made if there are none."""
    by_index = job.spec.backoff_limit_per_index is not None
    wait = 0.0 if by_index else backoff.wait(now)
    if missing <= 0 or wait > 0:
        return (), wait
    if not is_indexed(job):
        return tuple(NewPod() for _ in range(missing)), 0.0
    free = _free_indexes(job, tally)[:missing]
    if not by_index:
        return tuple(NewPod(index) for index in free), 0.0
    waits = {index: _wait_of(tally.delayed.get(index), now) for index in free}
    ready = tuple(_replacement(job, index, tally) for index in free if waits[index] == 0)
    return ready, min(waits.values(), default=0.0)


def _free_indexes(job: batch_v1.Job, tally: Tally) -> list[int]:
    taken = {job_indexes.index_of(pod) for pod in tally.active} | tally.completed | tally.failed_indexes
    if only_replaces_failed(job):
        taken |= {job_indexes.index_of(pod) for pod in tally.terminating}
    return [index for index in range(job.spec.completions or 0) if index not in taken]


def _wait_of(failed: core_v1.Pod | None, now: datetime) -> float:
    if failed is None:
        return 0.0
    from_before = Backoff(job_indexes.all_failures_before(failed))
    return from_before.after((), (failed,)).wait(now)


def _replacement(job: batch_v1.Job, index: int, tally: Tally) -> NewPod:
    """The next pod of an index knows how often those before it failed."""
    before = tally.delayed.get(index)
    if before is None:
        return NewPod(index)
    counted, ignored = job_indexes.failures_before(before), job_indexes.ignored_failures_before(before)
    if counts_as_failure(job, before):
        return NewPod(index, counted + 1, ignored)
    return NewPod(index, counted, ignored + 1)


def _status(
    job: batch_v1.Job, tally: Tally, counted: Account, now: datetime, ended: Sequence[core_v1.Pod] = ()
) -> batch_v1.JobStatus:
    """A new status with the counters without `ended`; conditions are copied so that they may be added to."""
    status = msgspec.structs.replace(
        job.status,
        conditions=list(job.status.conditions),
        active=len(tally.active) - len(ended),
        ready=sum(map(is_ready, tally.active)) - sum(map(is_ready, ended)),
        terminating=len(tally.terminating) + len(ended),
        succeeded=counted.succeeded,
        failed=counted.failed,
        uncounted_terminated_pods=counted.uncounted,
    )
    if status.start_time is None and not job.spec.suspend:
        status.start_time = now
    if is_indexed(job):
        status.completed_indexes = job_indexes.spell(tally.completed)
        if job.spec.backoff_limit_per_index is not None:
            status.failed_indexes = job_indexes.spell(tally.failed_indexes)
    return status


def _say(status: batch_v1.JobStatus, kind: str, reason: str, message: str, now: datetime, value: str = "True") -> bool:
    """Whether that is news."""
    new = batch_v1.JobCondition(
        type=kind, status=value, reason=reason, message=message, last_probe_time=now, last_transition_time=now
    )
    for place, known in enumerate(status.conditions):
        if known.type == kind:
            if (known.status, known.reason, known.message) == (value, reason, message):
                return False
            status.conditions[place] = new
            return True
    status.conditions.append(new)
    return True
