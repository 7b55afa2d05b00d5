"""Levels, versions, and the policy that a namespace's labels ask for.

Follows k8s.io/pod-security-admission/api.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import IntEnum

from pybernetes.api.fields import FieldError, FieldPath, at, invalid

PREFIX = "pod-security.kubernetes.io/"
_VERSION = re.compile(r"v1\.([0-9]|[1-9][0-9]*)")


class Level(IntEnum):
    """Ordered by strictness."""

    PRIVILEGED = 0
    BASELINE = 1
    RESTRICTED = 2

    def __str__(self) -> str:
        return self.name.lower()


LATEST = sys.maxsize
"""Of versions `v1.x` only the x is kept."""
_LEVELS = {str(level): level for level in Level}


class NotUnderstood(ValueError):
    """The text names no level or no version."""


def parse_level(text: str) -> Level:
    """Raises NotUnderstood."""
    level = _LEVELS.get(text)
    if level is None:
        raise NotUnderstood(f"must be one of {', '.join(_LEVELS)}")
    return level


def parse_version(text: str) -> int:
    """Raises NotUnderstood."""
    if text == "latest":
        return LATEST
    match = _VERSION.fullmatch(text)
    if match is None:
        raise NotUnderstood('must be "latest" or "v1.x"')
    return int(match[1])


@dataclass(frozen=True, slots=True)
class Standard:
    """A level as of a version: `restricted:v1.30`."""

    level: Level = Level.PRIVILEGED
    version: int = LATEST

    def __str__(self) -> str:
        return f"{self.level}:{'latest' if self.version == LATEST else f'v1.{self.version}'}"

    def is_like(self, other: Standard) -> bool:
        return self.level is other.level and (self.level is Level.PRIVILEGED or self.version == other.version)


@dataclass(frozen=True, slots=True)
class Policy:
    enforce: Standard = Standard()
    audit: Standard = Standard()
    warn: Standard = Standard()

    @property
    def allows_all(self) -> bool:
        return self.enforce.level is self.audit.level is self.warn.level is Level.PRIVILEGED

    def is_like(self, other: Policy) -> bool:
        return self.enforce.is_like(other.enforce) and self.audit.is_like(other.audit) and self.warn.is_like(other.warn)


def policy_of(labels: Mapping[str, str], defaults: Policy) -> tuple[Policy, tuple[FieldError, ...]]:
    """What cannot be understood is enforced as restricted, and neither audited nor warned of."""
    if PREFIX not in "\n".join(labels):
        return defaults, ()
    problems: list[FieldError] = []
    enforce = _standard(labels, "enforce", defaults.enforce, Level.RESTRICTED, problems)
    audit = _standard(labels, "audit", defaults.audit, Level.PRIVILEGED, problems)
    warn = _standard(labels, "warn", defaults.warn, Level.PRIVILEGED, problems)
    if PREFIX + "warn" not in labels and labels.get(PREFIX + "enforce") in _LEVELS and enforce.level > warn.level:
        warn = replace(warn, level=enforce.level)
        if PREFIX + "warn-version" not in labels:
            warn = enforce
    return Policy(enforce, audit, warn), tuple(problems)


def _standard(
    labels: Mapping[str, str], mode: str, default: Standard, fallback: Level, problems: list[FieldError]
) -> Standard:
    level, version = default.level, default.version
    if (text := labels.get(PREFIX + mode)) is not None:
        try:
            level = parse_level(text)
        except NotUnderstood as error:
            level = fallback
            problems.append(invalid(_label(PREFIX + mode), text, str(error)))
    if (text := labels.get(f"{PREFIX}{mode}-version")) is not None:
        try:
            version = parse_version(text)
        except NotUnderstood as error:
            version = LATEST
            problems.append(invalid(_label(f"{PREFIX}{mode}-version"), text, str(error)))
    return Standard(level, version)


def _label(name: str) -> FieldPath:
    return at.metadata.labels[name]
