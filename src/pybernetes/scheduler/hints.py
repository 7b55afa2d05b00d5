"""Queueing hints: whether something that happened could help a pod that a plugin has refused.

A plugin names in ``wakes_on`` the kinds of events that may matter to it; one that can tell more from what has changed
has ``could_help`` as well, a pure function of the pod, the change and what the plugin knows.

Contract
  ``could_help`` may be wrong in one direction only: True costs an attempt, False where the pod would have found a node
  leaves it waiting for another event, or for five minutes.
  ``old`` and ``new`` are what the event is about before and after: a Node, a PodInfo, or an object of storage; None
  where there was none before, or is none any more.

Follows the isSchedulableAfter functions of kube-scheduler's plugins.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from typing import Any, Protocol, cast, runtime_checkable

from pybernetes.scheduler.framework import ClusterEvent, Plugin
from pybernetes.scheduler.pod_info import PodInfo


@dataclass(frozen=True, slots=True)
class Change:
    event: ClusterEvent
    old: Any = None
    new: Any = None

    @property
    def is_known(self) -> bool:
        """False: only that something of the kind happened."""
        return self.old is not None or self.new is not None


@runtime_checkable
class HintingPlugin(Protocol):
    name: str

    def could_help(self, pod: PodInfo, change: Change) -> bool: ...


class Hints:
    """What all plugins of all profiles have to say about a change."""

    def __init__(self, plugins: Iterable[Plugin]) -> None:
        known = list(plugins)
        self._woken_by = {
            event: frozenset(one.name for one in known if event in one.wakes_on) for event in ClusterEvent
        }
        self._hinting: dict[str, list[HintingPlugin]] = {}
        for one in known:
            listed = self._hinting.setdefault(one.name, [])
            if isinstance(one, HintingPlugin) and one not in listed:
                listed.append(cast(HintingPlugin, one))

    def interested(self, event: ClusterEvent) -> frozenset[str]:
        """The plugins to which an event of this kind may matter."""
        return self._woken_by.get(event, frozenset())

    def about(self, change: Change) -> Verdicts:
        return Verdicts(self._hinting, self.interested(change.event), change)


def alike(pod: PodInfo) -> Hashable:
    """Equal for pods that every hint must treat alike."""
    if pod.claims or pod.disks or pod.spec.resource_claims:
        # A template says nothing of volumes and devices.
        return pod.key
    group = pod.spec.scheduling_group
    return (pod.template, group.pod_group_name) if group is not None else pod.template


class Verdicts:
    """Whether one change could help this or that pod; pods that differ in nothing but their names are judged once."""

    def __init__(self, hinting: dict[str, list[HintingPlugin]], interested: frozenset[str], change: Change) -> None:
        self._hinting = hinting
        self._interested = interested
        self._change = change
        self._known: dict[tuple[str, Hashable], bool] = {}

    def concern(self, rejected_by: frozenset[str]) -> bool:
        """Whether it could help any pod that these plugins refused."""
        return not rejected_by or not rejected_by.isdisjoint(self._interested)

    def could_help(self, pod: PodInfo, rejected_by: frozenset[str]) -> bool:
        """``rejected_by``: the plugins that refused it; none means that any event might help."""
        if not rejected_by:
            return True
        return any(self._says(name, pod) for name in rejected_by & self._interested)

    def _says(self, name: str, pod: PodInfo) -> bool:
        plugins = self._hinting.get(name)
        if not plugins or not self._change.is_known:
            return True
        about = name, alike(pod)
        known = self._known.get(about)
        if known is None:
            known = self._known[about] = any(plugin.could_help(pod, self._change) for plugin in plugins)
        return known
