"""What a pod costs.

Guarantees  Every stored pod counts as `count/pods`; `pods` and what it asks for count until it has ended, or until its
time to go has run out.
Follows pkg/quota/v1/evaluator/core/pods.go.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from pybernetes.api.meta import parse_time
from pybernetes.api.quota.amounts import ONE, Amounts, read, total
from pybernetes.api.quota.evaluator import Document, ScopedEvaluator, count_name
from pybernetes.api.quota.pod_resources import POD_LEVEL, effective_limits, effective_requests, states_pod_level
from pybernetes.api.quota.scopes import (
    BEST_EFFORT,
    TERMINATING,
    Scope,
)
from pybernetes.api.resource_names import DEVICE_CLASS, HUGEPAGES, REQUESTS, is_extended, is_native

_NAMES = frozenset(
    (
        count_name("pods"),
        "pods",
        *(f"{kind}{name}" for kind in ("", "requests.", "limits.") for name in ("cpu", "memory", "ephemeral-storage")),
    )
)
_MUST_BE_STATED = frozenset(("cpu", "memory", "requests.cpu", "requests.memory", "limits.cpu", "limits.memory"))
_ENDED = ("Succeeded", "Failed")


class PodEvaluator(ScopedEvaluator):
    def __init__(self) -> None:
        super().__init__("pods")

    def handles(self, operation: str, subresource: str, new: Document, old: Document | None) -> bool:
        if subresource:
            return subresource == "resize" and operation == "UPDATE"
        if operation == "UPDATE":
            return old is not None and _has_deadline(new) != _has_deadline(old)
        return operation == "CREATE"

    def matching(self, names: Iterable[str]) -> list[str]:
        return sorted(name for name in names if name in _NAMES or _is_of_pods(name))

    def is_in(self, scope: Scope, document: Document) -> bool:
        spec = document.get("spec") or {}
        match scope.name:
            case "Terminating" | "NotTerminating":
                return _has_deadline(document) is (scope.name == TERMINATING)
            case "BestEffort" | "NotBestEffort":
                return is_best_effort(spec) is (scope.name == BEST_EFFORT)
            case "PriorityClass":
                name = spec.get("priorityClassName")
                return scope.holds_for([name] if name else [])
            case "CrossNamespacePodAffinity":
                return _crosses_namespaces(spec.get("affinity") or {})
        return False

    def missing(self, names: Iterable[str], document: Document) -> str:
        spec = document.get("spec") or {}
        if states_pod_level(spec):
            return ""
        required = sorted(_MUST_BE_STATED.intersection(names))
        lacking: dict[str, list[str]] = {}
        for container in (*(spec.get("containers") or ()), *(spec.get("initContainers") or ())):
            stated = _stated(container)
            for name in required:
                if name not in stated:
                    lacking.setdefault(name, []).append(container.get("name", ""))
        if not lacking:
            return ""
        shown = "; ".join(f"{name} for: {','.join(sorted(set(lacking[name])))}" for name in sorted(lacking))
        return f"must specify {shown}"

    def usage(self, document: Document, now: datetime) -> Amounts:
        counted = {count_name("pods"): ONE}
        if not counts(document, now):
            return counted
        return total(counted, computed(effective_requests(document), effective_limits(document)))

    def replenishes(self, new: Document, old: Document, now: datetime) -> bool:
        if _has_deadline(old) != _has_deadline(new):
            return True
        if counts(old, now) and not counts(new, now):
            return True
        return _granted(old) != _granted(new)


def counts(pod: Document, now: datetime) -> bool:
    """Whether its compute resources are still its own."""
    if (pod.get("status") or {}).get("phase") in _ENDED:
        return False
    metadata = pod.get("metadata") or {}
    deleted, grace = metadata.get("deletionTimestamp"), metadata.get("deletionGracePeriodSeconds")
    if not deleted or grace is None:
        return True
    return now <= parse_time(deleted) + timedelta(seconds=grace)


def computed(requests: Amounts, limits: Amounts) -> Amounts:
    """What requests and limits take from a quota."""
    result = {"pods": ONE}
    for name in ("cpu", "memory", "ephemeral-storage"):
        if name in requests:
            result[name] = result[f"requests.{name}"] = requests[name]
        if name in limits:
            result[f"limits.{name}"] = limits[name]
    for name, amount in requests.items():
        if name.startswith(HUGEPAGES):
            result[name] = result[f"requests.{name}"] = amount
        if is_extended(name) or name.startswith(DEVICE_CLASS):
            result[f"requests.{name}"] = amount
    return result


def is_best_effort(spec: Document) -> bool:
    """Whether nothing asks for processor time or memory."""
    whole = spec.get("resources")
    holders = [spec] if whole else [*(spec.get("containers") or ()), *(spec.get("initContainers") or ())]
    return not any(
        amount
        for holder in holders
        for kind in ("requests", "limits")
        for name, amount in read((holder.get("resources") or {}).get(kind)).items()
        if name in POD_LEVEL
    )


def _stated(container: Document) -> Amounts:
    resources = container.get("resources") or {}
    return computed(read(resources.get("requests")), read(resources.get("limits")))


def _is_of_pods(name: str) -> bool:
    if name.startswith((HUGEPAGES, REQUESTS + HUGEPAGES)):
        return True
    return name.startswith(REQUESTS) and (not is_native(name) or name.startswith(REQUESTS + DEVICE_CLASS))


def _has_deadline(pod: Document) -> bool:
    seconds = (pod.get("spec") or {}).get("activeDeadlineSeconds")
    return seconds is not None and seconds >= 0


def _granted(pod: Document) -> list[Any]:
    status = pod.get("status") or {}
    kinds = ("containerStatuses", "initContainerStatuses")
    return [(one.get("name"), one.get("resources")) for kind in kinds for one in status.get(kind) or ()]


def _crosses_namespaces(affinity: Mapping[str, Any]) -> bool:
    for kind in ("podAffinity", "podAntiAffinity"):
        terms = affinity.get(kind) or {}
        required = terms.get("requiredDuringSchedulingIgnoredDuringExecution") or ()
        preferred = terms.get("preferredDuringSchedulingIgnoredDuringExecution") or ()
        if any(map(_crosses, required)) or any(_crosses(one.get("podAffinityTerm") or {}) for one in preferred):
            return True
    return False


def _crosses(term: Mapping[str, Any]) -> bool:
    return bool(term.get("namespaces")) or term.get("namespaceSelector") is not None
