"""Which checks make up a level as of a version.

Guarantees  Baseline checks come first, then restricted ones, each sorted by name. A restricted check may stand for
baseline ones. Versions after the last change are like it.
Follows registry.go of k8s.io/pod-security-admission/policy.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from pybernetes.apiserver.admission.pod_security import baseline, restricted
from pybernetes.apiserver.admission.pod_security.levels import Level, Standard
from pybernetes.apiserver.admission.pod_security.words import (
    Check,
    Document,
    Violation,
    unless_user_namespace,
    unless_windows,
)


@dataclass(frozen=True, slots=True)
class Row:
    """``since`` are the versions in which the check came or changed, rising."""

    name: str
    level: Level
    since: tuple[tuple[int, Check], ...]
    replaces: tuple[str, ...] = ()

    def at(self, version: int) -> Check | None:
        return next((check for start, check in reversed(self.since) if start <= version), None)


_B, _R = Level.BASELINE, Level.RESTRICTED
CHECKS: tuple[Row, ...] = (
    Row("appArmorProfile", _B, ((0, baseline.app_armor),)),
    Row("capabilities_baseline", _B, ((0, baseline.capabilities),)),
    Row("hostNamespaces", _B, ((0, baseline.host_namespaces),)),
    Row("hostPathVolumes", _B, ((0, baseline.host_path_volumes),)),
    Row("hostPorts", _B, ((0, baseline.host_ports),)),
    Row("hostProbesAndHostLifecycle", _B, ((34, baseline.host_probes),)),
    Row("privileged", _B, ((0, baseline.privileged),)),
    Row("procMount", _B, ((0, baseline.proc_mount), (35, unless_user_namespace(baseline.proc_mount)))),
    Row(
        "seLinuxOptions",
        _B,
        ((0, baseline.se_linux(baseline.SELINUX_1_0)), (31, baseline.se_linux(baseline.SELINUX_1_31))),
    ),
    Row("seccompProfile_baseline", _B, ((0, baseline.seccomp_annotations), (19, baseline.seccomp))),
    Row(
        "sysctls",
        _B,
        (
            (0, baseline.sysctls(baseline.SYSCTLS_1_0)),
            (27, baseline.sysctls(baseline.SYSCTLS_1_27)),
            (29, baseline.sysctls(baseline.SYSCTLS_1_29)),
            (32, baseline.sysctls(baseline.SYSCTLS_1_32)),
        ),
    ),
    Row("windowsHostProcess", _B, ((0, baseline.windows_host_process),)),
    Row(
        "allowPrivilegeEscalation",
        _R,
        (
            (8, restricted.allow_privilege_escalation),
            (25, unless_windows(restricted.allow_privilege_escalation)),
        ),
    ),
    Row(
        "capabilities_restricted",
        _R,
        ((22, restricted.capabilities), (25, unless_windows(restricted.capabilities))),
        ("capabilities_baseline",),
    ),
    Row("procMount_restricted", _R, ((35, baseline.proc_mount),), ("procMount",)),
    Row("restrictedVolumes", _R, ((0, restricted.volumes),), ("hostPathVolumes",)),
    Row(
        "runAsNonRoot",
        _R,
        ((0, restricted.run_as_non_root), (35, unless_user_namespace(restricted.run_as_non_root))),
    ),
    Row("runAsUser", _R, ((23, restricted.run_as_user), (35, unless_user_namespace(restricted.run_as_user)))),
    Row(
        "seccompProfile_restricted",
        _R,
        ((19, restricted.seccomp), (25, unless_windows(restricted.seccomp))),
        ("seccompProfile_baseline",),
    ),
)
LAST_CHANGE = max(start for row in CHECKS for start, _ in row.since)


def violations(standard: Standard, metadata: Document, spec: Document) -> list[Violation]:
    if standard.level is Level.PRIVILEGED:
        return []
    checks = checks_of(standard.level, min(standard.version, LAST_CHANGE))
    return [found for check in checks if (found := check(metadata, spec)) is not None]


@cache
def checks_of(level: Level, version: int) -> Sequence[Check]:
    there = [row for row in CHECKS if row.level <= level and row.at(version) is not None]
    replaced = {name for row in there for name in row.replaces}
    ordered = sorted(there, key=lambda row: (row.level, row.name))
    return tuple(check for row in ordered if row.name not in replaced and (check := row.at(version)) is not None)
