"""Security contexts of containers and pods.

Follows ValidateSecurityContext and ValidatePodSecurityContext in pkg/apis/core/validation.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from pybernetes.api.fields import FieldError, FieldPath, duplicate, forbidden, invalid, not_supported, required
from pybernetes.api.models.core_v1 import (
    AppArmorProfile,
    PodSecurityContext,
    PodSpec,
    SeccompProfile,
    SecurityContext,
    WindowsSecurityContextOptions,
)
from pybernetes.apiserver.validation.simple import in_range

MAXIMUM_ID = 2147483647
_ID_RANGE = in_range(0, MAXIMUM_ID)
_SYSCTL_SEGMENT = "[a-z0-9]([-_a-z0-9]*[a-z0-9])?"
SYSCTL = f"({_SYSCTL_SEGMENT}[\\./])*{_SYSCTL_SEGMENT}"
_SYSCTL = re.compile(SYSCTL)
_SYSCTL_LENGTH = 253
_CANNOT = "cannot set `allowPrivilegeEscalation` to false and "


def _check_id(value: int | None, path: FieldPath) -> Iterator[FieldError]:
    if value is not None and not 0 <= value <= MAXIMUM_ID:
        yield invalid(path, value, _ID_RANGE)


def check_security_context(
    context: SecurityContext | None, path: FieldPath, *, host_users: bool
) -> Iterator[FieldError]:
    if context is None:
        return
    yield from _check_id(context.run_as_user, path.runAsUser)
    yield from _check_id(context.run_as_group, path.runAsGroup)
    if context.proc_mount is not None:
        if context.proc_mount not in ("Default", "Unmasked"):
            yield not_supported(path.procMount, context.proc_mount, ("Default", "Unmasked"))
        elif context.proc_mount == "Unmasked" and host_users:
            yield invalid(path.procMount, context.proc_mount, "`hostUsers` must be false to use `Unmasked`")
    yield from _check_seccomp(context.seccomp_profile, path.seccompProfile)
    yield from _check_app_armor(context.app_armor_profile, path.appArmorProfile)
    if context.allow_privilege_escalation is False:
        if context.privileged:
            yield invalid(path, context, f"{_CANNOT}`privileged` to true")
        if context.capabilities is not None and "CAP_SYS_ADMIN" in context.capabilities.add:
            yield invalid(path, context, f"{_CANNOT}`capabilities.Add` CAP_SYS_ADMIN")
    yield from _check_windows(context.windows_options, path.windowsOptions)


def _check_seccomp(profile: SeccompProfile | None, path: FieldPath) -> Iterator[FieldError]:
    if profile is None:
        return
    types = ("Localhost", "RuntimeDefault", "Unconfined")
    yield from _check_profile(profile.type, profile.localhost_profile, types, path, "seccomp")


def _check_app_armor(profile: AppArmorProfile | None, path: FieldPath) -> Iterator[FieldError]:
    if profile is None:
        return
    types = ("Localhost", "RuntimeDefault", "Unconfined")
    yield from _check_profile(profile.type, profile.localhost_profile, types, path, "AppArmor")


def _check_profile(
    type_: str, local: str | None, types: tuple[str, ...], path: FieldPath, what: str
) -> Iterator[FieldError]:
    if type_ not in types:
        yield (
            required(path.type, "type is required when seccompProfile is set")
            if not type_
            else not_supported(path.type, type_, types)
        )
    elif type_ != "Localhost":
        if local is not None:
            yield invalid(path.localhostProfile, local, f"can only be set when {what} type is Localhost")
    elif not local:
        yield required(path.localhostProfile, f"must be set when {what} type is Localhost")
    elif local.startswith("/"):
        yield invalid(path.localhostProfile, local, "must be a relative path")
    elif ".." in local.split("/"):
        yield invalid(path.localhostProfile, local, "must not contain '..'")


def _check_windows(options: WindowsSecurityContextOptions | None, path: FieldPath) -> Iterator[FieldError]:
    if options is None:
        return
    for name, value in (
        ("gmsaCredentialSpec", options.gmsa_credential_spec),
        ("runAsUserName", options.run_as_user_name),
    ):
        if value == "":
            yield invalid(getattr(path, name), value, f"{name} cannot be an empty string")


def check_pod_security_context(
    context: PodSecurityContext | None, spec: PodSpec, spec_path: FieldPath
) -> Iterator[FieldError]:
    if context is None:
        return
    path = spec_path.securityContext
    for index, group in enumerate(context.supplemental_groups):
        yield from _check_id(group, path.supplementalGroups[index])
    yield from _check_id(context.fs_group, path.fsGroup)
    yield from _check_id(context.run_as_user, path.runAsUser)
    yield from _check_id(context.run_as_group, path.runAsGroup)
    policy = context.fs_group_change_policy
    if policy is not None and policy not in ("Always", "OnRootMismatch"):
        yield not_supported(path.fsGroupChangePolicy, policy, ("Always", "OnRootMismatch"))
    groups_policy = context.supplemental_groups_policy
    if groups_policy is not None and groups_policy not in ("Merge", "Strict"):
        yield not_supported(path.supplementalGroupsPolicy, groups_policy, ("Merge", "Strict"))
    names: set[str] = set()
    for index, sysctl in enumerate(context.sysctls):
        name_path = path.sysctls[index].name
        if not sysctl.name:
            yield required(name_path)
        elif len(sysctl.name) > _SYSCTL_LENGTH or not _SYSCTL.fullmatch(sysctl.name):
            yield invalid(
                name_path, sysctl.name, f"must have at most {_SYSCTL_LENGTH} characters and match regex ^{SYSCTL}$"
            )
        elif sysctl.name in names:
            yield duplicate(name_path, sysctl.name)
        elif spec.host_network and sysctl.name.startswith("net."):
            yield invalid(name_path, sysctl.name, "may not be specified when 'hostNetwork' is true")
        elif spec.host_ipc and sysctl.name.startswith(("kernel.shm", "kernel.msg", "fs.mqueue.", "kernel.sem")):
            yield invalid(name_path, sysctl.name, "may not be specified when 'hostIPC' is true")
        names.add(sysctl.name)
    yield from _check_seccomp(context.seccomp_profile, path.seccompProfile)
    yield from _check_app_armor(context.app_armor_profile, path.appArmorProfile)
    yield from _check_windows(context.windows_options, path.windowsOptions)
    if spec.share_process_namespace and spec.host_pid:
        message = "ShareProcessNamespace and HostPID cannot both be enabled"
        yield invalid(spec_path.shareProcessNamespace, True, message)
    if spec.host_users is False:
        for name, shared in (
            ("hostNetwork", spec.host_network),
            ("HostPID", spec.host_pid),
            ("HostIPC", spec.host_ipc),
        ):
            if shared:
                yield forbidden(getattr(spec_path, name), "when `pod.Spec.HostUsers` is false")
