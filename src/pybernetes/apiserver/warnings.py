"""Warnings as they fit into an answer's headers.

Guarantees  Each text once, in order; none that a header cannot carry; texts are cut only when all of them together are
too long for what clients accept.

Follows k8s.io/apiserver/pkg/endpoints/filters/warning.go.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

MOST_TOGETHER = 4 * 1024
LONGEST_WHEN_CUT = 256


def fitting(warnings: Iterable[str]) -> tuple[str, ...]:
    """The warnings to send, without quoting."""
    told = [text for text in dict.fromkeys(warnings) if text]
    if sum(map(len, told)) > MOST_TOGETHER:
        told = list(_cut(told))
    return tuple(text for text in told if text.isprintable() or not _has_control(text))


def _cut(texts: Iterable[str]) -> Iterable[str]:
    written = 0
    for text in texts:
        if written >= MOST_TOGETHER:
            return
        kept = text[:LONGEST_WHEN_CUT]
        written += len(kept)
        yield kept


def _has_control(text: str) -> bool:
    return any(unicodedata.category(character) == "Cc" for character in text)
