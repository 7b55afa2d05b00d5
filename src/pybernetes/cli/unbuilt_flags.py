"""Flags of kube-apiserver that are not built: each is refused by name, unless it asks for what is done anyway.

Follows the options of cmd/kube-apiserver in v1.36.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from pybernetes.cli.problems import Problem

F = TypeVar("F", bound=Callable[..., Any])

AS_IT_IS = {
    "aggregator-reject-forwarding-redirect": "true",
    "allow-privileged": "true",
    "contention-profiling": "false",
    "delete-collection-workers": "1",
    "disable-http2-serving": "true",
    "enable-aggregator-routing": "true",
    "enable-garbage-collector": "true",
    "enable-logs-handler": "false",
    "endpoint-reconciler-type": "lease",
    "etcd-prefix": "/registry",
    "goaway-chance": "0",
    "permit-address-sharing": "false",
    "permit-port-sharing": "false",
    "profiling": "false",
    "service-account-extend-token-expiration": "true",
    "service-account-lookup": "true",
    "storage-media-type": "application/json",
    "watch-cache": "true",
}
"""What may be asked for, because it is so: connections are HTTP/1.1, nothing is profiled, deletions go one by one."""

_WHY = {
    "goaway-chance": "GOAWAY is HTTP/2's, and connections here are HTTP/1.1",
    "profiling": "there are no profiles of this process",
    "client-ca-file": "the cluster's own authority signs clients' certificates",
    "audit-log-compress": "old audit logs are kept as they are",
    "kubelet-client-certificate": "the cluster's own authority issues what kubelets are shown",
    "service-account-key-file": "the cluster's own key signs tokens",
    "service-account-signing-key-file": "the cluster's own key signs tokens",
    "etcd-servers": "name the store with --store",
    "cert-dir": "certificates lie in DIR/pki",
}
NAMES = (
    "allow-metric-labels",
    "allow-metric-labels-manifest",
    "apiserver-count",
    "audit-log-compress",
    "audit-log-version",
    "audit-webhook-version",
    "cert-dir",
    "client-ca-file",
    "coordinated-leadership-lease-duration",
    "coordinated-leadership-renew-deadline",
    "coordinated-leadership-retry-period",
    "cors-allowed-origins",
    "debug-socket-path",
    "default-not-ready-toleration-seconds",
    "default-unreachable-toleration-seconds",
    "default-watch-cache-size",
    "disabled-metrics",
    "egress-selector-config-file",
    "emulated-version",
    "emulation-forward-compatible",
    "etcd-cafile",
    "etcd-certfile",
    "etcd-count-metric-poll-period",
    "etcd-db-metric-poll-interval",
    "etcd-healthcheck-timeout",
    "etcd-keyfile",
    "etcd-readycheck-timeout",
    "etcd-servers",
    "etcd-servers-overrides",
    "external-hostname",
    "http2-max-streams-per-connection",
    "kubelet-certificate-authority",
    "kubelet-client-certificate",
    "kubelet-client-key",
    "kubelet-port",
    "kubelet-preferred-address-types",
    "kubelet-read-only-port",
    "kubelet-timeout",
    "kubernetes-service-node-port",
    "lease-reuse-duration-seconds",
    "livez-grace-period",
    "log-flush-frequency",
    "log-text-info-buffer-size",
    "log-text-split-stream",
    "logging-format",
    "max-connection-bytes-per-sec",
    "min-compatibility-version",
    "peer-advertise-ip",
    "peer-advertise-port",
    "peer-ca-file",
    "runtime-config-emulation-forward-compatible",
    "service-account-jwks-uri",
    "service-account-key-file",
    "service-account-max-token-expiration",
    "service-account-signing-endpoint",
    "service-account-signing-key-file",
    "show-hidden-metrics-for-version",
    "storage-backend",
    "storage-initialization-timeout",
    "strict-transport-security-directives",
    "tls-cipher-suites",
    "tls-curve-preferences",
    "tls-min-version",
    "tls-sni-cert-key",
    "tracing-config-file",
    "v",
    "vmodule",
    "watch-cache-sizes",
)


def choose_none_of_these(function: F) -> F:
    """Takes the options, tells what is not built, and keeps nothing."""
    for name in (*AS_IT_IS, *NAMES):
        function = click.option(
            f"-{name}" if len(name) == 1 else f"--{name}",
            f"unbuilt_{name.replace('-', '_')}",
            hidden=True,
            expose_value=False,
            multiple=True,
            callback=_refuse,
        )(function)
    return function


def _refuse(context: click.Context, parameter: click.Parameter, value: tuple[str, ...]) -> None:
    """Raises Problem."""
    if not value:
        return
    option = parameter.opts[0]
    name = option.lstrip("-")
    usual = AS_IT_IS.get(name)
    if usual is not None and all(one == usual for one in value):
        return
    why = _WHY.get(name, "leave it out")
    if usual is not None:
        raise Problem(f"{option}={value[0]} is not built: it is always {usual}", why)
    raise Problem(f"{option} is a flag of kube-apiserver that is not built", why)
