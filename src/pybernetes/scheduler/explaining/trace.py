"""What a decision was made from, kept so cheaply that every decision is kept.

A ``Template`` has what the node-scoped plugins said about every node, for all pods of one template; it changes with
the cluster. A ``Trace`` points into its history: rows that change leave their old values in a chain of ``Step``s, which
lives only as long as some trace holds a link of it.

Guarantees  A trace reads the same for ever: ``Template.as_of`` gives the vectors as the decision saw them.
            A chain has at most ``LONGEST_CHAIN`` steps; then the template is copied and the copy goes on.
Assumes     Masks and scores of plugins with ``Scope.CLUSTER`` are new arrays at every call, or never change.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from pybernetes.api.models import core_v1
from pybernetes.scheduler.arrays import EVERY_ROW, Ints, Mask, Rows
from pybernetes.scheduler.columns import NodeColumns
from pybernetes.scheduler.framework import Code, Profile, Refusal, Rejection, Weighted
from pybernetes.scheduler.pod_info import PodInfo

LONGEST_CHAIN = 1024
_LAST_BIT = 62


@dataclass(frozen=True, slots=True)
class Credited:
    """A reason to refuse nodes, and the plugin that gave it."""

    plugin: str
    reason: str
    code: Code


@dataclass(frozen=True, slots=True)
class Vectors:
    """``verdicts`` has a bit for each of ``reasons``, in their order."""

    reasons: tuple[Credited, ...]
    verdicts: Ints
    feasible: Mask
    scores: Mapping[str, Ints]


@dataclass(slots=True, eq=False)
class Step:
    """What some rows, or one, were before they were asked again. The first of a chain is about no row.

    ``scores`` are in the order of the template's; those that the template did not have yet are missing at the end.
    """

    rows: Rows | int
    verdicts: Ints | int
    feasible: Mask | bool
    scores: Sequence[Ints | int]
    later: Step | None = None


class RowAnswer(NamedTuple):
    """What was said of one row; ``scores`` are in the order of the template's."""

    verdicts: int
    feasible: bool
    scores: tuple[int, ...]


class Template:
    """What the node-scoped plugins said, as of ``position`` in the change log."""

    __slots__ = (
        "_bits",
        "_length",
        "alike",
        "asked_at",
        "feasible",
        "last",
        "only_counting",
        "position",
        "scores",
        "verdicts",
        "weights",
        "worth",
    )

    def __init__(self, capacity: int) -> None:
        self.position = 0
        self.feasible: Mask = np.zeros(capacity, np.bool_)
        self.verdicts: Ints | None = None
        """None while no node has been refused, which is the usual case."""
        self.scores: dict[str, Ints] = {}
        self.alike: dict[Hashable, RowAnswer] = {}
        """What was said of rows by the amounts on them, where nothing else counted."""
        self.only_counting = False
        """Whether every filter that is concerned minds nothing of pods but their amounts, as of ``asked_at``."""
        self.asked_at = -1
        self.weights: Mapping[str, int] = {}
        self.worth: Ints | None = None
        """What rows are worth by ``weights`` of the plugins' scores; -1 where they are refused."""
        self.last = Step(slice(0), 0, False, ())
        self._length = 0
        self._bits: dict[Credited, np.int64] = {}

    def covers(self, nodes: NodeColumns) -> bool:
        return len(self.feasible) == nodes.capacity

    @property
    def is_long(self) -> bool:
        return self._length >= LONGEST_CHAIN

    def forked(self) -> Template:
        """A copy without history, which goes on changing while this one stays as it is."""
        copy = Template(0)
        copy.position = self.position
        copy.feasible = self.feasible.copy()
        copy.verdicts = None if self.verdicts is None else self.verdicts.copy()
        copy.scores = {name: kept.copy() for name, kept in self.scores.items()}
        copy._bits = dict(self._bits)
        copy.alike = self.alike
        copy.only_counting, copy.asked_at = self.only_counting, self.asked_at
        return copy

    def bit_of(self, plugin: str, refusal: Refusal) -> np.int64:
        """The bit by which ``verdicts`` tells this reason; reasons beyond the 63rd share the last."""
        reason = Credited(plugin, refusal.reason, refusal.code)
        bit = self._bits.get(reason)
        if bit is None:
            bit = self._bits[reason] = np.int64(1) << np.int64(min(len(self._bits), _LAST_BIT))
        return bit

    def set_verdicts(self, rows: Rows, verdicts: Ints | None) -> None:
        """None: none of the rows is refused."""
        if self.verdicts is None:
            if verdicts is None:
                return
            self.verdicts = np.zeros(len(self.feasible), np.int64)
        self.verdicts[rows] = 0 if verdicts is None else verdicts

    def weighed_by(self, weights: Mapping[str, int]) -> Ints:
        """What rows are worth, kept from now on for whoever weighs alike."""
        self.weights, self.worth = weights, np.empty(len(self.feasible), np.int64)
        self.weigh(self.worth, EVERY_ROW)
        return self.worth

    def weigh(self, worth: Ints, rows: Rows) -> None:
        total: Ints | int = 0
        for name, weight in self.weights.items():
            total = total + self.scores[name][rows] * weight
        worth[rows] = np.where(self.feasible[rows], total, -1)

    def answer(self, row: int) -> RowAnswer:
        verdicts = 0 if self.verdicts is None else self.verdicts.item(row)
        return RowAnswer(verdicts, self.feasible.item(row), tuple(kept.item(row) for kept in self.scores.values()))

    def write(self, row: int, answer: RowAnswer) -> None:
        """The row is as another was of which this was said."""
        self.step(slice(row, row + 1))
        if answer.verdicts or self.verdicts is not None:
            self.set_verdicts(slice(row, row + 1), np.full(1, answer.verdicts, np.int64))
        self.feasible[row] = answer.feasible
        worth = 0
        for (name, kept), score in zip(self.scores.items(), answer.scores, strict=True):
            kept[row] = score
            worth += score * self.weights.get(name, 0)
        if self.worth is not None:
            self.worth[row] = worth if answer.feasible else -1

    def step(self, rows: Rows) -> None:
        """Keeps what these rows are before they are written; a slice is of one row."""
        step = self._of_one(rows.start) if isinstance(rows, slice) else self._of_many(rows)
        self.last.later = self.last = step
        self._length += 1

    def _of_one(self, row: int) -> Step:
        """The usual case, and the decisions' pace hangs on it: plain numbers are smaller and quicker than arrays."""
        verdict = 0 if self.verdicts is None else self.verdicts.item(row)
        scores = [kept.item(row) for kept in self.scores.values()]
        return Step(row, verdict, self.feasible.item(row), scores)

    def _of_many(self, rows: npt.NDArray[np.intp]) -> Step:
        verdicts: Ints | int = 0 if self.verdicts is None else self.verdicts[rows]
        return Step(rows, verdicts, self.feasible[rows], [kept[rows] for kept in self.scores.values()])

    def as_of(self, step: Step) -> Vectors:
        """The vectors as they were when ``step`` was the last of the chain."""
        later = []
        following = step.later
        while following is not None:
            later.append(following)
            following = following.later
        feasible = self.feasible.copy()
        verdicts = np.zeros(len(feasible), np.int64) if self.verdicts is None else self.verdicts.copy()
        scores = {name: kept.copy() for name, kept in self.scores.items()}
        for one in reversed(later):
            verdicts[one.rows] = one.verdicts
            feasible[one.rows] = one.feasible
            for kept, values in zip(scores.values(), one.scores, strict=False):
                kept[one.rows] = values
        return Vectors(tuple(self._bits)[: _LAST_BIT + 1], verdicts, feasible, scores)

    @property
    def nbytes(self) -> int:
        """What keeping this template costs, with its history."""
        scores = len(self.scores)
        return len(self.feasible) * (9 + 8 * scores) + self._length * (_STEP_BYTES + _STEP_BYTES_BY_SCORE * scores)


_STEP_BYTES = 300
_STEP_BYTES_BY_SCORE = 16


class Trace:
    """One decision: the template as it was, and what the cluster-scoped plugins said.

    ``scores`` has a plugin's raw scores, or None where the template has them. ``row`` is the choice; None: no node.
    """

    __slots__ = ("booked", "nodes", "pod", "profile", "refusals", "rejection", "row", "scores", "step", "template")

    def __init__(self, pod: PodInfo, profile: Profile, template: Template, nodes: NodeColumns) -> None:
        self.pod = pod
        self.profile = profile
        self.template = template
        self.step = template.last
        self.nodes: tuple[core_v1.Node | None, ...] = nodes.objects
        self.booked = nodes.bookings.position
        self.refusals: list[tuple[str, Refusal]] = []
        self.scores: list[tuple[Weighted, Ints | None]] = []
        self.row: int | None = None
        self.rejection: tuple[str, Rejection] | None = None

    @property
    def own_bytes(self) -> int:
        """What keeping this trace costs besides its template."""
        nbytes = 1000
        for _, refusal in self.refusals:
            nbytes += refusal.mask.nbytes
        for _, raw in self.scores:
            if raw is not None:
                nbytes += raw.nbytes
        return nbytes
