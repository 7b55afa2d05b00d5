"""Figures, beside what they should be, as a table or as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True, slots=True)
class Figure:
    """`goal` is what to reach; `at_most` says that smaller is better.

    ``beside`` is the same figure of another server, ``ratio_goal`` what ours is to be against it; where there is such a
    goal and such a figure, it decides.
    """

    name: str
    value: float
    unit: str
    goal: float | None = None
    at_most: bool = False
    beside: float | None = None
    ratio_goal: float | None = None
    note: str = ""

    @property
    def ratio(self) -> float | None:
        return self.value / self.beside if self.beside else None

    @property
    def reached(self) -> bool | None:
        if self.ratio is not None and self.ratio_goal is not None:
            return self.ratio <= self.ratio_goal if self.at_most else self.ratio >= self.ratio_goal
        if self.goal is None:
            return None
        return self.value <= self.goal if self.at_most else self.value >= self.goal


def show(figures: Sequence[Figure], *, as_json: bool) -> None:
    if as_json:
        rows = [asdict(figure) | {"ratio": figure.ratio, "reached": figure.reached} for figure in figures]
        print(json.dumps(rows, indent=2))
        return
    compared = any(figure.beside is not None for figure in figures)
    table = Table("measured", "figure", "unit", *(("beside", "ratio") if compared else ()), "goal", "", "note")
    for figure in figures:
        mark = {None: "", True: "[green]reached[/]", False: "[red]short[/]"}[figure.reached]
        beside = (_text(figure.beside), f"{_text(figure.ratio)}×") if figure.beside is not None else ("", "")
        table.add_row(
            figure.name,
            _text(figure.value),
            figure.unit,
            *(beside if compared else ()),
            _goal(figure),
            mark,
            figure.note,
        )
    Console().print(table)


def _goal(figure: Figure) -> str:
    sign = "≤" if figure.at_most else "≥"
    if figure.ratio is not None and figure.ratio_goal is not None:
        return f"{sign} {_text(figure.ratio_goal)}×"
    return "" if figure.goal is None else f"{sign} {_text(figure.goal)}"


def _text(number: float | None) -> str:
    if number is None:
        return ""
    return f"{number:,.0f}" if number >= 100 else f"{number:.3g}"


def percentile(values: Sequence[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]
