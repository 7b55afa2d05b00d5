"""What a whole pod asks for, from its containers and from itself.

Guarantees  Containers and sidecars together, or the largest step of initialisation; what the pod states for itself
counts instead; its overhead is added. With ``status`` what the node has granted counts too, while it is more.
Follows PodRequests and PodLimits in k8s.io/component-helpers/resource.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pybernetes.api.quota.amounts import Amounts, largest, read, total

Document = Mapping[str, Any]
OfContainer = Callable[[Document], Amounts]

POD_LEVEL = ("cpu", "memory")


def pod_requests(spec: Document) -> Amounts:
    """As the spec says, without overhead."""
    return _whole(spec, "requests", lambda container: _stated(container, "requests"))


def pod_limits(spec: Document) -> Amounts:
    return _whole(spec, "limits", lambda container: _stated(container, "limits"))


def effective_requests(pod: Document) -> Amounts:
    """With overhead, and with what the node has allocated."""
    spec, granted = pod.get("spec") or {}, _Granted(pod)
    return total(_whole(spec, "requests", granted.requests), read(spec.get("overhead")))


def effective_limits(pod: Document) -> Amounts:
    spec, granted = pod.get("spec") or {}, _Granted(pod)
    limits = _whole(spec, "limits", granted.limits)
    overhead = read(spec.get("overhead"))
    return total(limits, {name: amount for name, amount in overhead.items() if limits.get(name)})


def states_pod_level(spec: Document) -> bool:
    """Whether the pod states resources for itself."""
    whole = spec.get("resources") or {}
    return any(name in POD_LEVEL or name.startswith("hugepages-") for kind in whole.values() for name in kind or ())


def _stated(container: Document, kind: str) -> Amounts:
    return read((container.get("resources") or {}).get(kind))


def _whole(spec: Document, kind: str, of: OfContainer) -> Amounts:
    together: Amounts = {}
    for container in spec.get("containers") or ():
        together = total(together, of(container))
    sidecars: Amounts = {}
    step: Amounts = {}
    for container in spec.get("initContainers") or ():
        wanted = of(container)
        if container.get("restartPolicy") == "Always":
            together, sidecars = total(together, wanted), total(sidecars, wanted)
            step = largest(step, sidecars)
        else:
            step = largest(step, total(wanted, sidecars))
    together = largest(together, step)
    stated = read((spec.get("resources") or {}).get(kind))
    together.update({name: amount for name, amount in stated.items() if _is_pod_level(name)})
    return together


def _is_pod_level(name: str) -> bool:
    return name in POD_LEVEL or name.startswith("hugepages-")


class _Granted:
    """What containers hold by the pod's status, beside what they ask for."""

    def __init__(self, pod: Document) -> None:
        status = pod.get("status") or {}
        self._statuses = {
            one["name"]: one
            for kind in ("containerStatuses", "initContainerStatuses")
            for one in status.get(kind) or ()
            if one.get("resources")
        }
        self._infeasible = any(
            one.get("type") == "PodResizePending" and one.get("reason") == "Infeasible"
            for one in status.get("conditions") or ()
        )

    def requests(self, container: Document) -> Amounts:
        held = self._statuses.get(container.get("name", ""))
        stated = _stated(container, "requests")
        if held is None:
            return stated
        granted = largest(_stated(held, "requests"), read(held.get("allocatedResources")))
        return granted if self._infeasible else largest(stated, granted)

    def limits(self, container: Document) -> Amounts:
        held = self._statuses.get(container.get("name", ""))
        stated = _stated(container, "limits")
        if held is None:
            return stated
        granted = _stated(held, "limits")
        return granted if self._infeasible else largest(stated, granted)
