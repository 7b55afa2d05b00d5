"""Warnings about the pods that a namespace has already when its policy becomes stricter.

Follows EvaluatePodsInNamespace of k8s.io/pod-security-admission/admission.
"""

from __future__ import annotations

from collections.abc import Iterable

from pybernetes.apiserver.admission.pod_security.levels import Standard
from pybernetes.apiserver.admission.pod_security.registry import violations
from pybernetes.apiserver.resource import Document

MOST_CHECKED = 3000


def warnings(namespace: str, enforce: Standard, pods: Iterable[Document]) -> list[str]:
    """In upstream's order: how far it was looked, what is wrong at all, and then each wrong with the pods it is in."""
    ordered = _one_per_controller_first(pods)
    checked = ordered[:MOST_CHECKED]
    names: dict[str, list[str]] = {}
    for pod in checked:
        found = violations(enforce, pod["metadata"], pod.get("spec") or {})
        if found:
            names.setdefault(", ".join(one.reason for one in found), []).append(pod["metadata"]["name"])
    told = []
    if len(checked) < len(ordered):
        told.append(
            f"new PodSecurity enforce level only checked against the first {len(checked)} of {len(ordered)} existing "
            "pods"
        )
    if names:
        told.append(f'existing pods in namespace "{namespace}" violate the new PodSecurity enforce level "{enforce}"')
    return told + sorted(f"{_shown(pods)}: {reason}" for reason, pods in names.items())


def _shown(names: list[str]) -> str:
    others = len(names) - 1
    if not others:
        return names[0]
    return f"{min(names)} (and {others} other {'pod' if others == 1 else 'pods'})"


def _one_per_controller_first(pods: Iterable[Document]) -> list[Document]:
    """Pods of one controller are alike: one of each is looked at before the others."""
    first: list[Document] = []
    others: list[Document] = []
    seen: set[str] = set()
    for pod in pods:
        owners = pod["metadata"].get("ownerReferences") or ()
        uid = next((owner["uid"] for owner in owners if owner.get("controller")), None)
        if uid is not None and uid in seen:
            others.append(pod)
            continue
        first.append(pod)
        if uid is not None:
            seen.add(uid)
    return first + others
