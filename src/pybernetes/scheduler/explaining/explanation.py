"""Explanation: a decision as a person or a program reads it. It is what ``GET /why/NAMESPACE/POD`` answers, as JSON."""

from __future__ import annotations

from enum import Enum

import msgspec


class Source(Enum):
    """What an explanation is of."""

    DECISION = "decision"
    DRY_RUN = "dry-run"
    COMPARISON = "comparison"
    """A dry run for a pod that has a node, as if it had none."""


class Outcome(Enum):
    PLACED = "placed"
    PENDING = "pending"


class Objection(msgspec.Struct, frozen=True, rename="camel"):
    """One filter's refusal of one node. ``needs`` says in sentences about the node what would have to change."""

    plugin: str
    reason: str
    resolvable: bool
    """Whether removing pods could help."""
    needs: tuple[str, ...]


class PluginScore(msgspec.Struct, frozen=True, rename="camel"):
    plugin: str
    raw: int
    normalised: int
    weight: int

    @property
    def points(self) -> int:
        return self.normalised * self.weight


class NodeReport(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """One node: what it was refused for, or how it scored."""

    name: str
    feasible: bool
    total: int | None = None
    """None: no scores were needed, because only one node would do."""
    scores: tuple[PluginScore, ...] = ()
    objections: tuple[Objection, ...] = ()


class Change(msgspec.Struct, frozen=True, rename="camel"):
    """Everything that one node would need for the pod to fit there."""

    node: str
    plugins: tuple[str, ...]
    changes: tuple[str, ...]


class Candidate(msgspec.Struct, frozen=True, rename="camel"):
    """The pods that would have to go from a node."""

    node: str
    victims: tuple[str, ...]


class PreemptionReport(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    chosen: str = ""
    candidates: tuple[Candidate, ...] = ()
    reasons: dict[str, int] = {}
    """Nodes by why nothing could be preempted there."""


class Explanation(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """``nodes`` are the feasible ones, best first, then the refused ones by name."""

    namespace: str
    pod: str
    source: Source
    at: str
    outcome: Outcome
    node: str = ""
    attempt: int = 0
    rejection: str = ""
    """Why no node was asked at all, and by which plugin."""
    failure: str = ""
    waits_for: tuple[str, ...] = ()
    """The plugins that have not permitted it yet."""
    amounts_now: bool = False
    """The decision is so old that amounts in sentences are today's."""
    ties: tuple[str, ...] = ()
    """The nodes with the highest total, if they are several: one of them was drawn."""
    nodes: tuple[NodeReport, ...] = ()
    changes: tuple[Change, ...] = ()
    preemption: PreemptionReport | None = None
