"""ClusterState: nodes and the pods on them, as the API server tells and as this scheduler has just decided.

An assumed pod counts on its node from the decision on; the API server's word replaces the assumption when it comes,
and ``forget`` takes back what could not be bound. Pods on a node that is not known (yet) are kept for its arrival.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, KeysView, Mapping
from contextlib import contextmanager

from pybernetes.api.meta import Key
from pybernetes.api.models import core_v1
from pybernetes.scheduler.columns import NodeColumns
from pybernetes.scheduler.device_objects import DeviceObjects
from pybernetes.scheduler.disruption_budgets import Budgets
from pybernetes.scheduler.importance import PodsByImportance, Ranked
from pybernetes.scheduler.nominations import Nominations
from pybernetes.scheduler.placed_volumes import PlacedVolumes
from pybernetes.scheduler.pod_counts import PodCounts
from pybernetes.scheduler.pod_info import PodInfo
from pybernetes.scheduler.storage import StorageObjects
from pybernetes.scheduler.term_registry import PlacedTerms


class ClusterState:
    def __init__(self) -> None:
        self.nodes = NodeColumns()
        self.counts = PodCounts(self._placed)
        self.placed_terms = PlacedTerms()
        self.placed_volumes = PlacedVolumes()
        self.storage = StorageObjects()
        self.devices = DeviceObjects()
        self.nominations = Nominations(self.nodes)
        self._by_importance = PodsByImportance(self.nodes)
        self.budgets = Budgets()
        self.namespaces: dict[str, Mapping[str, str]] = {}
        self._pods: dict[Key, tuple[PodInfo, str]] = {}
        self._on_node: dict[str, dict[Key, PodInfo]] = {}
        self._assumed: set[Key] = set()

    def set_node(self, node: core_v1.Node) -> None:
        name = node.metadata.name
        is_new = self.nodes.row(name) is None
        row = self.nodes.set_node(node)
        if is_new:
            self._by_importance.forget(row)
            for pod in self._on_node.get(name, {}).values():
                self._count(row, pod, 1)

    def remove_node(self, name: str) -> None:
        row = self.nodes.row(name)
        if row is not None:
            for pod in self._on_node.get(name, {}).values():
                self._count(row, pod, -1)
            self.nodes.remove_node(name)

    def set_pod(self, pod: PodInfo, node: str) -> None:
        """The API server says that ``pod`` is on ``node``."""
        self._assumed.discard(pod.key)
        known = self._pods.get(pod.key)
        if known is not None and known[1] == node and _counts_alike(known[0], pod):
            self._pods[pod.key] = (pod, node)
            self._on_node[node][pod.key] = pod
            if (row := self.nodes.row(node)) is not None:
                self._by_importance.forget(row)
            return
        self.remove_pod(pod.key)
        self._place(pod, node)

    def assume(self, pod: PodInfo, node: str) -> None:
        self._assumed.add(pod.key)
        self._place(pod, node)

    @contextmanager
    def trial(self) -> Iterator[None]:
        """While pods are moved for a look; whoever moves them puts all back before the end."""
        before = self.nodes.is_trial
        self.nodes.is_trial = True
        try:
            yield
        finally:
            self.nodes.is_trial = before

    @contextmanager
    def visited_by(self, pods: Iterable[PodInfo], node: str) -> Iterator[None]:
        """With pods that have no node yet on one, for a look."""
        visitors = [one for one in pods if one.key not in self._pods]
        with self.trial():
            for one in visitors:
                self.assume(one, node)
            try:
                yield
            finally:
                for one in visitors:
                    self.remove_pod(one.key)

    def forget(self, key: Key) -> None:
        """Takes back an assumption; one that the API server has confirmed stays."""
        if key in self._assumed:
            self.remove_pod(key)

    def remove_pod(self, key: Key) -> None:
        self._assumed.discard(key)
        known = self._pods.pop(key, None)
        if known is None:
            return
        pod, node = known
        del self._on_node[node][key]
        if not self._on_node[node]:
            del self._on_node[node]
        row = self.nodes.row(node)
        if row is not None:
            self._count(row, pod, -1)

    def placed(self, key: Key) -> PodInfo | None:
        known = self._pods.get(key)
        return known[0] if known is not None else None

    def is_placed(self, key: Key) -> bool:
        return key in self._pods

    def holds(self, pod: PodInfo) -> bool:
        """Whether this very pod is placed, and not another of its name."""
        known = self._pods.get(pod.key)
        return known is not None and known[0].pod.metadata.uid == pod.pod.metadata.uid

    @property
    def sizes(self) -> tuple[int, int, int]:
        """How many nodes and placed pods there are, and how many of those are only assumed to be placed."""
        return len(self.nodes), len(self._pods), len(self._assumed)

    def is_assumed(self, key: Key) -> bool:
        """Whether only this scheduler has said so yet."""
        return key in self._assumed

    def pods_on(self, node: str) -> Mapping[Key, PodInfo]:
        return self._on_node.get(node, {})

    def ranked(self, rows: Iterable[int]) -> list[Ranked]:
        """The pods on each of some nodes, the most important first."""
        return self._by_importance.of(rows, self.pods_on)

    @property
    def placed_keys(self) -> KeysView[Key]:
        return self._pods.keys()

    def set_namespace(self, name: str, labels: Mapping[str, str] | None) -> None:
        """None removes it."""
        if labels is None:
            self.namespaces.pop(name, None)
        else:
            self.namespaces[name] = labels
        self.counts.forget()
        self.placed_terms.forget()

    def _place(self, pod: PodInfo, node: str) -> None:
        self._pods[pod.key] = (pod, node)
        self._on_node.setdefault(node, {})[pod.key] = pod
        row = self.nodes.row(node)
        if row is not None:
            self._count(row, pod, 1)

    def _count(self, row: int, pod: PodInfo, sign: int) -> None:
        if not self.nodes.is_trial:
            self._by_importance.forget(row)
        if sign > 0:
            self.nodes.add_pod(row, pod)
        else:
            self.nodes.remove_pod(row, pod)
        self.counts.change(row, pod, sign)
        self.placed_terms.change(row, pod, sign)
        self.placed_volumes.change(row, pod, sign)

    def _placed(self) -> Iterator[tuple[int, PodInfo]]:
        for pod, node in self._pods.values():
            row = self.nodes.row(node)
            if row is not None:
                yield row, pod


def _counts_alike(old: PodInfo, new: PodInfo) -> bool:
    same_pod = old.pod.metadata.uid == new.pod.metadata.uid
    return same_pod and old.template == new.template and old.is_terminating == new.is_terminating
