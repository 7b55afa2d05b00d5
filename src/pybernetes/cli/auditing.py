"""The options about audit logs, with upstream's names. They are remembered in the cluster's settings."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from pybernetes.cli.layout import Settings
from pybernetes.cli.problems import Problem

if TYPE_CHECKING:
    from pybernetes.api.clock import Clock
    from pybernetes.apiserver.audit.options import Auditing

F = TypeVar("F", bound=Callable[..., Any])
_FILE = click.Path(exists=True, dir_okay=False, resolve_path=True)
_OPTIONS = (
    click.option("--audit-policy-file", type=_FILE, help="Which requests the audit log tells of, and how much."),
    click.option("--audit-log-path", help="Where audit events are written, a line each; - is standard output."),
    click.option("--audit-log-maxage", type=int, help="Days that old audit logs are kept. [default: 366]"),
    click.option("--audit-log-maxbackup", type=int, help="Old audit logs that are kept. [default: 100]"),
    click.option("--audit-log-maxsize", type=int, help="Megabytes before a log is put aside. [default: 100]"),
    click.option("--audit-webhook-config-file", type=_FILE, help="A kubeconfig of who is sent audit events."),
)


def choose_audit(function: F) -> F:
    """--audit-policy-file and its like."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


def auditing_of(settings: Settings, clock: Clock) -> Auditing | None:
    """None where nothing was chosen. Raises Problem."""
    if not (settings.audit_policy_file or settings.audit_log_path or settings.audit_webhook_config_file):
        return None
    from pybernetes.apiserver.admission.host import ConfigurationError
    from pybernetes.apiserver.audit.log import Rotation
    from pybernetes.apiserver.audit.options import Auditing, AuditOptions

    rotation = Rotation(settings.audit_log_maxage, settings.audit_log_maxbackup, settings.audit_log_maxsize)
    options = AuditOptions(
        settings.audit_policy_file, settings.audit_log_path, rotation, settings.audit_webhook_config_file
    )
    try:
        return Auditing(options, clock)
    except ConfigurationError as error:
        raise Problem(str(error), "docs/audit.md tells what can be configured") from error
