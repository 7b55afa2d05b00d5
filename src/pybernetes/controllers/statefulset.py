"""StatefulSets: pods with names and claims of their own. `statefulset_plan` decides what each pass does.

Guarantees
  There is never more than one pod of a name, and no pod is made while one of its name is still going.
  Ordered sets make, replace and delete one pod at a time, and only while all before it are available.
  A claim is never deleted here: owner references say with whom it goes, as the retention policy wants it.
Pods have fixed names, so what the informer does not show yet cannot be made twice: no expectations are kept.
Follows pkg/controller/statefulset.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from pybernetes.api.errors import ApiError
from pybernetes.api.meta import Key
from pybernetes.api.models import apps_v1, core_v1, meta_v1
from pybernetes.api.selectors import LabelSelector
from pybernetes.client import Unreachable, key_of
from pybernetes.client.events import NORMAL, WARNING
from pybernetes.controllers.controller import DONE, Context, Controller, For, Maps, Owns, Requeue, Result, Retry
from pybernetes.controllers.controller_history import History, plan_history, template_of, write_history
from pybernetes.controllers.ownership import adopters, claimed, claimed_pods
from pybernetes.controllers.pods import available_at
from pybernetes.controllers.slow_start import slow_start
from pybernetes.controllers.stateful_claims import (
    Retention,
    claim_name,
    claims_for,
    has_conflicting_controller,
    is_of_former_pod,
    owned_by,
    owners_wanted,
)
from pybernetes.controllers.stateful_pods import conforming, ordinal_of, ordinals, revision_of, stateful_pod
from pybernetes.controllers.statefulset_plan import Plan, Revisions, is_of_current, plan, status

HASH_LABEL = "controller.kubernetes.io/hash"


def adopting(controller: Controller, pod: core_v1.Pod) -> Iterable[Key]:
    return adopters(controller.informer(apps_v1.StatefulSet).list(pod.metadata.namespace), _selector, pod)


def claiming(controller: Controller, claim: core_v1.PersistentVolumeClaim) -> Iterable[Key]:
    """A set that waits for a claim of a former pod to go."""
    for one in controller.informer(apps_v1.StatefulSet).list(claim.metadata.namespace):
        if one.spec.volume_claim_templates and f"-{one.metadata.name}-" in claim.metadata.name:
            yield key_of(one)


class StatefulSetController(Controller):
    name = "statefulset-controller"
    watches = (
        For(apps_v1.StatefulSet),
        Owns(core_v1.Pod),
        Owns(apps_v1.ControllerRevision, expected=False),
        Maps(core_v1.Pod, adopting),
        Maps(core_v1.PersistentVolumeClaim, claiming),
    )

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.claims = self.informer(core_v1.PersistentVolumeClaim)

    async def reconcile(self, key: Key) -> Result:
        one = self.informer(apps_v1.StatefulSet).get(key)
        if one is None:
            return DONE
        name = one.metadata.name
        pods = await claimed_pods(
            self, one, _selector(one), lambda pod: ordinal_of(name, pod.metadata.name) is not None
        )
        known = await claimed(self, apps_v1.ControllerRevision, one, _selector(one))
        history = self._history(one, pods, known)
        if one.metadata.deletion_timestamp is None:
            await write_history(self.client, one, history)
        current = next((each for each in known if each.metadata.name == one.status.current_revision), history.current)
        revisions = Revisions(current.metadata.name, history.current.metadata.name)
        planned = plan(one, pods, revisions, self._stale(one), self.now())
        wanted = status(one, pods, planned, revisions, self.now())
        try:
            await self._carry_out(one, planned, current, history.current)
        except (ApiError, Unreachable, Retry):
            await self._write_status(one, wanted)
            raise
        await self._write_status(one, wanted)
        return self._look_again(one, pods)

    async def _write_status(self, one: apps_v1.StatefulSet, wanted: apps_v1.StatefulSetStatus) -> None:
        if wanted != one.status:
            await self.client.update_status(msgspec.structs.replace(one, status=wanted))

    def _history(
        self, one: apps_v1.StatefulSet, pods: Sequence[core_v1.Pod], known: Sequence[apps_v1.ControllerRevision]
    ) -> History:
        live = {one.status.current_revision, one.status.update_revision, *map(revision_of, pods)}
        return plan_history(one, known, lambda each: each.metadata.name in live, hash_label=HASH_LABEL)

    def _stale(self, one: apps_v1.StatefulSet) -> frozenset[int]:
        """Ordinals with a claim that goes with a pod which is gone."""
        if not Retention.of(one).deletes_with_pod:
            return frozenset()
        return frozenset(
            ordinal
            for ordinal in ordinals(one)
            if any(
                is_of_former_pod(claim, f"{one.metadata.name}-{ordinal}", self._uid_of(one, ordinal))
                for claim in self._present_claims(one, ordinal)
            )
        )

    def _uid_of(self, one: apps_v1.StatefulSet, ordinal: int) -> str:
        pod = self.informer(core_v1.Pod).get(Key(one.metadata.namespace, f"{one.metadata.name}-{ordinal}"))
        return "" if pod is None else pod.metadata.uid

    def _look_again(self, one: apps_v1.StatefulSet, pods: Sequence[core_v1.Pod]) -> Result:
        now = self.now()
        times = [available_at(pod, one.spec.min_ready_seconds, now) for pod in pods]
        waits = [(time - now).total_seconds() for time in times if time is not None and time > now]
        return Requeue(min(waits)) if waits else DONE

    async def _carry_out(
        self,
        one: apps_v1.StatefulSet,
        planned: Plan,
        current: apps_v1.ControllerRevision,
        update: apps_v1.ControllerRevision,
    ) -> None:
        async def create(number: int) -> None:
            ordinal = planned.create[number]
            revision = current if is_of_current(one, ordinal) else update
            template = template_of(revision) if revision is current else one.spec.template
            await self._create(one, stateful_pod(one, template, ordinal, revision.metadata.name))

        for pod in planned.need_claims:
            await self._ensure_claims(one, pod)
        for pod in planned.conform:
            await self._conform(one, pod)
        if one.spec.volume_claim_templates and one.metadata.deletion_timestamp is None:
            await self._keep_owners(one, planned)
        for error in (await slow_start(len(planned.create), create)).errors:
            raise error
        for pod in planned.delete:
            await self._delete(one, pod)

    async def _create(self, one: apps_v1.StatefulSet, pod: core_v1.Pod) -> None:
        try:
            await self._ensure_claims(one, pod)
            await self.client.create(pod)
        except (ApiError, Retry) as error:
            if not (isinstance(error, ApiError) and error.reason == "AlreadyExists"):
                self._tell(one, pod, "Create", error)
            raise
        self._tell(one, pod, "Create")

    async def _ensure_claims(self, one: apps_v1.StatefulSet, pod: core_v1.Pod) -> None:
        """Raises Retry while one of them is going."""
        ordinal = ordinal_of(one.metadata.name, pod.metadata.name)
        for claim in claims_for(one, ordinal or 0):
            present = self.claims.get(key_of(claim))
            if present is not None and present.metadata.deletion_timestamp is not None:
                raise Retry(f"pvc {claim.metadata.name} is being deleted")
            if present is None:
                await self._create_claim(one, pod, claim)

    async def _create_claim(
        self, one: apps_v1.StatefulSet, pod: core_v1.Pod, claim: core_v1.PersistentVolumeClaim
    ) -> None:
        what = f"Create Claim {claim.metadata.name}"
        where = f"Pod {pod.metadata.name} in StatefulSet {one.metadata.name}"
        try:
            await self.client.create(claim)
        except ApiError as error:
            if error.reason == "AlreadyExists":
                return
            self.recorder.event(one, WARNING, "FailedCreate", f"{what} for {where} failed error: {error}")
            raise
        self.recorder.event(one, NORMAL, "SuccessfulCreate", f"{what} {where} success")

    async def _conform(self, one: apps_v1.StatefulSet, pod: core_v1.Pod) -> None:
        try:
            await self._ensure_claims(one, pod)
            await self.client.update(conforming(one, pod))
        except ApiError as error:
            self._tell(one, pod, "Update", error)
            raise
        self._tell(one, pod, "Update")

    async def _keep_owners(self, one: apps_v1.StatefulSet, planned: Plan) -> None:
        """Claims go with whom the retention policy says: the set, or a pod that is one too many."""
        condemned = {pod.metadata.name for pod in planned.condemned}
        pods = self.informer(core_v1.Pod)
        present = [pods.get(Key(one.metadata.namespace, f"{one.metadata.name}-{n}")) for n in ordinals(one)]
        for pod in (*present, *planned.condemned):
            if pod is None:
                continue
            ordinal = ordinal_of(one.metadata.name, pod.metadata.name)
            for claim in self._present_claims(one, ordinal or 0):
                wanted = owners_wanted(claim, one, pod, is_condemned=pod.metadata.name in condemned)
                if wanted is None:
                    continue
                if has_conflicting_controller(claim, one, pod):
                    message = (
                        f"PersistentVolumeClaim {claim.metadata.name} has a conflicting OwnerReference that acts as a "
                        "manging controller, the retention policy is ignored for this claim"
                    )
                    self.recorder.event(one, WARNING, "ConflictingController", message)
                await self.client.update(owned_by(claim, wanted))

    def _present_claims(self, one: apps_v1.StatefulSet, ordinal: int) -> Iterable[core_v1.PersistentVolumeClaim]:
        for template in one.spec.volume_claim_templates:
            claim = self.claims.get(Key(one.metadata.namespace, claim_name(one, template, ordinal)))
            if claim is not None:
                yield claim

    async def _delete(self, one: apps_v1.StatefulSet, pod: core_v1.Pod) -> None:
        metadata = pod.metadata
        try:
            await self.client.delete(core_v1.Pod, metadata.name, metadata.namespace, uid=metadata.uid)
        except ApiError as error:
            if error.code != 404:
                self._tell(one, pod, "Delete", error)
                raise
        self._tell(one, pod, "Delete")

    def _tell(self, one: apps_v1.StatefulSet, pod: core_v1.Pod, verb: str, error: Exception | None = None) -> None:
        what = f"{verb} Pod {pod.metadata.name} in StatefulSet {one.metadata.name}"
        if error is None:
            self.recorder.event(one, NORMAL, f"Successful{verb}", f"{what} successful")
        else:
            self.recorder.event(one, WARNING, f"Failed{verb}", f"{what} failed error: {error}")


def _selector(one: apps_v1.StatefulSet) -> LabelSelector:
    return LabelSelector.from_model(one.spec.selector or meta_v1.LabelSelector())
