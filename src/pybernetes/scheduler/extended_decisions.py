"""Decisions with extenders: what plugins say of the nodes, and then what extenders say of those that are left.

Nothing is assumed while extenders are asked; whoever acts on a decision looks whether it still holds.
Follows findNodesThatPassExtenders and prioritizeNodes of pkg/scheduler/schedule_one.go, and callExtenders of
pkg/scheduler/framework/preemption.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from random import Random
from typing import cast

import numpy as np
import structlog

from pybernetes.scheduler.arrays import Ints, Mask
from pybernetes.scheduler.cluster import ClusterState
from pybernetes.scheduler.columns import NodeColumns
from pybernetes.scheduler.evaluation import Decision, Diagnosis, Evaluator, Placement
from pybernetes.scheduler.explaining.explain import unfold
from pybernetes.scheduler.explaining.trace import Trace
from pybernetes.scheduler.extenders import SCORE_SCALE, Extender, ExtenderFailed
from pybernetes.scheduler.framework import Code, Refusal, ScorePlugin, Weighted
from pybernetes.scheduler.pod_info import PodInfo
from pybernetes.scheduler.preemption import NoPreemption, Preemption, cost

NAME = "Extender"
NO_CANDIDATE = "no candidate node for preemption"
log = structlog.get_logger(__name__)


class ExtendedDecisions:
    def __init__(self, state: ClusterState, extenders: Sequence[Extender], random: Random) -> None:
        self._state = state
        self._extenders = extenders
        self._random = random

    def concern(self, pod: PodInfo) -> bool:
        return any(one.is_interested(pod) for one in self._extenders)

    async def decide(self, evaluator: Evaluator, pod: PodInfo) -> tuple[Decision, Trace]:
        """Raises ExtenderFailed and PluginFailed."""
        trace = evaluator.examine(pod)
        if trace.rejection is not None:
            return evaluator.decide(pod), trace
        seen = unfold(trace, self._state.nodes)
        refusals = await self._filtered(pod, trace, seen.feasible)
        feasible = seen.feasible
        for refusal in refusals:
            feasible = feasible & ~refusal.mask
            trace.refusals.append((NAME, refusal))
        if not feasible.any():
            return self._diagnosed(evaluator.diagnose(pod), seen.feasible, refusals), trace
        total = (seen.total if seen.total is not None else np.zeros(len(feasible), np.int64)).copy()
        await self._add_points(pod, trace, feasible, total)
        rows = np.flatnonzero(feasible)
        rows = rows[total[rows] == total[rows].max()]
        trace.row = int(rows[self._random.randrange(len(rows))])
        node = trace.nodes[trace.row]
        assert node is not None
        return Placement(node.metadata.name, int(feasible.sum())), trace

    async def _filtered(self, pod: PodInfo, trace: Trace, feasible: Mask) -> list[Refusal]:
        """One after the other; each sees what those before it have left."""
        refusals: list[Refusal] = []
        for extender in self._extenders:
            left = [node for row in np.flatnonzero(feasible) if (node := trace.nodes[row]) is not None]
            if not extender.filters or not extender.is_interested(pod) or not left:
                continue
            try:
                answer = await extender.filter(pod, left)
            except ExtenderFailed as error:
                if not extender.ignorable:
                    raise
                log.info("extender was passed over", extender=extender.name, error=str(error))
                continue
            refused = {name: ("", Code.UNRESOLVABLE) for one in left if (name := one.metadata.name) not in answer.nodes}
            refused |= {name: (why, Code.UNSCHEDULABLE) for name, why in answer.failed.items() if name in refused}
            refused |= {name: (why, Code.UNRESOLVABLE) for name, why in answer.hopeless.items() if name in refused}
            found = _refusals(refused, trace, len(feasible))
            for refusal in found:
                feasible = feasible & ~refusal.mask
            refusals += found
        return refusals

    async def _add_points(self, pod: PodInfo, trace: Trace, feasible: Mask, total: Ints) -> None:
        """All at once; one that fails gives none."""
        nodes = [node for row in np.flatnonzero(feasible) if (node := trace.nodes[row]) is not None]
        rows = {node.metadata.name: row for row, node in enumerate(trace.nodes) if node is not None}
        asked = [one for one in self._extenders if one.prioritizes and one.is_interested(pod)]
        answers = await asyncio.gather(*(one.prioritize(pod, nodes) for one in asked), return_exceptions=True)
        for extender, answer in zip(asked, answers, strict=True):
            if isinstance(answer, ExtenderFailed):
                log.info("extender gave no points", extender=extender.name, error=str(answer))
            elif isinstance(answer, BaseException):
                raise answer
            else:
                raw: Ints = np.zeros(len(total), np.int64)
                for name, points in answer.items():
                    if name in rows:
                        raw[rows[name]] = points
                weighted = Weighted(cast(ScorePlugin, _Points(extender.name)), extender.weight * SCORE_SCALE)
                total += raw * weighted.weight
                trace.scores.append((weighted, raw))

    def _diagnosed(self, diagnosis: Diagnosis, feasible: Mask, refusals: Sequence[Refusal]) -> Diagnosis:
        """With what extenders refused; nobody knows what would change their minds, so that anything may."""
        if not refusals:
            return diagnosis
        reasons = dict(diagnosis.reasons)
        resolvable = diagnosis.resolvable & ~feasible
        for refusal in refusals:
            if refusal.reason:
                reasons[refusal.reason] = reasons.get(refusal.reason, 0) + int(refusal.mask.sum())
            if refusal.code is Code.UNSCHEDULABLE:
                resolvable = resolvable | refusal.mask
        return replace(diagnosis, reasons=reasons, resolvable=resolvable, rejected_by=frozenset())

    async def agree_on(self, pod: PodInfo, plan: Preemption) -> Preemption | NoPreemption:
        """The best of the plan's candidates that the extenders agree with. Raises ExtenderFailed."""
        candidates = list(plan.candidates)
        for extender in self._extenders:
            if not extender.preempts or not extender.is_interested(pod) or not candidates:
                continue
            try:
                candidates = await extender.choose_victims(pod, candidates, self._pods_on)
            except ExtenderFailed as error:
                if not extender.ignorable:
                    raise
                log.info("extender was passed over", extender=extender.name, error=str(error))
        if not candidates:
            return NoPreemption({}, NO_CANDIDATE)
        return replace(min(candidates, key=cost), candidates=tuple(candidates))

    def _pods_on(self, node: str) -> Sequence[PodInfo]:
        return tuple(self._state.pods_on(node).values())


class _Points:
    """An extender among the plugins that gave points, for explanations."""

    def __init__(self, name: str) -> None:
        self.name = name

    def normalise(self, pod: PodInfo, nodes: NodeColumns, raw: Ints, feasible: Mask) -> Ints:
        return raw


def _refusals(refused: Mapping[str, tuple[str, Code]], trace: Trace, size: int) -> list[Refusal]:
    masks: dict[tuple[str, Code], Mask] = {}
    for row, node in enumerate(trace.nodes):
        if node is not None and (why := refused.get(node.metadata.name)) is not None:
            masks.setdefault(why, np.zeros(size, np.bool_))[row] = True
    return [Refusal(mask, reason, code) for (reason, code), mask in masks.items()]
