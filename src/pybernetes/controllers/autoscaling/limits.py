"""How far and how fast an autoscaler may go: windows, rates and bounds. Pure: what is remembered is handed on.

Follows normalizeDesiredReplicas and its sister with behaviors in pkg/controller/podautoscaler/horizontal.go.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from pybernetes.api.models import autoscaling_v2

STABILIZATION = timedelta(minutes=5)
_UP_FACTOR, _UP_LEAST = 2, 4
_LONGEST = timedelta(hours=1)
"""The longest window that the API allows: nothing older is remembered."""

Remembered = tuple[tuple[int, datetime], ...]


@dataclass(frozen=True, slots=True)
class Memory:
    recommendations: Remembered = ()
    ups: Remembered = ()
    downs: Remembered = ()

    def recommended(self, replicas: int, now: datetime) -> Memory:
        return replace(self, recommendations=(*_recent(self.recommendations, now), (replicas, now)))

    def scaled(self, before: int, after: int, now: datetime) -> Memory:
        if after > before:
            return replace(self, ups=(*_recent(self.ups, now), (after - before, now)))
        return replace(self, downs=(*_recent(self.downs, now), (before - after, now)))


@dataclass(frozen=True, slots=True)
class Said:
    """What a condition says."""

    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Bounds:
    least: int
    most: int


@dataclass(frozen=True, slots=True)
class Allowed:
    replicas: int
    able: Said
    is_limited: bool
    limited: Said


READY = Said("ReadyForNewScale", "recommended size matches current size")
WITHIN = Said("DesiredWithinRange", "the desired count is within the acceptable range")
UP_STABILIZED = Said(
    "ScaleUpStabilized",
    "recent recommendations were lower than current one, applying the lowest recent recommendation",
)
DOWN_STABILIZED = Said(
    "ScaleDownStabilized",
    "recent recommendations were higher than current one, applying the highest recent recommendation",
)
UP_LIMIT = Said("ScaleUpLimit", "the desired replica count is increasing faster than the maximum scale rate")
DOWN_LIMIT = Said("ScaleDownLimit", "the desired replica count is decreasing faster than the maximum scale rate")
TOO_MANY = Said("TooManyReplicas", "the desired replica count is more than the maximum replica count")
TOO_FEW = Said("TooFewReplicas", "the desired replica count is less than the minimum replica count")


def allow(
    behavior: autoscaling_v2.HorizontalPodAutoscalerBehavior | None,
    current: int,
    desired: int,
    bounds: Bounds,
    memory: Memory,
    now: datetime,
) -> Allowed:
    if behavior is None:
        stable = max([desired, *_since(memory.recommendations, now - STABILIZATION)])
        able = DOWN_STABILIZED if stable != desired else READY
        replicas, said = _by_rules(current, stable, bounds)
    else:
        stable = _stabilized(behavior, current, desired, memory, now)
        able = READY if stable == desired else UP_STABILIZED if desired >= current else DOWN_STABILIZED
        replicas, said = _by_rates(behavior, current, stable, bounds, memory, now)
    return Allowed(replicas, able, replicas != stable, said)


def _by_rules(current: int, desired: int, bounds: Bounds) -> tuple[int, Said]:
    fastest = max(_UP_FACTOR * current, _UP_LEAST)
    most, why = (fastest, UP_LIMIT) if bounds.most > fastest else (bounds.most, TOO_MANY)
    if desired < bounds.least:
        return bounds.least, TOO_FEW
    return (most, why) if desired > most else (desired, WITHIN)


def _stabilized(
    behavior: autoscaling_v2.HorizontalPodAutoscalerBehavior,
    current: int,
    desired: int,
    memory: Memory,
    now: datetime,
) -> int:
    """As near to the present number as what was recommended within the windows leads."""
    up = min([desired, *_within(memory.recommendations, _window(behavior.scale_up, timedelta()), now)])
    down = max([desired, *_within(memory.recommendations, _window(behavior.scale_down, STABILIZATION), now)])
    return min(max(current, up), down)


def _by_rates(
    behavior: autoscaling_v2.HorizontalPodAutoscalerBehavior,
    current: int,
    desired: int,
    bounds: Bounds,
    memory: Memory,
    now: datetime,
) -> tuple[int, Said]:
    if desired > current:
        fastest = max(current, _fastest_up(behavior.scale_up, current, memory, now))
        most, why = (fastest, UP_LIMIT) if bounds.most > fastest else (bounds.most, TOO_MANY)
        return (most, why) if desired > most else (desired, WITHIN)
    if desired < current:
        slowest = min(current, _fastest_down(behavior.scale_down, current, memory, now))
        least, why = (slowest, DOWN_LIMIT) if bounds.least < slowest else (bounds.least, TOO_FEW)
        return (least, why) if desired < least else (desired, WITHIN)
    return desired, WITHIN


def _fastest_up(rules: autoscaling_v2.HPAScalingRules | None, current: int, memory: Memory, now: datetime) -> int:
    def grown(policy: autoscaling_v2.HPAScalingPolicy, start: int) -> int:
        if policy.type == "Pods":
            return start + policy.value
        return math.ceil(start * (1 + policy.value / 100))

    return _rated(rules, current, memory, now, grown, min, max)


def _fastest_down(rules: autoscaling_v2.HPAScalingRules | None, current: int, memory: Memory, now: datetime) -> int:
    def shrunk(policy: autoscaling_v2.HPAScalingPolicy, start: int) -> int:
        if policy.type == "Pods":
            return start - policy.value
        return int(start * (1 - policy.value / 100))

    return _rated(rules, current, memory, now, shrunk, max, min)


def _rated(
    rules: autoscaling_v2.HPAScalingRules | None,
    current: int,
    memory: Memory,
    now: datetime,
    changed: Callable[[autoscaling_v2.HPAScalingPolicy, int], int],
    smallest_change: Callable[[list[int]], int],
    greatest_change: Callable[[list[int]], int],
) -> int:
    """Where the policies lead from where their periods began."""
    if rules is None or rules.select_policy == "Disabled":
        return current
    proposed = []
    for policy in rules.policies:
        period = timedelta(seconds=policy.period_seconds)
        start = current - sum(_within(memory.ups, period, now)) + sum(_within(memory.downs, period, now))
        proposed.append(changed(policy, start))
    if not proposed:
        return current
    return smallest_change(proposed) if rules.select_policy == "Min" else greatest_change(proposed)


def _window(rules: autoscaling_v2.HPAScalingRules | None, default: timedelta) -> timedelta:
    if rules is None or rules.stabilization_window_seconds is None:
        return default
    return timedelta(seconds=rules.stabilization_window_seconds)


def _within(remembered: Remembered, window: timedelta, now: datetime) -> list[int]:
    return [value for value, at in remembered if at > now - window]


def _since(remembered: Remembered, start: datetime) -> list[int]:
    return [value for value, at in remembered if at >= start]


def _recent(remembered: Remembered, now: datetime) -> Remembered:
    return tuple(one for one in remembered if one[1] > now - _LONGEST)
