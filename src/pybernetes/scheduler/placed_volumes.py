"""PlacedVolumes: which placed pods use disks and claims, so that volume plugins look at those pods alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from pybernetes.api.meta import Key
from pybernetes.api.models import core_v1
from pybernetes.scheduler.pod_info import PodInfo


def claims_of(pod: PodInfo) -> Iterator[str]:
    """The names of the claims that a pod names itself."""
    for volume in pod.spec.volumes:
        if volume.persistent_volume_claim is not None:
            yield volume.persistent_volume_claim.claim_name


def holds_disk(volume: core_v1.Volume) -> bool:
    """Whether it is of a type whose disk two pods may not share as they like."""
    return (
        volume.gce_persistent_disk is not None
        or volume.aws_elastic_block_store is not None
        or volume.rbd is not None
        or volume.iscsi is not None
    )


def _counts(volume: core_v1.Volume) -> bool:
    return volume.persistent_volume_claim is not None or volume.ephemeral is not None or holds_disk(volume)


class PlacedVolumes:
    def __init__(self) -> None:
        self._by_row: dict[int, dict[Key, PodInfo]] = {}
        self._users: Counter[Key] = Counter()

    def change(self, row: int, pod: PodInfo, sign: int) -> None:
        if not any(_counts(volume) for volume in pod.spec.volumes):
            return
        if sign > 0:
            self._by_row.setdefault(row, {})[pod.key] = pod
        else:
            del self._by_row[row][pod.key]
            if not self._by_row[row]:
                del self._by_row[row]
        for name in claims_of(pod):
            self._users[Key(pod.namespace, name)] += sign

    def rows(self) -> Mapping[int, Mapping[Key, PodInfo]]:
        """The rows with such pods, and the pods."""
        return self._by_row

    def on(self, row: int) -> Iterable[PodInfo]:
        return self._by_row.get(row, {}).values()

    def uses(self, claim: Key) -> int:
        """How many pods on nodes use a claim."""
        return self._users[claim]
