"""PromisedRoom: what pods that are nominated to nodes will take there, added up for whoever has to respect them."""

from __future__ import annotations

import copy
from collections.abc import KeysView, Sequence
from dataclasses import dataclass

import numpy as np

from pybernetes.api.meta import Key
from pybernetes.scheduler.arrays import Ints, Mask
from pybernetes.scheduler.columns import POD_SLOTS, NodeColumns
from pybernetes.scheduler.pod_info import PodInfo

_NOBODY = int(np.iinfo(np.int64).min)
_FIRST_PLACES = 16


@dataclass(frozen=True, slots=True)
class Promised:
    """``rows`` where pods are to be respected, once each; ``amounts`` has them for each line that was asked for.

    ``particular`` are those of the rows where one of these pods refuses the company of others.
    """

    lines: Sequence[int]
    rows: Ints
    amounts: Ints
    particular: Ints

    def on(self, nodes: NodeColumns) -> NodeColumns:
        """The columns as if these pods had come: for a look at how full nodes are, and nothing else."""
        fuller = copy.copy(nodes)
        fuller.requested = nodes.requested.copy()
        fuller.requested[self.lines] += self.amounts
        return fuller


class PromisedRoom:
    """A place for each nominated pod in arrays that are added up."""

    def __init__(self, nodes: NodeColumns) -> None:
        self._nodes = nodes
        self._pods: dict[Key, tuple[int, PodInfo, str]] = {}
        self._free: list[int] = []
        self._shape = (nodes.structure, len(nodes.resources))
        self._make(_FIRST_PLACES)

    def add(self, pod: PodInfo, node: str) -> None:
        if not self._free:
            self._make(2 * len(self._rows))
        place = self._free.pop()
        self._pods[pod.key] = place, pod, node
        self._fill(place, pod, node)

    def remove(self, key: Key) -> None:
        known = self._pods.pop(key, None)
        if known is not None:
            self._priorities[known[0]] = _NOBODY
            self._free.append(known[0])

    def before(self, pod: PodInfo, placed: KeysView[Key], lines: Sequence[int]) -> Promised | None:
        """What pods of the same or higher priority will take that are not placed yet; None where there are none."""
        if not self._pods:
            return None
        if self._shape != (self._nodes.structure, len(self._nodes.resources)):
            self._make(len(self._rows))
        counts: Mask = (self._priorities >= pod.priority) & (self._rows >= 0)
        for key in (pod.key, *(self._pods.keys() & placed)):
            if (known := self._pods.get(key)) is not None:
                counts[known[0]] = False
        if not counts.any():
            return None
        rows = self._rows[counts]
        amounts = np.zeros((len(lines), self._nodes.capacity), np.int64)
        for number, line in enumerate(lines):
            np.add.at(amounts[number], rows, self._amounts[line, counts])
        particular = np.unique(rows[self._particular[counts]])
        return Promised(lines, np.unique(rows), amounts, particular)

    def _make(self, places: int) -> None:
        """The arrays anew, for more pods, other rows or further resources."""
        self._shape = (self._nodes.structure, len(self._nodes.resources))
        self._rows: Ints = np.full(places, -1, np.int64)
        self._priorities: Ints = np.full(places, _NOBODY, np.int64)
        self._amounts: Ints = np.zeros((len(self._nodes.resources), places), np.int64)
        self._particular: Mask = np.zeros(places, np.bool_)
        taken = {place for place, _, _ in self._pods.values()}
        self._free = [place for place in range(places) if place not in taken]
        for place, pod, node in list(self._pods.values()):
            self._fill(place, pod, node)

    def _fill(self, place: int, pod: PodInfo, node: str) -> None:
        resources = self._nodes.resources
        for name in pod.requests:
            self._nodes.resource_index(name)
        if len(resources) != len(self._amounts):
            self._make(len(self._rows))
            return
        row = self._nodes.row(node)
        self._rows[place] = -1 if row is None else row
        self._priorities[place] = pod.priority
        self._particular[place] = bool(pod.inter_pod.required_anti)
        self._amounts[:, place] = 0
        self._amounts[resources[POD_SLOTS], place] = 1
        for name, amount in pod.requests.items():
            self._amounts[resources[name], place] += amount
