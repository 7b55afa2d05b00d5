"""The labels of nodes that belong to the cluster's operators.

Follows k8s.io/kubelet/pkg/apis/well_known_labels.go.
"""

from __future__ import annotations

from collections.abc import Mapping

_OPEN_LABELS = frozenset(
    {
        "kubernetes.io/hostname",
        "kubernetes.io/os",
        "kubernetes.io/arch",
        "beta.kubernetes.io/os",
        "beta.kubernetes.io/arch",
        "beta.kubernetes.io/instance-type",
        "topology.kubernetes.io/zone",
        "topology.kubernetes.io/region",
        "failure-domain.beta.kubernetes.io/zone",
        "failure-domain.beta.kubernetes.io/region",
        "node.kubernetes.io/instance-type",
    }
)
_OPEN_NAMESPACES = ("kubelet.kubernetes.io", "node.kubernetes.io")
_SYSTEM_DOMAINS = ("kubernetes.io", "k8s.io")


def protected_label_changes(new: Mapping[str, str], old: Mapping[str, str]) -> list[str]:
    """The changed labels that a kubelet may not set, sorted."""
    changed = {key for key in {*new, *old} if new.get(key) != old.get(key)}
    return sorted(key for key in changed if _is_protected(key))


def _is_protected(label: str) -> bool:
    namespace, slash, _ = label.partition("/")
    if not slash or label in _OPEN_LABELS:
        return False
    if _within(namespace, "node-restriction.kubernetes.io"):
        return True
    if any(_within(namespace, one) for one in _OPEN_NAMESPACES):
        return False
    return any(_within(namespace, domain) for domain in _SYSTEM_DOMAINS)


def _within(namespace: str, domain: str) -> bool:
    return namespace == domain or namespace.endswith(f".{domain}")
