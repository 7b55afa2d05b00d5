"""How long kubelets may keep what they have read: an annotation on every node that grows with the cluster.

Guarantees  The bounds overlap, so that a node that comes and goes does not make every annotation change.
Follows pkg/controller/ttl.
"""

from __future__ import annotations

from dataclasses import dataclass

from pybernetes.api.meta import Key
from pybernetes.api.models import core_v1
from pybernetes.client import key_of
from pybernetes.controllers.controller import DONE, Context, Controller, For, Result

TTL = "node.alpha.kubernetes.io/ttl"


@dataclass(frozen=True, slots=True)
class Step:
    at_least: int
    """Fewer nodes than this lead to the step below."""
    at_most: int
    seconds: int


STEPS = (
    Step(0, 100, 0),
    Step(90, 500, 15),
    Step(450, 1000, 30),
    Step(900, 2000, 60),
    Step(1800, 2**31 - 1, 300),
)


def step_for(nodes: int, present: int) -> int:
    """The index of the step that so many nodes lead to from another."""
    while nodes < STEPS[present].at_least:
        present -= 1
    while nodes > STEPS[present].at_most:
        present += 1
    return present


class NodeTtlController(Controller):
    name = "ttl-controller"
    watches = (For(core_v1.Node),)

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._step = 0

    async def reconcile(self, key: Key) -> Result:
        nodes = self.informer(core_v1.Node)
        step = step_for(len(nodes), self._step)
        if step != self._step:
            self._step = step
            for other in nodes.list():
                self.queue.add(key_of(other))
        node, wanted = nodes.get(key), str(STEPS[step].seconds)
        if node is not None and node.metadata.annotations.get(TTL) != wanted:
            await self.client.patch(core_v1.Node, key.name, None, {"metadata": {"annotations": {TTL: wanted}}})
        return DONE
