"""What several plugins ask about a pod's document.

Follows pkg/api/pod/util.go and pkg/util/tolerations.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pybernetes.apiserver.resource import Document

MIRROR = "kubernetes.io/config.mirror"
_KINDS = ("initContainers", "containers", "ephemeralContainers")


def spec_of(pod: Document) -> Document:
    spec: Document = pod.setdefault("spec", {})
    return spec


def is_mirror(pod: Document) -> bool:
    """Whether a kubelet made it for a pod of its own."""
    return MIRROR in (pod["metadata"].get("annotations") or {})


def containers_of(spec: Mapping[str, Any], kinds: Sequence[str] = _KINDS) -> Iterator[Document]:
    for kind in kinds:
        yield from spec.get(kind) or ()


def merged_tolerations(first: Sequence[Document], second: Sequence[Document]) -> list[Document]:
    """Both, without those that another one covers."""
    together = [*first, *second]
    merged: list[Document] = []
    for index, one in enumerate(together):
        if any(covers(other, one) for other in merged):
            continue
        if any(other != one and covers(other, one) for other in together[index + 1 :]):
            continue
        merged.append(one)
    return merged


def covers(wide: Document, narrow: Document) -> bool:
    """Whether the first toleration tolerates all that the second does."""
    if wide == narrow:
        return True
    wide_operator = wide.get("operator") or "Equal"
    matches_all_keys = not wide.get("key") and wide_operator == "Exists"
    if narrow.get("key") != wide.get("key") and not matches_all_keys:
        return False
    if wide.get("effect") and narrow.get("effect") != wide.get("effect"):
        return False
    if wide.get("effect") == "NoExecute" and wide.get("tolerationSeconds") is not None:
        seconds = narrow.get("tolerationSeconds")
        if seconds is None or seconds > wide["tolerationSeconds"]:
            return False
    if wide_operator == "Exists":
        return True
    return narrow.get("operator") == "Equal" and narrow.get("value", "") == wide.get("value", "")
