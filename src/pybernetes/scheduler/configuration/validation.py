"""What is wrong with a scheduler's configuration, in upstream's words.

Follows pkg/scheduler/apis/config/validation/validation.go and k8s.io/component-base/config/validation.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from pybernetes.api.durations import parse_duration
from pybernetes.api.fields import FieldError, FieldPath, at, duplicate, invalid, is_qualified_name, required
from pybernetes.api.resource_names import is_extended
from pybernetes.scheduler.configuration.argument_validation import validate_arguments
from pybernetes.scheduler.configuration.arguments import Arguments
from pybernetes.scheduler.configuration.documents import (
    ClientConnection,
    Extender,
    KubeSchedulerConfiguration,
    LeaderElection,
    PluginConfig,
    PluginSet,
    SchedulerProfile,
)

JUDGED_WHEN_BUILT = frozenset(("NodeResourcesFit",))
"""Plugins that look at their arguments themselves, when they are made."""
_REMOVED = frozenset(("AzureDiskLimits", "CinderLimits", "EBSLimits", "GCEPDLimits"))
_POINTS = [
    "preEnqueue",
    "queueSort",
    "preFilter",
    "filter",
    "postFilter",
    "preScore",
    "score",
    "reserve",
    "permit",
    "preBind",
    "bind",
    "postBind",
]


def validate(
    configuration: KubeSchedulerConfiguration, arguments: Sequence[dict[str, Arguments]]
) -> Iterator[FieldError]:
    """``arguments`` are those of each profile's plugins, by name, as far as they are known."""
    yield from _client_connection(configuration.client_connection)
    yield from _leader_election(configuration.leader_election, at.leaderElection)
    if configuration.parallelism <= 0:
        yield invalid(at.parallelism, configuration.parallelism, "should be an integer value greater than zero")
    yield from _profiles(configuration, arguments)
    yield from _percentage(at.percentageOfNodesToScore, configuration.percentage_of_nodes_to_score)
    initial, most = configuration.pod_initial_backoff_seconds, configuration.pod_max_backoff_seconds
    if initial <= 0:
        yield invalid(at.podInitialBackoffSeconds, initial, "must be greater than 0")
    if most < initial:
        yield invalid(at.podMaxBackoffSeconds, most, "must be greater than or equal to PodInitialBackoffSeconds")
    yield from _extenders(configuration.extenders, at.extenders)


def _extenders(extenders: Sequence[Extender], path: FieldPath) -> Iterator[FieldError]:
    managed = set()
    for index, one in enumerate(extenders):
        if one.prioritize_verb and one.weight <= 0:
            yield invalid(path[index].weight, one.weight, "must have a positive weight applied to it")
        for number, resource in enumerate(one.managed_resources):
            at_name = path[index].managedResources[number].child("name")
            wrong = is_qualified_name(resource.name)
            yield from (invalid(at_name, resource.name, message) for message in wrong)
            if not wrong and not is_extended(resource.name):
                yield invalid(at_name, resource.name, "is an invalid extended resource name")
            if resource.name in managed:
                yield invalid(at_name, resource.name, "duplicate extender managed resource name")
            managed.add(resource.name)
    binders = sum(bool(one.bind_verb) for one in extenders)
    if binders > 1:
        yield invalid(path, f"found {binders} extenders implementing bind", "only one extender can implement bind")


def _profiles(
    configuration: KubeSchedulerConfiguration, arguments: Sequence[dict[str, Arguments]]
) -> Iterator[FieldError]:
    names: set[str] = set()
    for index, profile in enumerate(configuration.profiles):
        path = at.profiles[index]
        yield from _profile(path, configuration.api_version, profile, arguments[index])
        name = profile.scheduler_name or ""
        if name in names:
            # Upstream names the first one by a path, which is printed as nothing.
            yield duplicate(path.schedulerName, {})
        names.add(name)
    yield from _queue_sort(configuration.profiles)


def _profile(
    path: FieldPath, version: str, profile: SchedulerProfile, arguments: dict[str, Arguments]
) -> Iterator[FieldError]:
    if not profile.scheduler_name:
        yield required(path.schedulerName)
    yield from _percentage(path.percentageOfNodesToScore, profile.percentage_of_nodes_to_score)
    for point in _POINTS if profile.plugins is not None else ():
        chosen: PluginSet = getattr(profile.plugins, _snake(point))
        for index, plugin in enumerate(chosen.enabled):
            if plugin.name in _REMOVED:
                yield _removed(path.plugins.child(point).enabled[index], plugin.name, version)
    yield from _plugin_config(path.pluginConfig, version, profile.plugin_config, arguments)


def _plugin_config(
    path: FieldPath, version: str, configured: Sequence[PluginConfig], arguments: dict[str, Arguments]
) -> Iterator[FieldError]:
    seen = set()
    for index, one in enumerate(configured):
        if one.name in seen:
            yield duplicate(path[index], one.name)
        seen.add(one.name)
        if one.name in _REMOVED:
            yield _removed(path[index], one.name, version)
        elif one.name in arguments and one.name not in JUDGED_WHEN_BUILT:
            yield from validate_arguments(arguments[one.name], path[index].args)


def _removed(path: FieldPath, name: str, version: str) -> FieldError:
    shown = "kubescheduler.config.k8s.io/v1"
    return invalid(path, name, f'was invalid in version "{shown}" (KubeSchedulerConfiguration is version "{version}")')


def _queue_sort(profiles: Sequence[SchedulerProfile]) -> Iterator[FieldError]:
    sets = [one.plugins.queue_sort if one.plugins is not None else PluginSet() for one in profiles]
    if sets and len(sets[0].enabled) > 1:
        path = at.profiles[0].plugins.queueSort.Enabled
        yield invalid(path, len(sets[0].enabled), "only one queue sort plugin can be enabled")
    for index, one in enumerate(sets[1:], start=1):
        if one != sets[0]:
            path = at.profiles[index].plugins.queueSort
            yield invalid(path, _as_go_has_it(one), "must be the same for all profiles")


def _as_go_has_it(chosen: PluginSet) -> dict[str, Any]:
    def plugins(of: Sequence[Any]) -> list[dict[str, Any]] | None:
        return [{"Name": one.name, "Weight": one.weight or 0} for one in of] or None

    return {"Enabled": plugins(chosen.enabled), "Disabled": plugins(chosen.disabled)}


def _percentage(path: FieldPath, value: int | None) -> Iterator[FieldError]:
    if value is not None and not 0 <= value <= 100:
        yield invalid(path, value, "not in valid range [0-100]")


def _client_connection(given: ClientConnection) -> Iterator[FieldError]:
    if given.burst < 0:
        yield invalid(at.clientConnection.burst, given.burst, "must be non-negative")


def _leader_election(given: LeaderElection, path: FieldPath) -> Iterator[FieldError]:
    """Nothing is asked of it while nobody is to be elected."""
    if given.leader_elect is False:
        return
    times = {
        "leaseDuration": given.lease_duration,
        "renewDeadline": given.renew_deadline,
        "retryPeriod": given.retry_period,
    }
    for name, text in times.items():
        if parse_duration(text) <= 0:
            yield invalid(path.child(name), text, "must be greater than zero")
    if parse_duration(given.lease_duration) <= parse_duration(given.renew_deadline):
        yield invalid(path.leaseDuration, given.renew_deadline, "must be greater than `RenewDeadline`")
    for name, value in (("resourceNamespace", given.resource_namespace), ("resourceName", given.resource_name)):
        if not value:
            yield required(path.child(name))
    if given.resource_lock != "leases":
        yield invalid(path.resourceLock, given.resource_lock, 'resourceLock value must be "leases"')


def _snake(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)
