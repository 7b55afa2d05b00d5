"""How checks find containers and name what is wrong with them.

Follows helpers.go and visitor.go of k8s.io/pod-security-admission/policy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Document = Mapping[str, Any]
_KINDS = ("initContainers", "containers", "ephemeralContainers")


@dataclass(frozen=True, slots=True)
class Violation:
    reason: str
    detail: str

    def __str__(self) -> str:
        return f"{self.reason} ({self.detail})" if self.detail else self.reason


Check = Callable[[Document, Document], Violation | None]
"""(metadata, spec) of a pod or of a template."""


def containers_of(spec: Document) -> Iterator[Document]:
    for kind in _KINDS:
        yield from spec.get(kind) or ()


def security(holder: Document) -> Document:
    """The security context of a pod's spec or of a container."""
    context: Document = holder.get("securityContext") or {}
    return context


def quoted(items: Iterable[str]) -> str:
    return ", ".join(f'"{item}"' for item in items)


def plural(word: str, count: int) -> str:
    return word if count == 1 else f"{word}s"


def uses(count: int) -> str:
    return "uses" if count == 1 else "use"


def named(containers: list[str]) -> str:
    """`container "a"` or `containers "a", "b"`."""
    return f"{plural('container', len(containers))} {quoted(containers)}"


def setters(pod: bool, containers: list[str]) -> str:
    """`pod and containers "a", "b"`: who has set something."""
    return " and ".join([*(("pod",) if pod else ()), *((named(containers),) if containers else ())])


def names_where(spec: Document, judge: Callable[[Document], object]) -> list[str]:
    return [container.get("name", "") for container in containers_of(spec) if judge(container)]


def in_user_namespace(spec: Document) -> bool:
    return spec.get("hostUsers") is False


def unless_windows(check: Check) -> Check:
    """What means nothing on Windows is not asked of pods that say they are for it."""
    return lambda metadata, spec: None if (spec.get("os") or {}).get("name") == "windows" else check(metadata, spec)


def unless_user_namespace(check: Check) -> Check:
    return lambda metadata, spec: None if in_user_namespace(spec) else check(metadata, spec)
