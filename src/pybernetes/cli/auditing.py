"""The options about audit logs, with upstream's names. They are remembered in the cluster's settings."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from pybernetes.cli.flags import Flag, Kind, choose
from pybernetes.cli.layout import Settings
from pybernetes.cli.problems import Problem

if TYPE_CHECKING:
    from pybernetes.api.clock import Clock
    from pybernetes.apiserver.audit.options import Auditing, Delivery

F = TypeVar("F", bound=Callable[..., Any])
_MODES = ("batch", "blocking", "blocking-strict")


def _delivery(sink: str) -> tuple[Flag, ...]:
    start = f"audit-{sink}"
    return (
        Flag(f"{start}-mode", "Whether requests wait for events, or events for a batch.", choices=_MODES),
        Flag(f"{start}-batch-buffer-size", "Events that may wait for a batch.", Kind.NUMBER),
        Flag(f"{start}-batch-max-size", "Events of one batch.", Kind.NUMBER),
        Flag(f"{start}-batch-max-wait", "How long an event waits for the others of its batch.", Kind.SPAN),
        Flag(f"{start}-batch-throttle-enable", "Whether batches are held back.", Kind.SWITCH),
        Flag(f"{start}-batch-throttle-qps", "Batches a second.", Kind.RATE),
        Flag(f"{start}-batch-throttle-burst", "Batches at once, after a rest.", Kind.NUMBER),
        Flag(f"{start}-truncate-enabled", "Whether large events are cut down.", Kind.SWITCH),
        Flag(f"{start}-truncate-max-batch-size", "Bytes of a batch.", Kind.NUMBER),
        Flag(f"{start}-truncate-max-event-size", "Bytes of an event.", Kind.NUMBER),
    )


FLAGS = (
    Flag("audit-policy-file", "Which requests the audit log tells of, and how much.", Kind.FILE),
    Flag("audit-log-path", "Where audit events are written, a line each; - is standard output."),
    Flag("audit-log-format", "How they are written.", choices=("json", "legacy")),
    Flag("audit-log-maxage", "Days that old audit logs are kept.", Kind.NUMBER),
    Flag("audit-log-maxbackup", "Old audit logs that are kept.", Kind.NUMBER),
    Flag("audit-log-maxsize", "Megabytes before a log is put aside.", Kind.NUMBER),
    *_delivery("log"),
    Flag("audit-webhook-config-file", "A kubeconfig of who is sent audit events.", Kind.FILE),
    Flag("audit-webhook-initial-backoff", "How long before what failed is sent again.", Kind.SPAN),
    *_delivery("webhook"),
)


def choose_audit(function: F) -> F:
    """--audit-policy-file and its like."""
    return choose(FLAGS)(function)


def auditing_of(settings: Settings, clock: Clock) -> Auditing | None:
    """None where nothing was chosen. Raises Problem."""
    if not (settings.audit_policy_file or settings.audit_log_path or settings.audit_webhook_config_file):
        return None
    from pybernetes.api.durations import parse_duration
    from pybernetes.apiserver.admission.host import ConfigurationError
    from pybernetes.apiserver.audit.log import Rotation
    from pybernetes.apiserver.audit.options import Auditing, AuditOptions

    rotation = Rotation(settings.audit_log_maxage, settings.audit_log_maxbackup, settings.audit_log_maxsize)
    options = AuditOptions(
        settings.audit_policy_file,
        settings.audit_log_path,
        rotation,
        settings.audit_log_format,
        _delivery_of(settings, "log"),
        settings.audit_webhook_config_file,
        _delivery_of(settings, "webhook"),
        parse_duration(settings.audit_webhook_initial_backoff),
    )
    try:
        return Auditing(options, clock)
    except ConfigurationError as error:
        raise Problem(str(error), "docs/audit.md tells what can be configured") from error


def _delivery_of(settings: Settings, sink: str) -> Delivery:
    from pybernetes.api.durations import parse_duration
    from pybernetes.apiserver.audit.batches import Batching
    from pybernetes.apiserver.audit.options import Delivery, Truncation

    def chosen(name: str) -> Any:
        return getattr(settings, f"audit_{sink}_{name}")

    batching = Batching(
        chosen("batch_buffer_size"),
        chosen("batch_max_size"),
        parse_duration(chosen("batch_max_wait")),
        chosen("batch_throttle_qps") if chosen("batch_throttle_enable") else 0,
        chosen("batch_throttle_burst"),
    )
    truncation = Truncation(chosen("truncate_max_batch_size"), chosen("truncate_max_event_size"))
    return Delivery(chosen("mode"), batching, truncation if chosen("truncate_enabled") else None)
