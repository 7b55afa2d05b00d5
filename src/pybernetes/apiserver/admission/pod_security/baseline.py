"""What the level `baseline` forbids: known ways from a container to its host.

Follows the checks of that level in k8s.io/pod-security-admission/policy.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from pybernetes.apiserver.admission.pod_security.words import (
    Check,
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

CAPABILITIES = frozenset(
    [
        "AUDIT_WRITE",
        "CHOWN",
        "DAC_OVERRIDE",
        "FOWNER",
        "FSETID",
        "KILL",
        "MKNOD",
        "NET_BIND_SERVICE",
        "SETFCAP",
        "SETGID",
        "SETPCAP",
        "SETUID",
        "SYS_CHROOT",
    ]
)
APPARMOR_ANNOTATION = "container.apparmor.security.beta.kubernetes.io/"
SECCOMP_POD_ANNOTATION = "seccomp.security.alpha.kubernetes.io/pod"
SECCOMP_ANNOTATION = "container.seccomp.security.alpha.kubernetes.io/"
PROFILES = ("RuntimeDefault", "Localhost")
SYSCTLS_1_0 = frozenset(
    [
        "kernel.shm_rmid_forced",
        "net.ipv4.ip_local_port_range",
        "net.ipv4.tcp_syncookies",
        "net.ipv4.ping_group_range",
        "net.ipv4.ip_unprivileged_port_start",
    ]
)
SYSCTLS_1_27 = SYSCTLS_1_0 | {"net.ipv4.ip_local_reserved_ports"}
SYSCTLS_1_29 = SYSCTLS_1_27 | {
    f"net.ipv4.tcp_{name}" for name in ("keepalive_time", "fin_timeout", "keepalive_intvl", "keepalive_probes")
}
SYSCTLS_1_32 = SYSCTLS_1_29 | {"net.ipv4.tcp_rmem", "net.ipv4.tcp_wmem"}
SELINUX_1_0 = frozenset(("", "container_t", "container_init_t", "container_kvm_t"))
SELINUX_1_31 = SELINUX_1_0 | {"container_engine_t"}


def app_armor(metadata: Document, spec: Document) -> Violation | None:
    values: set[str] = set()
    pod, containers = _setters_of(spec, "appArmorProfile", values)
    annotations = sorted(
        f"{key}={json.dumps(value)}"
        for key, value in (metadata.get("annotations") or {}).items()
        if key.startswith(APPARMOR_ANNOTATION) and not _is_allowed_app_armor(value)
    )
    who = [setters(pod, containers)] if pod or containers else []
    if annotations:
        who.append(plural("annotation", len(annotations)))
    if not who:
        return None
    bad = [*sorted(values), *annotations]
    return Violation(
        plural("forbidden AppArmor profile", len(bad)),
        f"{' and '.join(who)} must not set AppArmor profile type to {quoted(bad)}",
    )


def _is_allowed_app_armor(value: str) -> bool:
    return not value or value == "runtime/default" or value.startswith("localhost/")


def capabilities(metadata: Document, spec: Document) -> Violation | None:
    found = {
        container.get("name", ""): bad
        for container in containers_of(spec)
        if (bad := set((security(container).get("capabilities") or {}).get("add") or ()) - CAPABILITIES)
    }
    if not found:
        return None
    added = sorted(set().union(*found.values()))
    return Violation(
        "non-default capabilities",
        f"{named(list(found))} must not include {quoted(added)} in securityContext.capabilities.add",
    )


def host_namespaces(metadata: Document, spec: Document) -> Violation | None:
    shared = [f"{name}=true" for name in ("hostNetwork", "hostPID", "hostIPC") if spec.get(name)]
    return Violation("host namespaces", ", ".join(shared)) if shared else None


def host_path_volumes(metadata: Document, spec: Document) -> Violation | None:
    names = [volume.get("name", "") for volume in spec.get("volumes") or () if volume.get("hostPath") is not None]
    return Violation("hostPath volumes", f"{plural('volume', len(names))} {quoted(names)}") if names else None


def host_ports(metadata: Document, spec: Document) -> Violation | None:
    found = {
        container.get("name", ""): taken
        for container in containers_of(spec)
        if (taken := {str(port["hostPort"]) for port in container.get("ports") or () if port.get("hostPort")})
    }
    if not found:
        return None
    numbers = sorted(set().union(*found.values()))
    return Violation(
        "hostPort",
        f"{named(list(found))} {uses(len(found))} {plural('hostPort', len(numbers))} {', '.join(numbers)}",
    )


def host_probes(metadata: Document, spec: Document) -> Violation | None:
    found = {container.get("name", ""): hosts for container in containers_of(spec) if (hosts := set(_hosts(container)))}
    if not found:
        return None
    told = sorted(set().union(*found.values()))
    return Violation(
        "probe or lifecycle host",
        f"{named(sorted(found))} {uses(len(found))} {plural('probe or lifecycle host', len(told))} {quoted(told)}",
    )


def _hosts(container: Document) -> Iterator[str]:
    hooks = container.get("lifecycle") or {}
    probes = (container.get(name) for name in ("livenessProbe", "readinessProbe", "startupProbe"))
    for handler in (*probes, hooks.get("postStart"), hooks.get("preStop")):
        for how in ("httpGet", "tcpSocket"):
            host = ((handler or {}).get(how) or {}).get("host")
            if host:
                yield host


def privileged(metadata: Document, spec: Document) -> Violation | None:
    names = names_where(spec, lambda container: security(container).get("privileged"))
    return Violation("privileged", f"{named(names)} must not set securityContext.privileged=true") if names else None


def proc_mount(metadata: Document, spec: Document) -> Violation | None:
    found = {
        container.get("name", ""): kind
        for container in containers_of(spec)
        if (kind := security(container).get("procMount")) not in (None, "Default")
    }
    if not found:
        return None
    kinds = sorted(set(found.values()))
    return Violation("procMount", f"{named(list(found))} must not set securityContext.procMount to {quoted(kinds)}")


def se_linux(allowed: frozenset[str]) -> Check:
    def check(metadata: Document, spec: Document) -> Violation | None:
        types: set[str] = set()
        taken: set[str] = set()

        def is_bad(holder: Document) -> bool:
            options = security(holder).get("seLinuxOptions") or {}
            bad = {options.get("type", "")} - allowed
            stated = {name for name in ("user", "role") if options.get(name)}
            types.update(bad)
            taken.update(stated)
            return bool(bad or stated)

        pod, containers = is_bad(spec), names_where(spec, is_bad)
        if not pod and not containers:
            return None
        data = [f"{plural('type', len(types))} {quoted(sorted(types))}"] if types else []
        data += [f"{name} may not be set" for name in ("user", "role") if name in taken]
        what = f"set forbidden securityContext.seLinuxOptions: {'; '.join(data)}"
        return Violation("seLinuxOptions", f"{setters(pod, containers)} {what}")

    return check


def seccomp_annotations(metadata: Document, spec: Document) -> Violation | None:
    annotations = metadata.get("annotations") or {}
    names = {SECCOMP_POD_ANNOTATION, *(SECCOMP_ANNOTATION + one.get("name", "") for one in containers_of(spec))}
    bad = sorted(
        f"{name}={json.dumps(annotations[name])}"
        for name in names
        if name in annotations and not _is_allowed_seccomp(annotations[name])
    )
    detail = f"forbidden {plural('annotation', len(bad))} {', '.join(bad)}"
    return Violation("seccompProfile", detail) if bad else None


def _is_allowed_seccomp(value: str) -> bool:
    return value in ("runtime/default", "docker/default") or value.startswith("localhost/")


def seccomp(metadata: Document, spec: Document) -> Violation | None:
    values: set[str] = set()
    pod, containers = _setters_of(spec, "seccompProfile", values)
    if not pod and not containers:
        return None
    what = f"must not set securityContext.seccompProfile.type to {quoted(sorted(values))}"
    return Violation("seccompProfile", f"{setters(pod, containers)} {what}")


def _setters_of(spec: Document, field: str, values: set[str]) -> tuple[bool, list[str]]:
    """Whether the pod, and which containers, set a profile that is none of ``PROFILES``; its types go to ``values``."""

    def is_bad(holder: Document) -> bool:
        profile = security(holder).get(field)
        if profile is None or profile.get("type") in PROFILES:
            return False
        values.add(profile.get("type", ""))
        return True

    return is_bad(spec), names_where(spec, is_bad)


def sysctls(allowed: frozenset[str]) -> Check:
    def check(metadata: Document, spec: Document) -> Violation | None:
        names = [one.get("name", "") for one in security(spec).get("sysctls") or () if one.get("name") not in allowed]
        return Violation("forbidden sysctls", ", ".join(names)) if names else None

    return check


def windows_host_process(metadata: Document, spec: Document) -> Violation | None:
    def is_bad(holder: Document) -> bool:
        return bool((security(holder).get("windowsOptions") or {}).get("hostProcess"))

    pod, containers = is_bad(spec), names_where(spec, is_bad)
    if not pod and not containers:
        return None
    what = "must not set securityContext.windowsOptions.hostProcess=true"
    return Violation("hostProcess", f"{setters(pod, containers)} {what}")
