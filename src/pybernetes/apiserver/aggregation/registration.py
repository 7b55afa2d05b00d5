"""What shall be registered of the group versions that this server serves itself, and what is to be done about it. Pure.

Follows pkg/controllers/autoregister of kube-aggregator, and pkg/controlplane/controller/crdregistration.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from pybernetes.apiserver.aggregation.records import AUTOMANAGED
from pybernetes.apiserver.discovery.priorities import BUILT_IN, CUSTOM, FIRST
from pybernetes.apiserver.resource import Document, Resource

ON_START, ALWAYS = "onstart", "true"
_MANAGED = (ON_START, ALWAYS)


class Act(Enum):
    NOTHING = "nothing"
    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"


@dataclass(frozen=True, slots=True)
class History:
    """What this server has seen of an APIService."""

    at_start: bool
    """It was there when the server began."""
    settled: bool
    """It was brought in step once already."""


def built_in(group_versions: Iterable[tuple[str, str]]) -> dict[str, Document]:
    """By name. Groups without a priority of upstream's are nobody's to register, and the first is where all is."""
    return {
        f"{version}.{group}": _document(group, version, ON_START)
        for group, version in group_versions
        if (group, version) in BUILT_IN and group != FIRST
    }


def custom(resources: Iterable[Resource]) -> dict[str, Document]:
    return {
        f"{one.info.version}.{one.info.group}": _document(one.info.group, one.info.version, ALWAYS)
        for one in resources
        if one.custom is not None and one.verbs
    }


def _document(group: str, version: str, managed: str) -> Document:
    priority = BUILT_IN.get((group, version), CUSTOM)
    return {
        "metadata": {"name": f"{version}.{group}", "labels": {AUTOMANAGED: managed}},
        "spec": {
            **({"group": group} if group else {}),
            "version": version,
            "groupPriorityMinimum": priority.group,
            "versionPriority": priority.version,
        },
    }


def decide(desired: Document | None, current: Document | None, history: History) -> Act:
    """What was made at the start is left to its users after that; what others registered is theirs all the time."""
    wanted, found = _managed(desired), _managed(current)
    if desired is None and current is None:
        return Act.NOTHING
    if wanted == ON_START and history.settled:
        return Act.NOTHING
    if current is None:
        return Act.CREATE
    if found not in _MANAGED:
        return Act.NOTHING
    if found == ON_START and (history.settled or not history.at_start):
        return Act.NOTHING
    if desired is None:
        return Act.DELETE
    return Act.NOTHING if current["spec"] == desired["spec"] else Act.UPDATE


def _managed(document: Document | None) -> str:
    labels = document["metadata"].get("labels") or {} if document is not None else {}
    label: str = labels.get(AUTOMANAGED, "")
    return label
