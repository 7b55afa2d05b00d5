"""What the server's parts count beside plain figures: lists, and who was let in."""

from __future__ import annotations

from pybernetes.api.figures import Histogram

REQUEST_SECONDS = (
    0.005,
    0.025,
    0.05,
    0.1,
    0.2,
    0.4,
    0.6,
    0.8,
    1.0,
    1.25,
    1.5,
    2,
    3,
    4,
    5,
    6,
    8,
    10,
    15,
    20,
    30,
    45,
    60,
)


class Lists:
    """Lists that were served, and the objects that were looked at and shown for them."""

    __slots__ = ("looked_at", "served", "shown")

    def __init__(self) -> None:
        self.served = self.looked_at = self.shown = 0

    def count(self, looked_at: int, shown: int) -> None:
        self.served += 1
        self.looked_at += looked_at
        self.shown += shown


ACCESS_SECONDS = tuple(0.001 * 2**power for power in range(15))
WELL_KNOWN = frozenset(("admin", "client", "kube_proxy", "kubelet", "system:serviceaccount:kube-system:default"))


class AccessFigures:
    """How long it took to know who asks and whether they may, by what came of it."""

    __slots__ = ("allowed", "denied", "known", "no_opinion", "refused", "unknown", "users")

    def __init__(self) -> None:
        self.users = dict.fromkeys((*WELL_KNOWN, "email_id", "other"), 0)
        self.known = Histogram(ACCESS_SECONDS)
        self.unknown = Histogram(ACCESS_SECONDS)
        self.refused = Histogram(ACCESS_SECONDS)
        self.allowed = Histogram(ACCESS_SECONDS)
        self.denied = Histogram(ACCESS_SECONDS)
        self.no_opinion = Histogram(ACCESS_SECONDS)

    def knows(self, name: str, seconds: float) -> None:
        """There are too many names to tell each one apart."""
        self.known.observe(seconds)
        self.users[name if name in WELL_KNOWN else "email_id" if "@" in name else "other"] += 1
