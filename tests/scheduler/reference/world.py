"""A cluster as a reference plugin sees it: lists of objects, and what each node's pods are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pybernetes.api.models import core_v1, meta_v1, storage_v1

Scores = dict[str, int]
"""By node."""


@dataclass(frozen=True)
class Verdict:
    """Why a node will not do. ``hopeless``: no matter which pods went away from it."""

    reasons: tuple[str, ...]
    hopeless: bool = False


@dataclass
class Cluster:
    nodes: list[core_v1.Node] = field(default_factory=list)
    placed: list[core_v1.Pod] = field(default_factory=list)
    """Pods whose ``spec.nodeName`` is set."""
    namespaces: dict[str, Mapping[str, str]] = field(default_factory=dict)
    services: list[core_v1.Service] = field(default_factory=list)
    claims: list[core_v1.PersistentVolumeClaim] = field(default_factory=list)
    volumes: list[core_v1.PersistentVolume] = field(default_factory=list)
    classes: list[storage_v1.StorageClass] = field(default_factory=list)
    csi_nodes: list[storage_v1.CSINode] = field(default_factory=list)
    attachments: list[storage_v1.VolumeAttachment] = field(default_factory=list)

    def pods_on(self, node: core_v1.Node) -> list[core_v1.Pod]:
        return [one for one in self.placed if one.spec.node_name == node.metadata.name]

    def claim(self, namespace: str, name: str) -> core_v1.PersistentVolumeClaim | None:
        found = (one for one in self.claims if (one.metadata.namespace, one.metadata.name) == (namespace, name))
        return next(found, None)

    def volume(self, name: str) -> core_v1.PersistentVolume | None:
        return next((one for one in self.volumes if one.metadata.name == name), None)

    def storage_class(self, name: str) -> storage_v1.StorageClass | None:
        return next((one for one in self.classes if one.metadata.name == name), None)


def picks(selector: meta_v1.LabelSelector | None, labels: Mapping[str, str]) -> bool:
    """No selector picks nothing, an empty one everything."""
    if selector is None:
        return False
    if any(labels.get(key) != value for key, value in selector.match_labels.items()):
        return False
    return all(_meets(one, labels) for one in selector.match_expressions)


def _meets(requirement: meta_v1.LabelSelectorRequirement, labels: Mapping[str, str]) -> bool:
    key, values = requirement.key, requirement.values
    match requirement.operator:
        case "In":
            return key in labels and labels[key] in values
        case "NotIn":
            return key not in labels or labels[key] not in values
        case "Exists":
            return key in labels
        case "DoesNotExist":
            return key not in labels
    raise AssertionError(requirement)


def shares_of_highest(scores: Scores) -> Scores:
    """Upstream's DefaultNormalizeScore."""
    highest = max(scores.values(), default=0)
    return {name: 100 * score // highest if highest else score for name, score in scores.items()}


def as_they_are(scores: Scores) -> Scores:
    return scores
