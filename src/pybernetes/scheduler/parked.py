"""ParkedPods: pods that wait for something to happen, so kept that whom it helps is found without a look at each.

Pods that the same plugins refused, and that are alike to all of them, are helped or not helped together: one of them is
judged for all. Coming and going takes the same time however many there are.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Generic, Protocol, TypeVar

from pybernetes.api.meta import Key
from pybernetes.scheduler.hints import Verdicts, alike
from pybernetes.scheduler.pod_info import PodInfo


class Parkable(Protocol):
    pod: PodInfo


P = TypeVar("P", bound=Parkable)
Reasons = frozenset[str]


class ParkedPods(Generic[P]):
    """In the order in which they came."""

    def __init__(self) -> None:
        self._pods: dict[Key, tuple[P, Reasons, Hashable]] = {}
        self._groups: dict[Reasons, dict[Hashable, dict[Key, P]]] = {}

    def __len__(self) -> int:
        return len(self._pods)

    def __contains__(self, key: Key) -> bool:
        return key in self._pods

    def add(self, one: P, reasons: Reasons) -> None:
        """``reasons`` are the plugins that have to change their minds; none means that any event might help."""
        key, kind = one.pod.key, alike(one.pod)
        self.pop(key)
        self._pods[key] = one, reasons, kind
        self._groups.setdefault(reasons, {}).setdefault(kind, {})[key] = one

    def pop(self, key: Key) -> P | None:
        """Takes one out, if it is there."""
        known = self._pods.pop(key, None)
        if known is None:
            return None
        one, reasons, kind = known
        kinds = self._groups[reasons]
        del kinds[kind][key]
        if not kinds[kind]:
            del kinds[kind]
            if not kinds:
                del self._groups[reasons]
        return one

    def oldest(self) -> P | None:
        return next(iter(self._pods.values()))[0] if self._pods else None

    def take_helped(self, verdicts: Verdicts, but: Key | None = None) -> list[P]:
        """Takes out all whom a change could help, except ``but``."""
        helped = [
            key
            for reasons, kinds in self._groups.items()
            if verdicts.concern(reasons)
            for pods in kinds.values()
            if verdicts.could_help(next(iter(pods.values())).pod, reasons)
            for key in pods
            if key != but
        ]
        return [one for one in map(self.pop, helped) if one is not None]
