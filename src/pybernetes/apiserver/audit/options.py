"""What an operator chooses about auditing, and what comes of it.

Follows k8s.io/apiserver/pkg/server/options/audit.go.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from pybernetes.api.clock import Clock
from pybernetes.apiserver.admission.host import ConfigurationError
from pybernetes.apiserver.audit.auditor import Auditor
from pybernetes.apiserver.audit.batches import Batches, Batching
from pybernetes.apiserver.audit.event import All, Sink
from pybernetes.apiserver.audit.log import LogFile, Rotation
from pybernetes.apiserver.audit.losses import Losses
from pybernetes.apiserver.audit.policy import load
from pybernetes.apiserver.audit.shaping import Legacy, Truncating
from pybernetes.apiserver.audit.webhook import BatchedWebhook, BlockingWebhook, Poster
from pybernetes.apiserver.webhook_file import read_target

log = logging.getLogger(__name__)

BATCH, BLOCKING, STRICT = "batch", "blocking", "blocking-strict"
MODES = (BATCH, BLOCKING, STRICT)
LEGACY, JSON = "legacy", "json"


@dataclass(frozen=True, slots=True)
class Truncation:
    """Bytes."""

    batch: int = 10 << 20
    event: int = 100 << 10


@dataclass(frozen=True, slots=True)
class Delivery:
    """``truncation`` None: events may be as large as they are."""

    mode: str = BLOCKING
    batching: Batching = field(default_factory=Batching)
    truncation: Truncation | None = None


@dataclass(frozen=True, slots=True)
class AuditOptions:
    policy_file: str = ""
    log_path: str = ""
    rotation: Rotation = field(default_factory=Rotation)
    log_format: str = JSON
    log_delivery: Delivery = field(default_factory=Delivery)
    webhook_file: str = ""
    webhook_delivery: Delivery = field(default_factory=lambda: Delivery(BATCH))
    webhook_first_delay: float = 10.0


class _Running(Protocol):
    def start(self) -> None: ...

    async def stop(self) -> None: ...


class Auditing:
    """``auditor`` tells of requests; None where nothing is asked to be told, or nowhere to tell it."""

    def __init__(self, options: AuditOptions, clock: Clock) -> None:
        """Raises ConfigurationError."""
        self.auditor: Auditor | None = None
        self._clock = clock
        self._log: LogFile | None = None
        self._running: list[_Running] = []
        self._losses = Losses()
        _check_rotation(options.rotation)
        for name, chosen in (("log", options.log_delivery), ("webhook", options.webhook_delivery)):
            _check_delivery(name, chosen)
        if not options.policy_file:
            if options.log_path or options.webhook_file:
                log.warning("no audit policy file is given: no events will be recorded")
            return
        policy = load(options.policy_file)
        sinks: list[Sink] = []
        modes: set[str] = set()
        if options.log_path:
            sinks.append(self._to_log(options))
            modes.add(options.log_delivery.mode)
        if options.webhook_file:
            sinks.append(self._to_webhook(options))
            modes.add(options.webhook_delivery.mode)
        if sinks:
            sink = sinks[0] if len(sinks) == 1 else All(sinks)
            waits = bool(options.webhook_file) and options.webhook_delivery.mode != BATCH
            self.auditor = Auditor(policy, sink, clock.now, waits=waits, strict=STRICT in modes, lost=self._losses)

    def start(self) -> None:
        for one in self._running:
            one.start()

    async def stop(self) -> None:
        for one in self._running:
            await one.stop()
        if self._log is not None:
            self._log.close()

    def _to_log(self, options: AuditOptions) -> Sink:
        try:
            file = self._log = LogFile(options.log_path, options.rotation, self._clock.now, self._losses)
        except OSError as error:
            raise ConfigurationError(f"ensureLogFile: {error}") from error
        sink: Sink = file
        if options.log_delivery.mode == BATCH:
            batches = Batches(file.write_all, options.log_delivery.batching, self._losses, "audit log")
            self._running.append(batches)
            sink = batches
        if options.log_format == LEGACY:
            sink = Legacy(sink)
        return self._truncated(sink, options.log_delivery)

    def _to_webhook(self, options: AuditOptions) -> Sink:
        target = read_target(options.webhook_file)
        poster = Poster(target, self._losses, first_delay=options.webhook_first_delay)
        chosen = options.webhook_delivery
        sink: BatchedWebhook | BlockingWebhook
        if chosen.mode == BATCH:
            sink = BatchedWebhook(poster, chosen.batching, self._losses)
        else:
            sink = BlockingWebhook(poster)
        self._running.append(sink)
        return self._truncated(sink, chosen)

    def _truncated(self, sink: Sink, chosen: Delivery) -> Sink:
        return sink if chosen.truncation is None else Truncating(sink, chosen.truncation.event, self._losses)


def _check_rotation(rotation: Rotation) -> None:
    for name, value in (
        ("maxage", rotation.max_age),
        ("maxbackup", rotation.max_backups),
        ("maxsize", rotation.max_size),
    ):
        if value < 0:
            raise ConfigurationError(f"--audit-log-{name} {value} can't be a negative number")


def _check_delivery(name: str, chosen: Delivery) -> None:
    if chosen.mode not in MODES:
        allowed = ",".join(MODES)
        raise ConfigurationError(f'invalid audit {name} mode {chosen.mode}, allowed modes are "{allowed}"')
    batching = chosen.batching
    rows: Sequence[tuple[str, float]] = (("buffer size", batching.buffer), ("max batch size", batching.size))
    if batching.rate:
        rows = (*rows, ("throttle QPS", batching.rate), ("throttle burst", batching.burst))
    for what, number in rows if chosen.mode == BATCH else ():
        if number <= 0:
            raise ConfigurationError(f"invalid audit batch {name} {what} {number:g}, must be a positive number")
    truncation = chosen.truncation
    if truncation is None:
        return
    start = f"invalid audit truncate {name}"
    if truncation.event <= 0:
        raise ConfigurationError(f"{start} max event size {truncation.event}, must be a positive number")
    if truncation.batch < truncation.event:
        why = f"must be greater than max event size ({truncation.event})"
        raise ConfigurationError(f"{start} max batch size {truncation.batch}, {why}")
