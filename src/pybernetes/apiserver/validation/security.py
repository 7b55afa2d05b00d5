"""Security contexts of containers and pods.

Follows ValidateSecurityContext and validatePodSpecSecurityContext in pkg/apis/core/validation.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from pybernetes.api.fields import (
    FieldError,
    FieldPath,
    duplicate,
    invalid,
    not_supported,
    required,
    too_long,
)
from pybernetes.api.models.core_v1 import (
    AppArmorProfile,
    PodSecurityContext,
    PodSpec,
    SeccompProfile,
    SecurityContext,
    Sysctl,
)
from pybernetes.apiserver.validation.internal_form import internal_form
from pybernetes.apiserver.validation.paths import check_descending
from pybernetes.apiserver.validation.simple import in_range
from pybernetes.apiserver.validation.windows_options import check_windows_options

MAXIMUM_ID = 2147483647
_ID_RANGE = in_range(0, MAXIMUM_ID)
_SYSCTL_SEGMENT = "[a-z0-9]([-_a-z0-9]*[a-z0-9])?"
SYSCTL = f"({_SYSCTL_SEGMENT}[\\./])*{_SYSCTL_SEGMENT}"
_SYSCTL = re.compile(SYSCTL)
_SYSCTL_LENGTH = 253
_PROFILES = ("Localhost", "RuntimeDefault", "Unconfined")
_LONGEST_PROFILE = 4095
_IPC_SYSCTLS = ("kernel.shm", "kernel.msg", "fs.mqueue.", "kernel.sem")
_CANNOT = "cannot set `allowPrivilegeEscalation` to false and "


def check_id(value: int | None, path: FieldPath) -> Iterator[FieldError]:
    if value is not None and not 0 <= value <= MAXIMUM_ID:
        yield invalid(path, value, _ID_RANGE)


def check_security_context(
    context: SecurityContext | None, path: FieldPath, *, host_users: bool
) -> Iterator[FieldError]:
    if context is None:
        return
    yield from check_id(context.run_as_user, path.runAsUser)
    yield from check_id(context.run_as_group, path.runAsGroup)
    if context.proc_mount is not None:
        if context.proc_mount not in ("Default", "Unmasked"):
            yield not_supported(path.procMount, context.proc_mount, ("Default", "Unmasked"))
        if context.proc_mount == "Unmasked" and host_users:
            yield invalid(path.procMount, context.proc_mount, "`hostUsers` must be false to use `Unmasked`")
    yield from _check_seccomp(context.seccomp_profile, path.seccompProfile)
    if context.allow_privilege_escalation is False:
        if context.privileged:
            yield invalid(path, internal_form(context), f"{_CANNOT}`privileged` to true")
        for _ in filter("CAP_SYS_ADMIN".__eq__, context.capabilities.add if context.capabilities else ()):
            yield invalid(path, internal_form(context), f"{_CANNOT}`capabilities.Add` CAP_SYS_ADMIN")
    yield from check_windows_options(context.windows_options, path.windowsOptions)
    yield from _check_app_armor(context.app_armor_profile, path.appArmorProfile)


def _check_seccomp(profile: SeccompProfile | None, path: FieldPath) -> Iterator[FieldError]:
    if profile is None:
        return
    local = profile.localhost_profile
    if not profile.type:
        yield required(path.type, "type is required when seccompProfile is set")
    elif profile.type not in _PROFILES:
        yield not_supported(path.type, profile.type, _PROFILES)
    if profile.type != "Localhost":
        if local is not None:
            message = "can only be set when seccomp type is Localhost"
            yield invalid(path.localhostProfile, internal_form(profile), message)
    elif local is None:
        yield required(path.localhostProfile, "must be set when seccomp type is Localhost")
    else:
        yield from check_descending(local, path.localhostProfile)


def _check_app_armor(profile: AppArmorProfile | None, path: FieldPath) -> Iterator[FieldError]:
    if profile is None:
        return
    local = profile.localhost_profile
    match profile.type:
        case "Localhost":
            yield from _check_local_app_armor(local, path.localhostProfile)
        case "RuntimeDefault" | "Unconfined":
            if local is not None:
                yield invalid(path.localhostProfile, local, "can only be set when AppArmor type is Localhost")
        case "":
            yield required(path.type, "type is required when appArmorProfile is set")
        case other:
            yield not_supported(path.type, other, _PROFILES)


def _check_local_app_armor(local: str | None, path: FieldPath) -> Iterator[FieldError]:
    if not local:
        yield required(path, "must be set when AppArmor type is Localhost")
        return
    if local != local.strip():
        yield invalid(path, local, "must not be padded with whitespace")
    if len(local.encode()) > _LONGEST_PROFILE:
        yield too_long(path, "", _LONGEST_PROFILE)


def check_pod_security_context(
    context: PodSecurityContext | None, spec: PodSpec, spec_path: FieldPath
) -> Iterator[FieldError]:
    if context is None:
        return
    path = spec_path.securityContext
    yield from check_id(context.fs_group, path.fsGroup)
    yield from check_id(context.run_as_user, path.runAsUser)
    yield from check_id(context.run_as_group, path.runAsGroup)
    for index, group in enumerate(context.supplemental_groups):
        yield from check_id(group, path.supplementalGroups[index])
    if spec.share_process_namespace and spec.host_pid:
        message = "ShareProcessNamespace and HostPID cannot both be enabled"
        yield invalid(path.shareProcessNamespace, True, message)
    if context.sysctls:
        yield from _check_sysctls(context.sysctls, spec, path.sysctls)
    yield from _check_optional(context.fs_group_change_policy, ("Always", "OnRootMismatch"), path.fsGroupChangePolicy)
    yield from _check_seccomp(context.seccomp_profile, path.seccompProfile)
    yield from check_windows_options(context.windows_options, path.windowsOptions)
    yield from _check_app_armor(context.app_armor_profile, path.appArmorProfile)
    yield from _check_optional(context.supplemental_groups_policy, ("Merge", "Strict"), path.supplementalGroupsPolicy)
    yield from _check_optional(context.se_linux_change_policy, ("Recursive",), path.seLinuxChangePolicy)


def _check_optional(value: str | None, choices: tuple[str, ...], path: FieldPath) -> Iterator[FieldError]:
    if value is not None and value not in choices:
        yield not_supported(path, value, choices)


def _check_sysctls(sysctls: Sequence[Sysctl], spec: PodSpec, path: FieldPath) -> Iterator[FieldError]:
    names: set[str] = set()
    for index, sysctl in enumerate(sysctls):
        name, each = sysctl.name, path[index].name
        if not name:
            yield required(each)
        elif len(name) > _SYSCTL_LENGTH or not _SYSCTL.fullmatch(name):
            yield invalid(each, name, f"must have at most {_SYSCTL_LENGTH} characters and match regex ^{SYSCTL}$")
        elif name in names:
            yield duplicate(each, name)
        names.add(name)
        dotted = name.replace("/", ".")
        if spec.host_network and dotted.startswith("net."):
            yield invalid(each, name, "may not be specified when 'hostNetwork' is true")
        elif spec.host_ipc and dotted.startswith(_IPC_SYSCTLS):
            yield invalid(each, name, "may not be specified when 'hostIPC' is true")
