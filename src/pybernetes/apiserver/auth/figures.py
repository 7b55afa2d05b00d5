"""What the authenticators count."""

from __future__ import annotations

from pybernetes.api.figures import Counts, Histogram, Histograms

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


EVALUATION_SECONDS = (0.001, 0.005, 0.01, 0.025, 0.1, 0.2, 0.25)
WEBHOOK_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


class WebhookFigures:
    """Of one authorization webhook: how long it took by `success` and `error`, what its conditions said."""

    __slots__ = ("evaluations", "excluded", "open", "seconds", "unevaluated")

    def __init__(self) -> None:
        self.seconds = Histograms(WEBHOOK_SECONDS)
        self.evaluations = Histogram(EVALUATION_SECONDS)
        self.excluded = self.unevaluated = self.open = 0

    def asked(self, result: str, seconds: float, *, open: bool = False) -> None:
        """``open``: it failed, and that is ignored."""
        self.seconds[(result,)].observe(seconds)
        self.open += open


class ChainFigures:
    """``decisions`` by type, name and what was decided; of the webhooks by name."""

    __slots__ = ("decisions", "webhooks")

    def __init__(self) -> None:
        self.decisions = Counts()
        self.webhooks: dict[str, WebhookFigures] = {}
