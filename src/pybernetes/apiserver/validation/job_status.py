"""What a job's status may say, and how it may change: other controllers than ours write it too (`managedBy`).

What was wrong already is let pass as long as nobody touches it.
Follows validateJobStatus in pkg/apis/batch/validation and getStatusValidationOptions in pkg/registry/batch/job.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain

from pybernetes.api.fields import ErrorType, FieldError, FieldPath, at, duplicate, invalid, required, without_value
from pybernetes.api.models.batch_v1 import Job, JobSpec, JobStatus, UncountedTerminatedPods
from pybernetes.apiserver.validation.internal_form import internal_form
from pybernetes.apiserver.validation.job import INDEXED
from pybernetes.apiserver.validation.job_indexes import count_indexes, first_shared
from pybernetes.apiserver.validation.metadata import IMMUTABLE
from pybernetes.apiserver.validation.workload import check_not_negatives

COMPLETE, FAILED, SUSPENDED = "Complete", "Failed", "Suspended"
FAILURE_TARGET, CRITERIA_MET = "FailureTarget", "SuccessCriteriaMet"


@dataclass(frozen=True, slots=True)
class _View:
    """A status and the conditions in it that are true."""

    status: JobStatus
    true: frozenset[str]

    @classmethod
    def of(cls, job: Job) -> _View:
        return cls(job.status, frozenset(one.type for one in job.status.conditions if one.status == "True"))

    @property
    def finished(self) -> bool:
        return COMPLETE in self.true or FAILED in self.true


def check_job_status(new: Job, old: Job) -> Iterator[FieldError]:
    after, before = _View.of(new), _View.of(old)
    yield from _check_values(after.status, at.status)
    yield from _check_ending(new.spec, after, before, at.status)
    yield from _check_indexes(new.spec, after.status, before.status, at.status)
    yield from _check_pods(after, before, at.status)
    yield from _check_criteria(new.spec, after, at.status)
    yield from _check_change(new, old, after, before, at.status)


def _refused(path: FieldPath, detail: str) -> FieldError:
    return without_value(ErrorType.INVALID, path, detail)


def _check_values(status: JobStatus, path: FieldPath) -> Iterator[FieldError]:
    yield from check_not_negatives(
        path,
        {
            "active": status.active,
            "succeeded": status.succeeded,
            "failed": status.failed,
            "ready": status.ready,
            "terminating": status.terminating,
        },
    )
    if status.uncounted_terminated_pods is not None:
        yield from _check_uncounted(status.uncounted_terminated_pods, path.uncountedTerminatedPods)


def _check_uncounted(pods: UncountedTerminatedPods, path: FieldPath) -> Iterator[FieldError]:
    seen: set[str] = set()
    succeeded = ((uid, path.succeeded[index]) for index, uid in enumerate(pods.succeeded))
    failed = ((uid, path.failed[index]) for index, uid in enumerate(pods.failed))
    for uid, where in chain(succeeded, failed):
        if not uid:
            yield invalid(where, uid, "must not be empty")
        elif uid in seen:
            yield duplicate(where, uid)
        seen.add(uid)


def _check_ending(spec: JobSpec, new: _View, old: _View, path: FieldPath) -> Iterator[FieldError]:
    status = new.status
    changed = new.true ^ old.true
    completion_changed = COMPLETE in changed or status.completion_time != old.status.completion_time
    started_changed = status.start_time != old.status.start_time
    if {COMPLETE, FAILED} <= new.true and changed & {COMPLETE, FAILED}:
        yield _refused(path.conditions, "cannot set Complete=True and Failed=true conditions")
    if {COMPLETE, FAILURE_TARGET} <= new.true and changed & {COMPLETE, FAILURE_TARGET}:
        yield _refused(path.conditions, "cannot set Complete=True and FailureTarget=true conditions")
    if completion_changed and status.completion_time is not None and COMPLETE not in new.true:
        message = "cannot set completionTime when there is no Complete=True condition"
        yield invalid(path.completionTime, status.completion_time, message)
    if completion_changed and status.completion_time is None and COMPLETE in new.true:
        yield required(path.completionTime, "completionTime is required for Complete jobs")
    if started_changed or status.completion_time != old.status.completion_time:
        ended, started = status.completion_time, status.start_time
        if ended is not None and started is not None and ended < started:
            yield invalid(path.completionTime, ended, "must be equal to or after `startTime`")
    failed_indexes_changed = status.failed_indexes != old.status.failed_indexes
    if (FAILED in changed or failed_indexes_changed) and FAILED in new.true and FAILURE_TARGET not in new.true:
        message = "cannot set Failed=True condition without the FailureTarget=true condition"
        yield _refused(path.conditions, message)
    if changed & {COMPLETE, CRITERIA_MET} and COMPLETE in new.true and CRITERIA_MET not in new.true:
        message = "cannot set Complete=True condition without the SuccessCriteriaMet=true condition"
        yield _refused(path.conditions, message)
    if not new.finished:
        return
    ends = new.finished != old.finished
    if status.active > 0 and (ends or status.active != old.status.active):
        yield invalid(path.active, status.active, "active>0 is invalid for finished job")
    never_started = spec.suspend and spec.completions == 0
    if status.start_time is None and (ends or started_changed) and not never_started:
        yield required(path.startTime, "startTime is required for finished job")
    pods = status.uncounted_terminated_pods
    pods_changed = ends or pods != old.status.uncounted_terminated_pods
    if pods_changed and pods is not None and (pods.failed or pods.succeeded):
        yield invalid(path.uncountedTerminatedPods, internal_form(pods), "must be empty for finished job")


def _check_indexes(spec: JobSpec, new: JobStatus, old: JobStatus, path: FieldPath) -> Iterator[FieldError]:
    completed, failed, completions = new.completed_indexes, new.failed_indexes, spec.completions
    completed_changed, failed_changed = completed != old.completed_indexes, failed != old.failed_indexes
    if completed_changed and completions is not None:
        yield from _check_format("completedIndexes", completed, completions, path)
    if failed_changed and completions is not None and spec.backoff_limit_per_index is not None and failed is not None:
        yield from _check_format("failedIndexes", failed, completions, path)
    if completed_changed and completed and spec.completion_mode != INDEXED:
        message = "cannot set non-empty completedIndexes when non-indexed completion mode"
        yield invalid(path.completedIndexes, completed, message)
    if failed_changed and spec.backoff_limit_per_index is None and failed is not None:
        message = "cannot set non-null failedIndexes when backoffLimitPerIndex is null"
        yield invalid(path.failedIndexes, failed, message)
    if (completed_changed or failed_changed) and completions is not None and failed is not None:
        shared = first_shared(completed, failed, completions)
        if shared is not None:
            message = f"failedIndexes and completedIndexes overlap at index: {shared}"
            yield invalid(path.failedIndexes, failed, message)


def _check_format(field: str, text: str, completions: int, path: FieldPath) -> Iterator[FieldError]:
    try:
        count_indexes(text, completions)
    except ValueError as error:
        yield invalid(path.child(field), text, f"error parsing {field}: {error}")


def _check_pods(new: _View, old: _View, path: FieldPath) -> Iterator[FieldError]:
    status, before = new.status, old.status
    terminating_changed = new.finished != old.finished or status.terminating != before.terminating
    if terminating_changed and new.finished and (status.terminating or 0) > 0:
        yield invalid(path.terminating, status.terminating, "terminating>0 is invalid for finished job")
    ready_changed = (status.ready, status.active) != (before.ready, before.active)
    if ready_changed and status.ready is not None and status.ready > status.active:
        yield invalid(path.ready, status.ready, "cannot set more ready pods than active")


def _check_criteria(spec: JobSpec, new: _View, path: FieldPath) -> Iterator[FieldError]:
    if {CRITERIA_MET, FAILED} <= new.true:
        yield _refused(path.conditions, "cannot set SuccessCriteriaMet=True and Failed=true conditions")
    if {CRITERIA_MET, FAILURE_TARGET} <= new.true:
        yield _refused(path.conditions, "cannot set SuccessCriteriaMet=True and FailureTarget=true conditions")
    if spec.success_policy is not None and CRITERIA_MET not in new.true and COMPLETE in new.true:
        message = "cannot set Complete=True for Job with SuccessPolicy unless SuccessCriteriaMet=True"
        yield _refused(path.conditions, message)


def _check_change(new: Job, old: Job, after: _View, before: _View, path: FieldPath) -> Iterator[FieldError]:
    for ending in (FAILED, COMPLETE, FAILURE_TARGET):
        if ending in before.true and ending not in after.true:
            yield _refused(path.conditions, f"cannot disable the terminal {ending}=True condition")
    status, known = after.status, before.status
    if status.failed < known.failed:
        yield invalid(path.failed, status.failed, "cannot decrease the failed counter")
    elastic = new.spec.completion_mode == INDEXED and new.spec.completions == new.spec.parallelism
    if status.succeeded < known.succeeded and not elastic:
        yield invalid(path.succeeded, status.succeeded, "cannot decrease the succeeded counter")
    if None not in (status.completion_time, known.completion_time) and status.completion_time != known.completion_time:
        yield invalid(path.completionTime, status.completion_time, IMMUTABLE)
    if known.start_time not in (None, status.start_time) and not new.spec.suspend and not _resumes(new, before):
        yield invalid(path.startTime, status.start_time, "field is immutable for unsuspended job once set")
    if CRITERIA_MET in before.true and CRITERIA_MET not in after.true:
        yield _refused(path.conditions, "cannot disable the SuccessCriteriaMet=True condition")
    if COMPLETE in before.true and CRITERIA_MET not in before.true and CRITERIA_MET in after.true:
        message = "cannot set SuccessCriteriaMet=True for Job already has Complete=true conditions"
        yield _refused(path.conditions, message)


def _resumes(new: Job, before: _View) -> bool:
    ends = any(one.type == SUSPENDED and one.status == "False" for one in new.status.conditions)
    return SUSPENDED in before.true and ends
