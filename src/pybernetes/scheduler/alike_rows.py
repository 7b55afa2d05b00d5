"""AlikeRows: when what was said of one node holds for another, because only amounts count.

A pod that was placed changes what is taken of its node and nothing else. Filters that do not mind pods say what they
said; those that count, and the plugins that score by how full a node is, say the same of every node with the same
amounts, for all pods of a template. Nodes are of few sizes, and the pods of a burst of few kinds.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable

from pybernetes.scheduler.columns import NodeColumns
from pybernetes.scheduler.explaining.trace import Template
from pybernetes.scheduler.framework import FilterPlugin
from pybernetes.scheduler.pod_info import PodInfo
from pybernetes.scheduler.pods_and_filters import PodFilters

MOST_ALIKE = 512
"""For each template, of which there may be hundreds: some 0.2 MB."""


class AlikeRows:
    def __init__(self, filters: Iterable[FilterPlugin], by_amounts: frozenset[str]) -> None:
        """``filters`` judge a node by itself; ``by_amounts`` names plugins that score by nothing else."""
        self._filters = PodFilters(filters)
        self._by_amounts = by_amounts

    def known(self, pod: PodInfo, nodes: NodeColumns, template: Template, row: int) -> Hashable | None:
        """Under what the answers of a row that changed are found in ``template.alike``; None where more counts."""
        if (
            nodes.restated > template.position
            or not template.feasible[row]
            or not self._by_amounts.issuperset(template.scores)
            or not self._only_counting(pod, nodes, template)
        ):
            return None
        if len(template.alike) >= MOST_ALIKE:
            template.alike.clear()
        return len(template.scores), nodes.amounts(row)

    def _only_counting(self, pod: PodInfo, nodes: NodeColumns, template: Template) -> bool:
        """Whether no filter minds pods otherwise than by their amounts; asked again when nodes have changed."""
        if template.asked_at <= nodes.restated:
            template.only_counting = not self._filters.concerned(pod, nodes).minding
            template.asked_at = nodes.changes.position
        return template.only_counting
