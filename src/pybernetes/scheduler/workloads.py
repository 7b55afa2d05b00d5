"""Which pods belong together: the selector that Services and owning workloads put on a pod.

Default topology spreading uses it, as upstream's helper.DefaultSelector does: the labels that every matching Service
and the owning controller select by, all required at once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from pybernetes.api.models import core_v1
from pybernetes.api.selectors import LabelSelector

OwnerSelector = Callable[[core_v1.Pod], LabelSelector | None]
"""The selector of the pod's controller, if it is one that selects by labels."""


class Workloads:
    def __init__(self) -> None:
        self._services: dict[str, dict[str, Mapping[str, str]]] = {}
        self._owners: dict[str, LabelSelector] = {}
        self.version = 0
        """Counts changes: what was found out of selectors depends on it."""

    def set_service(self, namespace: str, name: str, selector: Mapping[str, str] | None) -> None:
        """None removes it; a Service without a selector picks nothing."""
        self.version += 1
        services = self._services.setdefault(namespace, {})
        if selector:
            services[name] = selector
        else:
            services.pop(name, None)

    def set_owner(self, uid: str, selector: LabelSelector | None) -> None:
        self.version += 1
        if selector is None:
            self._owners.pop(uid, None)
        else:
            self._owners[uid] = selector

    def selector_of(self, pod: core_v1.Pod) -> LabelSelector | None:
        """None when nothing selects the pod."""
        wanted = self._labels_of_services(pod)
        owner = next((one.uid for one in pod.metadata.owner_references if one.controller), None)
        owning = self._owners.get(owner) if owner else None
        if owning is None:
            return LabelSelector.from_map(wanted) if wanted else None
        if not wanted:
            return owning
        return LabelSelector.parse(f"{LabelSelector.from_map(wanted)},{owning}")

    def selected_by_services(self, pod: core_v1.Pod) -> LabelSelector | None:
        """As ``selector_of``, by Services alone."""
        wanted = self._labels_of_services(pod)
        return LabelSelector.from_map(wanted) if wanted else None

    def _labels_of_services(self, pod: core_v1.Pod) -> dict[str, str]:
        labels = pod.metadata.labels
        wanted: dict[str, str] = {}
        for selector in self._services.get(pod.metadata.namespace or "", {}).values():
            if all(labels.get(key) == value for key, value in selector.items()):
                wanted.update(selector)
        return wanted
