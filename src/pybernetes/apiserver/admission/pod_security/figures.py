"""How often pods were judged, and what came of it.

Follows k8s.io/pod-security-admission/metrics.
"""

from __future__ import annotations

from pybernetes.api.figures import Counts
from pybernetes.apiserver.admission.contract import Attributes
from pybernetes.apiserver.admission.pod_security.levels import LATEST, Level, Standard
from pybernetes.apiserver.health import MINOR

ALLOW, DENY = "allow", "deny"
ENFORCE, AUDIT, WARN = "enforce", "audit", "warn"
_RESOURCES = {"pods": "pod", "namespaces": "namespace"}
_FUTURE = "future"


class PodSecurityFigures:
    def __init__(self) -> None:
        self.evaluations = Counts()
        """By decision, mode, level, version, operation, resource and subresource."""
        self.exemptions = Counts()
        """By operation, resource and subresource."""

    def evaluated(self, attributes: Attributes, decision: str, standard: Standard, mode: str) -> None:
        self.evaluations.add(decision, mode, str(standard.level), _version(standard), *_about(attributes))

    def exempt(self, attributes: Attributes) -> None:
        self.exemptions.add(*_about(attributes))


def _version(standard: Standard) -> str:
    if standard.level is Level.PRIVILEGED or standard.version == LATEST:
        return "latest"
    return f"v1.{standard.version}" if standard.version <= int(MINOR) else _FUTURE


def _about(attributes: Attributes) -> tuple[str, str, str]:
    resource = _RESOURCES.get(attributes.resource.info.group_resource, "controller")
    return str(attributes.operation).lower(), resource, attributes.subresource
