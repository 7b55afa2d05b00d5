"""Which pods use which claims, as an index of the pods' informer."""

from __future__ import annotations

from collections.abc import Iterable

from pybernetes.api import storage
from pybernetes.api.meta import Key
from pybernetes.api.models import core_v1

USERS = "claims-of-pod"
"""By the claim's key as text."""


def claims_of_pod(pod: core_v1.Pod) -> Iterable[str]:
    """The values of a pod in the index."""
    return (str(Key(pod.metadata.namespace, name)) for name in storage.claims_of(pod))


def is_over(pod: core_v1.Pod) -> bool:
    return pod.status.phase in ("Succeeded", "Failed")
