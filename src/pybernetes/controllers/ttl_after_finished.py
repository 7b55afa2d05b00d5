"""Finished Jobs go when their time to live is over, with all that belongs to them.

Guarantees  A Job is deleted only after the API server itself, asked once more, says that it is finished and its time is
over, and only this very Job.
Follows pkg/controller/ttlafterfinished.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from pybernetes.api.errors import ApiError
from pybernetes.api.meta import Key
from pybernetes.api.models import batch_v1
from pybernetes.controllers.controller import DONE, Controller, For, Requeue, Result, Terminal
from pybernetes.controllers.finished_jobs import finished_condition


def expires_at(job: batch_v1.Job) -> datetime | None:
    """None for a Job that stays, or is going already. Raises Terminal if nobody wrote when it finished."""
    condition, ttl = finished_condition(job), job.spec.ttl_seconds_after_finished
    if condition is None or ttl is None or job.metadata.deletion_timestamp is not None:
        return None
    if condition.last_transition_time is None:
        where = f"{job.metadata.namespace}/{job.metadata.name}"
        raise Terminal(f"unable to find the time when the Job {where} finished")
    return condition.last_transition_time + timedelta(seconds=ttl)


class TtlAfterFinishedController(Controller):
    name = "ttl-after-finished-controller"
    watches = (For(batch_v1.Job),)

    async def reconcile(self, key: Key) -> Result:
        known = self.informer(batch_v1.Job).get(key)
        if known is None or (left := self._seconds_left(known)) is None:
            return DONE
        if left > 0:
            return Requeue(left)
        try:
            job = await self.client.get(batch_v1.Job, key.name, key.namespace)
            return await self._delete(job)
        except ApiError as error:
            if error.code == 404:
                return DONE
            raise

    async def _delete(self, job: batch_v1.Job) -> Result:
        left = self._seconds_left(job)
        if left is None:
            return DONE
        if left > 0:
            return Requeue(left)
        metadata = job.metadata
        await self.client.delete(
            batch_v1.Job, metadata.name, metadata.namespace, propagation="Foreground", uid=metadata.uid
        )
        return DONE

    def _seconds_left(self, job: batch_v1.Job) -> float | None:
        expires = expires_at(job)
        return None if expires is None else (expires - self.clock.now()).total_seconds()
