"""How a definition's versions are converted into each other.

Follows validateCustomResourceConversion in pkg/apis/apiextensions/validation of apiextensions-apiserver; its internal
form has the webhook's fields right in the conversion, and so have the paths.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from pybernetes.api.fields import (
    FieldError,
    FieldPath,
    forbidden,
    invalid,
    is_dns1035_label,
    not_supported,
    required,
)
from pybernetes.api.models.admissionregistration_v1 import WebhookClientConfig
from pybernetes.apiserver.resource import Document
from pybernetes.apiserver.resources.custom_leniency import REVIEW_VERSIONS, Leniency
from pybernetes.apiserver.validation.webhook_target import check_client_config

STRATEGIES = ("None", "Webhook")


def check_conversion(conversion: Document, path: FieldPath, leniency: Leniency) -> Iterator[FieldError]:
    strategy = conversion.get("strategy", "")
    if not strategy:
        yield required(path.strategy)
    elif strategy not in STRATEGIES:
        yield not_supported(path.strategy, strategy, STRATEGIES)
    webhook = conversion.get("webhook") or {}
    config = webhook.get("clientConfig")
    versions = webhook.get("conversionReviewVersions") or []
    at = path.webhookClientConfig
    if strategy != "Webhook":
        why = "should not be set when strategy is not set to Webhook"
        if config is not None:
            yield forbidden(at, why)
        if versions:
            yield forbidden(path.conversionReviewVersions, why)
        return
    if config is None:
        yield required(at, "required when strategy is set to Webhook")
    else:
        yield from check_client_config(msgspec.convert(config, WebhookClientConfig, strict=False), at)
        if config.get("caBundle") and not leniency.authorities:
            yield from _check_authorities(config["caBundle"], at.caBundle)
    yield from _check_review_versions(versions, path.conversionReviewVersions, leniency)


def _check_authorities(bundle: str, path: FieldPath) -> Iterator[FieldError]:
    from base64 import b64decode

    from cryptography import x509

    try:
        x509.load_pem_x509_certificates(b64decode(bundle))
    except ValueError:
        yield invalid(path, bundle, "unable to load root certificates: unable to parse bytes as PEM block")


def _check_review_versions(versions: Sequence[str], path: FieldPath, leniency: Leniency) -> Iterator[FieldError]:
    if not versions:
        yield required(path)
        return
    for index, version in enumerate(versions):
        if version in versions[:index]:
            yield invalid(path[index], version, "duplicate version")
            continue
        yield from (invalid(path[index], version, message) for message in is_dns1035_label(version))
    if not leniency.review_versions and not any(one in REVIEW_VERSIONS for one in versions):
        yield invalid(path, versions, f"must include at least one of {', '.join(REVIEW_VERSIONS)}")
