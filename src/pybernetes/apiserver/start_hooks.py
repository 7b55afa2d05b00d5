"""What a server does when it starts, under the names by which its health is asked for.

A hook is well once it has been ``done``, and as long as what it has begun goes on.

Not among them, because there is nothing like it here: `loopback-serving-certificate`,
`peer-endpoint-reconciler-controller`.

Follows k8s.io/apiserver/pkg/server/hooks.go; names from pkg/controlplane and k8s.io/kube-aggregator/pkg/apiserver.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from pybernetes.apiserver.health import Check, Health

PREFIX = "poststarthook/"
KMS_PROVIDERS = "kms-providers"
"""Whether services that guard keys are well; a reason not to be sent requests, not to be started again."""
STORE = (
    "start-apiserver-admission-initializer",
    "generic-apiserver-start-informers",
    "storage-object-count-tracker-hook",
    "storage-readiness",
)
"""The store has been read and is followed."""
FAIRNESS_CONFIGURED = ("priority-and-fairness-config-producer",)
FAIRNESS_FOLLOWED = ("priority-and-fairness-config-consumer", "priority-and-fairness-filter")
CUSTOM_RESOURCES = ("start-apiextensions-informers", "start-apiextensions-controllers", "crd-informer-synced")
OBJECTS = (
    "start-system-namespaces-controller",
    "start-legacy-token-tracking-controller",
    "scheduling/bootstrap-system-priority-classes",
    "bootstrap-controller",
)
"""The objects of the first moment are there."""
SERVICE_RANGE = ("start-kubernetes-service-cidr-controller",)
SERVICE_REPAIR = ("start-service-ip-repair-controllers",)
ROLES = ("rbac/bootstrap-roles",)
IDENTITY = ("start-kube-apiserver-identity-lease-controller",)
OUTDATED_IDENTITIES = ("start-kube-apiserver-identity-lease-garbage-collector",)
TRUST = ("start-cluster-authentication-info-controller",)
AGGREGATION = (
    "aggregator-reload-proxy-client-cert",
    "start-kube-aggregator-informers",
    "apiservice-status-local-available-controller",
    "apiservice-status-remote-available-controller",
    "apiservice-registration-controller",
    "apiservice-wait-for-first-sync",
    "apiservice-discovery-controller",
    "kube-apiserver-autoregistration",
    "apiservice-openapi-controller",
    "apiservice-openapiv3-controller",
)
ORDER = (
    "ping",
    "log",
    KMS_PROVIDERS,
    "etcd",
    "informer-sync",
    *(
        PREFIX + name
        for name in (
            "start-apiserver-admission-initializer",
            "generic-apiserver-start-informers",
            "priority-and-fairness-config-consumer",
            "priority-and-fairness-filter",
            "storage-object-count-tracker-hook",
            *CUSTOM_RESOURCES,
            "start-system-namespaces-controller",
            *TRUST,
            *IDENTITY,
            *OUTDATED_IDENTITIES,
            "storage-readiness",
            "start-legacy-token-tracking-controller",
            *SERVICE_REPAIR,
            *ROLES,
            "scheduling/bootstrap-system-priority-classes",
            *FAIRNESS_CONFIGURED,
            "bootstrap-controller",
            *SERVICE_RANGE,
            *AGGREGATION[:-2],
        )
    ),
    "autoregister-completion",
    *(PREFIX + name for name in AGGREGATION[-2:]),
)
"""Upstream's. What is not among them comes after, and last whether the server is about to end."""
LAST = "shutdown"


class Hook:
    """``goes_on`` is asked once the hook is done."""

    def __init__(self, goes_on: Callable[[], bool] | None = None) -> None:
        self._goes_on = goes_on
        self._is_done = False

    def done(self) -> None:
        self._is_done = True

    async def check(self) -> str | None:
        if not self._is_done:
            return "not finished"
        if self._goes_on is not None and not self._goes_on():
            return "has stopped"
        return None


def add_hook(health: Health, names: Iterable[str], goes_on: Callable[[], bool] | None = None) -> Hook:
    """One thing that is done at start, which upstream does under several names."""
    hook = Hook(goes_on)
    add_checks(health, [PREFIX + name for name in names], hook)
    return hook


def add_checks(health: Health, names: Iterable[str], hook: Hook) -> None:
    for name in names:
        for checks in (health.live, health.ready):
            add_check(checks, name, hook.check)


def add_check(checks: dict[str, Check], name: str, check: Check) -> None:
    """Under its name, in upstream's order."""
    checks[name] = check
    ordered = sorted(checks.items(), key=lambda row: _place(row[0]))
    checks.clear()
    checks.update(ordered)


_PLACES = {name: place for place, name in enumerate(ORDER)} | {LAST: len(ORDER) + 1}


def _place(name: str) -> int:
    return _PLACES.get(name, len(ORDER))
