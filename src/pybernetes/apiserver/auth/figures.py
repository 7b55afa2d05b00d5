"""What the authenticators count."""

from __future__ import annotations

from pybernetes.apiserver.figures import Histogram

_HOUR = 3600
_DAY = 24 * _HOUR
LIFETIMES = (
    0,
    _HOUR / 2,
    _HOUR,
    2 * _HOUR,
    6 * _HOUR,
    12 * _HOUR,
    _DAY,
    2 * _DAY,
    4 * _DAY,
    7 * _DAY,
    30 * _DAY,
    90 * _DAY,
    180 * _DAY,
    360 * _DAY,
)


class IdentityFigures:
    """How long the certificates that clients show will last, and which tokens of service accounts were used."""

    __slots__ = ("certificates", "legacy", "legacy_automatic", "legacy_invalid", "legacy_manual", "stale", "valid")

    def __init__(self) -> None:
        self.certificates = Histogram(LIFETIMES)
        self.valid = self.stale = 0
        self.legacy = self.legacy_manual = self.legacy_automatic = self.legacy_invalid = 0
