"""What an operator chooses about auditing, and what comes of it.

Follows k8s.io/apiserver/pkg/server/options/audit.go.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field

from pybernetes.api.clock import Clock
from pybernetes.apiserver.admission.host import ConfigurationError
from pybernetes.apiserver.audit.auditor import Auditor
from pybernetes.apiserver.audit.event import Sink
from pybernetes.apiserver.audit.log import LogFile, Rotation
from pybernetes.apiserver.audit.policy import load
from pybernetes.apiserver.audit.webhook import WebhookSink
from pybernetes.apiserver.webhook_file import read_target

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class AuditOptions:
    policy_file: str = ""
    log_path: str = ""
    rotation: Rotation = field(default_factory=Rotation)
    webhook_file: str = ""


class Auditing:
    """``auditor`` tells of requests; None where nothing is asked to be told, or nowhere to tell it."""

    def __init__(self, options: AuditOptions, clock: Clock) -> None:
        """Raises ConfigurationError."""
        self.auditor: Auditor | None = None
        self._log: LogFile | None = None
        self._webhook: WebhookSink | None = None
        _check(options.rotation)
        if not options.policy_file:
            if options.log_path or options.webhook_file:
                log.warning("no audit policy file is given: no events will be recorded")
            return
        policy = load(options.policy_file)
        if options.log_path:
            try:
                self._log = LogFile(options.log_path, options.rotation, clock.now)
            except OSError as error:
                raise ConfigurationError(f"ensureLogFile: {error}") from error
        if options.webhook_file:
            self._webhook = WebhookSink(read_target(options.webhook_file))
        sinks = [sink for sink in (self._log, self._webhook) if sink is not None]
        if sinks:
            self.auditor = Auditor(policy, sinks[0] if len(sinks) == 1 else _All(sinks), clock.now)

    def start(self) -> None:
        if self._webhook is not None:
            self._webhook.start()

    async def stop(self) -> None:
        if self._webhook is not None:
            await self._webhook.stop()
        if self._log is not None:
            self._log.close()


@dataclass(frozen=True, slots=True)
class _All:
    sinks: Sequence[Sink]

    def take(self, event: bytes) -> None:
        for sink in self.sinks:
            sink.take(event)


def _check(rotation: Rotation) -> None:
    for name, value in (
        ("maxage", rotation.max_age),
        ("maxbackup", rotation.max_backups),
        ("maxsize", rotation.max_size),
    ):
        if value < 0:
            raise ConfigurationError(f"--audit-log-{name} {value} can't be a negative number")
