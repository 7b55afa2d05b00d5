"""EventRateLimit: events that come too often, by whom or about what, are turned away.

Each limit is a bucket of tokens per key that is filled at a steady rate; the keys that were used last are remembered.
Follows plugin/pkg/admission/eventratelimit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from pybernetes.api import errors
from pybernetes.api.clock import Clock
from pybernetes.api.fields import FieldError, at, invalid, not_supported
from pybernetes.api.recently_used import RecentlyUsed
from pybernetes.apiserver.admission.contract import Attributes, Operation, Plugin
from pybernetes.apiserver.admission.host import ConfigurationError, Host

DEFAULT_CACHE = 4096
_KINDS = ("eventratelimit.admission.k8s.io/v1alpha1", "Configuration")


def _source_and_object(attributes: Attributes) -> str:
    event = attributes.document or {}
    source, about = event.get("source") or {}, event.get("involvedObject") or event.get("regarding") or {}
    fields = ("kind", "namespace", "name", "uid", "apiVersion")
    return "".join([source.get("component", ""), source.get("host", ""), *(about.get(one, "") for one in fields)])


KEYS: dict[str, Callable[[Attributes], str]] = {
    "Server": lambda attributes: "",
    "Namespace": lambda attributes: attributes.namespace,
    "User": lambda attributes: attributes.user.name,
    "SourceAndObject": _source_and_object,
}


class Bucket:
    """Tokens up to ``burst``, ``qps`` of them more each second."""

    __slots__ = ("_at", "_burst", "_qps", "_tokens")

    def __init__(self, qps: float, burst: int, now: float) -> None:
        self._qps = qps
        self._burst = burst
        self._tokens = float(burst)
        self._at = now

    def take(self, now: float) -> bool:
        self._tokens = min(float(self._burst), self._tokens + (now - self._at) * self._qps)
        self._at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


class Limit:
    def __init__(self, kind: str, qps: float, burst: int, cache_size: int = 0) -> None:
        self._kind = kind
        self._qps = qps
        self._burst = burst
        self._buckets: RecentlyUsed[str, Bucket] = RecentlyUsed(cache_size or DEFAULT_CACHE)

    def problem(self, attributes: Attributes, now: float) -> str:
        key = KEYS[self._kind](attributes)
        bucket = self._buckets.get(key) or self._buckets.put(key, Bucket(self._qps, self._burst, now))
        return "" if bucket.take(now) else f"limit reached on type {self._kind} for key {key}"


class EventRateLimit(Plugin):
    name = "EventRateLimit"
    operations = frozenset({Operation.CREATE, Operation.UPDATE})
    resources = frozenset({"events", "events.events.k8s.io"})

    @classmethod
    def build(cls, host: Host) -> EventRateLimit:
        return cls(tuple(read_limits(host.configuration)), host.clock)

    def __init__(self, limits: tuple[Limit, ...], clock: Clock) -> None:
        self._limits = limits
        self._clock = clock

    async def validate(self, attributes: Attributes) -> None:
        if attributes.dry_run:
            return
        now = self._clock.monotonic()
        found = [problem for limit in self._limits if (problem := limit.problem(attributes, now))]
        if found:
            shown = found[0] if len(found) == 1 else f"[{', '.join(found)}]"
            raise errors.ApiError(429, "TooManyRequests", f"Too many requests: {shown}")


def read_limits(configuration: dict[str, Any] | None) -> Iterator[Limit]:
    """Raises ConfigurationError."""
    configuration = configuration or {}
    if "kind" in configuration and (configuration.get("apiVersion"), configuration.get("kind")) != _KINDS:
        raise ConfigurationError(
            f'no kind "{configuration.get("kind", "")}" is registered for version '
            f'"{configuration.get("apiVersion", "")}"'
        )
    rows = configuration.get("limits") or []
    found = [str(problem) for problem in _problems(rows)]
    if found:
        raise ConfigurationError(found[0] if len(found) == 1 else f"[{', '.join(found)}]")
    for row in rows:
        yield Limit(row["type"], row["qps"], row["burst"], row.get("cacheSize", 0))


def _problems(rows: list[Any]) -> Iterator[FieldError]:
    if not rows:
        yield invalid(at.limits, None, "must not be empty")
    for index, row in enumerate(rows):
        path = at.limits[index]
        if row.get("type") not in KEYS:
            yield not_supported(path.type, row.get("type", ""), sorted(KEYS))
        for field in ("burst", "qps"):
            if row.get(field, 0) <= 0:
                yield invalid(path.child(field), row.get(field, 0), "must be positive")
        if row.get("cacheSize", 0) < 0:
            yield invalid(path.cacheSize, row["cacheSize"], "must not be negative")
