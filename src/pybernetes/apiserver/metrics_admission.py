"""How long admission takes and what webhooks say, under upstream's names; read off when somebody asks.

Follows k8s.io/apiserver/pkg/admission/metrics.
"""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from pybernetes.api.metric_families import counter, histogram
from pybernetes.apiserver.admission.pod_security import PodSecurity
from pybernetes.apiserver.admission.pod_security.figures import PodSecurityFigures
from pybernetes.apiserver.server import ApiServer

_STEP = ("type", "operation", "rejected")
_REQUEST = ("request_operation", "resource", "subresource")
_WEBHOOK = ("name", "type", "operation")


class AdmissionMetrics(Collector):
    def __init__(self, server: ApiServer) -> None:
        self._server = server

    def describe(self) -> list[Metric]:
        """Nothing is collected before somebody asks."""
        return []

    def collect(self) -> Iterator[Metric]:
        chain = self._server.admission.figures
        start = "apiserver_admission"
        yield histogram(
            f"{start}_step_admission_duration_seconds", "[STABLE] Time of all plugins together.", _STEP, chain.steps
        )
        yield histogram(
            f"{start}_controller_admission_duration_seconds",
            "[STABLE] Time of each plugin.",
            ("name", *_STEP),
            {labels: one for labels, one in chain.plugins.items() if one.count},
        )
        yield from self._webhooks(f"{start}_webhook")
        for plugin in self._server.admission.plugins:
            if isinstance(plugin, PodSecurity):
                yield from _pod_security(plugin.figures)

    def _webhooks(self, start: str) -> Iterator[Metric]:
        asked = self._server.webhooks.figures
        if not asked.requests:
            return
        yield histogram(
            f"{start}_admission_duration_seconds",
            "[STABLE] Time until a webhook answered.",
            (*_WEBHOOK, "rejected"),
            asked.seconds,
        )
        yield counter(
            f"{start}_request_total",
            "[ALPHA] Questions to webhooks, by what came of them.",
            (*_WEBHOOK, "code", "rejected"),
            asked.requests,
        )
        yield counter(
            f"{start}_rejection_count",
            "[ALPHA] Writes refused because of a webhook, by its answer or its failure.",
            (*_WEBHOOK, "error_type", "rejection_code"),
            asked.rejections,
        )
        yield counter(
            f"{start}_fail_open_count", "[ALPHA] Failures of webhooks that were ignored.", _WEBHOOK[:2], asked.open
        )


def _pod_security(figures: PodSecurityFigures) -> Iterator[Metric]:
    labels = ("decision", "mode", "policy_level", "policy_version", *_REQUEST)
    text = "[ALPHA] Pods and their templates that were judged."
    yield counter("pod_security_evaluations_total", text, labels, figures.evaluations)
    text = "[ALPHA] Those that were not, because of who or what they are."
    yield counter("pod_security_exemptions_total", text, _REQUEST, figures.exemptions)
