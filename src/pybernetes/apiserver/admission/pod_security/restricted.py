"""What the level `restricted` asks for: pods harden themselves as far as is known today.

Follows the checks of that level in k8s.io/pod-security-admission/policy.
"""

from __future__ import annotations

from pybernetes.apiserver.admission.pod_security import baseline
from pybernetes.apiserver.admission.pod_security.words import (
    Document,
    Violation,
    containers_of,
    named,
    names_where,
    plural,
    quoted,
    security,
    setters,
    uses,
)

_ALLOWED_VOLUMES = frozenset(
    [
        "configMap",
        "csi",
        "downwardAPI",
        "emptyDir",
        "ephemeral",
        "image",
        "persistentVolumeClaim",
        "projected",
        "secret",
    ]
)


def allow_privilege_escalation(metadata: Document, spec: Document) -> Violation | None:
    names = names_where(spec, lambda container: security(container).get("allowPrivilegeEscalation") is not False)
    what = "must set securityContext.allowPrivilegeEscalation=false"
    return Violation("allowPrivilegeEscalation != false", f"{named(names)} {what}") if names else None


def capabilities(metadata: Document, spec: Document) -> Violation | None:
    keeping: list[str] = []
    adding: list[str] = []
    added: set[str] = set()
    for container in containers_of(spec):
        held = security(container).get("capabilities") or {}
        if "ALL" not in (held.get("drop") or ()):
            keeping.append(container.get("name", ""))
        extra = set(held.get("add") or ()) - {"NET_BIND_SERVICE"}
        if extra:
            adding.append(container.get("name", ""))
            added |= extra
    details = []
    if keeping:
        details.append(f'{named(keeping)} must set securityContext.capabilities.drop=["ALL"]')
    if adding:
        details.append(f"{named(adding)} must not include {quoted(sorted(added))} in securityContext.capabilities.add")
    return Violation("unrestricted capabilities", "; ".join(details)) if details else None


def volumes(metadata: Document, spec: Document) -> Violation | None:
    bad = [one for one in spec.get("volumes") or () if _ALLOWED_VOLUMES.isdisjoint(_sources(one))]
    if not bad:
        return None
    names = [one.get("name", "") for one in bad]
    kinds = sorted({next(iter(_sources(one)), "unknown") for one in bad})
    return Violation(
        "restricted volume types",
        f"{plural('volume', len(names))} {quoted(names)} {uses(len(names))} "
        f"{plural('restricted volume type', len(kinds))} {quoted(kinds)}",
    )


def _sources(volume: Document) -> list[str]:
    return [name for name, value in volume.items() if name != "name" and value is not None]


def run_as_non_root(metadata: Document, spec: Document) -> Violation | None:
    stated = security(spec).get("runAsNonRoot")
    pod = stated is False
    containers = names_where(spec, lambda container: security(container).get("runAsNonRoot") is False)
    reason = "runAsNonRoot != true"
    if pod or containers:
        return Violation(reason, f"{setters(pod, containers)} must not set securityContext.runAsNonRoot=false")
    if stated:
        return None
    silent = names_where(spec, lambda container: security(container).get("runAsNonRoot") is None)
    what = "must set securityContext.runAsNonRoot=true"
    return Violation(reason, f"pod or {named(silent)} {what}") if silent else None


def run_as_user(metadata: Document, spec: Document) -> Violation | None:
    pod = security(spec).get("runAsUser") == 0
    containers = names_where(spec, lambda container: security(container).get("runAsUser") == 0)
    if not pod and not containers:
        return None
    return Violation("runAsUser=0", f"{setters(pod, containers)} must not set runAsUser=0")


def seccomp(metadata: Document, spec: Document) -> Violation | None:
    found = baseline.seccomp(metadata, spec)
    if found is not None or security(spec).get("seccompProfile") is not None:
        return found
    silent = names_where(spec, lambda container: security(container).get("seccompProfile") is None)
    what = 'must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost"'
    return Violation("seccompProfile", f"pod or {named(silent)} {what}") if silent else None
