"""NodeColumns: the cluster's nodes as NumPy columns, one row a node, kept up to date change by change.

Guarantees
  Every change of a row is entered in ``changes``, so that whoever kept results for rows can tell which are stale.
  Rows of removed nodes stay as holes with ``present`` False until another node takes them.
Amounts are thousandths of a CPU, bytes, and whole numbers. Not thread-safe.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from pybernetes.api.models import core_v1
from pybernetes.scheduler.arrays import ABSENT, Ids, Ints, Mask
from pybernetes.scheduler.bookings import Bookings
from pybernetes.scheduler.domains import Domains
from pybernetes.scheduler.pod_info import HostPort, PodInfo, amount_of

POD_SLOTS = "pods"
ANY_ADDRESS = "0.0.0.0"
_INITIAL_ROWS = 16
_LOG_LIMIT = 1 << 20


class TaintIdentity(NamedTuple):
    """A taint without the time it was added: the same on many nodes."""

    key: str
    value: str
    effect: str

    @property
    def model(self) -> core_v1.Taint:
        return core_v1.Taint(key=self.key, value=self.value, effect=self.effect)


class ChangeLog:
    """Rows in the order in which they changed; a reader remembers the position up to which it has read."""

    def __init__(self) -> None:
        self._rows: list[int] = []
        self._dropped = 0

    @property
    def position(self) -> int:
        return self._dropped + len(self._rows)

    def add(self, row: int) -> None:
        self._rows.append(row)
        if len(self._rows) > _LOG_LIMIT:
            half = _LOG_LIMIT // 2
            del self._rows[:half]
            self._dropped += half

    def since(self, position: int) -> list[int] | None:
        """None when so much has changed since that the log no longer tells."""
        return None if position < self._dropped else self._rows[position - self._dropped :]


@dataclass(slots=True)
class NodeImage:
    """An image that nodes have: its size as the first of them said, and their rows."""

    size: int
    rows: set[int] = field(default_factory=set)


class NodeColumns:
    def __init__(self) -> None:
        self.changes = ChangeLog()
        self.structure = 0
        """Counts added, removed and relabelled nodes: results that span nodes depend on it."""
        self.tainted = 0
        """Counts changes of taints."""
        self.restated = 0
        """The position in ``changes`` of the last one that was not of pods alone."""
        self.resources: dict[str, int] = {}
        self._row_of: dict[str, int] = {}
        self._free: list[int] = []
        self.size = 0
        self.names: list[str] = []
        self.nodes: list[core_v1.Node | None] = []
        self.bookings = Bookings()
        self.is_trial = False
        """Pods come and go for a look only and everything will be as it was: nobody needs to be told of the rows."""
        self._objects: tuple[core_v1.Node | None, ...] | None = None
        self._capacity = _INITIAL_ROWS
        self.present: Mask = np.zeros(_INITIAL_ROWS, np.bool_)
        self.unschedulable: Mask = np.zeros(_INITIAL_ROWS, np.bool_)
        self.allocatable: Ints = np.zeros((0, _INITIAL_ROWS), np.int64)
        self.requested: Ints = np.zeros((0, _INITIAL_ROWS), np.int64)
        self.scored_cpu: Ints = np.zeros(_INITIAL_ROWS, np.int64)
        self.scored_memory: Ints = np.zeros(_INITIAL_ROWS, np.int64)
        self.labels: dict[str, Ids] = {}
        self.label_values: dict[str, dict[str, int]] = {}
        self.taints: dict[TaintIdentity, Mask] = {}
        """Where each taint is; taints that no node has are not in it."""
        self.images: dict[str, NodeImage] = {}
        self._domains: dict[str, tuple[int, Domains]] = {}
        self.host_ports: dict[tuple[str, int], dict[int, list[str]]] = {}
        for resource in ("cpu", "memory", POD_SLOTS):
            self.resource_index(resource)

    def __len__(self) -> int:
        """The number of nodes."""
        return len(self._row_of)

    def row(self, name: str) -> int | None:
        return self._row_of.get(name)

    def resource_index(self, resource: str) -> int:
        """The line of ``allocatable`` and ``requested`` that holds a resource; one is added for a new resource."""
        index = self.resources.get(resource)
        if index is None:
            index = self.resources[resource] = len(self.resources)
            line = np.zeros((1, self._capacity), np.int64)
            self.allocatable = np.concatenate((self.allocatable, line))
            self.requested = np.concatenate((self.requested, line))
        return index

    def set_node(self, node: core_v1.Node) -> int:
        """Adds a node or takes over its new state; pods on it are not touched."""
        name = node.metadata.name
        row = self._row_of.get(name)
        if row is None:
            row = self._take_row(name)
        old = self.nodes[row]
        self.nodes[row] = node
        self._objects = None
        self.present[row] = True
        self.unschedulable[row] = node.spec.unschedulable
        self._set_allocatable(row, node.status.allocatable)
        if old is None or old.metadata.labels != node.metadata.labels:
            self._set_labels(row, node.metadata.labels)
            self.structure += 1
        self._set_taints(row, node.spec.taints)
        self._set_images(row, old.status.images if old is not None else (), node.status.images)
        self._restate(row)
        return row

    def reconsider(self) -> None:
        """What was said of any node may not be so any longer."""
        for row in np.flatnonzero(self.present):
            self._restate(int(row))

    def remove_node(self, name: str) -> None:
        row = self._row_of.pop(name, None)
        if row is None:
            return
        self.present[row] = False
        old = self.nodes[row]
        assert old is not None
        self._set_images(row, old.status.images, ())
        self.nodes[row] = None
        self._objects = None
        self.names[row] = ""
        self.allocatable[:, row] = 0
        self.requested[:, row] = 0
        self.scored_cpu[row] = self.scored_memory[row] = 0
        self._set_labels(row, {})
        self._set_taints(row, ())
        for holders in self.host_ports.values():
            holders.pop(row, None)
        self._free.append(row)
        self.structure += 1
        self._restate(row)

    def add_pod(self, row: int, pod: PodInfo) -> None:
        self._count_pod(row, pod, 1)
        for port in pod.host_ports:
            self.host_ports.setdefault((port.protocol, port.port), {}).setdefault(row, []).append(port.address)

    def remove_pod(self, row: int, pod: PodInfo) -> None:
        self._count_pod(row, pod, -1)
        for port in pod.host_ports:
            holders = self.host_ports[port.protocol, port.port]
            holders[row].remove(port.address)
            if not holders[row]:
                del holders[row]

    def rows_holding(self, port: HostPort) -> list[int]:
        """Rows where a pod already has this host port on an address that overlaps."""
        holders = self.host_ports.get((port.protocol, port.port), {})
        if port.address == ANY_ADDRESS:
            return list(holders)
        return [row for row, held in holders.items() if port.address in held or ANY_ADDRESS in held]

    def label_ids(self, key: str) -> Ids:
        """For each row the interned value of a label, or ``ABSENT``."""
        column = self.labels.get(key)
        if column is None:
            column = self.labels[key] = np.full(self._capacity, ABSENT, np.int32)
        return column

    def domains(self, key: str) -> Domains:
        """Those of all nodes."""
        known = self._domains.get(key)
        if known is None or known[0] != self.structure:
            known = self._domains[key] = (self.structure, Domains(self.label_ids(key), self.present))
        return known[1]

    def value_id(self, key: str, value: str) -> int:
        """The interned value, or ``ABSENT`` when no node has ever had it."""
        return self.label_values.get(key, {}).get(value, ABSENT)

    def mask_of(self, rows: Iterable[int]) -> Mask:
        mask = np.zeros(self._capacity, np.bool_)
        mask[list(rows)] = True
        return mask

    @property
    def objects(self) -> tuple[core_v1.Node | None, ...]:
        """The nodes by row as they are now: the same tuple until a node changes."""
        if self._objects is None:
            self._objects = tuple(self.nodes)
        return self._objects

    @property
    def capacity(self) -> int:
        return self._capacity

    def amounts(self, row: int) -> Hashable:
        """What a node has and what is taken of it: equal for rows that differ in nothing that is counted."""
        return (
            self.allocatable[:, row].tobytes(),
            self.requested[:, row].tobytes(),
            self.scored_cpu.item(row),
            self.scored_memory.item(row),
        )

    def _restate(self, row: int) -> None:
        self.changes.add(row)
        self.restated = self.changes.position

    def _count_pod(self, row: int, pod: PodInfo, sign: int) -> None:
        for resource, amount in pod.requests.items():
            # Asked first: a resource that nothing has named yet makes ``requested`` another array.
            index = self.resource_index(resource)
            self.requested[index, row] += sign * amount
        self.requested[self.resources[POD_SLOTS], row] += sign
        self.scored_cpu[row] += sign * pod.scored_cpu
        self.scored_memory[row] += sign * pod.scored_memory
        if not self.is_trial:
            self.bookings.add(row, pod.requests, sign)
            self.changes.add(row)

    def _set_allocatable(self, row: int, allocatable: Mapping[str, str]) -> None:
        self.allocatable[:, row] = 0
        for resource, text in allocatable.items():
            index = self.resource_index(resource)
            self.allocatable[index, row] = amount_of(resource, text)

    def _set_labels(self, row: int, labels: Mapping[str, str]) -> None:
        for key, column in self.labels.items():
            if key not in labels:
                column[row] = ABSENT
        for key, value in labels.items():
            values = self.label_values.setdefault(key, {})
            self.label_ids(key)[row] = values.setdefault(value, len(values))

    def _set_taints(self, row: int, taints: Iterable[core_v1.Taint]) -> None:
        wanted = {TaintIdentity(taint.key, taint.value, taint.effect) for taint in taints}
        held = {one for one, mask in self.taints.items() if mask[row]}
        if wanted == held:
            return
        self.tainted += 1
        for identity in held - wanted:
            mask = self.taints[identity]
            mask[row] = False
            if not mask.any():
                del self.taints[identity]
        for identity in wanted - held:
            if identity not in self.taints:
                self.taints[identity] = np.zeros(self._capacity, np.bool_)
            self.taints[identity][row] = True

    def _set_images(
        self, row: int, old: Sequence[core_v1.ContainerImage], new: Sequence[core_v1.ContainerImage]
    ) -> None:
        if old == new:
            return
        for name in [name for image in old for name in image.names]:
            known = self.images.get(name)
            if known is not None:
                known.rows.discard(row)
                if not known.rows:
                    del self.images[name]
        for image in new:
            for name in image.names:
                self.images.setdefault(name, NodeImage(image.size_bytes)).rows.add(row)

    def _take_row(self, name: str) -> int:
        if self._free:
            row = self._free.pop()
            self.names[row] = name
        else:
            row = self.size
            self.size += 1
            if self.size > self._capacity:
                self._grow()
            self.names.append(name)
            self.nodes.append(None)
        self._row_of[name] = row
        self.structure += 1
        return row

    def _grow(self) -> None:
        more = self._capacity
        self.present = np.concatenate((self.present, np.zeros(more, np.bool_)))
        self.unschedulable = np.concatenate((self.unschedulable, np.zeros(more, np.bool_)))
        lines = np.zeros((len(self.resources), more), np.int64)
        self.allocatable = np.concatenate((self.allocatable, lines), axis=1)
        self.requested = np.concatenate((self.requested, lines), axis=1)
        self.scored_cpu = np.concatenate((self.scored_cpu, np.zeros(more, np.int64)))
        self.scored_memory = np.concatenate((self.scored_memory, np.zeros(more, np.int64)))
        self.labels = {key: np.concatenate((ids, np.full(more, ABSENT, np.int32))) for key, ids in self.labels.items()}
        self.taints = {one: np.concatenate((mask, np.zeros(more, np.bool_))) for one, mask in self.taints.items()}
        self._capacity += more
