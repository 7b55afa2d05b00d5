"""How long admission takes, step by step and plugin by plugin, and what webhooks have answered.

Follows k8s.io/apiserver/pkg/admission/metrics.
"""

from __future__ import annotations

from time import perf_counter

from pybernetes.api.figures import Counts, Histogram, Histograms

ADMIT, VALIDATE = "admit", "validate"
BOUNDS = (0.005, 0.025, 0.1, 0.5, 1.0, 2.5)
FIRST_BOUND = BOUNDS[0]
WEBHOOK_BOUNDS = (*BOUNDS, 10, 25)
MOST_CODE = 600
_LET_THROUGH, _REJECTED = "false", "true"

About = tuple[str, str, str]
"""The name of a webhook, how it is asked (`admit`, `validating`), and the operation."""


class ChainFigures:
    """``plugins`` are labelled by name, step, operation and whether the write was refused; ``steps`` lack the name."""

    def __init__(self) -> None:
        self.plugins = Histograms(BOUNDS)
        self.steps = Histograms(BOUNDS)

    def plugin(self, name: str, step: str, operation: str) -> Histogram:
        return self.plugins[name, step, str(operation), _LET_THROUGH]

    def passed(self, step: str, operation: str, began: float, ended: float) -> None:
        self.steps[step, operation, _LET_THROUGH].observe(ended - began)

    def refused(self, step: str, operation: str, plugin: str, began: float, asked: float) -> None:
        """``plugin``, which was asked at ``asked``, refused."""
        now = perf_counter()
        self.plugins[plugin, step, str(operation), _REJECTED].observe(now - asked)
        self.steps[step, str(operation), _REJECTED].observe(now - began)


class WebhookFigures:
    def __init__(self) -> None:
        self.seconds = Histograms(WEBHOOK_BOUNDS)
        self.requests = Counts()
        self.rejections = Counts()
        self.open = Counts()

    def allowed(self, about: About, seconds: float) -> None:
        self._asked(about, seconds, 200, _LET_THROUGH)

    def denied(self, about: About, seconds: float, code: int) -> None:
        self._asked(about, seconds, code, _REJECTED)
        self.rejections.add(*about, "no_error", str(min(code, MOST_CODE)))

    def failed(self, about: About, seconds: float, code: int, *, open: bool) -> None:
        """``open``: the failure is ignored."""
        self._asked(about, seconds, code, _LET_THROUGH if open else _REJECTED)
        if open:
            self.open.add(*about[:2])
        else:
            self.rejections.add(*about, "calling_webhook_error", str(min(code, MOST_CODE)))

    def _asked(self, about: About, seconds: float, code: int, rejected: str) -> None:
        self.seconds[*about, rejected].observe(seconds)
        self.requests.add(*about, str(min(code, MOST_CODE)), rejected)
