"""Who was known, and who was allowed what, under upstream's names; read off when somebody asks.

Follows k8s.io/apiserver/pkg/endpoints/filters/metrics.go, pkg/authentication/request/x509 and pkg/serviceaccount.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from pybernetes.api.figures import Counts, Histogram, Histograms
from pybernetes.api.metric_families import counter, gauge, histogram, single
from pybernetes.apiserver.server import ApiServer

if TYPE_CHECKING:
    from pybernetes.apiserver.auth.access import Access
    from pybernetes.apiserver.auth.figures import ChainFigures
    from pybernetes.apiserver.auth.reloading import FileReloader

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
    """What the authenticators and authorizers of a cluster have seen, and which of the operator's files they follow."""

    def __init__(self, access: Access) -> None:
        self._figures = access.account_tokens.figures
        self._authorization = access.authorization
        self._reloaders = access.reloaders

    def describe(self) -> list[Metric]:
        """Nothing is collected before somebody asks."""
        return []

    def collect(self) -> Iterator[Metric]:
        by = ("type", "name", "decision")
        decided = {labels: number for labels, number in self._authorization.decisions().items() if number}
        yield counter("apiserver_authorization_decisions_total", "[ALPHA] What authorizers decided.", by, decided)
        yield from _webhooks(self._authorization.figures)
        for reloader in self._reloaders:
            yield from reloads(reloader)
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


def _webhooks(figures: ChainFigures) -> Iterator[Metric]:
    start = "apiserver_authorization"
    if not figures.webhooks:
        return
    seconds, asked, evaluated = Histograms(()), Counts(), Histograms(())
    for name, one in figures.webhooks.items():
        for (result,), taken in one.seconds.items():
            seconds[name, result] = taken
            asked[name, result] = taken.count
        evaluated["Webhook", name] = one.evaluations
    labels = ("name", "result")
    yield counter(f"{start}_webhook_evaluations_total", "[ALPHA] Questions to authorization webhooks.", labels, asked)
    text = "[ALPHA] Time until an authorization webhook answered."
    yield histogram(f"{start}_webhook_duration_seconds", text, labels, seconds)
    opened = {(name, "error"): one.open for name, one in figures.webhooks.items()}
    text = "[ALPHA] Failures of authorization webhooks that were ignored."
    yield counter(f"{start}_webhook_evaluations_fail_open_total", text, labels, opened)
    text = "[ALPHA] Time of the conditions under which a webhook is asked."
    yield histogram(f"{start}_match_condition_evaluation_seconds", text, ("type", "name"), evaluated)
    kept_out = {("Webhook", name): one.excluded for name, one in figures.webhooks.items()}
    text = "[ALPHA] Requests that a webhook was not asked about."
    yield counter(f"{start}_match_condition_exclusions_total", text, ("type", "name"), kept_out)
    failed = {("Webhook", name): one.unevaluated for name, one in figures.webhooks.items()}
    text = "[ALPHA] Conditions that could not be evaluated."
    yield counter(f"{start}_match_condition_evaluation_errors_total", text, ("type", "name"), failed)


def reloads(reloader: FileReloader) -> Iterator[Metric]:
    """How often a changed file was taken in. Upstream's label for one server among several is empty here."""
    start = f"apiserver_{reloader.subject}_config_controller"
    labels = ("status", "apiserver_id_hash")
    times = {"success": reloader.successes, "failure": reloader.failures}
    found = {(status, ""): number for status, number in times.items() if number}
    yield counter(f"{start}_automatic_reloads_total", "[ALPHA] Changes of the file.", labels, found)
    last = {"success": reloader.last_success, "failure": reloader.last_failure}
    moments = {(status, ""): moment for status, moment in last.items() if moment}
    text = "[ALPHA] When the file was last taken in."
    yield gauge(f"{start}_automatic_reload_last_timestamp_seconds", text, labels, moments)
    text = "[ALPHA] The content that is in use."
    yield gauge(f"{start}_last_config_info", text, ("apiserver_id_hash", "hash"), {("", reloader.hash): 1})
