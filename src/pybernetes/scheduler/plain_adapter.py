"""PlainPlugin: a plain Python object behind each extension point of the scheduler.

Each method of the object is one point; those it does not have are not asked. A method that raises fails the attempt of
that pod alone, in upstream's words, and is asked again when the pod is tried again.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import structlog

from pybernetes.client import Client
from pybernetes.scheduler.arrays import Ints, Mask, Rows
from pybernetes.scheduler.columns import NodeColumns
from pybernetes.scheduler.configuration.merging import Point
from pybernetes.scheduler.framework import (
    MAX_SCORE,
    Aftermath,
    ClusterEvent,
    NotPrepared,
    PluginFailed,
    Refusal,
    Rejection,
    Reservation,
    Scope,
    Wait,
)
from pybernetes.scheduler.pod_info import PodInfo

METHODS: Mapping[str, tuple[Point, ...]] = {
    "pre_enqueue": (Point.PRE_ENQUEUE,),
    "less": (Point.QUEUE_SORT,),
    "pre_filter": (Point.PRE_FILTER, Point.FILTER),
    "filter": (Point.FILTER,),
    "post_filter": (Point.POST_FILTER,),
    "pre_score": (Point.PRE_SCORE, Point.SCORE),
    "score": (Point.SCORE,),
    "normalise": (Point.SCORE,),
    "reserve": (Point.RESERVE,),
    "unreserve": (Point.RESERVE,),
    "permit": (Point.PERMIT,),
    "pre_bind": (Point.PRE_BIND,),
    "bind": (Point.BIND,),
    "post_bind": (Point.POST_BIND,),
}
"""The methods that a plain plugin may have, and the points at which each acts."""
log = structlog.get_logger(__name__)


class PlainPlugin:
    scope = Scope.CLUSTER
    wakes_on = frozenset(ClusterEvent)

    def __init__(self, name: str, methods: Mapping[str, Callable[..., Any]]) -> None:
        self.name = name
        self._methods = methods

    def _ask(self, method: str, point: str, *given: Any) -> Any:
        """None where there is no such method. Raises PluginFailed."""
        found = self._methods.get(method)
        try:
            return None if found is None else found(*given)
        except Exception as error:
            raise PluginFailed(self.name, point, error) from error

    def holds_back(self, pod: PodInfo) -> str:
        try:
            return str(self._ask("pre_enqueue", "PreEnqueue", pod.pod) or "")
        except PluginFailed as error:
            return str(error)

    def sort_key(self, pod: PodInfo, added: float) -> Any:
        return _Sorted(self._methods["less"], pod.pod, added)

    def rejection(self, pod: PodInfo) -> Rejection | None:
        answer = self._ask("pre_filter", "PreFilter", pod.pod)
        return Rejection(answer) if isinstance(answer, str) and answer else None

    def nodes_for(self, pod: PodInfo) -> frozenset[str] | None:
        answer = self._ask("pre_filter", "PreFilter", pod.pod)
        return None if answer is None or isinstance(answer, str) else frozenset(answer)

    def concerns(self, pod: PodInfo, nodes: NodeColumns) -> bool:
        return "filter" in self._methods

    def filter(self, pod: PodInfo, nodes: NodeColumns, rows: Rows) -> Sequence[Refusal]:
        asked = np.arange(nodes.capacity)[rows]
        refused: dict[str, Mask] = {}
        for place, row in enumerate(asked):
            node = nodes.nodes[row] if row < nodes.size else None
            if node is None:
                continue
            reason = self._ask("filter", "Filter", pod.pod, node)
            if reason is not None:
                refused.setdefault(str(reason), np.zeros(len(asked), np.bool_))[place] = True
        return [Refusal(mask, reason) for reason, mask in refused.items()]

    def no_node_for(self, pod: PodInfo, refusals: Callable[[], Mapping[str, str]]) -> Aftermath | None:
        node = self._ask("post_filter", "PostFilter", pod.pod, refusals())
        return Aftermath("", str(node)) if node else None

    def prefers(self, pod: PodInfo, nodes: NodeColumns) -> bool:
        if "score" not in self._methods:
            return False
        present = [node for node in nodes.nodes if node is not None]
        return "pre_score" not in self._methods or self._ask("pre_score", "PreScore", pod.pod, present) is not False

    def score(self, pod: PodInfo, nodes: NodeColumns, rows: Rows, feasible: Mask) -> Ints:
        total: Ints = np.zeros(nodes.capacity, np.int64)
        for row in np.flatnonzero(feasible):
            score = int(self._ask("score", "Score", pod.pod, nodes.nodes[row]))
            if "normalise" not in self._methods:
                self._check(score)
            total[row] = score
        return total[rows]

    def normalise(self, pod: PodInfo, nodes: NodeColumns, raw: Ints, feasible: Mask) -> Ints:
        if "normalise" not in self._methods:
            return raw
        given = {nodes.names[row]: int(raw[row]) for row in np.flatnonzero(feasible)}
        answer = self._ask("normalise", "NormalizeScore", pod.pod, given)
        total: Ints = np.zeros_like(raw)
        for name, score in answer.items():
            self._check(int(score))
            if (row := nodes.row(name)) is not None:
                total[row] = int(score)
        return total

    def _check(self, score: int) -> None:
        if not 0 <= score <= MAX_SCORE:
            wrong = ValueError(f"score {score} is not in the range of 0 to {MAX_SCORE}")
            raise PluginFailed(self.name, "Score", wrong)

    def reserve(self, pod: PodInfo, node: str) -> Reservation | None:
        """What ``reserve`` returns is why the pod cannot go there."""
        if why := self._ask("reserve", "Reserve", pod.pod, node):
            raise NotPrepared(f'running Reserve plugin "{self.name}": {why}')
        return _PlainReservation(self, pod, node) if "unreserve" in self._methods else None

    def unreserve(self, pod: PodInfo, node: str) -> None:
        try:
            self._ask("unreserve", "Unreserve", pod.pod, node)
        except PluginFailed as error:
            log.warning("plugin failed", pod=str(pod.key), error=str(error))

    def permit(self, pod: PodInfo, node: str) -> Rejection | Wait | None:
        answer = self._ask("permit", "Permit", pod.pod, node)
        if answer is None or isinstance(answer, Wait):
            return answer
        return Rejection(str(answer))

    async def pre_bind(self, client: Client, pod: PodInfo, node: str) -> None:
        await self._ask_to_prepare("pre_bind", "PreBind", pod.pod, node)

    async def bind(self, client: Client, pod: PodInfo, node: str) -> bool:
        return bool(await self._ask_to_prepare("bind", "Bind", client, pod.pod, node))

    async def _ask_to_prepare(self, method: str, point: str, *given: Any) -> Any:
        """The method may be a coroutine. Raises NotPrepared."""
        try:
            answer = self._methods[method](*given)
            return await answer if inspect.isawaitable(answer) else answer
        except Exception as error:
            raise NotPrepared(f'running {point} plugin "{self.name}": {error}') from error

    def post_bind(self, pod: PodInfo, node: str) -> None:
        try:
            self._ask("post_bind", "PostBind", pod.pod, node)
        except PluginFailed as error:
            log.warning("plugin failed", pod=str(pod.key), error=str(error))


class _PlainReservation:
    takes_time = False

    def __init__(self, plugin: PlainPlugin, pod: PodInfo, node: str) -> None:
        self._undo = functools.partial(plugin.unreserve, pod, node)

    async def prepare(self, client: Client) -> None:
        """There is nothing to bring about."""

    def settle(self) -> None:
        """The plugin has what it has taken."""

    async def undo(self, client: Client) -> None:
        self._undo()

    def release(self) -> None:
        """Nothing is kept in memory."""


class _Sorted:
    """A pod in the order that a plugin's ``less(pod, other)`` makes; where it has none, by age."""

    __slots__ = ("_added", "_less", "_pod")

    def __init__(self, less: Callable[[Any, Any], bool], pod: Any, added: float) -> None:
        self._less = less
        self._pod = pod
        self._added = added

    def __lt__(self, other: _Sorted) -> bool:
        if self._less(self._pod, other._pod):
            return True
        return not self._less(other._pod, self._pod) and self._added < other._added

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Sorted) and not self < other and not other < self

    __hash__ = None  # type: ignore[assignment]
