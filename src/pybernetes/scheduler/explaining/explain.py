"""From what a decision was made from to what a person reads. It changes nothing and asks no plugin to filter again.

Totals are put together from the recorded scores by the plugins' own ``normalise``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from pybernetes.api.meta import format_time
from pybernetes.scheduler.arrays import Ints, Mask
from pybernetes.scheduler.cluster import ClusterState
from pybernetes.scheduler.columns import POD_SLOTS, NodeColumns
from pybernetes.scheduler.explaining.explanation import (
    Candidate,
    Change,
    Explanation,
    NodeReport,
    Objection,
    Outcome,
    PluginScore,
    PreemptionReport,
    Source,
)
from pybernetes.scheduler.explaining.sentences import Situation, needs, plainly
from pybernetes.scheduler.explaining.trace import Credited, Trace
from pybernetes.scheduler.framework import Code
from pybernetes.scheduler.preemption import NoPreemption, Preemption


@dataclass(frozen=True, slots=True)
class Scored:
    plugin: str
    weight: int
    raw: Ints
    normalised: Ints


@dataclass(frozen=True, slots=True)
class Unfolded:
    """A trace's vectors, all of the same length."""

    names: Mapping[int, str]
    feasible: Mask
    refused: tuple[tuple[Credited, Mask], ...]
    scores: tuple[Scored, ...]
    total: Ints | None


def unfold(trace: Trace, nodes: NodeColumns) -> Unfolded:
    vectors = trace.template.as_of(trace.step)
    names = {row: node.metadata.name for row, node in enumerate(trace.nodes) if node is not None}
    feasible = vectors.feasible
    refused: list[tuple[Credited, Mask]] = [
        (credited, (vectors.verdicts & (np.int64(1) << np.int64(index))) != 0)
        for index, credited in enumerate(vectors.reasons)
    ]
    for plugin, refusal in trace.refusals:
        feasible = feasible & ~refusal.mask
        refused.append((Credited(plugin, refusal.reason, refusal.code), refusal.mask))
    scores = []
    for weighted, raw in trace.scores:
        given = vectors.scores[weighted.plugin.name] if raw is None else raw
        normalised = weighted.plugin.normalise(trace.pod, nodes, given, feasible)
        scores.append(Scored(weighted.plugin.name, weighted.weight, given, normalised))
    total: Ints | None = None
    if scores:
        total = np.zeros(len(feasible), np.int64)
        for one in scores:
            total += one.weight * one.normalised
    return Unfolded(names, feasible, tuple(refused), tuple(scores), total)


def refusals_by_node(trace: Trace, nodes: NodeColumns) -> dict[str, str]:
    """Why each node will not do, as the first plugin that refuses it says."""
    if trace.rejection is not None:
        return dict.fromkeys(filter(None, nodes.names), trace.rejection[1].reason)
    seen = unfold(trace, nodes)
    why: dict[str, str] = {}
    for credited, mask in seen.refused:
        for row in np.flatnonzero(mask):
            if (name := seen.names.get(int(row))) is not None:
                why.setdefault(name, credited.reason)
    return why


def explain(
    trace: Trace,
    state: ClusterState,
    *,
    source: Source,
    at: datetime,
    attempt: int = 0,
    failure: str = "",
    waits_for: Sequence[str] = (),
    placed_on: str = "",
    preemption: Preemption | NoPreemption | None = None,
) -> Explanation:
    """``placed_on`` is where the pod is, for an explanation that is no decision's."""
    seen = unfold(trace, state.nodes)
    requested, amounts_now = _requested(trace, state.nodes)
    rows = [row for row in seen.names if seen.feasible[row]] if len(seen.feasible) else []
    best = _best(seen, rows)
    node = seen.names[trace.row] if trace.row is not None else placed_on
    rows.sort(key=lambda row: (-_points(seen, row), seen.names[row] != node, seen.names[row]))
    refused = () if trace.rejection else tuple(_refused(trace, seen, state, requested))
    return Explanation(
        namespace=trace.pod.key.namespace,
        pod=trace.pod.key.name,
        source=source,
        at=format_time(at),
        outcome=Outcome.PLACED if node else Outcome.PENDING,
        node=node,
        attempt=attempt,
        rejection=f"{trace.rejection[0]}: {plainly(trace.rejection[1].reason)}" if trace.rejection else "",
        failure=failure,
        waits_for=tuple(waits_for),
        amounts_now=amounts_now,
        ties=tuple(sorted(best)) if len(best) > 1 else (),
        nodes=(*(_accepted(seen, row) for row in rows), *refused),
        changes=() if rows else smallest_changes(refused),
        preemption=_preemption(preemption),
    )


def smallest_changes(refused: tuple[NodeReport, ...]) -> tuple[Change, ...]:
    """What each node would need, the least first."""
    changes = [
        Change(
            one.name,
            tuple(dict.fromkeys(objection.plugin for objection in one.objections)),
            tuple(sentence for objection in one.objections for sentence in objection.needs),
        )
        for one in refused
    ]
    return tuple(sorted(changes, key=lambda one: (len(one.changes), one.node)))


def _points(seen: Unfolded, row: int) -> int:
    return 0 if seen.total is None else int(seen.total[row])


def _best(seen: Unfolded, rows: list[int]) -> list[str]:
    if seen.total is None or not rows:
        return [seen.names[row] for row in rows]
    highest = max(_points(seen, row) for row in rows)
    return [seen.names[row] for row in rows if _points(seen, row) == highest]


def _accepted(seen: Unfolded, row: int) -> NodeReport:
    scores = tuple(
        PluginScore(one.plugin, int(one.raw[row]), int(one.normalised[row]), one.weight) for one in seen.scores
    )
    return NodeReport(seen.names[row], True, None if seen.total is None else int(seen.total[row]), scores)


def _refused(trace: Trace, seen: Unfolded, state: ClusterState, requested: Ints) -> Iterator[NodeReport]:
    by_name = sorted((name, row) for row, name in seen.names.items() if not seen.feasible[row])
    lines = {resource: index for resource, index in state.nodes.resources.items() if index < len(requested)}
    asked = {resource: line for resource, line in lines.items() if resource in (POD_SLOTS, *trace.pod.requests)}
    for name, row in by_name:
        node = trace.nodes[row]
        assert node is not None
        amounts = {resource: int(requested[line, row]) for resource, line in asked.items()}
        situation = Situation(trace.pod, node, amounts, state.pods_on(name), state.devices)
        reasons = dict.fromkeys(credited for credited, mask in seen.refused if mask[row])
        yield NodeReport(name, False, objections=tuple(_objection(one, situation) for one in reasons))


def _objection(credited: Credited, situation: Situation) -> Objection:
    said = needs(credited.plugin, credited.reason, situation)
    resolvable = credited.code is Code.UNSCHEDULABLE
    return Objection(credited.plugin, credited.reason, resolvable, said or (plainly(credited.reason),))


def _requested(trace: Trace, nodes: NodeColumns) -> tuple[Ints, bool]:
    """What pods had taken of each node when the decision was made; if that is too long ago, what they take now."""
    requested = nodes.requested.copy()
    later = nodes.bookings.since(trace.booked)
    if later is None:
        return requested, True
    for row, amounts, sign in later:
        requested[nodes.resources[POD_SLOTS], row] -= sign
        for resource, amount in amounts.items():
            requested[nodes.resources[resource], row] -= sign * amount
    return requested, False


def _preemption(plan: Preemption | NoPreemption | None) -> PreemptionReport | None:
    match plan:
        case Preemption(node, _, candidates):
            return PreemptionReport(
                node, tuple(Candidate(one.node, tuple(str(victim.key) for victim in one.victims)) for one in candidates)
            )
        case NoPreemption(reasons):
            return PreemptionReport(reasons=dict(reasons))
    return None
