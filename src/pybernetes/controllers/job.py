"""Jobs: pods that run until enough of them have succeeded. `job_plan` decides what each pass does.

Guarantees
  A finished pod is counted once, whatever crashes between the steps.
  While a Job is not over there are never more active pods than its parallelism.
  When a Job is over, no pod of it is left active and none keeps its finalizer.
Jobs with `managedBy` another controller are left alone.
Follows pkg/controller/job/job_controller.go.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from pybernetes.api import meta
from pybernetes.api.errors import ApiError
from pybernetes.api.meta import Key
from pybernetes.api.models import batch_v1, core_v1, meta_v1
from pybernetes.api.selectors import LabelSelector
from pybernetes.client import PatchType, key_of
from pybernetes.client.events import NORMAL, WARNING
from pybernetes.controllers.controller import (
    DONE,
    ORPHANS,
    Context,
    Controller,
    For,
    Maps,
    Owns,
    Requeue,
    Result,
)
from pybernetes.controllers.expectations import TIMEOUT
from pybernetes.controllers.job_backoff import NO_FAILURES, Backoff
from pybernetes.controllers.job_indexes import INDEX, INDEX_FAILURES, INDEX_IGNORED_FAILURES
from pybernetes.controllers.job_plan import NewPod, Plan, plan
from pybernetes.controllers.job_tally import TRACKING, is_indexed
from pybernetes.controllers.ownership import adopters, claimed_pods
from pybernetes.controllers.pod_control import create_pod, delete_pod
from pybernetes.controllers.pods import pod_from_template
from pybernetes.controllers.slow_start import all_at_once, slow_start

MANAGER = "kubernetes.io/job-controller"
TOO_MANY = "Too many succeeded pods running after completion count reached"
LONGEST_PREFIX = 58
"""Of a generated name: what it may have beside the random end."""

_INDEX_VARIABLE = "JOB_COMPLETION_INDEX"


def adopting(controller: Controller, pod: core_v1.Pod) -> Iterable[Key]:
    return adopters(controller.informer(batch_v1.Job).list(pod.metadata.namespace), _selector, pod)


def strayed(controller: Controller, pod: core_v1.Pod) -> Iterable[Key]:
    """No Job has an empty name: that key is for tracked pods that nobody controls."""
    if TRACKING in pod.metadata.finalizers and meta.controller_of(pod) is None:
        yield Key(pod.metadata.namespace, "")


class JobController(Controller):
    name = "job-controller"
    watches = (For(batch_v1.Job), Owns(core_v1.Pod), Maps(core_v1.Pod, adopting), Maps(core_v1.Pod, strayed))

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._backoffs: dict[str, Backoff] = {}
        self.jobs = self.informer(batch_v1.Job)
        self.pods = self.informer(core_v1.Pod)

    async def reconcile(self, key: Key) -> Result:
        if not key.name:
            await self._release_strays(key.namespace)
            return DONE
        job = self.jobs.get(key)
        if job is None:
            self.expectations.forget(key)
            await self._release_orphans(key)
            return DONE
        if job.spec.managed_by not in (None, MANAGER):
            return DONE
        if not self.expectations.satisfied(key):
            return Requeue(TIMEOUT)
        pods = await claimed_pods(self, job, _selector(job), finalizers=(TRACKING,))
        planned = plan(job, pods, self.now(), self._backoffs.get(job.metadata.uid, NO_FAILURES))
        await self._change_pods(job, planned)
        await self._write(job, planned)
        outcome = await all_at_once([self._release(pod) for pod in planned.release])
        for error in outcome.errors:
            raise error
        return DONE if planned.look_again is None else Requeue(planned.look_again)

    async def _change_pods(self, job: batch_v1.Job, planned: Plan) -> None:
        key = key_of(job)
        create, delete = planned.create, (*planned.delete, *planned.discard)
        if not create and not delete:
            return
        self.expectations.expect(key, len(create), [pod.metadata.uid for pod in delete])
        made = await slow_start(len(create), lambda number: create_pod(self, job, job_pod(job, create[number])))
        self.expectations.creation_observed(key, len(create) - made.succeeded)
        released = await all_at_once([self._let_go(pod) for pod in planned.discard])
        for error in released.errors:
            self.expectations.forget(key)
            raise error
        deleted = await all_at_once([delete_pod(self, job, pod) for pod in delete])
        for error in (*made.errors, *deleted.errors):
            raise error

    async def _write(self, job: batch_v1.Job, planned: Plan) -> None:
        if planned.status == job.status:
            return
        await self.client.update_status(msgspec.structs.replace(job, status=planned.status))
        self._remember(job, planned)
        if planned.finished is None:
            self._tell_of_suspension(job, planned.status)
        elif planned.finished.succeeded:
            if job.spec.completions is not None and planned.status.succeeded > job.spec.completions:
                self.recorder.event(job, WARNING, "TooManySucceededPods", TOO_MANY)
            self.recorder.event(job, NORMAL, "Completed", "Job completed")
        else:
            self.recorder.event(job, WARNING, planned.finished.reason, planned.finished.message)

    def _remember(self, job: batch_v1.Job, planned: Plan) -> None:
        if planned.finished is None and planned.backoff != NO_FAILURES:
            self._backoffs[job.metadata.uid] = planned.backoff
        else:
            self._backoffs.pop(job.metadata.uid, None)

    def _tell_of_suspension(self, job: batch_v1.Job, status: batch_v1.JobStatus) -> None:
        before = {one.status for one in job.status.conditions if one.type == "Suspended"}
        after = {one.status for one in status.conditions if one.type == "Suspended"}
        if before == after:
            return
        if after == {"True"}:
            self.recorder.event(job, NORMAL, "Suspended", "Job suspended")
        elif before == {"True"}:
            self.recorder.event(job, NORMAL, "Resumed", "Job resumed")

    async def _release_orphans(self, key: Key) -> None:
        """The Job is gone: nobody is left to count its pods."""
        for pod in self.pods.list(key.namespace):
            owner = next((one for one in pod.metadata.owner_references if one.controller), None)
            if owner is not None and owner.kind == "Job" and owner.name == key.name:
                await self._release(pod)

    async def _release_strays(self, namespace: str) -> None:
        """As they were seen: one that a Job has adopted meanwhile stays tracked."""
        for pod in self.pods.by_index(ORPHANS, namespace):
            await self._release(pod, resourceVersion=pod.metadata.resource_version)

    async def _release(self, pod: core_v1.Pod, **precondition: str) -> None:
        """Removes the finalizer, of this very pod and none of the others."""
        try:
            await self._untrack(pod, **precondition)
        except ApiError as error:
            if error.code not in (404, 409):
                raise

    async def _let_go(self, pod: core_v1.Pod) -> None:
        """The same, if the pod is still as it was seen: one that finished meanwhile has to be counted."""
        try:
            await self._untrack(pod, resourceVersion=pod.metadata.resource_version)
        except ApiError as error:
            if error.code != 404:
                raise

    async def _untrack(self, pod: core_v1.Pod, **precondition: str) -> None:
        metadata = pod.metadata
        if TRACKING not in metadata.finalizers:
            return
        removal = {"uid": metadata.uid, "$deleteFromPrimitiveList/finalizers": [TRACKING], **precondition}
        patch = {"metadata": removal}
        await self.client.patch(core_v1.Pod, metadata.name, metadata.namespace, patch, PatchType.STRATEGIC)


def job_pod(job: batch_v1.Job, new: NewPod) -> core_v1.Pod:
    """The pod to create: tracked by a finalizer, and with its index where the Job is indexed."""
    pod = pod_from_template(job.spec.template, job)
    metadata, spec = pod.metadata, pod.spec
    metadata.finalizers = [*metadata.finalizers, TRACKING]
    if new.index is None or not is_indexed(job):
        return pod
    index = str(new.index)
    metadata.annotations = {**metadata.annotations, INDEX: index}
    if job.spec.backoff_limit_per_index is not None:
        metadata.annotations[INDEX_FAILURES] = str(new.failures)
    if new.ignored_failures:
        metadata.annotations[INDEX_IGNORED_FAILURES] = str(new.ignored_failures)
    metadata.labels = {**metadata.labels, INDEX: index}
    metadata.generate_name = f"{job.metadata.name[: LONGEST_PREFIX - len(index) - 2]}-{index}-"
    containers = [_with_index(container) for container in spec.containers]
    init = [_with_index(container) for container in spec.init_containers]
    spec = msgspec.structs.replace(
        spec, containers=containers, init_containers=init, hostname=f"{job.metadata.name}-{index}"
    )
    return msgspec.structs.replace(pod, spec=spec)


def _with_index(container: core_v1.Container) -> core_v1.Container:
    if any(variable.name == _INDEX_VARIABLE for variable in container.env):
        return container
    reference = core_v1.ObjectFieldSelector(api_version="v1", field_path=f"metadata.labels['{INDEX}']")
    variable = core_v1.EnvVar(name=_INDEX_VARIABLE, value_from=core_v1.EnvVarSource(field_ref=reference))
    return msgspec.structs.replace(container, env=[*container.env, variable])


def _selector(job: batch_v1.Job) -> LabelSelector:
    return LabelSelector.from_model(job.spec.selector or meta_v1.LabelSelector())
