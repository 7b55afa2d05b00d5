"""ImagePolicyWebhook: a webhook of the operator's says which images pods may use.

Its configuration names a kubeconfig, how long answers count, and what a webhook that does not answer means.

Follows plugin/pkg/admission/imagepolicy.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from pybernetes.api.clock import Clock
from pybernetes.apiserver.admission.contract import Attributes, Operation, Plugin
from pybernetes.apiserver.admission.host import ConfigurationError, Host
from pybernetes.apiserver.admission.pods import containers_of, spec_of
from pybernetes.apiserver.admission.refusal import forbidden
from pybernetes.apiserver.auth.review_webhook import ReviewFailed, ReviewWebhook
from pybernetes.apiserver.resource import Document
from pybernetes.apiserver.webhook_file import read_target

log = logging.getLogger(__name__)

REVIEW = {"kind": "ImageReview", "apiVersion": "imagepolicy.k8s.io/v1alpha1"}
ABOUT_IMAGES = ".image-policy.k8s.io/"
AUDIT_PREFIX = "imagepolicywebhook.image-policy.k8s.io/"
FAILED_OPEN = "alpha.image-policy.k8s.io/failed-open"
EPHEMERAL = "ephemeralcontainers"
REMEMBERED = 1024
DISABLED = -1


@dataclass(frozen=True, slots=True)
class Times:
    """Seconds."""

    allow: float
    deny: float
    retry: float


class ImagePolicyWebhook(Plugin):
    name = "ImagePolicyWebhook"
    operations = frozenset({Operation.CREATE, Operation.UPDATE})
    resources = frozenset({"pods"})
    subresources = frozenset({"", EPHEMERAL})

    @classmethod
    def build(cls, host: Host) -> ImagePolicyWebhook:
        if host.configuration is None:
            raise ConfigurationError("no config specified")
        stated = host.configuration.get("imagePolicy") or {}
        times = Times(
            _seconds("allow cache", stated.get("allowTTL", 0), 1.0, 1800.0, 300.0),
            _seconds("deny cache", stated.get("denyTTL", 0), 1.0, 1800.0, 30.0),
            _seconds("backoff", stated.get("retryBackoff", 0), 1e-9, 300.0, 0.5),
        )
        webhook = ReviewWebhook(read_target(stated.get("kubeConfigFile", "")), first_delay=times.retry)
        return cls(webhook, host.clock, times, lenient=bool(stated.get("defaultAllow")))

    def __init__(self, webhook: ReviewWebhook, clock: Clock, times: Times, *, lenient: bool) -> None:
        self._webhook = webhook
        self._clock = clock
        self._times = times
        self._lenient = lenient
        self._known: dict[bytes, tuple[Mapping[str, Any], float]] = {}

    async def validate(self, attributes: Attributes) -> None:
        pod = attributes.document
        if pod is None:
            return
        try:
            status = await self._judged(_spec(attributes, pod))
        except ReviewFailed as error:
            log.warning("the image policy webhook does not answer", extra={"error": str(error)})
            if not self._lenient:
                raise forbidden(attributes, str(error)) from error
            attributes.annotate(f"{AUDIT_PREFIX}failed-open", "true")
            pod["metadata"].setdefault("annotations", {})[FAILED_OPEN] = "true"
            return
        for key, value in (status.get("auditAnnotations") or {}).items():
            attributes.annotate(AUDIT_PREFIX + key, value)
        if not status.get("allowed"):
            reason = status.get("reason")
            if reason:
                raise forbidden(attributes, f"image policy webhook backend denied one or more images: {reason}")
            raise forbidden(attributes, "one or more images rejected by webhook backend")

    async def _judged(self, spec: Document) -> Mapping[str, Any]:
        key = orjson.dumps(spec, option=orjson.OPT_SORT_KEYS)
        known = self._known.get(key)
        if known is not None and self._clock.monotonic() < known[1]:
            return known[0]
        try:
            status = await self._webhook.ask({**REVIEW, "spec": spec})
        finally:
            await self._webhook.close()
        if len(self._known) >= REMEMBERED:
            self._known.clear()
        seconds = self._times.allow if status.get("allowed") else self._times.deny
        self._known[key] = (status, self._clock.monotonic() + seconds)
        return status


def _spec(attributes: Attributes, pod: Document) -> Document:
    kinds = ("ephemeralContainers",) if attributes.subresource else ("containers", "initContainers")
    images = [{"image": container["image"]} for container in containers_of(spec_of(pod), kinds)]
    annotations = pod["metadata"].get("annotations") or {}
    told = {key: value for key, value in annotations.items() if ABOUT_IMAGES in key}
    spec = {"containers": images, "annotations": told, "namespace": attributes.namespace}
    return {name: value for name, value in spec.items() if value}


def _seconds(what: str, stated: float, least: float, most: float, default: float) -> float:
    """``stated`` in milliseconds for the backoff, in seconds for caches; -1 is none at all, 0 the default."""
    if stated == DISABLED:
        return 0.0
    if stated == 0:
        return default
    seconds = stated / 1000 if what == "backoff" else stated
    if not least <= seconds <= most:
        raise ConfigurationError(f"valid value is between {_shown(least)} and {_shown(most)}, got {_shown(seconds)}")
    return seconds


def _shown(seconds: float) -> str:
    """As Go shows a duration."""
    if seconds < 1:
        return f"{seconds * 1e9:g}ns" if seconds < 1e-6 else f"{seconds * 1000:g}ms"
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(int(minutes), 60)
    return (f"{hours}h" if hours else "") + (f"{minutes}m" if hours or minutes else "") + f"{rest:g}s"
