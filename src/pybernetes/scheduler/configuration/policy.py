"""The classic `Policy` file: predicates and priorities by their names, each selecting a plugin of today.

A file that lists predicates has those and no others; so it is with priorities. One that lists none has the classic
defaults. Every name has one row here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pybernetes.scheduler.configuration.merging import ConfigurationError

KIND = "Policy"
_FIELDS = frozenset(
    [
        "kind",
        "apiVersion",
        "metadata",
        "predicates",
        "priorities",
        "extenders",
        "hardPodAffinitySymmetricWeight",
        "alwaysCheckAllPredicates",
    ]
)

PREDICATES: Mapping[str, tuple[str, ...]] = {
    "PodFitsPorts": ("NodePorts",),
    "PodFitsHostPorts": ("NodePorts",),
    "PodFitsResources": ("NodeResourcesFit",),
    "PodFitsResource": ("NodeResourcesFit",),
    "PodFitsHost": ("NodeName",),
    "HostName": ("NodeName",),
    "MatchNodeSelector": ("NodeAffinity",),
    "NoDiskConflict": ("VolumeRestrictions",),
    "NoVolumeZoneConflict": ("VolumeZone",),
    "MaxEBSVolumeCount": ("MaxEBSVolumeCount",),
    "MaxGCEPDVolumeCount": ("MaxGCEPDVolumeCount",),
    "MaxCSIVolumeCountPred": ("NodeVolumeLimits",),
    "CheckVolumeBinding": ("VolumeBinding",),
    "PodToleratesNodeTaints": ("TaintToleration",),
    "CheckNodeUnschedulable": ("NodeUnschedulable",),
    "MatchInterPodAffinity": ("InterPodAffinity",),
    "EvenPodsSpread": ("PodTopologySpread",),
    "GeneralPredicates": ("NodeResourcesFit", "NodeName", "NodePorts", "NodeAffinity"),
}
"""The plugins that a predicate filters by."""

ALWAYS = ("NodeUnschedulable", "TaintToleration")
"""Filters that every Policy has: the classic mandatory predicates."""

PRIORITIES: Mapping[str, str] = {
    "LeastRequestedPriority": "NodeResourcesFit",
    "MostRequestedPriority": "NodeResourcesFit",
    "RequestedToCapacityRatioPriority": "NodeResourcesFit",
    "BalancedResourceAllocation": "NodeResourcesBalancedAllocation",
    "SelectorSpreadPriority": "SelectorSpread",
    "ServiceSpreadingPriority": "ServiceSpreading",
    "InterPodAffinityPriority": "InterPodAffinity",
    "NodeAffinityPriority": "NodeAffinity",
    "TaintTolerationPriority": "TaintToleration",
    "ImageLocalityPriority": "ImageLocality",
    "EvenPodsSpreadPriority": "PodTopologySpread",
    "EqualPriority": "EqualPriority",
}
_STRATEGIES = {"LeastRequestedPriority": "LeastAllocated", "MostRequestedPriority": "MostAllocated"}

_DEFAULT_PREDICATES = [
    "NoVolumeZoneConflict",
    "MaxEBSVolumeCount",
    "MaxGCEPDVolumeCount",
    "MaxCSIVolumeCountPred",
    "MatchInterPodAffinity",
    "NoDiskConflict",
    "GeneralPredicates",
    "PodToleratesNodeTaints",
    "CheckVolumeBinding",
    "CheckNodeUnschedulable",
]
_DEFAULT_PRIORITIES = [
    "SelectorSpreadPriority",
    "InterPodAffinityPriority",
    "LeastRequestedPriority",
    "BalancedResourceAllocation",
    "NodeAffinityPriority",
    "TaintTolerationPriority",
    "ImageLocalityPriority",
]


def as_configuration(policy: Mapping[str, Any]) -> dict[str, Any]:
    """The same as a `KubeSchedulerConfiguration`. Raises ConfigurationError."""
    unknown = [f'unknown field "{name}"' for name in policy if name not in _FIELDS]
    if unknown:
        raise ConfigurationError(f"strict decoding error: {', '.join(unknown)}")
    predicates = policy.get("predicates")
    priorities = policy.get("priorities")
    chosen = _names(predicates) if predicates is not None else _DEFAULT_PREDICATES
    weights = _weights(priorities) if priorities is not None else dict.fromkeys(_DEFAULT_PRIORITIES, 1)
    filters = list(dict.fromkeys((*ALWAYS, *(plugin for name in chosen for plugin in _plugins_of(name)))))
    nothing = {"disabled": [{"name": "*"}]}
    return {
        "apiVersion": "kubescheduler.config.k8s.io/v1",
        "kind": "KubeSchedulerConfiguration",
        "profiles": [
            {
                "plugins": {
                    "preFilter": nothing,
                    "filter": nothing | {"enabled": [{"name": name} for name in filters]},
                    "preScore": nothing,
                    "score": nothing | {"enabled": _scores(weights)},
                },
                "pluginConfig": list(_plugin_config(policy, priorities or (), weights)),
            }
        ],
        "extenders": [_extender(one) for one in policy.get("extenders") or ()],
    }


def _extender(classic: Mapping[str, Any]) -> dict[str, Any]:
    """Times were numbers of nanoseconds, and HTTPS was written otherwise."""
    found = dict(classic)
    if "enableHttps" in found:
        found["enableHTTPS"] = found.pop("enableHttps")
    if isinstance(found.get("httpTimeout"), int):
        found["httpTimeout"] = f"{found['httpTimeout']}ns"
    return found


def _names(predicates: Iterable[Mapping[str, Any]]) -> list[str]:
    return [str(one.get("name", "")) for one in predicates]


def _plugins_of(predicate: str) -> tuple[str, ...]:
    if predicate not in PREDICATES:
        raise ConfigurationError(f"Invalid configuration: Predicate type not found for {predicate}")
    return PREDICATES[predicate]


def _weights(priorities: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    weights: dict[str, int] = {}
    for one in priorities:
        name, weight = str(one.get("name", "")), one.get("weight", 0)
        if name not in PRIORITIES:
            raise ConfigurationError(f"Invalid configuration: Priority type not found for {name}")
        if not isinstance(weight, int) or weight <= 0:
            raise ConfigurationError(f"Priority for {name} has to have a positive weight applied to it")
        weights[name] = weight
    return weights


def _scores(weights: Mapping[str, int]) -> list[dict[str, Any]]:
    by_plugin: dict[str, int] = {}
    for name, weight in weights.items():
        plugin = PRIORITIES[name]
        if plugin in by_plugin and plugin == "NodeResourcesFit":
            raise ConfigurationError(f"{name}: only one priority can say how full nodes should be")
        by_plugin[plugin] = by_plugin.get(plugin, 0) + weight
    return [{"name": plugin, "weight": weight} for plugin, weight in by_plugin.items()]


def _plugin_config(
    policy: Mapping[str, Any], priorities: Iterable[Mapping[str, Any]], weights: Mapping[str, int]
) -> Iterable[dict[str, Any]]:
    if "hardPodAffinitySymmetricWeight" in policy:
        weight = policy["hardPodAffinitySymmetricWeight"]
        yield {"name": "InterPodAffinity", "args": {"hardPodAffinityWeight": weight}}
    for name, strategy in _STRATEGIES.items():
        if name in weights:
            yield {"name": "NodeResourcesFit", "args": {"scoringStrategy": {"type": strategy}}}
    for one in priorities:
        if one.get("name") == "RequestedToCapacityRatioPriority":
            ratio = (one.get("argument") or {}).get("requestedToCapacityRatioArguments") or {}
            by_ratio = {
                "type": "RequestedToCapacityRatio",
                "resources": ratio.get("resources") or [],
                "requestedToCapacityRatio": {"shape": ratio.get("shape") or []},
            }
            yield {"name": "NodeResourcesFit", "args": {"scoringStrategy": by_ratio}}
