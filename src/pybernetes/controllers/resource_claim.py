"""Resource claims: made from templates for pods that want devices, and let go when nobody uses them any more.

Guarantees
  A pod gets one claim for each that it wants from a template, and its status says which.
  A reservation goes only when its pod has ended or is certainly gone; the last one takes the allocation with it.
  A claim that was made for a pod goes when the pod will not run any more, and is not made again.
Claims of pod groups are not built.
Follows pkg/controller/resourceclaim.
"""

from __future__ import annotations

from collections.abc import Iterable

from pybernetes.api import meta
from pybernetes.api.errors import ApiError
from pybernetes.api.meta import Key
from pybernetes.api.models import core_v1, resource_v1
from pybernetes.client import PatchType, key_of
from pybernetes.client.events import WARNING
from pybernetes.controllers.controller import DONE, Context, Controller, Maps, Result, Retry
from pybernetes.controllers.resource_claim_plan import (
    FINALIZER,
    POD_CLAIM,
    claim_from,
    generated_for,
    is_done,
    is_for,
    may_reserve,
    recorded_name,
    released,
    reserved_for,
    unprotected,
)

MANAGER = "ResourceClaimController"
BY_CLAIM = "resource-claim"
BY_TEMPLATE = "resource-claim-template"
_POD = "pods/"
"""Before the name in the key of a pod: no claim is called so."""


def of_pod(controller: Controller, pod: core_v1.Pod) -> Iterable[Key]:
    """The pod itself while it may need claims, and those that it uses."""
    if not pod.spec.resource_claims:
        return
    namespace = pod.metadata.namespace
    if pod.metadata.deletion_timestamp is None:
        yield Key(namespace, _POD + pod.metadata.name)
    for wanted in pod.spec.resource_claims:
        if name := recorded_name(pod, wanted):
            yield Key(namespace, name)


def of_claim(controller: Controller, claim: resource_v1.ResourceClaim) -> Iterable[Key]:
    yield key_of(claim)
    owner = meta.controller_of(claim)
    if owner is not None and owner.kind == "Pod":
        yield Key(claim.metadata.namespace, _POD + owner.name)
    yield from _users(controller, BY_CLAIM, claim.metadata.namespace, claim.metadata.name)


def of_template(controller: Controller, template: resource_v1.ResourceClaimTemplate) -> Iterable[Key]:
    yield from _users(controller, BY_TEMPLATE, template.metadata.namespace, template.metadata.name)


def _users(controller: Controller, index: str, namespace: str, name: str) -> Iterable[Key]:
    for pod in controller.informer(core_v1.Pod).by_index(index, f"{namespace}/{name}"):
        yield Key(namespace, _POD + pod.metadata.name)


def _claims_of(pod: core_v1.Pod) -> Iterable[str]:
    names = (wanted.resource_claim_name for wanted in pod.spec.resource_claims)
    return tuple(f"{pod.metadata.namespace}/{name}" for name in names if name)


def _templates_of(pod: core_v1.Pod) -> Iterable[str]:
    names = (wanted.resource_claim_template_name for wanted in pod.spec.resource_claims)
    return tuple(f"{pod.metadata.namespace}/{name}" for name in names if name)


class ResourceClaimController(Controller):
    name = "resourceclaim-controller"
    watches = (
        Maps(core_v1.Pod, of_pod),
        Maps(resource_v1.ResourceClaim, of_claim),
        Maps(resource_v1.ResourceClaimTemplate, of_template),
    )

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        pods = self.informer(core_v1.Pod)
        pods.add_index(BY_CLAIM, _claims_of)
        pods.add_index(BY_TEMPLATE, _templates_of)

    async def reconcile(self, key: Key) -> Result:
        if not key.name.startswith(_POD):
            await self._settle(key)
            return DONE
        pod = self.informer(core_v1.Pod).get(Key(key.namespace, key.name.removeprefix(_POD)))
        if pod is None or pod.metadata.deletion_timestamp is not None or is_done(pod):
            return DONE
        await self._provide(pod)
        if pod.spec.node_name:
            await self._reserve(pod)
        return DONE

    async def _provide(self, pod: core_v1.Pod) -> None:
        made: dict[str, str] = {}
        for wanted in pod.spec.resource_claims:
            try:
                claim = await self._claim_for(pod, wanted)
            except (ApiError, Retry) as error:
                message = f"PodResourceClaim {wanted.name}: {error}"
                self.recorder.event(pod, WARNING, "FailedResourceClaimCreation", message)
                raise
            if claim is not None:
                made[wanted.name] = claim.metadata.name
        if made:
            await self._record(pod, made)

    async def _claim_for(self, pod: core_v1.Pod, wanted: core_v1.PodResourceClaim) -> resource_v1.ResourceClaim | None:
        """The claim to be written down; None where nothing is new."""
        template_name, name = wanted.resource_claim_template_name, recorded_name(pod, wanted)
        if template_name is None or name == "":
            return None
        claims, namespace = self.informer(resource_v1.ResourceClaim), pod.metadata.namespace
        if name is not None and (known := claims.get(Key(namespace, name))) is not None and is_for(pod, known):
            return None
        present = generated_for(pod, wanted, claims.list(namespace))
        if present is not None:
            return present
        template = self.informer(resource_v1.ResourceClaimTemplate).get(Key(namespace, template_name))
        if template is None:
            missing = f'resourceclaimtemplate.resource.k8s.io "{template_name}" not found'
            raise Retry(f'resource claim template "{template_name}": {missing}')
        return await self._create(claim_from(pod, wanted, template))

    async def _create(self, claim: resource_v1.ResourceClaim) -> resource_v1.ResourceClaim:
        """Not twice, while the informer does not show the first one."""
        owner = meta.controller_of(claim)
        live = await self.client.list(resource_v1.ResourceClaim, claim.metadata.namespace)
        for one in live.items:
            other = meta.controller_of(one)
            same = owner is not None and other is not None and other.uid == owner.uid
            if same and one.metadata.annotations.get(POD_CLAIM) == claim.metadata.annotations[POD_CLAIM]:
                return one
        return await self.client.create(claim)

    async def _record(self, pod: core_v1.Pod, made: dict[str, str]) -> None:
        document = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": pod.metadata.name, "namespace": pod.metadata.namespace},
            "status": {
                "resourceClaimStatuses": [
                    {"name": name, "resourceClaimName": claim} for name, claim in sorted(made.items())
                ]
            },
        }
        await self.client.of(core_v1.Pod).patch(
            pod.metadata.name,
            pod.metadata.namespace,
            document,
            kind=PatchType.APPLY,
            subresource="status",
            field_manager=MANAGER,
            force=True,
        )

    async def _reserve(self, pod: core_v1.Pod) -> None:
        """For a pod that came to its node without a scheduler that does so."""
        for wanted in pod.spec.resource_claims:
            name = recorded_name(pod, wanted)
            claim = self.informer(resource_v1.ResourceClaim).get(Key(pod.metadata.namespace, name)) if name else None
            if claim is None:
                continue
            if wanted.resource_claim_template_name is not None and not is_for(pod, claim):
                continue
            if may_reserve(pod, claim):
                await self.client.update_status(reserved_for(claim, pod))

    async def _settle(self, key: Key) -> None:
        claim = self.informer(resource_v1.ResourceClaim).get(key)
        if claim is None:
            return
        remaining = [one for one in claim.status.reserved_for if not await self._is_over(key.namespace, one)]
        if len(remaining) < len(claim.status.reserved_for):
            claim = await self.client.update_status(released(claim, remaining))
            if FINALIZER in claim.metadata.finalizers and claim.status.allocation is None:
                claim = await self.client.update(unprotected(claim))
        elif not remaining and FINALIZER in claim.metadata.finalizers and claim.metadata.deletion_timestamp:
            if claim.status.allocation is not None:
                claim = await self.client.update_status(released(claim, ()))
            claim = await self.client.update(unprotected(claim))
        if not remaining:
            await self._delete_unused(claim)

    async def _is_over(self, namespace: str, consumer: resource_v1.ResourceClaimConsumerReference) -> bool:
        if (consumer.api_group, consumer.resource) != ("", "pods"):
            return False
        pod = self.informer(core_v1.Pod).get(Key(namespace, consumer.name))
        if pod is None:
            pod = await self._live_pod(namespace, consumer.name)
            return pod is None or pod.metadata.uid != consumer.uid
        return pod.metadata.uid != consumer.uid or is_done(pod)

    async def _live_pod(self, namespace: str, name: str) -> core_v1.Pod | None:
        """The informer may just not have heard of it yet."""
        try:
            return await self.client.get(core_v1.Pod, name, namespace)
        except ApiError as error:
            if error.code == 404:
                return None
            raise

    async def _delete_unused(self, claim: resource_v1.ResourceClaim) -> None:
        """That of a pod which is not going to run; the garbage collector sees to pods that are gone."""
        owner, metadata = meta.controller_of(claim), claim.metadata
        if owner is None or owner.kind != "Pod" or metadata.deletion_timestamp is not None:
            return
        pod = self.informer(core_v1.Pod).get(Key(metadata.namespace, owner.name))
        if pod is None or not (pod.metadata.uid != owner.uid or is_done(pod)):
            return
        try:
            await self.client.delete(resource_v1.ResourceClaim, metadata.name, metadata.namespace, uid=metadata.uid)
        except ApiError as error:
            if error.code != 404:
                raise
