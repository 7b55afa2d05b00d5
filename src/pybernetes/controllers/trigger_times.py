"""Since when a change of pods or of the Service has waited to be seen in its endpoints.

Guarantees  The first time a Service is seen it is the Service's creation; later the earliest change since the last
            time, or None when neither pods nor Service changed.
Follows staging/src/k8s.io/endpointslice/util/trigger_time_tracker.go.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from pybernetes.api import meta
from pybernetes.api.meta import Key, format_time
from pybernetes.api.models import core_v1

LAST_CHANGE = "endpoints.kubernetes.io/last-change-trigger-time"


@dataclass(frozen=True, slots=True)
class _Seen:
    service: datetime | None
    pods: dict[str, datetime]


class TriggerTimes:
    def __init__(self) -> None:
        self._seen: dict[Key, _Seen] = {}

    def next(self, key: Key, service: core_v1.Service, pods: Iterable[core_v1.Pod]) -> datetime | None:
        before = self._seen.get(key)
        created = service.metadata.creation_timestamp
        times = {
            pod.metadata.name: ready.last_transition_time
            for pod in pods
            if (ready := meta.condition(pod.status, "Ready")) is not None and ready.last_transition_time
        }
        self._seen[key] = _Seen(created, times)
        if before is None:
            return created
        changed = [time for name, time in times.items() if name not in before.pods or time > before.pods[name]]
        if created is not None and (before.service is None or created > before.service):
            changed.append(created)
        return min(changed, default=None)

    def forget(self, key: Key) -> None:
        self._seen.pop(key, None)


def with_trigger_time(annotations: dict[str, str], time: datetime | None) -> dict[str, str]:
    """No time takes away what an earlier change has left."""
    kept = {name: text for name, text in annotations.items() if name != LAST_CHANGE}
    return {**kept, LAST_CHANGE: format_time(time)} if time is not None else kept
