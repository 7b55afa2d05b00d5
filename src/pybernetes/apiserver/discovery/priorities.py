"""Where groups and versions stand in discovery: the priorities that their APIServices have.

Facts only; follows pkg/controlplane/apiserver/aggregator.go, cmd/kube-apiserver/app/aggregator.go and
pkg/controlplane/controller/crdregistration.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Priority:
    """Higher comes first. A group's is the highest that any of its versions has."""

    group: int
    version: int


CUSTOM = Priority(1000, 100)
"""Of whatever is defined while the server runs."""
FIRST = "apiregistration.k8s.io"
"""The group that nobody registers and that all others are registered in."""

_ROWS: tuple[tuple[str, int, dict[str, int]], ...] = (
    (FIRST, 20000, {"v1": 18}),
    ("", 18000, {"v1": 1}),
    ("apps", 17800, {"v1": 15}),
    ("events.k8s.io", 17750, {"v1": 15, "v1beta1": 5}),
    ("authentication.k8s.io", 17700, {"v1": 15, "v1beta1": 9, "v1alpha1": 1}),
    ("authorization.k8s.io", 17600, {"v1": 15}),
    ("autoscaling", 17500, {"v2": 30, "v1": 15, "v2beta1": 9, "v2beta2": 1}),
    ("batch", 17400, {"v1": 15, "v1beta1": 9, "v2alpha1": 9}),
    ("certificates.k8s.io", 17300, {"v1": 15, "v1beta1": 9, "v1alpha1": 1}),
    ("networking.k8s.io", 17200, {"v1": 15, "v1beta1": 9}),
    ("policy", 17100, {"v1": 15, "v1beta1": 9}),
    ("rbac.authorization.k8s.io", 17000, {"v1": 15}),
    ("storage.k8s.io", 16800, {"v1": 15, "v1beta1": 9, "v1alpha1": 1}),
    ("apiextensions.k8s.io", 16700, {"v1": 15}),
    ("admissionregistration.k8s.io", 16700, {"v1": 15, "v1beta1": 12, "v1alpha1": 9}),
    ("scheduling.k8s.io", 16600, {"v1": 15, "v1alpha2": 2}),
    ("coordination.k8s.io", 16500, {"v1": 15, "v1beta1": 13, "v1alpha2": 12}),
    ("node.k8s.io", 16300, {"v1": 15, "v1beta1": 9, "v1alpha1": 1}),
    ("discovery.k8s.io", 16200, {"v1": 15, "v1beta1": 12}),
    ("resource.k8s.io", 16200, {"v1": 21, "v1beta2": 15, "v1beta1": 9, "v1alpha3": 1}),
    ("flowcontrol.apiserver.k8s.io", 16100, {"v1": 21, "v1beta3": 18, "v1beta2": 15, "v1beta1": 12, "v1alpha1": 9}),
    ("internal.apiserver.k8s.io", 16000, {"v1alpha1": 9}),
    ("storagemigration.k8s.io", 15800, {"v1beta1": 9}),
)
BUILT_IN = {
    (group, version): Priority(minimum, priority)
    for group, minimum, versions in _ROWS
    for version, priority in versions.items()
}
GROUPS = frozenset(group for group, _, _ in _ROWS)


def priority_of(group: str, version: str) -> Priority:
    return BUILT_IN.get((group, version), CUSTOM)
