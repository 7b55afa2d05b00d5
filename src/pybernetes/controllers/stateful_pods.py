"""The pods of a StatefulSet: who they are by their names, and what each of them must look like.

Follows pkg/controller/statefulset/stateful_set_utils.go.
"""

from __future__ import annotations

import re
from datetime import datetime

import msgspec

from pybernetes.api.models import apps_v1, core_v1
from pybernetes.controllers.pods import is_available, pod_from_template
from pybernetes.controllers.stateful_claims import claim_name

REVISION = "controller-revision-hash"
POD_NAME = "statefulset.kubernetes.io/pod-name"
POD_INDEX = "apps.kubernetes.io/pod-index"
_NAME = re.compile(r"(.*)-([0-9]+)").fullmatch


def ordinal_of(set_name: str, pod_name: str) -> int | None:
    """None for a pod that is not the set's by its name."""
    found = _NAME(pod_name)
    return int(found[2]) if found is not None and found[1] == set_name else None


def first_ordinal(stateful_set: apps_v1.StatefulSet) -> int:
    ordinals = stateful_set.spec.ordinals
    return 0 if ordinals is None else ordinals.start


def replicas_of(stateful_set: apps_v1.StatefulSet) -> int:
    replicas = stateful_set.spec.replicas
    return 1 if replicas is None else replicas


def ordinals(stateful_set: apps_v1.StatefulSet) -> range:
    first = first_ordinal(stateful_set)
    return range(first, first + replicas_of(stateful_set))


def revision_of(pod: core_v1.Pod) -> str:
    return pod.metadata.labels.get(REVISION, "")


def is_unavailable(pod: core_v1.Pod | None, min_ready_seconds: int, now: datetime) -> bool:
    """So is one that is not there, or is going."""
    return pod is None or pod.metadata.deletion_timestamp is not None or not is_available(pod, min_ready_seconds, now)


def stateful_pod(
    stateful_set: apps_v1.StatefulSet, template: core_v1.PodTemplateSpec, ordinal: int, revision: str
) -> core_v1.Pod:
    """The pod to create."""
    name = f"{stateful_set.metadata.name}-{ordinal}"
    labels = {POD_NAME: name, POD_INDEX: str(ordinal), REVISION: revision}
    pod = pod_from_template(template, stateful_set, name=name, labels=labels)
    spec = msgspec.structs.replace(
        pod.spec,
        hostname=name,
        subdomain=stateful_set.spec.service_name,
        volumes=_volumes(stateful_set, pod.spec, ordinal),
    )
    return msgspec.structs.replace(pod, spec=spec)


def conforms(stateful_set: apps_v1.StatefulSet, pod: core_v1.Pod) -> bool:
    """It carries its name as a label, and its claims are mounted."""
    ordinal = ordinal_of(stateful_set.metadata.name, pod.metadata.name)
    if ordinal is None or pod.metadata.labels.get(POD_NAME) != pod.metadata.name:
        return False
    claims = {one.name: one.persistent_volume_claim for one in pod.spec.volumes}
    for template in stateful_set.spec.volume_claim_templates:
        found = claims.get(template.metadata.name)
        if found is None or found.claim_name != claim_name(stateful_set, template, ordinal):
            return False
    return True


def conforming(stateful_set: apps_v1.StatefulSet, pod: core_v1.Pod) -> core_v1.Pod:
    """The pod with what `conforms` asks for."""
    ordinal = ordinal_of(stateful_set.metadata.name, pod.metadata.name)
    if ordinal is None:
        raise ValueError(f"{pod.metadata.name} is no pod of StatefulSet {stateful_set.metadata.name}")
    labels = {**pod.metadata.labels, POD_NAME: pod.metadata.name, POD_INDEX: str(ordinal)}
    metadata = msgspec.structs.replace(pod.metadata, labels=labels)
    spec = msgspec.structs.replace(pod.spec, volumes=_volumes(stateful_set, pod.spec, ordinal))
    return msgspec.structs.replace(pod, metadata=metadata, spec=spec)


def _volumes(stateful_set: apps_v1.StatefulSet, spec: core_v1.PodSpec, ordinal: int) -> list[core_v1.Volume]:
    """Those of the claims, then the template's own of other names."""
    templates = stateful_set.spec.volume_claim_templates
    claimed = [
        core_v1.Volume(
            name=template.metadata.name,
            persistent_volume_claim=core_v1.PersistentVolumeClaimVolumeSource(
                claim_name=claim_name(stateful_set, template, ordinal)
            ),
        )
        for template in templates
    ]
    names = {one.name for one in claimed}
    return [*claimed, *(one for one in spec.volumes if one.name not in names)]
