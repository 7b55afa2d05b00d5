"""What annotations of pods must be, where they mean something, and that they agree with the fields that replaced them.

Follows ValidatePodSpecificAnnotations and its neighbours in pkg/apis/core/validation.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from pybernetes.api.fields import FieldError, FieldPath, at, forbidden, invalid, quoted
from pybernetes.api.models.core_v1 import AppArmorProfile, PodSpec, SeccompProfile
from pybernetes.apiserver.validation.paths import check_descending
from pybernetes.apiserver.validation.windows_options import containers_of

MIRROR = "kubernetes.io/config.mirror"
DELETION_COST = "controller.kubernetes.io/pod-deletion-cost"
SECCOMP_POD = "seccomp.security.alpha.kubernetes.io/pod"
SECCOMP_CONTAINER = "container.seccomp.security.alpha.kubernetes.io/"
APP_ARMOR = "container.apparmor.security.beta.kubernetes.io/"
_LOCAL = "localhost/"
_DEFAULT_SECCOMP = ("runtime/default", "docker/default")
_COST = re.compile(r"0|-?[1-9][0-9]*")
_INT32 = 1 << 31


def check_pod_annotations(annotations: Mapping[str, str], spec: PodSpec, path: FieldPath) -> Iterator[FieldError]:
    if MIRROR in annotations and not spec.node_name:
        message = "must set spec.nodeName if mirror pod annotation is set"
        yield invalid(path[MIRROR], annotations[MIRROR], message)
    cost = annotations.get(DELETION_COST)
    if cost is not None and not (_COST.fullmatch(cost) and -_INT32 <= int(cost) < _INT32):
        yield invalid(path[DELETION_COST], cost, "must be a 32bit integer")
    for key, profile in annotations.items():
        if key == SECCOMP_POD or key.startswith(SECCOMP_CONTAINER):
            yield from _check_seccomp(profile, path.child(key))
        elif key.startswith(APP_ARMOR):
            yield from _check_app_armor(key, profile, spec, path[key])


def _check_seccomp(profile: str, path: FieldPath) -> Iterator[FieldError]:
    if profile.startswith(_LOCAL):
        yield from check_descending(profile.removeprefix(_LOCAL), path)
    elif profile not in (*_DEFAULT_SECCOMP, "unconfined"):
        yield invalid(path, profile, "must be a valid seccomp profile")


def _check_app_armor(key: str, profile: str, spec: PodSpec, path: FieldPath) -> Iterator[FieldError]:
    name = key.removeprefix(APP_ARMOR)
    if all(container.name != name for container, _ in containers_of(spec, at.spec)):
        yield invalid(path, name, "container not found")
    if profile not in ("", "runtime/default", "unconfined") and not profile.startswith(_LOCAL):
        yield invalid(path, profile, f"invalid AppArmor profile name: {quoted(profile)}")


def check_annotation_updates(
    new: Mapping[str, str], old: Mapping[str, str], spec: PodSpec, path: FieldPath
) -> Iterator[FieldError]:
    """``spec`` is the new pod's. What is wrong with the new ones is told here, too."""
    for key, value in old.items():
        if new.get(key) == value:
            continue
        if key.startswith(APP_ARMOR):
            yield forbidden(path[key], "may not remove or update AppArmor annotations")
        if key == MIRROR:
            yield forbidden(path[key], "may not remove or update mirror pod annotation")
    for key in new.keys() - old.keys():
        if key.startswith(APP_ARMOR):
            yield forbidden(path[key], "may not add AppArmor annotations")
        if key == MIRROR:
            yield forbidden(path[key], "may not add mirror pod annotation")
    if new:
        yield from check_pod_annotations(new, spec, path)


def check_profiles_match(annotations: Mapping[str, str], spec: PodSpec, path: FieldPath) -> Iterator[FieldError]:
    """The annotations that fields have replaced say the same as the fields."""
    if not any(key == SECCOMP_POD or key.startswith((SECCOMP_CONTAINER, APP_ARMOR)) for key in annotations):
        return
    context = spec.security_context
    seccomp = context.seccomp_profile if context is not None else None
    yield from _check_match(annotations.get(SECCOMP_POD), seccomp, path.securityContext.seccompProfile, "seccomp")
    containers = list(containers_of(spec, path))
    for container, at_container in containers:
        seccomp = container.security_context.seccomp_profile if container.security_context else None
        stated = annotations.get(SECCOMP_CONTAINER + container.name)
        yield from _check_match(stated, seccomp, at_container.securityContext.seccompProfile, "seccomp")
    if spec.os is not None and spec.os.name == "windows":
        return
    for container, at_container in containers:
        own = container.security_context.app_armor_profile if container.security_context else None
        profile = own or (context.app_armor_profile if context is not None else None)
        stated = annotations.get(APP_ARMOR + container.name)
        yield from _check_match(stated, profile, at_container.securityContext.appArmorProfile, "apparmor")


def _check_match(
    stated: str | None, profile: SeccompProfile | AppArmorProfile | None, path: FieldPath, what: str
) -> Iterator[FieldError]:
    if stated is None or profile is None:
        return
    match profile.type:
        case "Unconfined":
            same = stated == "unconfined"
        case "RuntimeDefault":
            same = stated in (_DEFAULT_SECCOMP if what == "seccomp" else ("runtime/default",))
        case "Localhost":
            same = stated.startswith(_LOCAL)
            if same and stated.removeprefix(_LOCAL) != profile.localhost_profile:
                yield forbidden(path.localhostProfile, f"{what} profile in annotation and field must match")
        case _:
            return
    if not same:
        yield forbidden(path.type, f"{what} type in annotation and field must match")
