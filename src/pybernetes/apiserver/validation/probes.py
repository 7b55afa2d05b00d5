"""Probes and lifecycle hooks.

Follows validateProbe, validateHandler and validateLifecycle in pkg/apis/core/validation.
"""

from __future__ import annotations

from collections.abc import Iterator

from pybernetes.api.fields import (
    FieldError,
    FieldPath,
    forbidden,
    invalid,
    is_http_header,
    is_port_name,
    not_supported,
    required,
)
from pybernetes.api.models.core_v1 import HTTPGetAction, Lifecycle, LifecycleHandler, PodOS, Probe
from pybernetes.apiserver.validation.simple import NOT_NEGATIVE, in_range

PORT_RANGE = in_range(1, 65535)
STOP_SIGNALS = {
    "linux": tuple(
        sorted(
            (
                "SIGABRT", "SIGALRM", "SIGBUS", "SIGCHLD", "SIGCLD", "SIGCONT", "SIGFPE", "SIGHUP", "SIGILL", "SIGINT",
                "SIGIO", "SIGIOT", "SIGKILL", "SIGPIPE", "SIGPOLL", "SIGPROF", "SIGPWR", "SIGQUIT", "SIGSEGV",
                "SIGSTKFLT", "SIGSTOP", "SIGSYS", "SIGTERM", "SIGTRAP", "SIGTSTP", "SIGTTIN", "SIGTTOU", "SIGURG",
                "SIGUSR1", "SIGUSR2", "SIGVTALRM", "SIGWINCH", "SIGXCPU", "SIGXFSZ",
                "SIGRTMIN", *(f"SIGRTMIN+{step}" for step in range(1, 16)),
                "SIGRTMAX", *(f"SIGRTMAX-{step}" for step in range(1, 15)),
            )
        )
    ),
    "windows": ("SIGKILL", "SIGTERM"),
}  # fmt: skip


def check_port_number(port: int, path: FieldPath) -> Iterator[FieldError]:
    if not 1 <= port <= 65535:
        yield invalid(path, port, PORT_RANGE)


def check_port(port: int | str, path: FieldPath) -> Iterator[FieldError]:
    if isinstance(port, str):
        yield from (invalid(path, port, message) for message in is_port_name(port))
    else:
        yield from check_port_number(port, path)


def check_handler(
    handler: Probe | LifecycleHandler, path: FieldPath, grace_period: int | None = None
) -> Iterator[FieldError]:
    count = 0
    if handler.exec is not None:
        count += 1
        if not handler.exec.command:
            yield required(path.exec.command)
    if handler.http_get is not None:
        count += 1
        if count > 1:
            yield forbidden(path.httpGet, "may not specify more than 1 handler type")
        else:
            yield from _check_http_get(handler.http_get, path.httpGet)
    if handler.tcp_socket is not None:
        count += 1
        if count > 1:
            yield forbidden(path.tcpSocket, "may not specify more than 1 handler type")
        else:
            yield from check_port(handler.tcp_socket.port, path.tcpSocket.port)
    if isinstance(handler, Probe):
        if handler.grpc is not None:
            count += 1
            if count > 1:
                yield forbidden(path.grpc, "may not specify more than 1 handler type")
            else:
                yield from check_port_number(handler.grpc.port, path.grpc.port)
    elif handler.sleep is not None:
        count += 1
        if count > 1:
            yield forbidden(path.sleep, "may not specify more than 1 handler type")
        elif grace_period is not None and not 0 <= handler.sleep.seconds <= grace_period:
            message = f"must be non-negative and less than terminationGracePeriodSeconds ({grace_period})"
            yield invalid(path.sleep, handler.sleep.seconds, message)
    if count == 0:
        yield required(path, "must specify a handler type")


def _check_http_get(action: HTTPGetAction, path: FieldPath) -> Iterator[FieldError]:
    if not action.path:
        yield required(path.path)
    yield from check_port(action.port, path.port)
    if action.scheme not in ("HTTP", "HTTPS"):
        yield not_supported(path.scheme, action.scheme or "", ("HTTP", "HTTPS"))
    for header in action.http_headers:
        yield from (invalid(path.httpHeaders, header.name, m) for m in is_http_header(header.name))


def _check_probe(probe: Probe, path: FieldPath) -> Iterator[FieldError]:
    yield from check_handler(probe, path)
    for name, value in (
        ("initialDelaySeconds", probe.initial_delay_seconds),
        ("timeoutSeconds", probe.timeout_seconds),
        ("periodSeconds", probe.period_seconds),
        ("successThreshold", probe.success_threshold),
        ("failureThreshold", probe.failure_threshold),
    ):
        if value is not None and value < 0:
            yield invalid(getattr(path, name), value, NOT_NEGATIVE)
    if probe.termination_grace_period_seconds is not None and probe.termination_grace_period_seconds <= 0:
        yield invalid(
            path.terminationGracePeriodSeconds, probe.termination_grace_period_seconds, "must be greater than 0"
        )


def check_liveness(probe: Probe | None, path: FieldPath) -> Iterator[FieldError]:
    """Liveness and startup probes: one success is success."""
    if probe is None:
        return
    yield from _check_probe(probe, path)
    if probe.success_threshold not in (None, 1):
        yield invalid(path.successThreshold, probe.success_threshold, "must be 1")


def check_readiness(probe: Probe | None, path: FieldPath) -> Iterator[FieldError]:
    if probe is None:
        return
    yield from _check_probe(probe, path)
    if probe.termination_grace_period_seconds is not None:
        message = "must not be set for readinessProbes"
        yield invalid(path.terminationGracePeriodSeconds, probe.termination_grace_period_seconds, message)


def check_lifecycle(
    lifecycle: Lifecycle, path: FieldPath, grace_period: int | None, os: PodOS | None
) -> Iterator[FieldError]:
    if lifecycle.post_start is not None:
        yield from check_handler(lifecycle.post_start, path.postStart, grace_period)
    if lifecycle.pre_stop is not None:
        yield from check_handler(lifecycle.pre_stop, path.preStop, grace_period)
    if lifecycle.stop_signal is not None:
        yield from _check_stop_signal(lifecycle.stop_signal, path.stopSignal, os)


def _check_stop_signal(signal: str, path: FieldPath, os: PodOS | None) -> Iterator[FieldError]:
    if os is None:
        yield forbidden(path, "may not be set for containers with empty `spec.os.name`")
    elif os.name in STOP_SIGNALS and signal not in STOP_SIGNALS[os.name]:
        yield not_supported(path, signal, STOP_SIGNALS[os.name])
