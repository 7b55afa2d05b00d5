"""A simulation's result as lines of text: what is placed where, what stays pending, how full nodes get."""

from __future__ import annotations

from collections.abc import Iterator

from pybernetes.scheduler.explaining.amounts import written
from pybernetes.scheduler.explaining.simulation import Result, Use
from pybernetes.scheduler.explaining.text import FEWEST, Paint, aligned, plain


def lines_of(result: Result, paint: Paint = plain) -> Iterator[str]:
    count = len(result.placed) + len(result.pending)
    yield f"{len(result.placed)} of {count} pods would be placed"
    if result.placed:
        yield ""
        rows = [["POD", "NODE", "NODES THAT WOULD DO"]]
        rows += [[f"{one.namespace}/{one.pod}", one.node, str(one.feasible)] for one in result.placed]
        yield from aligned(rows)
        for one in result.placed:
            if one.evicted:
                yield paint(f"{one.namespace}/{one.pod} evicts {', '.join(one.evicted)}", "yellow")
    for pending in result.pending:
        yield ""
        yield paint(f"{pending.namespace}/{pending.pod} would stay pending", "red")
        if pending.rejection:
            yield f"  {pending.rejection}"
        for change in pending.changes[:FEWEST]:
            yield f"  {change.node} {'; '.join(change.changes)}"
        if len(pending.changes) > FEWEST:
            yield f"  … and {len(pending.changes) - FEWEST} more nodes"
    for name, why in result.left_out.items():
        yield f"{name} was not tried: {why}"
    yield ""
    if not result.nodes:
        yield "the snapshot has no nodes"
        return
    rows = [["REQUESTED OF", *(one.resource for one in result.total)]]
    rows += [[one.node, *map(_change, one.uses)] for one in result.nodes]
    rows.append(["all nodes", *map(_change, result.total)])
    yield from aligned(rows)


def _change(use: Use) -> str:
    """``25% → 50% of 4``."""
    if not use.allocatable:
        return "-"
    before, after = (f"{round(100 * amount / use.allocatable)}%" for amount in (use.before, use.after))
    shown = before if use.before == use.after else f"{before} → {after}"
    return f"{shown} of {written(use.resource, use.allocatable)}"
