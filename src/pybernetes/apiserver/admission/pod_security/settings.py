"""What the operator has chosen: the policy of namespaces that say nothing, and who is not judged.

Follows k8s.io/pod-security-admission/admission/api.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from pybernetes.api.fields import FieldError, at, duplicate, invalid, is_dns_label, is_dns_subdomain
from pybernetes.apiserver.admission.host import ConfigurationError
from pybernetes.apiserver.admission.pod_security.levels import (
    NotUnderstood,
    Policy,
    Standard,
    parse_level,
    parse_version,
)

_GROUP = "pod-security.admission.config.k8s.io"
_VERSIONS = tuple(f"{_GROUP}/{version}" for version in ("v1", "v1beta1", "v1alpha1"))
_MODES = ("enforce", "warn", "audit")


@dataclass(frozen=True, slots=True)
class Settings:
    defaults: Policy = field(default_factory=Policy)
    namespaces: frozenset[str] = frozenset()
    users: frozenset[str] = frozenset()
    runtime_classes: frozenset[str] = frozenset()


def read_settings(configuration: Mapping[str, Any] | None) -> Settings:
    """Raises ConfigurationError."""
    if configuration is None:
        return Settings()
    version, kind = configuration.get("apiVersion"), configuration.get("kind")
    if version not in _VERSIONS or kind != "PodSecurityConfiguration":
        raise ConfigurationError(f'no kind "{kind}" is registered for version "{version}"')
    defaults, exemptions = configuration.get("defaults") or {}, configuration.get("exemptions") or {}
    problems: list[FieldError] = []
    standards = {mode: _standard(defaults, mode, problems) for mode in _MODES}
    problems += _problems(exemptions)
    if problems:
        shown = ", ".join(map(str, problems))
        raise ConfigurationError(shown if len(problems) == 1 else f"[{shown}]")
    return Settings(
        Policy(standards["enforce"], standards["audit"], standards["warn"]),
        frozenset(exemptions.get("namespaces") or ()),
        frozenset(exemptions.get("usernames") or ()),
        frozenset(exemptions.get("runtimeClasses") or ()),
    )


def _standard(defaults: Mapping[str, Any], mode: str, problems: list[FieldError]) -> Standard:
    level, version = defaults.get(mode) or "privileged", defaults.get(f"{mode}-version") or "latest"
    standard = Standard()
    try:
        standard = Standard(parse_level(level))
    except NotUnderstood as error:
        problems.append(invalid(at.defaults.child(mode), level, str(error)))
    try:
        return Standard(standard.level, parse_version(version))
    except NotUnderstood as error:
        problems.append(invalid(at.defaults.child(f"{mode}-version"), version, str(error)))
    return standard


def _problems(exemptions: Mapping[str, Any]) -> Iterator[FieldError]:
    checks = (("namespaces", is_dns_label), ("runtimeClasses", is_dns_subdomain), ("usernames", _is_user_name))
    for kind, check in checks:
        seen: set[str] = set()
        for index, name in enumerate(exemptions.get(kind) or ()):
            path = at.exemptions.child(kind)[index]
            messages = check(name)
            if messages:
                yield invalid(path, name, ", ".join(messages))
            elif name in seen:
                yield duplicate(path, name)
            seen.add(name)


def _is_user_name(name: str) -> list[str]:
    return [] if name else ["username must not be empty"]
