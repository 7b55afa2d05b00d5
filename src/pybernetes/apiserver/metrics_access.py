"""Who was known, and who was allowed what, under upstream's names; read off when somebody asks.

Follows k8s.io/apiserver/pkg/endpoints/filters/metrics.go, pkg/authentication/request/x509 and pkg/serviceaccount.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from pybernetes.apiserver.figures import Histogram, counter, histogram, single
from pybernetes.apiserver.server import ApiServer

if TYPE_CHECKING:
    from pybernetes.apiserver.auth.figures import IdentityFigures

_RESULT = ("result",)


class AccessMetrics(Collector):
    def __init__(self, server: ApiServer) -> None:
        self._server = server

    def describe(self) -> list[Metric]:
        """Nothing is collected before somebody asks."""
        return []

    def collect(self) -> Iterator[Metric]:
        figures = self._server.access_figures
        known = {"success": figures.known, "error": figures.refused, "failure": figures.unknown}
        allowed = {"allowed": figures.allowed, "denied": figures.denied, "no-opinion": figures.no_opinion}
        yield from _timed("authentication", "_attempts", "Requests whose user was looked for", known)
        yield from _timed("authorization", "_attempts_total", "Requests that were judged", allowed)
        yield counter(
            "authenticated_user_requests",
            "[ALPHA] Requests by user, where it is one of those that every cluster has.",
            ("username",),
            {(name,): number for name, number in figures.users.items() if number},
        )
        auditor = self._server.auditor
        yield counter(
            "apiserver_audit_event_total",
            "[ALPHA] Events that were told to the audit log.",
            (),
            single(auditor.events if auditor is not None else 0),
        )
        yield counter(
            "apiserver_audit_requests_rejected_total",
            "[ALPHA] Requests that were refused because the audit log could not be told.",
            (),
            single(auditor.rejected if auditor is not None else 0),
        )
        if auditor is not None:
            yield counter(
                "apiserver_audit_level_total",
                "[ALPHA] Requests by the level at which the audit log is told of them.",
                ("level",),
                {(level,): number for level, number in auditor.levels.items()},
            )
            yield counter(
                "apiserver_audit_error_total",
                "[ALPHA] Events that were lost, by where they should have gone.",
                ("plugin",),
                {(plugin,): number for plugin, number in auditor.lost.items()},
            )


def _timed(subject: str, attempts: str, text: str, found: dict[str, Histogram]) -> Iterator[Metric]:
    seen = {(result,): one for result, one in found.items() if one.count}
    yield counter(f"{subject}{attempts}", f"[ALPHA] {text}.", _RESULT, {key: one.count for key, one in seen.items()})
    yield histogram(f"{subject}_duration_seconds", f"[ALPHA] {text}: how long it took.", _RESULT, seen)


class IdentityMetrics(Collector):
    """What the authenticators of a cluster have seen."""

    def __init__(self, figures: IdentityFigures) -> None:
        self._figures = figures

    def describe(self) -> list[Metric]:
        """Nothing is collected before somebody asks."""
        return []

    def collect(self) -> Iterator[Metric]:
        figures = self._figures
        yield histogram(
            "apiserver_client_certificate_expiration_seconds",
            "[ALPHA] How long the certificates that clients show will last.",
            (),
            {(): figures.certificates},
        )
        for name, text, number in (
            ("valid_tokens", "bound tokens of service accounts that were good", figures.valid),
            ("stale_tokens", "those of them that should have been renewed", figures.stale),
            ("legacy_tokens", "tokens of service accounts that have no end", figures.legacy),
            ("legacy_manual_token_uses", "those of them that somebody asked for", figures.legacy_manual),
            ("legacy_auto_token_uses", "those of them that were made unasked", figures.legacy_automatic),
            ("invalid_legacy_auto_token_uses", "those of them that no longer count", figures.legacy_invalid),
        ):
            yield counter(f"serviceaccount_{name}_total", f"[ALPHA] How often was used: {text}.", (), single(number))
