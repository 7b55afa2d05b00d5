"""Security options of Windows containers, and what only Linux or only Windows pods may say.

Follows validateWindowsSecurityContextOptions, validateWindowsHostProcessPod, validateWindows and validateLinux in
pkg/apis/core/validation.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

from pybernetes.api.fields import FieldError, FieldPath, forbidden, invalid, is_dns_subdomain
from pybernetes.api.models.core_v1 import (
    Container,
    EphemeralContainer,
    PodSecurityContext,
    PodSpec,
    SecurityContext,
    WindowsSecurityContextOptions,
)

_LONGEST_CREDENTIAL = 64
_LONGEST_DOMAIN = 256
_LONGEST_USER = 104
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_NETBIOS = re.compile(r"""[^\\/:*?"<>|.][^\\/:*?"<>|]{0,14}""")
_DNS_LABEL = "[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?"
_DNS = re.compile(rf"{_DNS_LABEL}(?:\.{_DNS_LABEL})*")
_REFUSED_CHARACTERS = re.compile(r"""["/\\:;|=,+*?<>@\[\]]""")
_DOTS_AND_SPACES = re.compile(r"[. ]+")
_NOT_WINDOWS = "cannot be set for a windows pod"
_NOT_LINUX = "windows options cannot be set for a linux pod"

AnyContainer = Container | EphemeralContainer


def containers_of(spec: PodSpec, path: FieldPath) -> Iterator[tuple[AnyContainer, FieldPath]]:
    """All containers in the order in which they start, with their paths."""
    for index, container in enumerate(spec.init_containers):
        yield container, path.initContainers[index]
    for index, container in enumerate(spec.containers):
        yield container, path.containers[index]
    for index, ephemeral in enumerate(spec.ephemeral_containers):
        yield ephemeral, path.ephemeralContainers[index]


def check_windows_options(options: WindowsSecurityContextOptions | None, path: FieldPath) -> Iterator[FieldError]:
    if options is None:
        return
    name = options.gmsa_credential_spec_name
    if name is not None:
        yield from (invalid(path.gmsaCredentialSpecName, name, message) for message in is_dns_subdomain(name))
    credential = options.gmsa_credential_spec
    if credential == "":
        yield invalid(path.gmsaCredentialSpec, credential, "gmsaCredentialSpec cannot be an empty string")
    elif credential is not None and len(credential.encode()) > _LONGEST_CREDENTIAL * 1024:
        message = f"gmsaCredentialSpec size must be under {_LONGEST_CREDENTIAL} KiB"
        yield invalid(path.gmsaCredentialSpec, credential, message)
    if options.run_as_user_name is not None:
        for message in _user_name_messages(options.run_as_user_name):
            yield invalid(path.runAsUserName, options.run_as_user_name, f"runAsUserName{message}")


def _user_name_messages(name: str) -> Iterator[str]:
    if not name:
        yield " cannot be an empty string"
    elif _CONTROL.search(name):
        yield " cannot contain control characters"
    elif name.count("\\") > 1:
        yield " cannot contain more than one backslash"
    else:
        domain, slash, user = name.rpartition("\\")
        if len(domain) >= _LONGEST_DOMAIN:
            yield f"'s Domain length must be under {_LONGEST_DOMAIN} characters"
        if slash and not _NETBIOS.fullmatch(domain) and not _DNS.fullmatch(domain):
            yield "'s Domain doesn't match the NetBios nor the DNS format"
        if not user:
            yield "'s User cannot be empty"
        elif len(user) > _LONGEST_USER:
            yield f"'s User length must not be longer than {_LONGEST_USER} characters"
        if _DOTS_AND_SPACES.fullmatch(user):
            yield "'s User cannot contain only periods or spaces"
        if _REFUSED_CHARACTERS.search(user):
            yield """'s User cannot contain the following characters: "/\\:;|=,+*?<>@[]"""


def _host_process(context: SecurityContext | PodSecurityContext | None) -> bool | None:
    return context.windows_options.host_process if context is not None and context.windows_options else None


def check_host_process(spec: PodSpec, path: FieldPath) -> Iterator[FieldError]:
    """Either all containers are host processes or none is."""
    of_pod = _host_process(spec.security_context)
    count = hosted = 0
    for container, at_container in containers_of(spec, path):
        count += 1
        own = _host_process(container.security_context)
        if of_pod is not None and own is not None and of_pod != own:
            message = f"pod hostProcess value must be identical if both are specified, was {str(of_pod).lower()}"
            yield invalid(at_container.securityContext.windowsOptions.hostProcess, own, message)
        hosted += bool(of_pod if own is None else own)
    if not hosted:
        return
    if hosted != count:
        message = "If pod contains any hostProcess containers then all containers must be HostProcess containers"
        yield invalid(path, "", message)
    if not spec.host_network:
        message = "hostNetwork must be true if pod contains any hostProcess containers"
        yield invalid(path.hostNetwork, False, message)


def check_linux(spec: PodSpec, path: FieldPath) -> Iterator[FieldError]:
    if spec.security_context is not None and spec.security_context.windows_options is not None:
        yield forbidden(path.securityContext.windowsOptions, _NOT_LINUX)
    for container, at_container in containers_of(spec, path):
        if container.security_context is not None and container.security_context.windows_options is not None:
            yield forbidden(at_container.securityContext.windowsOptions, _NOT_LINUX)


_OF_POD = (
    "appArmorProfile", "seLinuxOptions", "^hostUsers", "^hostPID", "^hostIPC", "seccompProfile", "fsGroup",
    "fsGroupChangePolicy", "sysctls", "^shareProcessNamespace", "runAsUser", "runAsGroup", "supplementalGroups",
    "supplementalGroupsPolicy", "seLinuxChangePolicy",
)  # fmt: skip
"""What Windows pods may not set, in the order of checking; `^`: in the spec itself."""
_OF_CONTAINER = (
    "appArmorProfile", "seLinuxOptions", "seccompProfile", "capabilities", "readOnlyRootFilesystem", "privileged",
    "allowPrivilegeEscalation", "procMount", "runAsUser", "runAsGroup",
)  # fmt: skip


def check_windows(spec: PodSpec, path: FieldPath) -> Iterator[FieldError]:
    in_spec = msgspec.to_builtins(spec)
    in_context = in_spec.get("securityContext") or {}
    for name in _OF_POD:
        holder, at_holder = (in_spec, path) if name[0] == "^" else (in_context, path.securityContext)
        if holder.get(name.lstrip("^")) not in (None, []):
            yield forbidden(at_holder.child(name.lstrip("^")), _NOT_WINDOWS)
    for container, at_container in containers_of(spec, path):
        given = msgspec.to_builtins(container.security_context) or {}
        for name in _OF_CONTAINER:
            if given.get(name) is not None:
                yield forbidden(at_container.securityContext.child(name), _NOT_WINDOWS)
