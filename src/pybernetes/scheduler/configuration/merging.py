"""Which plugins a profile has at each extension point: upstream's defaults, what the file says, and multiPoint.

Follows pkg/scheduler/apis/config/v1/default_plugins.go and expandMultiPointPlugins in framework/runtime/framework.go.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum

from pybernetes.scheduler.configuration.documents import Plugin, Plugins, PluginSet


class ConfigurationError(Exception):
    """What an operator chose cannot be; the message is upstream's."""


class Point(Enum):
    """The extension points, in the order in which upstream fills them, and what it calls a plugin there."""

    PRE_FILTER = "pre_filter", "PreFilterPlugin"
    FILTER = "filter", "FilterPlugin"
    POST_FILTER = "post_filter", "PostFilterPlugin"
    RESERVE = "reserve", "ReservePlugin"
    PRE_SCORE = "pre_score", "PreScorePlugin"
    SCORE = "score", "ScorePlugin"
    PRE_BIND = "pre_bind", "PreBindPlugin"
    BIND = "bind", "BindPlugin"
    POST_BIND = "post_bind", "PostBindPlugin"
    PERMIT = "permit", "PermitPlugin"
    PRE_ENQUEUE = "pre_enqueue", "PreEnqueuePlugin"
    QUEUE_SORT = "queue_sort", "QueueSortPlugin"

    def __init__(self, field: str, title: str) -> None:
        self.field = field
        self.title = title

    def of(self, plugins: Plugins) -> PluginSet:
        chosen: PluginSet = getattr(plugins, self.field)
        return chosen


@dataclass(frozen=True, slots=True)
class Chosen:
    """The names of plugins at each point, in order, and the weights of those that score."""

    at: Mapping[Point, tuple[str, ...]]
    weights: Mapping[str, int]


EVERYTHING = "*"
Extends = Mapping[str, Collection[Point]]
"""The points that each known plugin extends."""


def merge(default: PluginSet, custom: PluginSet) -> PluginSet:
    """The defaults without those disabled, each replaced by what the file says of it; then the file's others."""
    disabled = {one.name for one in (*custom.disabled, *default.disabled)}
    said = {one.name: index for index, one in enumerate(custom.enabled)}
    enabled: list[Plugin] = []
    replaced = set()
    for one in default.enabled if EVERYTHING not in disabled else ():
        if one.name in disabled:
            continue
        index = said.get(one.name)
        if index is not None:
            replaced.add(index)
        enabled.append(one if index is None else custom.enabled[index])
    enabled += [one for index, one in enumerate(custom.enabled) if index not in replaced]
    return PluginSet(enabled=tuple(enabled), disabled=(*custom.disabled, *default.disabled))


def choose(plugins: Plugins, extends: Extends) -> Chosen:
    """Raises ConfigurationError."""
    for point in Point:
        _check(point, point.of(plugins), extends)
    at = {point: tuple(_expanded(point, plugins, extends)) for point in Point}
    return Chosen(at, _weights(plugins, extends))


def _check(point: Point, chosen: PluginSet, extends: Extends) -> None:
    seen = set()
    for one in chosen.enabled:
        if one.name not in extends:
            raise ConfigurationError(f'{point.title} "{one.name}" does not exist')
        if point not in extends[one.name]:
            raise ConfigurationError(f'plugin "{one.name}" does not extend {point.title} plugin')
        if one.name in seen:
            raise _registered_twice(one.name, point)
        seen.add(one.name)


def _expanded(point: Point, plugins: Plugins, extends: Extends) -> Iterator[str]:
    """Those of multiPoint that the point names too come first, as the point orders them; its others come last."""
    chosen = point.of(plugins)
    own = [one.name for one in chosen.enabled]
    disabled = {one.name for one in chosen.disabled}
    if EVERYTHING in disabled:
        yield from own
        return
    general: list[str] = []
    overridden = set()
    for one in plugins.multi_point.enabled:
        if one.name not in extends:
            raise ConfigurationError(f'{point.title} "{one.name}" does not exist')
        if point not in extends[one.name] or one.name in disabled:
            continue
        if one.name in own:
            overridden.add(one.name)
        elif one.name in general:
            raise _registered_twice(one.name, point)
        else:
            general.append(one.name)
    yield from (name for name in own if name in overridden)
    yield from general
    yield from (name for name in own if name not in overridden)


def _weights(plugins: Plugins, extends: Extends) -> dict[str, int]:
    """What the score point says counts before what multiPoint says. No weight, or 0, is 1."""
    weights: dict[str, int] = {}
    for one in (*plugins.score.enabled, *plugins.multi_point.enabled):
        if Point.SCORE in extends[one.name] and one.name not in weights:
            weights[one.name] = one.weight or 1
    return weights


def _registered_twice(name: str, point: Point) -> ConfigurationError:
    return ConfigurationError(f'plugin "{name}" already registered as "{point.title}"')
