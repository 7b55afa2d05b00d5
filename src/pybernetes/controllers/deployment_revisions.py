"""Revisions of a Deployment: each is a ReplicaSet, known by its pod template and numbered by an annotation.

Rule  A ReplicaSet is the new one when its template equals the Deployment's but for the `pod-template-hash` label; of
several the oldest is. Its revision is one more than the highest of the others. All else are old.
Follows pkg/controller/deployment/util/deployment_util.go.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

import msgspec

from pybernetes.api import meta
from pybernetes.api.models import apps_v1, core_v1, meta_v1

HASH_LABEL = "pod-template-hash"
REVISION = "deployment.kubernetes.io/revision"
REVISION_HISTORY = "deployment.kubernetes.io/revision-history"
DESIRED_REPLICAS = "deployment.kubernetes.io/desired-replicas"
MAX_REPLICAS = "deployment.kubernetes.io/max-replicas"
ROLLBACK_TO = "deprecated.deployment.rollback.to"
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"

_NOT_COPIED = frozenset({LAST_APPLIED, REVISION, REVISION_HISTORY, DESIRED_REPLICAS, MAX_REPLICAS, ROLLBACK_TO})
_HISTORY_LENGTH = 2000
_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"


def template_hash(template: core_v1.PodTemplateSpec, collisions: int | None) -> str:
    """A short name for a template: FNV-1a of its canonical encoding, in letters that spell no words."""
    digest = _fnv1a_32(msgspec.json.encode(template, order="deterministic"))
    if collisions is not None:
        digest = _fnv1a_32(collisions.to_bytes(8, "little"), digest)
    return "".join(_ALPHABET[ord(character) % len(_ALPHABET)] for character in str(digest))


def _fnv1a_32(data: bytes, digest: int = 0x811C9DC5) -> int:
    for byte in data:
        digest = ((digest ^ byte) * 0x01000193) & 0xFFFFFFFF
    return digest


def without_hash(template: core_v1.PodTemplateSpec) -> core_v1.PodTemplateSpec:
    labels = {key: value for key, value in template.metadata.labels.items() if key != HASH_LABEL}
    metadata = msgspec.structs.replace(template.metadata, labels=labels)
    return msgspec.structs.replace(template, metadata=metadata)


def by_age(replica_sets: Iterable[apps_v1.ReplicaSet]) -> list[apps_v1.ReplicaSet]:
    """Oldest first; equal ages by name."""
    return sorted(replica_sets, key=lambda each: (_created(each), each.metadata.name))


def _created(replica_set: apps_v1.ReplicaSet) -> datetime:
    return replica_set.metadata.creation_timestamp or datetime.max.replace(tzinfo=UTC)


def find_new(deployment: apps_v1.Deployment, replica_sets: Iterable[apps_v1.ReplicaSet]) -> apps_v1.ReplicaSet | None:
    wanted = without_hash(deployment.spec.template)
    return next((each for each in by_age(replica_sets) if without_hash(each.spec.template) == wanted), None)


def revision_of(value: apps_v1.ReplicaSet | apps_v1.Deployment) -> int:
    text = value.metadata.annotations.get(REVISION, "")
    return int(text) if text.isdecimal() else 0


def next_revision(old: Iterable[apps_v1.ReplicaSet]) -> int:
    return max(map(revision_of, old), default=0) + 1


def new_replica_set(
    deployment: apps_v1.Deployment, replicas: int, max_replicas: int, revision: int
) -> apps_v1.ReplicaSet:
    """The ReplicaSet to create for the Deployment's present template."""
    template = deployment.spec.template
    digest = template_hash(template, deployment.status.collision_count)
    labels = {**template.metadata.labels, HASH_LABEL: digest}
    selector = deployment.spec.selector or meta_v1.LabelSelector()
    annotations = {
        **copied_annotations(deployment),
        REVISION: str(revision),
        **replicas_annotations(deployment, max_replicas),
    }
    return apps_v1.ReplicaSet(
        metadata=meta_v1.ObjectMeta(
            name=f"{deployment.metadata.name}-{digest}",
            namespace=deployment.metadata.namespace,
            labels=labels,
            annotations=annotations,
            owner_references=[meta.owner_reference(deployment, controller=True)],
        ),
        spec=apps_v1.ReplicaSetSpec(
            replicas=replicas,
            min_ready_seconds=deployment.spec.min_ready_seconds,
            selector=msgspec.structs.replace(selector, match_labels={**selector.match_labels, HASH_LABEL: digest}),
            template=msgspec.structs.replace(
                template, metadata=msgspec.structs.replace(template.metadata, labels=labels)
            ),
        ),
    )


def brought_up_to_date(
    deployment: apps_v1.Deployment, replica_set: apps_v1.ReplicaSet, revision: int
) -> apps_v1.ReplicaSet:
    """The new ReplicaSet with the Deployment's annotations, a revision not below the given one, and minReadySeconds."""
    annotations = {**replica_set.metadata.annotations, **copied_annotations(deployment)}
    known = revision_of(replica_set)
    if known < revision:
        annotations[REVISION] = str(revision)
        if known:
            annotations[REVISION_HISTORY] = _history(annotations.get(REVISION_HISTORY, ""), known)
    return msgspec.structs.replace(
        replica_set,
        metadata=msgspec.structs.replace(replica_set.metadata, annotations=annotations),
        spec=msgspec.structs.replace(replica_set.spec, min_ready_seconds=deployment.spec.min_ready_seconds),
    )


def _history(history: str, revision: int) -> str:
    revisions = [*filter(None, history.split(",")), str(revision)]
    while len(",".join(revisions)) > _HISTORY_LENGTH:
        revisions.pop(0)
    return ",".join(revisions)


def copied_annotations(deployment: apps_v1.Deployment) -> Mapping[str, str]:
    return {key: value for key, value in deployment.metadata.annotations.items() if key not in _NOT_COPIED}


def replicas_annotations(deployment: apps_v1.Deployment, max_replicas: int) -> Mapping[str, str]:
    desired = 1 if deployment.spec.replicas is None else deployment.spec.replicas
    return {DESIRED_REPLICAS: str(desired), MAX_REPLICAS: str(max_replicas)}


def superfluous(deployment: apps_v1.Deployment, old: Sequence[apps_v1.ReplicaSet]) -> tuple[apps_v1.ReplicaSet, ...]:
    """Old ReplicaSets beyond the history limit, oldest revision first, but only those that are done with."""
    limit = deployment.spec.revision_history_limit
    if limit is None:
        return ()
    alive = [each for each in old if each.metadata.deletion_timestamp is None]
    surplus = max(len(alive) - limit, 0)
    ordered = sorted(alive, key=lambda each: (revision_of(each), _created(each)))
    return tuple(each for each in ordered[:surplus] if _is_empty(each))


def _is_empty(replica_set: apps_v1.ReplicaSet) -> bool:
    if replica_set.status.replicas or replica_set.spec.replicas:
        return False
    return replica_set.metadata.generation <= replica_set.status.observed_generation
