"""What a CronJob asks for now: pure decisions of `cronjob.py`.

Follows syncCronJob and cleanupFinishedJobs in pkg/controller/cronjob/cronjob_controllerv2.go.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import msgspec

from pybernetes.api import cron
from pybernetes.api.fields import quoted
from pybernetes.api.models import batch_v1, core_v1
from pybernetes.client.events import NORMAL, WARNING
from pybernetes.controllers import cron_job_times as times
from pybernetes.controllers.finished_jobs import COMPLETE, FAILED, ended_with, is_finished
from pybernetes.controllers.told import Told

ZONE_IN_SCHEDULE = (
    "CRON_TZ or TZ used in schedule {} is not officially supported, see "
    "https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/ for more details"
)


@dataclass(frozen=True, slots=True)
class Turn:
    """Whether a Job is to be started now, and when to look again."""

    start: datetime | None = None
    look_again: float | None = None
    events: tuple[Told, ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    status: batch_v1.CronJobStatus
    """As it is before anything is deleted or started."""
    expired: tuple[batch_v1.Job, ...]
    """What is more than the history limits allow."""
    replaced: tuple[core_v1.ObjectReference, ...]
    """What must go before the start."""
    turn: Turn
    events: tuple[Told, ...]


def plan(cron_job: batch_v1.CronJob, jobs: Sequence[batch_v1.Job], missing: Collection[str], now: datetime) -> Plan:
    """``jobs`` are those it controls, ``missing`` the uids of active ones that the API server does not know."""
    expired = _expired(cron_job, jobs)
    gone = frozenset(job.metadata.uid for job in expired)
    status, events = _observed(cron_job, jobs, missing, gone)
    kept = [one for one in status.active if one.uid not in gone]
    turn = _turn(msgspec.structs.replace(cron_job, status=msgspec.structs.replace(status, active=kept)), now)
    replaces = turn.start is not None and cron_job.spec.concurrency_policy == "Replace"
    return Plan(status, expired, tuple(kept) if replaces else (), turn, events)


def _observed(
    cron_job: batch_v1.CronJob, jobs: Sequence[batch_v1.Job], missing: Collection[str], expired: Collection[str]
) -> tuple[batch_v1.CronJobStatus, tuple[Told, ...]]:
    """Of a Job that goes at once because of the history limits nobody is told that it is complete."""
    before = cron_job.status
    active = {one.uid: one for one in before.active}
    successful, events = before.last_successful_time, []
    for job in jobs:
        uid, name = job.metadata.uid, job.metadata.name
        if not is_finished(job):
            if uid not in active:
                message = f"Saw a job that the controller did not create or forgot: {name}"
                events.append(Told(WARNING, "UnexpectedJob", message))
            continue
        if active.pop(uid, None) is not None and uid not in expired:
            message = f"Saw completed job: {name}, condition: {ended_with(job)}"
            events.append(Told(NORMAL, "SawCompletedJob", message))
        completed = job.status.completion_time
        if ended_with(job) == COMPLETE and completed is not None and (successful is None or completed > successful):
            successful = completed
    for uid in missing:
        if (gone := active.pop(uid, None)) is not None:
            events.append(Told(NORMAL, "MissingJob", f"Active job went missing: {gone.name}"))
    status = msgspec.structs.replace(before, active=list(active.values()), last_successful_time=successful)
    return status, tuple(events)


def _expired(cron_job: batch_v1.CronJob, jobs: Iterable[batch_v1.Job]) -> tuple[batch_v1.Job, ...]:
    spec, found = cron_job.spec, list(jobs)
    limits = ((COMPLETE, spec.successful_jobs_history_limit), (FAILED, spec.failed_jobs_history_limit))
    expired: list[batch_v1.Job] = []
    for ending, limit in limits:
        ended = sorted((job for job in found if ended_with(job) == ending), key=_by_start)
        if limit is not None and len(ended) > limit:
            expired += ended[: len(ended) - limit]
    return tuple(job for job in expired if job.metadata.deletion_timestamp is None)


def _by_start(job: batch_v1.Job) -> tuple[bool, datetime, str]:
    """Those that never started come last."""
    started = job.status.start_time
    return started is None, started or datetime.max.replace(tzinfo=UTC), job.metadata.name


def _turn(cron_job: batch_v1.CronJob, now: datetime) -> Turn:
    spec = cron_job.spec
    if cron_job.metadata.deletion_timestamp is not None:
        return Turn()
    if spec.time_zone is not None and (problem := cron.zone_problem(spec.time_zone)) is not None:
        message = f"invalid timeZone: {quoted(spec.time_zone)}: {problem}"
        return Turn(events=(Told(WARNING, "UnknownTimeZone", message),))
    if spec.suspend:
        return Turn()
    events: tuple[Told, ...] = ()
    if "TZ" in spec.schedule:
        events = (Told(WARNING, "UnsupportedSchedule", ZONE_IN_SCHEDULE.format(quoted(spec.schedule))),)
    try:
        schedule = times.schedule_of(cron_job)
    except cron.InvalidSchedule as error:
        message = f"unparseable schedule: {quoted(spec.schedule)} : {error}"
        return Turn(events=(*events, Told(WARNING, "UnparseableSchedule", message)))
    try:
        due = times.due(cron_job, schedule, now, within_deadline=True)
    except times.NeverDue as error:
        message = f"invalid schedule: {spec.schedule} : {error}"
        return Turn(events=(*events, Told(WARNING, "InvalidSchedule", message)))
    if due.missed > times.MANY and due.latest is not None:
        message = "too many missed start times. Set or decrease .spec.startingDeadlineSeconds or check clock skew"
        events = (*events, Told(WARNING, "TooManyMissedTimes", message))
    told = _hindrance(cron_job, due.latest, now)
    return Turn(
        start=due.latest if told is None else None,
        look_again=times.seconds_until_next(cron_job, schedule, now),
        events=(*events, *(told or ())),
    )


def _hindrance(cron_job: batch_v1.CronJob, start: datetime | None, now: datetime) -> tuple[Told, ...] | None:
    """Why nothing is started, as far as anybody is told; None if something is."""
    spec, status = cron_job.spec, cron_job.status
    if start is None:
        return ()
    deadline = spec.starting_deadline_seconds
    if deadline is not None and start + timedelta(seconds=deadline) < now:
        message = f"Missed scheduled time to start a job: {format_datetime(start)}"
        return (Told(WARNING, "MissSchedule", message),)
    name = times.job_name(cron_job, start)
    if status.last_schedule_time == start or any(one.name == name for one in status.active):
        return ()
    if spec.concurrency_policy == "Forbid" and status.active:
        message = "Not starting job because prior execution is running and concurrency policy is Forbid"
        return (Told(NORMAL, "JobAlreadyActive", message),)
    return None
