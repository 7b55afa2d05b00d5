"""PlacedVolumes: which placed pods use disks and claims, so that volume plugins look at those pods alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from pybernetes.api.meta import Key
from pybernetes.scheduler.pod_info import PodInfo


class PlacedVolumes:
    def __init__(self) -> None:
        self._by_row: dict[int, dict[Key, PodInfo]] = {}
        self._users: Counter[Key] = Counter()

    def change(self, row: int, pod: PodInfo, sign: int) -> None:
        if not (pod.claims or pod.disks):
            return
        if sign > 0:
            self._by_row.setdefault(row, {})[pod.key] = pod
        else:
            del self._by_row[row][pod.key]
            if not self._by_row[row]:
                del self._by_row[row]
        for name in pod.claims:
            self._users[Key(pod.namespace, name)] += sign

    def rows(self) -> Mapping[int, Mapping[Key, PodInfo]]:
        """The rows with such pods, and the pods."""
        return self._by_row

    def on(self, row: int) -> Iterable[PodInfo]:
        return self._by_row.get(row, {}).values()

    def uses(self, claim: Key) -> int:
        """How many pods on nodes use a claim."""
        return self._users[claim]
