"""What a mutating and a validating webhook have in common.

What was allowed when a configuration was stored does not keep it from being updated: ``Leniency`` says what that is.

Follows pkg/apis/admissionregistration/validation.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pybernetes.api.fields import (
    FieldError,
    FieldPath,
    at,
    duplicate,
    invalid,
    is_dns1035_label,
    is_dns_subdomain,
    not_supported,
    required,
)
from pybernetes.api.models.admissionregistration_v1 import (
    MutatingWebhook,
    MutatingWebhookConfiguration,
    ValidatingWebhook,
    ValidatingWebhookConfiguration,
)
from pybernetes.apiserver.resource import Document
from pybernetes.apiserver.validation.admission_rules import check_match_conditions, check_rule
from pybernetes.apiserver.validation.metadata import check_common_metadata
from pybernetes.apiserver.validation.selectors import check_label_selector
from pybernetes.apiserver.validation.webhook_target import check_client_config

Webhook = MutatingWebhook | ValidatingWebhook
Configuration = MutatingWebhookConfiguration | ValidatingWebhookConfiguration

FAILURE_POLICIES = ("Fail", "Ignore")
MATCH_POLICIES = ("Equivalent", "Exact")
REINVOCATION_POLICIES = ("IfNeeded", "Never")
REVIEW_VERSIONS = ("v1", "v1beta1")
SIDE_EFFECTS = ("None", "NoneOnDryRun", "Some", "Unknown")
NO_SIDE_EFFECTS = ("None", "NoneOnDryRun")
RESERVED_SUFFIX = ".static.k8s.io"


@dataclass(frozen=True, slots=True)
class Leniency:
    """What need not hold because it did not hold before."""

    side_effects: bool = False
    review_versions: bool = False
    repeated_names: bool = False
    label_values: bool = False
    conditions: bool = False


STRICT = Leniency()


def leniency_of(new: Configuration, old: Configuration) -> Leniency:
    before: Sequence[Webhook] = old.webhooks
    names = [hook.name for hook in before]
    return Leniency(
        side_effects=any(hook.side_effects not in NO_SIDE_EFFECTS for hook in before),
        review_versions=any(hook.admission_review_versions and not _is_understood(hook) for hook in before),
        repeated_names=len(names) != len(set(names)),
        label_values=any(True for hook in before for _ in _check_selectors(hook, at)),
        conditions=[hook.match_conditions for hook in new.webhooks] == [hook.match_conditions for hook in before],
    )


def check_configuration(configuration: Configuration, leniency: Leniency = STRICT) -> Iterator[FieldError]:
    yield from check_common_metadata(configuration.metadata, is_dns_subdomain, namespaced=False)
    names: set[str] = set()
    webhooks: Sequence[Webhook] = configuration.webhooks
    for index, hook in enumerate(webhooks):
        path = at.webhooks[index]
        yield from _check_webhook(hook, path, leniency)
        yield from _check_review_versions(hook, path.admissionReviewVersions, leniency)
        if hook.name in names and not leniency.repeated_names:
            yield duplicate(path.name, hook.name)
        if hook.name:
            names.add(hook.name)


def warnings_of(configuration: Document) -> Iterator[str]:
    if configuration["metadata"].get("name", "").endswith(RESERVED_SUFFIX):
        yield (
            f'metadata.name: names ending with "{RESERVED_SUFFIX}" are reserved for static manifest-based '
            "configurations and cannot be managed via the API"
        )


def _check_webhook(hook: Webhook, path: FieldPath, leniency: Leniency) -> Iterator[FieldError]:
    yield from _check_qualified(hook.name, path.name)
    for index, rule in enumerate(hook.rules):
        yield from check_rule(rule, path.rules[index])
    yield from _check_choice(hook.failure_policy, FAILURE_POLICIES, path.failurePolicy)
    yield from _check_choice(hook.match_policy, MATCH_POLICIES, path.matchPolicy)
    allowed = SIDE_EFFECTS if leniency.side_effects else NO_SIDE_EFFECTS
    if hook.side_effects is None:
        yield required(path.sideEffects, f"must specify one of {', '.join(allowed)}")
    yield from _check_choice(hook.side_effects, allowed, path.sideEffects)
    seconds = hook.timeout_seconds
    if seconds is not None and not 1 <= seconds <= 30:
        yield invalid(path.timeoutSeconds, seconds, "the timeout value must be between 1 and 30 seconds")
    yield from _check_selectors(hook, path, lenient=leniency.label_values)
    if isinstance(hook, MutatingWebhook):
        yield from _check_choice(hook.reinvocation_policy, REINVOCATION_POLICIES, path.reinvocationPolicy)
    yield from check_client_config(hook.client_config, path.clientConfig)
    if not leniency.conditions:
        yield from check_match_conditions(hook.match_conditions, path.matchConditions)


def _check_qualified(name: str, path: FieldPath) -> Iterator[FieldError]:
    if not name:
        yield required(path)
    elif messages := is_dns_subdomain(name):
        yield invalid(path, name, ",".join(messages))
    elif name.count(".") < 2:
        yield invalid(path, name, "should be a domain with at least three segments separated by dots")


def _check_choice(value: str | None, choices: Sequence[str], path: FieldPath) -> Iterator[FieldError]:
    if value is not None and value not in choices:
        yield not_supported(path, value, choices)


def _check_selectors(hook: Webhook, path: FieldPath, *, lenient: bool = False) -> Iterator[FieldError]:
    for name, selector in (("namespaceSelector", hook.namespace_selector), ("objectSelector", hook.object_selector)):
        for error in check_label_selector(selector, getattr(path, name)):
            if not (lenient and ".values[" in error.path):
                yield error


def _is_understood(hook: Webhook) -> bool:
    return any(version in REVIEW_VERSIONS for version in hook.admission_review_versions)


def _check_review_versions(hook: Webhook, path: FieldPath, leniency: Leniency) -> Iterator[FieldError]:
    versions = hook.admission_review_versions
    if not versions:
        yield required(path, f"must specify one of {', '.join(REVIEW_VERSIONS)}")
        return
    for index, version in enumerate(versions):
        if version in versions[:index]:
            yield invalid(path[index], version, "duplicate version")
            continue
        yield from (invalid(path[index], version, message) for message in is_dns1035_label(version))
    if not leniency.review_versions and not _is_understood(hook):
        yield invalid(path, versions, f"must include at least one of {', '.join(REVIEW_VERSIONS)}")
