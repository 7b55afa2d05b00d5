"""Preemption, one node after the other and one pod after the other, on lists of objects."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from pybernetes.api.models import core_v1, policy_v1
from scheduler.reference.world import Cluster, Verdict, picks

LATEST = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True)
class Candidate:
    node: str
    victims: tuple[str, ...]
    violations: int
    cost: tuple[Any, ...]


@dataclass
class Preemption:
    """``filters`` are reference plugins in the order in which a refusal is credited; ``nominated`` by node."""

    filters: Sequence[Any]
    cluster: Cluster
    budgets: Sequence[policy_v1.PodDisruptionBudget] = ()
    nominated: Mapping[str, Sequence[core_v1.Pod]] = field(default_factory=dict)

    def plan(self, pod: core_v1.Pod, nodes: Sequence[str], wanted: int) -> Candidate | dict[str, int]:
        """The candidate that is chosen when ``nodes`` are looked at in that order, or why there is none."""
        safe: list[Candidate] = []
        violating: list[Candidate] = []
        reasons: Counter[str] = Counter()
        for node in nodes:
            found = self._at(pod, node)
            if isinstance(found, Candidate):
                (violating if found.violations else safe).append(found)
                if safe and len(safe) + len(violating) >= wanted:
                    break
            else:
                reasons.update(found)
        if safe or violating:
            return min((*safe, *violating), key=lambda one: one.cost)
        return dict(reasons)

    def verdict(self, pod: core_v1.Pod, node: str, cluster: Cluster) -> Verdict | None:
        """With those that are nominated to the node and are not to be passed over, and without them."""
        held = [one for one in self.nominated.get(node, ()) if priority(one) >= priority(pod) and one is not pod]
        worlds = [cluster]
        if held:
            there = [_on(one, node) for one in held]
            worlds.insert(0, replace(cluster, placed=[*cluster.placed, *there]))
        for world in worlds:
            of_world = next(one for one in world.nodes if one.metadata.name == node)
            for each in self.filters:
                if (refused := each.filter(pod, of_world, world)) is not None:
                    return Verdict(refused.reasons, refused.hopeless)
        return None

    def _at(self, pod: core_v1.Pod, node: str) -> Candidate | tuple[str, ...]:
        lower = [one for one in self.cluster.placed if one.spec.node_name == node and priority(one) < priority(pod)]
        if not lower:
            return ("No preemption victims found for incoming pod",)
        there = [one for one in self.cluster.placed if one not in lower]
        refused = self.verdict(pod, node, replace(self.cluster, placed=there))
        if refused is not None:
            return refused.reasons
        not_started = [one for one in lower if one.status.start_time is None]
        lower = [*(one for one in lower if one.status.start_time is not None), *reversed(not_started)]
        lower.sort(key=lambda one: (-priority(one), started(one)))
        protected = self._protected(lower)
        victims = []
        for one in [*(each for each in lower if each in protected), *(each for each in lower if each not in protected)]:
            if self.verdict(pod, node, replace(self.cluster, placed=[*there, one])) is None:
                there.append(one)
            else:
                victims.append(one)
        victims.sort(key=lower.index)
        if not victims:
            return ()
        violations = sum(one in protected for one in victims)
        return Candidate(node, tuple(one.metadata.name for one in victims), violations, _cost(victims, violations))

    def _protected(self, lower: Sequence[core_v1.Pod]) -> list[core_v1.Pod]:
        left = [one.status.disruptions_allowed for one in self.budgets]
        protected = []
        for pod in lower:
            violates = False
            for number, budget in enumerate(self.budgets):
                selector = budget.spec.selector
                if (
                    pod.metadata.labels
                    and budget.metadata.namespace == pod.metadata.namespace
                    and selector is not None
                    and (selector.match_labels or selector.match_expressions)
                    and picks(selector, pod.metadata.labels)
                    and pod.metadata.name not in budget.status.disrupted_pods
                ):
                    left[number] -= 1
                    violates = violates or left[number] < 0
            if violates:
                protected.append(pod)
        return protected


def priority(pod: core_v1.Pod) -> int:
    return pod.spec.priority or 0


def started(pod: core_v1.Pod) -> datetime:
    return pod.status.start_time or LATEST


def _cost(victims: Sequence[core_v1.Pod], violations: int) -> tuple[Any, ...]:
    highest = max(map(priority, victims))
    earliest = min(started(one) for one in victims if priority(one) == highest)
    total = sum(priority(one) + 2**31 for one in victims)
    return violations, highest, total, len(victims), LATEST - earliest


def _on(pod: core_v1.Pod, node: str) -> core_v1.Pod:
    placed = core_v1.Pod(metadata=pod.metadata, spec=pod.spec, status=pod.status)
    placed.spec = type(pod.spec)(**{name: getattr(pod.spec, name) for name in pod.spec.__struct_fields__})
    placed.spec.node_name = node
    return placed
