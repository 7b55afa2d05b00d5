"""A profile of a configuration → the plugins that decide about the pods of its ``schedulerName``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from pybernetes.api.features import NONE, Features
from pybernetes.api.fields import FieldPath, aggregate
from pybernetes.scheduler.assumed_volumes import AssumedVolumes
from pybernetes.scheduler.cluster import ClusterState
from pybernetes.scheduler.configuration.argument_validation import validate_arguments
from pybernetes.scheduler.configuration.arguments import Arguments, DefaultPreemptionArgs
from pybernetes.scheduler.configuration.documents import Plugin as ChosenPlugin
from pybernetes.scheduler.configuration.documents import Plugins, PluginSet, SchedulerProfile
from pybernetes.scheduler.configuration.loading import Configuration, default_configuration
from pybernetes.scheduler.configuration.merging import ConfigurationError, Point, choose, merge
from pybernetes.scheduler.configuration.validation import JUDGED_WHEN_BUILT
from pybernetes.scheduler.extender_http import tls_of
from pybernetes.scheduler.framework import Profile
from pybernetes.scheduler.framework import Weighted as WeightedPlugin
from pybernetes.scheduler.pod_info import DEFAULT_SCHEDULER
from pybernetes.scheduler.registry import DEFAULT_PLUGINS, NOT_BUILT, ROWS, Parts, Row
from pybernetes.scheduler.workloads import Workloads

_POINTS = (*(point.field for point in Point), "multi_point", "placement_generate", "placement_score")


def build_profiles(configuration: Configuration, parts: Parts, rows: Mapping[str, Row] = ROWS) -> dict[str, Profile]:
    """By scheduler name. Raises ConfigurationError, in upstream's words."""
    built: dict[str, Profile] = {}
    for profile, arguments in zip(configuration.document.profiles, configuration.arguments, strict=True):
        name = profile.scheduler_name or ""
        try:
            built[name] = build_profile(name, profile, arguments, parts, rows)
        except ConfigurationError as error:
            raise ConfigurationError(
                f"initializing profiles: creating profile for scheduler name {name}: {error}"
            ) from error
    return built


def default_profile(state: ClusterState, workloads: Workloads) -> Profile:
    """Upstream's default plugins and weights, as far as they are built."""
    parts = Parts(state, workloads, AssumedVolumes(state.storage))
    return build_profiles(default_configuration(), parts)[DEFAULT_SCHEDULER]


def build_profile(
    name: str, given: SchedulerProfile, arguments: Mapping[str, Arguments], parts: Parts, rows: Mapping[str, Row]
) -> Profile:
    chosen_plugins = _with_defaults(given.plugins, [one for one, row in rows.items() if row.added])
    _check_built(chosen_plugins)
    chosen = choose(chosen_plugins, {one: row.points for one, row in rows.items()})
    at = chosen.at
    sorts = at[Point.QUEUE_SORT]
    if len(sorts) != 1:
        raise ConfigurationError(
            f'only one queue sort plugin required for profile with scheduler name "{name}", but got {len(sorts)}'
        )
    if not at[Point.BIND]:
        raise ConfigurationError(f'at least one bind plugin is needed for profile with scheduler name "{name}"')
    for one in JUDGED_WHEN_BUILT & arguments.keys():
        if any(one in names for names in at.values()) and (
            errors := list(validate_arguments(arguments[one], FieldPath()))
        ):
            raise ConfigurationError(f'initializing plugin "{one}": {aggregate(errors)}')
    made = {
        one: row.make(parts, arguments.get(one) or row.arguments())
        for one, row in rows.items()
        if row.make is not None and any(one in names for names in at.values())
    }

    def plugins_at(point: Point) -> tuple[Any, ...]:
        return tuple(made[one] for one in at[point] if one in made)

    preemption = arguments.get("DefaultPreemption") or DefaultPreemptionArgs()
    return Profile(
        scheduler_name=name,
        filters=plugins_at(Point.FILTER),
        scores=tuple(WeightedPlugin(one, chosen.weights[one.name]) for one in plugins_at(Point.SCORE)),
        admitting=tuple(one for one in plugins_at(Point.FILTER) if hasattr(one, "rejection")),
        reserves=plugins_at(Point.RESERVE),
        gates=plugins_at(Point.PRE_ENQUEUE),
        sort=next(iter(plugins_at(Point.QUEUE_SORT)), None),
        post_filters=plugins_at(Point.POST_FILTER),
        permits=plugins_at(Point.PERMIT),
        pre_binds=tuple(one for one in plugins_at(Point.PRE_BIND) if hasattr(one, "pre_bind")),
        binds=plugins_at(Point.BIND),
        post_binds=plugins_at(Point.POST_BIND),
        binds_itself="DefaultBinder" in at[Point.BIND],
        preemption=cast(DefaultPreemptionArgs, preemption) if "DefaultPreemption" in at[Point.POST_FILTER] else None,
    )


def _with_defaults(given: Plugins | None, added: Sequence[str]) -> Plugins:
    default = DEFAULT_PLUGINS
    if added:
        ours = default.multi_point.enabled
        everything = PluginSet(enabled=(*ours, *(ChosenPlugin(name=name) for name in added)))
        default = Plugins(multi_point=everything)
    if given is None:
        return default
    merged: dict[str, Any] = {point: merge(getattr(default, point), getattr(given, point)) for point in _POINTS}
    return Plugins(**merged)


def _check_built(plugins: Plugins) -> None:
    for point in _POINTS:
        for one in getattr(plugins, point).enabled:
            if one.name in NOT_BUILT:
                raise ConfigurationError(f'plugin "{one.name}" is not built')


def check(configuration: Configuration, rows: Mapping[str, Row], features: Features = NONE) -> None:
    """Whether a scheduler can be built from it. Raises ConfigurationError."""
    state = ClusterState()
    parts = Parts(state, Workloads(), AssumedVolumes(state.storage), features=features)
    for one in configuration.document.extenders:
        tls_of(one)
    build_profiles(configuration, parts, rows)
