"""Numbers of pods that are stated as numbers or as percentages.

Follows GetScaledValueFromIntOrPercent in k8s.io/apimachinery/pkg/util/intstr.
"""

from __future__ import annotations


def rounded_up(value: int | str | None, total: int, *, unset: int = 0) -> int:
    """The number itself, or so many percent of ``total``, rounded up."""
    if isinstance(value, str):
        return -(-_percent(value) * total // 100)
    return unset if value is None else value


def rounded_down(value: int | str | None, total: int, *, unset: int = 0) -> int:
    if isinstance(value, str):
        return _percent(value) * total // 100
    return unset if value is None else value


def _percent(text: str) -> int:
    return int(text.removesuffix("%"))
