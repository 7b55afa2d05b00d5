"""What pods that come to a node, or go from it, change in what filters say of another pod.

Most filters judge a node and nothing else; NodeResourcesFit adds up amounts; the rest have to look again.
A filter says for itself that it does not mind (``minds_pods``) or that it only adds up (``needs``); one that says
nothing is asked again after every change.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol, cast, runtime_checkable

from pybernetes.scheduler.columns import NodeColumns
from pybernetes.scheduler.framework import FilterPlugin
from pybernetes.scheduler.pod_info import PodInfo


@runtime_checkable
class IndifferentFilter(Protocol):
    def minds_pods(self, pod: PodInfo) -> bool:
        """False: whichever pods come and go on nodes now, it says the same of ``pod``."""


@runtime_checkable
class CountingFilter(FilterPlugin, Protocol):
    def needs(self, pod: PodInfo, nodes: NodeColumns) -> Sequence[tuple[int, int]]:
        """Lines of ``allocatable`` and ``requested``, and how much of each must be free: that is all it asks for."""


@dataclass(frozen=True, slots=True)
class Concerned:
    """The filters that have something to say of a pod, each kind in the order of the profile."""

    indifferent: tuple[FilterPlugin, ...]
    counting: tuple[CountingFilter, ...]
    minding: tuple[FilterPlugin, ...]
    in_order: tuple[FilterPlugin, ...]

    def needs(self, pod: PodInfo, nodes: NodeColumns) -> list[tuple[int, int]]:
        """Of all that count."""
        return [need for one in self.counting for need in one.needs(pod, nodes)]


class PodFilters:
    """The filters of a profile, asked about one pod after the other."""

    def __init__(self, filters: Iterable[FilterPlugin]) -> None:
        # Known once: to ask an object for its protocols takes longer than to ask a plugin about a pod.
        self._kinds = [
            (one, isinstance(one, CountingFilter), one if isinstance(one, IndifferentFilter) else None)
            for one in filters
        ]
        self._counting = [one for one, counts, _ in self._kinds if counts]

    def counts(self, plugin: FilterPlugin) -> bool:
        """Whether all it asks for is room."""
        return plugin in self._counting

    def concerned(self, pod: PodInfo, nodes: NodeColumns) -> Concerned:
        """As the cluster is now."""
        indifferent, counting, minding, in_order = [], [], [], []
        for one, counts, perhaps_indifferent in self._kinds:
            if not one.concerns(pod, nodes):
                continue
            in_order.append(one)
            if counts and (perhaps_indifferent is None or not perhaps_indifferent.minds_pods(pod)):
                counting.append(cast(CountingFilter, one))
            elif perhaps_indifferent is not None and not perhaps_indifferent.minds_pods(pod):
                indifferent.append(one)
            else:
                minding.append(one)
        return Concerned(tuple(indifferent), tuple(counting), tuple(minding), tuple(in_order))
