"""What pods request, and the plugins NodeResourcesFit and NodeResourcesBalancedAllocation."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from pybernetes.api import quantity
from pybernetes.api.models import core_v1
from scheduler.reference.world import Cluster, Scores, Verdict, as_they_are

Amounts = dict[str, int]
Weights = Mapping[str, int]
PADDING = {"cpu": 100, "memory": 200 * 1024 * 1024}
"""What scoring takes a container for that asks for nothing."""


class NodeResourcesFit:
    """With the strategy LeastAllocated or MostAllocated."""

    def __init__(
        self, weights: Weights, *, most: bool = False, ignored: Iterable[str] = (), groups: Iterable[str] = ()
    ) -> None:
        self.weights, self.most = weights, most
        self.ignored, self.groups = set(ignored), set(groups)

    def filter(self, pod: core_v1.Pod, node: core_v1.Node, cluster: Cluster) -> Verdict | None:
        capacity = amounts(node.status.allocatable)
        held = total(requests(one) for one in cluster.pods_on(node))
        reasons, hopeless = [], False
        if len(cluster.pods_on(node)) + 1 > capacity.get("pods", 0):
            reasons.append("Too many pods")
        for name, amount in requests(pod).items():
            if amount and not self._ignores(name) and amount > capacity.get(name, 0) - held.get(name, 0):
                reasons.append(f"Insufficient {name}")
                hopeless = hopeless or amount > capacity.get(name, 0)
        return Verdict(tuple(reasons), hopeless) if reasons else None

    def score(self, pod: core_v1.Pod, node: core_v1.Node, cluster: Cluster) -> int:
        capacity = amounts(node.status.allocatable)
        after = total(requests(one, PADDING) for one in (*cluster.pods_on(node), pod))
        score = weight_sum = 0
        for name, weight in self.weights.items():
            if not capacity.get(name) or (is_scalar(name) and not requests(pod).get(name)):
                continue
            score += weight * self._share(after.get(name, 0), capacity[name])
            weight_sum += weight
        return score // weight_sum if weight_sum else 0

    def normalise(self, scores: Scores) -> Scores:
        return as_they_are(scores)

    def _share(self, used: int, capacity: int) -> int:
        if self.most:
            return min(used, capacity) * 100 // capacity
        return 0 if used > capacity else (capacity - used) * 100 // capacity

    def _ignores(self, name: str) -> bool:
        return is_scalar(name) and (name in self.ignored or name.split("/")[0] in self.groups)


class NodeResourcesBalancedAllocation:
    def __init__(self, weights: Weights) -> None:
        self.names = list(weights)

    def score(self, pod: core_v1.Pod, node: core_v1.Node, cluster: Cluster) -> int:
        wanted = requests(pod)
        if not any(wanted.get(name) for name in self.names):
            return 0
        capacity = amounts(node.status.allocatable)
        held = total(requests(one) for one in cluster.pods_on(node))
        counted = [name for name in self.names if capacity.get(name) and (not is_scalar(name) or wanted.get(name))]
        before = _evenness([held.get(name, 0) / capacity[name] for name in counted])
        after = _evenness([(held.get(name, 0) + wanted.get(name, 0)) / capacity[name] for name in counted])
        return 50 + (50 + after - before) // 2

    def normalise(self, scores: Scores) -> Scores:
        return as_they_are(scores)


def _evenness(shares: list[float]) -> int:
    shares = [min(share, 1.0) for share in shares]
    deviation = 0.0
    if len(shares) == 2:
        deviation = abs((shares[0] - shares[1]) / 2)
    elif len(shares) > 2:
        mean = sum(shares) / len(shares)
        deviation = math.sqrt(sum((one - mean) * (one - mean) for one in shares) / len(shares))
    return int((1 - deviation) * 100)


def requests(pod: core_v1.Pod, padding: Mapping[str, int] | None = None) -> Amounts:
    """Of everything that runs at once, the most that ever does; what the pod says for itself goes before."""
    running: Amounts = {}
    most: Amounts = {}
    for one in pod.spec.init_containers:
        if one.restart_policy == "Always":
            running = total([running, container_requests(one, padding)])
            most = highest(most, running)
        else:
            most = highest(most, total([running, container_requests(one, padding)]))
    everything = total([running, *(container_requests(one, padding) for one in pod.spec.containers)])
    wanted = highest(everything, most)
    if pod.spec.resources is not None:
        for name, amount in amounts(pod.spec.resources.requests).items():
            if name in PADDING or name.startswith("hugepages-"):
                wanted[name] = amount
    return total([wanted, amounts(pod.spec.overhead)])


def container_requests(container: core_v1.Container, padding: Mapping[str, int] | None) -> Amounts:
    return {**(padding or {}), **amounts(container.resources.requests)}


def amounts(quantities: Mapping[str, str]) -> Amounts:
    return {name: quantity.milli(text) if name == "cpu" else quantity.value(text) for name, text in quantities.items()}


def total(many: Iterable[Amounts]) -> Amounts:
    result: Amounts = {}
    for one in many:
        for name, amount in one.items():
            result[name] = result.get(name, 0) + amount
    return result


def highest(one: Amounts, other: Amounts) -> Amounts:
    return {name: max(one.get(name, 0), other.get(name, 0)) for name in {**one, **other}}


def is_scalar(name: str) -> bool:
    """Devices and such, which count only for pods that ask for them."""
    return "/" in name or name.startswith("hugepages-")
