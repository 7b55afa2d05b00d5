"""How long a Job waits after failures before it makes another pod: 10 s, doubling with each in a row, at most 600 s.

Follows pkg/controller/job/backoff_utils.go.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from pybernetes.api.models import core_v1

FIRST, LONGEST = 10.0, 600.0


@dataclass(frozen=True, slots=True)
class Backoff:
    """Failures since the last success, and when the last of them was."""

    failures: int = 0
    last: datetime | None = None

    def after(self, succeeded: Sequence[core_v1.Pod], failed: Sequence[core_v1.Pod]) -> Backoff:
        """With the pods that ended since; what failed before the last success does not matter."""
        ends = sorted(map(finished_at, failed))
        before = self.failures
        if succeeded:
            last_success = max(map(finished_at, succeeded))
            ends, before = [end for end in ends if end > last_success], 0
        if not ends:
            return Backoff() if succeeded else self
        return Backoff(before + len(ends), ends[-1])

    def wait(self, now: datetime) -> float:
        """Seconds until a pod may be made."""
        if self.last is None or self.failures == 0:
            return 0.0
        delay = min(FIRST * 2 ** (min(self.failures, 20) - 1), LONGEST)
        return max(0.0, (self.last + timedelta(seconds=delay) - now).total_seconds())


NO_FAILURES = Backoff()


def finished_at(pod: core_v1.Pod) -> datetime:
    """When the last container ended; else when the pod stopped being ready, was deleted, or was made."""
    return _containers_ended(pod) or _unready_since(pod) or _deleted_at(pod) or _created_at(pod)


def _containers_ended(pod: core_v1.Pod) -> datetime | None:
    sidecars = {each.name for each in pod.spec.init_containers if each.restart_policy == "Always"}
    watched = [*pod.status.container_statuses, *(x for x in pod.status.init_container_statuses if x.name in sidecars)]
    ends = [each.state.terminated.finished_at if each.state.terminated else None for each in watched]
    known = [end for end in ends if end is not None]
    return max(known) if known and len(known) == len(ends) else None


def _unready_since(pod: core_v1.Pod) -> datetime | None:
    ready = (one for one in pod.status.conditions if one.type == "Ready" and one.status == "False")
    return next((one.last_transition_time for one in ready), None)


def _deleted_at(pod: core_v1.Pod) -> datetime | None:
    """The time of deletion in the metadata is when the grace period ends."""
    end = pod.metadata.deletion_timestamp
    return None if end is None else end - timedelta(seconds=pod.metadata.deletion_grace_period_seconds or 0)


def _created_at(pod: core_v1.Pod) -> datetime:
    return pod.metadata.creation_timestamp or datetime.min.replace(tzinfo=UTC)
