"""Which nodes are in question at all: plugins that can say so from the pod alone, as upstream's PreFilter results do.

A pod that names its node by affinity, as those of DaemonSets do, is looked at for that node alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol, cast, runtime_checkable

from pybernetes.scheduler.framework import FilterPlugin
from pybernetes.scheduler.pod_info import PodInfo


@runtime_checkable
class NarrowingPlugin(Protocol):
    name: str

    def nodes_for(self, pod: PodInfo) -> frozenset[str] | None:
        """The names of the only nodes that this plugin does not refuse for good; None when it needs a look at them."""


@dataclass(frozen=True, slots=True)
class InQuestion:
    nodes: frozenset[str]
    plugins: tuple[str, ...]
    """Who says so."""

    @property
    def reason(self) -> str:
        """Why the other nodes will not do, in upstream's words."""
        return f"node(s) didn't satisfy plugin(s) [{' '.join(sorted(self.plugins))}]"


def narrowing(filters: Iterable[FilterPlugin]) -> tuple[NarrowingPlugin, ...]:
    return tuple(cast(NarrowingPlugin, one) for one in filters if isinstance(one, NarrowingPlugin))


def in_question(plugins: Iterable[NarrowingPlugin], pod: PodInfo) -> InQuestion | None:
    """None: every node."""
    nodes: frozenset[str] | None = None
    names: list[str] = []
    for plugin in plugins:
        found = plugin.nodes_for(pod)
        if found is not None:
            nodes = found if nodes is None else nodes & found
            names.append(plugin.name)
    return None if nodes is None else InQuestion(nodes, tuple(names))
