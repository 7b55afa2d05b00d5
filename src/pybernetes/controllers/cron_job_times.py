"""When a CronJob is due: the latest start it missed, and when to look again.

Follows pkg/controller/cronjob/utils.go.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from pybernetes.api import cron
from pybernetes.api.models import batch_v1

MANY = 100
SKEW = timedelta(milliseconds=100)
"""So much later than due it is looked again, in case this clock is a little fast."""


class NeverDue(ValueError):
    """The text is upstream's."""


@dataclass(frozen=True, slots=True)
class Due:
    since: datetime
    """From when starts are counted."""
    latest: datetime | None
    """The latest start that is due and not past."""
    missed: int = 0
    """How many starts were, roughly."""


def schedule_of(cron_job: batch_v1.CronJob) -> cron.Schedule:
    """In the CronJob's time zone, or in UTC. Raises InvalidSchedule."""
    text, zone = cron_job.spec.schedule, cron_job.spec.time_zone
    if zone is not None and "TZ" not in text and cron.zone_problem(zone) is None:
        text = f"TZ={zone} {text}"
    return cron.parse(text)


def due(cron_job: batch_v1.CronJob, schedule: cron.Schedule, now: datetime, *, within_deadline: bool) -> Due:
    """``within_deadline``: starts that are too late already do not count. Raises NeverDue."""
    since = cron_job.status.last_schedule_time or cron_job.metadata.creation_timestamp or now
    deadline = cron_job.spec.starting_deadline_seconds
    if within_deadline and deadline is not None:
        since = max(since, now - timedelta(seconds=deadline))
    first = schedule.next(since)
    second = None if first is None else schedule.next(first)
    if first is None or second is None:
        raise NeverDue("time difference between two schedules is less than 1 second")
    if now < first:
        return Due(since, None)
    if now < second:
        return Due(since, first)
    between = round((second - first).total_seconds())
    missed = int((now - first).total_seconds()) // between + 1
    return Due(since, _latest(schedule, first + timedelta(seconds=(missed - 2) * between), now), missed)


def _latest(schedule: cron.Schedule, after: datetime, now: datetime) -> datetime | None:
    """The last start until now; the count of missed ones has led near it."""
    latest, at = None, schedule.next(after)
    while at is not None and at <= now:
        latest, at = at, schedule.next(at)
    return latest


def seconds_until_next(cron_job: batch_v1.CronJob, schedule: cron.Schedule, now: datetime) -> float:
    try:
        found = due(cron_job, schedule, now, within_deadline=False)
        after = found.latest or (now if found.missed else found.since)
    except NeverDue:
        after = now
    following = schedule.next(after) or now + timedelta(days=365)
    return max(0.0, (following + SKEW - now).total_seconds())


def job_name(cron_job: batch_v1.CronJob, at: datetime) -> str:
    """The same for the same start: a start happens once."""
    return f"{cron_job.metadata.name}-{int(at.astimezone(UTC).timestamp()) // 60}"
