"""Claims for the generic ephemeral volumes of pods: made with the pod, and gone with it.

Guarantees  A claim of that name which is somebody else's is left alone, and the pod is told.
Follows pkg/controller/volume/ephemeral.
"""

from __future__ import annotations

from collections.abc import Iterable

from pybernetes.api import meta
from pybernetes.api.errors import ApiError
from pybernetes.api.meta import Key
from pybernetes.api.models import core_v1, meta_v1
from pybernetes.client.events import WARNING
from pybernetes.controllers.controller import DONE, Controller, Maps, Result, Retry


def claim_name(pod: core_v1.Pod, volume: core_v1.Volume) -> str:
    return f"{pod.metadata.name}-{volume.name}"


def needing(controller: Controller, pod: core_v1.Pod) -> Iterable[Key]:
    if pod.metadata.deletion_timestamp is None and any(volume.ephemeral is not None for volume in pod.spec.volumes):
        yield Key(pod.metadata.namespace, pod.metadata.name)


def owning(controller: Controller, claim: core_v1.PersistentVolumeClaim) -> Iterable[Key]:
    owner = meta.controller_of(claim)
    if owner is not None and owner.kind == "Pod":
        yield Key(claim.metadata.namespace, owner.name)


class EphemeralVolumeController(Controller):
    name = "ephemeral-volume-controller"
    component = "ephemeral_volume"
    watches = (Maps(core_v1.Pod, needing), Maps(core_v1.PersistentVolumeClaim, owning))

    async def reconcile(self, key: Key) -> Result:
        pod = self.informer(core_v1.Pod).get(key)
        if pod is None or pod.metadata.deletion_timestamp is not None:
            return DONE
        for volume in pod.spec.volumes:
            if volume.ephemeral is not None:
                await self._ensure(pod, volume, volume.ephemeral)
        return DONE

    async def _ensure(self, pod: core_v1.Pod, volume: core_v1.Volume, source: core_v1.EphemeralVolumeSource) -> None:
        name, namespace = claim_name(pod, volume), pod.metadata.namespace
        known = self.informer(core_v1.PersistentVolumeClaim).get(Key(namespace, name))
        if known is not None:
            owner = meta.controller_of(known)
            if owner is None or owner.uid != pod.metadata.uid:
                whose = f"{namespace}/{pod.metadata.name}"
                raise self._told(
                    pod, volume, f"PVC {namespace}/{name} was not created for pod {whose} (pod is not owner)"
                )
            return
        template = source.volume_claim_template
        if template is None:
            return
        metadata = meta_v1.ObjectMeta(
            name=name,
            namespace=namespace,
            labels=dict(template.metadata.labels),
            annotations=dict(template.metadata.annotations),
            owner_references=[meta.owner_reference(pod)],
        )
        try:
            await self.client.create(core_v1.PersistentVolumeClaim(metadata=metadata, spec=template.spec))
        except ApiError as error:
            raise self._told(pod, volume, f"create PVC {name}: {error}") from error

    def _told(self, pod: core_v1.Pod, volume: core_v1.Volume, why: str) -> Retry:
        message = f"ephemeral volume {volume.name}: {why}"
        self.recorder.event(pod, WARNING, "FailedBinding", message)
        return Retry(message)
