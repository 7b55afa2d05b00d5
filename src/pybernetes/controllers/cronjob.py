"""CronJobs: a Job for each time that their schedule names. `cron_job_plan` decides what each pass does.

Guarantees
  One Job for each start: its name is made of the start's minute, so that whoever tries again finds it there.
  With `Forbid` none is started while one is known to be active; with `Replace` the active ones are deleted first.
  Of several starts that were missed only the latest is made up for, and none that is later than the deadline.
  Schedules without a time zone are in UTC.
Follows pkg/controller/cronjob.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import msgspec

from pybernetes.api import meta
from pybernetes.api.errors import ApiError
from pybernetes.api.meta import Key
from pybernetes.api.models import batch_v1, core_v1, meta_v1
from pybernetes.client import Unreachable
from pybernetes.client.events import NORMAL, WARNING
from pybernetes.controllers import cron_job_times as times
from pybernetes.controllers.controller import DONE, OWNED, Controller, For, Owns, Requeue, Result, Retry
from pybernetes.controllers.cron_job_plan import Plan, plan
from pybernetes.controllers.finished_jobs import is_finished

SCHEDULED = "batch.kubernetes.io/cronjob-scheduled-timestamp"


@dataclass(slots=True)
class _Outcome:
    """What a pass has come to so far."""

    active: list[core_v1.ObjectReference]
    last: datetime | None

    def is_gone(self, uid: str) -> None:
        self.active = [one for one in self.active if one.uid != uid]


class CronJobController(Controller):
    name = "cronjob-controller"
    watches = (For(batch_v1.CronJob), Owns(batch_v1.Job))

    async def reconcile(self, key: Key) -> Result:
        cron_job = self.informer(batch_v1.CronJob).get(key)
        if cron_job is None:
            return DONE
        jobs = self.informer(batch_v1.Job).by_index(OWNED, cron_job.metadata.uid)
        if not _knows_all(cron_job, jobs):
            # What is known of it may be older than what this controller wrote itself.
            cron_job = await self._live(key)
            if cron_job is None:
                return DONE
        planned = plan(cron_job, jobs, await self._missing(cron_job, jobs), self.now())
        await self._carry_out(cron_job, planned)
        again = planned.turn.look_again
        return DONE if again is None else Requeue(again)

    async def _carry_out(self, cron_job: batch_v1.CronJob, planned: Plan) -> None:
        """Whatever fails, what was done before is written down. Old Jobs go before anything is told or started."""
        outcome = _Outcome(list(planned.status.active), planned.status.last_schedule_time)
        failure: ApiError | Unreachable | Retry | None = None
        try:
            for job in planned.expired:
                if await self._delete(cron_job, job.metadata.name):
                    outcome.is_gone(job.metadata.uid)
        except Unreachable as error:
            failure = error
        for told in (*planned.events, *planned.turn.events):
            self.recorder.event(cron_job, told.type, told.reason, told.message)
        if failure is None:
            try:
                await self._take_turn(cron_job, planned, outcome)
            except (ApiError, Unreachable, Retry) as error:
                failure = error
        status = msgspec.structs.replace(planned.status, active=outcome.active, last_schedule_time=outcome.last)
        if status != cron_job.status:
            await self.client.update_status(msgspec.structs.replace(cron_job, status=status))
        if failure is not None:
            raise failure

    async def _take_turn(self, cron_job: batch_v1.CronJob, planned: Plan, outcome: _Outcome) -> None:
        for reference in planned.replaced:
            if not await self._delete(cron_job, reference.name):
                raise Retry(f"could not replace job {reference.namespace}/{reference.name}")
            outcome.is_gone(reference.uid)
        if planned.turn.start is not None:
            started = await self._start(cron_job, planned.turn.start)
            if started is not None and started.uid not in {one.uid for one in outcome.active}:
                outcome.active.append(started)
                outcome.last = planned.turn.start

    async def _start(self, cron_job: batch_v1.CronJob, at: datetime) -> core_v1.ObjectReference | None:
        """The Job of a start; None if somebody else's has its name."""
        wanted = job_for(cron_job, at)
        try:
            job = await self.client.create(wanted)
        except ApiError as error:
            if error.reason != "AlreadyExists":
                self.recorder.event(cron_job, WARNING, "FailedCreate", f"Error creating job: {error}")
                raise
            job = await self.client.get(batch_v1.Job, wanted.metadata.name, wanted.metadata.namespace)
            owner = meta.controller_of(job)
            return meta.object_reference(job) if owner is not None and owner.uid == cron_job.metadata.uid else None
        self.recorder.event(cron_job, NORMAL, "SuccessfulCreate", f"Created job {job.metadata.name}")
        return meta.object_reference(job)

    async def _delete(self, cron_job: batch_v1.CronJob, name: str) -> bool:
        try:
            await self.client.delete(batch_v1.Job, name, cron_job.metadata.namespace, propagation="Background")
        except ApiError as error:
            if error.code == 404:
                return True
            self.recorder.event(cron_job, WARNING, "FailedDelete", f"Deleted job: {error}")
            return False
        self.recorder.event(cron_job, NORMAL, "SuccessfulDelete", f"Deleted job {name}")
        return True

    async def _live(self, key: Key) -> batch_v1.CronJob | None:
        try:
            return await self.client.get(batch_v1.CronJob, key.name, key.namespace)
        except ApiError as error:
            if error.code == 404:
                return None
            raise

    async def _missing(self, cron_job: batch_v1.CronJob, jobs: Sequence[batch_v1.Job]) -> frozenset[str]:
        """The active Jobs that really are not there: the informer may just not have heard of them yet."""
        known = {job.metadata.uid for job in jobs}
        missing = set()
        for reference in cron_job.status.active:
            if reference.uid not in known and not await self._exists(reference):
                missing.add(reference.uid)
        return frozenset(missing)

    async def _exists(self, reference: core_v1.ObjectReference) -> bool:
        try:
            await self.client.get(batch_v1.Job, reference.name, reference.namespace)
        except ApiError as error:
            if error.code == 404:
                return False
            raise
        return True


def _knows_all(cron_job: batch_v1.CronJob, jobs: Sequence[batch_v1.Job]) -> bool:
    active = {reference.uid for reference in cron_job.status.active}
    return all(job.metadata.uid in active or is_finished(job) for job in jobs)


def job_for(cron_job: batch_v1.CronJob, at: datetime) -> batch_v1.Job:
    template = cron_job.spec.job_template
    scheduled = at.astimezone(ZoneInfo(cron_job.spec.time_zone) if cron_job.spec.time_zone else UTC)
    metadata = meta_v1.ObjectMeta(
        name=times.job_name(cron_job, at),
        namespace=cron_job.metadata.namespace,
        labels=dict(template.metadata.labels),
        annotations={**template.metadata.annotations, SCHEDULED: scheduled.isoformat().replace("+00:00", "Z")},
        owner_references=[meta.owner_reference(cron_job)],
    )
    return batch_v1.Job(metadata=metadata, spec=template.spec)
