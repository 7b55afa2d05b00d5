"""An explanation as lines of text: nodes best first, refused ones by reason, and what would have to change."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from pybernetes.scheduler.explaining.explanation import Explanation, NodeReport, Outcome, PreemptionReport, Source

FEWEST = 10
"""How many nodes, and how many of a kind, are shown unless all are asked for."""

Paint = Callable[[str, str], str]
"""A text in a colour: ``paint("node-1", "green")``."""

_HEADINGS = {
    Source.DECISION: "decision of {at}, attempt {attempt}",
    Source.DRY_RUN: "dry run of {at}: nothing was decided",
    Source.COMPARISON: "comparison of {at}, as if the pod had no node: this is not the decision that was taken",
}


def plain(text: str, colour: str) -> str:
    return text


def lines_of(one: Explanation, paint: Paint = plain, most: int | None = FEWEST) -> Iterator[str]:
    """``most`` None shows every node."""
    yield f"pod {one.namespace}/{one.pod}: {_verdict(one, paint)}"
    yield _HEADINGS[one.source].format(at=one.at, attempt=one.attempt)
    if one.failure:
        yield paint(f"the placement did not last: {one.failure}", "red")
    if one.waits_for:
        yield paint(f"it is not bound yet: {', '.join(one.waits_for)} made it wait", "yellow")
    if one.rejection:
        yield f"no node was asked: {one.rejection}"
    accepted = [node for node in one.nodes if node.feasible]
    refused = [node for node in one.nodes if not node.feasible]
    if accepted:
        yield ""
        yield from _scores(accepted[:most], one, paint)
        yield from _more(accepted, most, "nodes would do")
    if one.ties:
        yield f"{len(one.ties)} nodes have the highest total ({_some(one.ties, most)}): one of them is drawn"
    if refused:
        yield ""
        yield from _refusals(refused, most)
    if one.changes:
        yield ""
        yield "what would have to change, the least first:"
        for change in one.changes[:most]:
            yield f"  {paint(change.node, 'yellow')} {'; '.join(change.changes)}"
        yield from _more(one.changes, most, "nodes")
    if one.preemption is not None:
        yield from _preemption(one.preemption, most)
    if one.amounts_now and refused:
        yield "(the decision is so old that what is free is told as of now)"


def _verdict(one: Explanation, paint: Paint) -> str:
    total = len(one.nodes)
    fit = sum(node.feasible for node in one.nodes)
    if one.source is Source.COMPARISON:
        return f"on {paint(one.node, 'green')}; {fit} of {total} nodes would do"
    if one.outcome is Outcome.PLACED:
        return f"placed on {paint(one.node, 'green')}; {fit} of {total} nodes would do"
    if fit:
        return f"{paint('not placed', 'yellow')}; {fit} of {total} nodes would do"
    return f"{paint('pending', 'red')}; none of {total} nodes will do"


def _scores(accepted: Sequence[NodeReport], one: Explanation, paint: Paint) -> Iterator[str]:
    """Each cell is the points a plugin gave: normalised score × weight; its column says the weight."""
    plugins = [f"{score.plugin}×{score.weight}" for score in accepted[0].scores]
    rows = [["", "NODE", "TOTAL", *plugins]]
    for node in accepted:
        total = "-" if node.total is None else str(node.total)
        points = [f"{score.points} ({score.raw})" for score in node.scores]
        rows.append(["*" if node.name == one.node else "", node.name, total, *points])
    yield from aligned(rows, lambda row: paint(row, "green") if row.startswith("*") else row)
    if not plugins:
        yield "nothing was scored: only one node would do, or the node was held for the pod"
    else:
        yield "points are a plugin's score from 0 to 100 times its weight; its raw score is in parentheses"


def _refusals(refused: Sequence[NodeReport], most: int | None) -> Iterator[str]:
    yield "refused:"
    by_reason: dict[tuple[str, str], list[str]] = {}
    for node in refused:
        for objection in node.objections:
            by_reason.setdefault((objection.plugin, objection.reason), []).append(node.name)
    for (plugin, reason), names in sorted(by_reason.items(), key=lambda item: (-len(item[1]), item[0])):
        yield f"  {len(names)} by {plugin}: {reason}: {_some(names, most)}"


def _preemption(preemption: PreemptionReport, most: int | None) -> Iterator[str]:
    yield ""
    if preemption.chosen:
        yield f"preemption: pods are evicted from {preemption.chosen}; candidates:"
        for candidate in preemption.candidates[:most]:
            yield f"  {candidate.node}: {', '.join(candidate.victims)}"
        yield from _more(preemption.candidates, most, "candidates")
    else:
        reasons = ", ".join(f"{count} × {reason}" for reason, count in sorted(preemption.reasons.items()))
        yield f"preemption helps nowhere: {reasons or 'there is no node'}"


def _some(names: Sequence[str], most: int | None) -> str:
    shown = ", ".join(names[:most])
    return shown if most is None or len(names) <= most else f"{shown} and {len(names) - most} more"


def _more(items: Sequence[object], most: int | None, what: str) -> Iterator[str]:
    if most is not None and len(items) > most:
        yield f"  … and {len(items) - most} more {what}"


def aligned(rows: Sequence[Sequence[str]], finish: Callable[[str], str] = str) -> Iterator[str]:
    """Columns as wide as their widest cell."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        yield finish("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
