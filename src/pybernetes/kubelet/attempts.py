"""Which containers of one pod wait before they are tried again, for how long, and what their status says meanwhile.

Guarantees  One that has failed waits longer each time; one that could not even be started waits a moment. Without a
            container's name it is the sandbox that is meant. A reason to wait is found after the status of that moment
            has been told, so it is the next status that says it: until then it says how the container ended.
Follows     pkg/kubelet/reason_cache.go and pkg/kubelet/kuberuntime (doBackOff).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from pybernetes.api.clock import Clock
from pybernetes.api.models.core_v1 import Pod

from . import backoff
from .backoff import Backoff
from .plan import PodActions, Start
from .status_context import Reason

RETRY = 10.0
QUICK_RETRY = 0.5
LONGEST_RETRY = 120.0
HOLD = {"ErrImagePull": 3.0, "CreateContainerConfigError": 5.0}
_SANDBOX = ""

Say = Callable[[str, str, str, str], None]
"""Tells an event: container, type, reason, message."""


class Attempts:
    def __init__(self, clock: Clock, say: Say) -> None:
        self.backoffs: dict[str, Backoff] = {}
        self.reasons: dict[str, Reason] = {}
        self._held: dict[str, float] = {}
        self._clock = clock
        self._say = say

    def note_waiting(self, pod: Pod, actions: PodActions) -> None:
        """Which containers wait, and for what, so that their status says so."""
        metadata = pod.metadata
        kept = {entry.name for entry in actions.waiting} | {entry.name for entry in actions.start}
        if not actions.create_sandbox:
            self.reasons = {name: reason for name, reason in self.reasons.items() if name in kept}
        for entry in actions.waiting:
            whose = f"{metadata.name}_{metadata.namespace}({metadata.uid})"
            reason = Reason(
                "CrashLoopBackOff",
                f"back-off {backoff.text(entry.wait)} restarting failed container={entry.name} pod={whose}",
            )
            self.reasons[entry.name] = reason
            message = f"Back-off restarting failed container {entry.name} in pod {whose}"
            self._say(entry.name, "Warning", "BackOff", message)

    def without_held(self, actions: PodActions) -> PodActions:
        """Without what has just failed to start."""
        now = self._clock.monotonic()
        self._held = {name: until for name, until in self._held.items() if until > now}
        return replace(
            actions,
            create_sandbox=actions.create_sandbox and _SANDBOX not in self._held,
            start=tuple(entry for entry in actions.start if entry.name not in self._held),
        )

    def begun(self, start: Start) -> None:
        if start.failed_at is not None:
            before = self.backoffs.get(start.key)
            self.backoffs[start.key] = backoff.lengthened(before, start.failed_at, self._clock.now())

    def succeeded(self, start: Start) -> None:
        self.reasons.pop(start.name, None)

    def failed(self, start: Start, reason: Reason) -> None:
        self.reasons[start.name] = reason
        self._hold(start.name, HOLD.get(reason.reason, RETRY))

    def failed_sandbox(self) -> None:
        self._hold(_SANDBOX, RETRY)

    def release(self) -> None:
        """What containers are made from has changed: those that could not be started are tried at once."""
        self._held.clear()

    @property
    def held(self) -> bool:
        return bool(self._held)

    @property
    def hold_time(self) -> float:
        """Seconds until the first may be tried again."""
        now = self._clock.monotonic()
        return max(0.01, min((until - now for until in self._held.values()), default=RETRY))

    def _hold(self, name: str, seconds: float) -> None:
        self._held[name] = self._clock.monotonic() + seconds


class Retries:
    """How long to wait after a failure of the outside: longer each time, until something succeeds."""

    def __init__(self) -> None:
        self._failures = 0

    def next(self) -> float:
        self._failures += 1
        return min(LONGEST_RETRY, QUICK_RETRY * 2.0 ** min(self._failures - 1, 10))

    def reset(self) -> None:
        self._failures = 0
