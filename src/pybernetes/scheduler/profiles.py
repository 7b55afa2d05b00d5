"""A profile of a configuration → the plugins that decide about the pods of its ``schedulerName``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

from pybernetes.scheduler.assumed_volumes import AssumedVolumes
from pybernetes.scheduler.cluster import ClusterState
from pybernetes.scheduler.configuration.arguments import Arguments, DefaultPreemptionArgs
from pybernetes.scheduler.configuration.documents import Plugin as ChosenPlugin
from pybernetes.scheduler.configuration.documents import Plugins, PluginSet, SchedulerProfile
from pybernetes.scheduler.configuration.loading import Configuration, default_configuration
from pybernetes.scheduler.configuration.merging import ConfigurationError, Point, choose, merge
from pybernetes.scheduler.framework import AdmittingPlugin, FilterPlugin, Plugin, Profile, ReservePlugin, ScorePlugin
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
    plugins = _with_defaults(given.plugins, [one for one, row in rows.items() if row.added])
    _check_built(plugins)
    chosen = choose(plugins, {one: row.points for one, row in rows.items()})
    at = chosen.at
    sorts = at[Point.QUEUE_SORT]
    if len(sorts) != 1:
        raise ConfigurationError(
            f'only one queue sort plugin required for profile with scheduler name "{name}", but got {len(sorts)}'
        )
    if not at[Point.BIND]:
        raise ConfigurationError(f'at least one bind plugin is needed for profile with scheduler name "{name}"')
    made = {
        one: row.make(parts, arguments.get(one) or row.arguments())
        for one, row in rows.items()
        if row.make is not None and any(one in at[point] for point in (Point.FILTER, Point.SCORE, Point.RESERVE))
    }
    preemption = arguments.get("DefaultPreemption") or DefaultPreemptionArgs()
    return Profile(
        scheduler_name=name,
        filters=tuple(cast(FilterPlugin, one) for one in _chosen(at[Point.FILTER], made)),
        scores=tuple(
            WeightedPlugin(cast(ScorePlugin, one), chosen.weights[one.name]) for one in _chosen(at[Point.SCORE], made)
        ),
        admitting=tuple(
            cast(AdmittingPlugin, one) for one in _chosen(at[Point.FILTER], made) if hasattr(one, "rejection")
        ),
        reserves=tuple(cast(ReservePlugin, one) for one in _chosen(at[Point.RESERVE], made)),
        preemption=cast(DefaultPreemptionArgs, preemption) if "DefaultPreemption" in at[Point.POST_FILTER] else None,
        holds_gated="SchedulingGates" in at[Point.PRE_ENQUEUE],
    )


def _chosen(names: tuple[str, ...], made: Mapping[str, Plugin]) -> Iterator[Plugin]:
    return (made[name] for name in names if name in made)


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


def check(configuration: Configuration, rows: Mapping[str, Row]) -> None:
    """Whether a scheduler can be built from it. Raises ConfigurationError."""
    state = ClusterState()
    build_profiles(configuration, Parts(state, Workloads(), AssumedVolumes(state.storage)), rows)
