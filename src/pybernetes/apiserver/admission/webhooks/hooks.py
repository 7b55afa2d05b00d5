"""Webhook configurations, compiled.

Guarantees  Webhooks are in order: by the name of their configuration, then as they stand in it.

Follows k8s.io/apiserver/pkg/admission/configuration.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import msgspec

from pybernetes.api.models.meta_v1 import LabelSelector as SelectorModel
from pybernetes.api.selectors import LabelSelector
from pybernetes.apiserver.admission.request_rules import Asked, Rule, any_matches
from pybernetes.apiserver.admission.webhooks.conditions import Conditions, compile_conditions
from pybernetes.apiserver.auth.contract import Authorizer
from pybernetes.apiserver.resource import Document, Resource

REVIEW_VERSIONS = ("v1", "v1beta1")


@dataclass(frozen=True, slots=True, eq=False)
class Hook:
    """One webhook. ``review_version`` is the first of those it accepts that is known here, or ""."""

    name: str
    configuration: str
    client_config: Document
    rules: tuple[Rule, ...]
    namespace_selector: LabelSelector
    object_selector: LabelSelector
    conditions: Conditions | None
    timeout: float
    review_version: str
    ignores_failure: bool
    equivalent: bool
    """Asked about every version of what its rules name."""
    dry_run_safe: bool
    again: bool
    """Asked a second time when others have changed the object after it."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A webhook whose rules are about a kind of request, and as which resource it wants to see the object."""

    hook: Hook
    resource: Resource


@dataclass(slots=True)
class Hooks:
    """All webhooks of one sort. Who cares about a kind of request is worked out at the first such request."""

    hooks: tuple[Hook, ...]
    _known: dict[tuple[Asked, int], tuple[Candidate, ...]] = field(default_factory=dict)

    def candidates(self, asked: Asked, resource: Resource, equivalents: Iterable[Resource]) -> tuple[Candidate, ...]:
        key = (asked, id(resource))
        found = self._known.get(key)
        if found is None:
            others = [one for one in equivalents if one is not resource]
            found = self._known[key] = tuple(self._candidates(asked, resource, others))
        return found

    def _candidates(self, asked: Asked, resource: Resource, others: Sequence[Resource]) -> Iterator[Candidate]:
        for hook in self.hooks:
            if any_matches(hook.rules, asked):
                yield Candidate(hook, resource)
            elif hook.equivalent:
                seen_as = _first_equivalent(hook.rules, asked, others)
                if seen_as is not None:
                    yield Candidate(hook, seen_as)


def _first_equivalent(rules: Sequence[Rule], asked: Asked, others: Sequence[Resource]) -> Resource | None:
    """Earlier rules count before earlier equivalents."""
    for rule in rules:
        for other in others:
            info = other.info
            seen = Asked(asked.operation, info.group, info.version, info.plural, asked.subresource, asked.namespaced)
            if rule.matches(seen):
                return other
    return None


def compile_hooks(authorizer: Authorizer, configurations: Iterable[Document]) -> Hooks:
    """``authorizer`` answers the questions of match conditions."""
    ordered = sorted(configurations, key=lambda one: one["metadata"]["name"])
    return Hooks(
        tuple(
            _compiled(hook, configuration["metadata"]["name"], authorizer)
            for configuration in ordered
            for hook in configuration.get("webhooks") or ()
        )
    )


def _compiled(hook: Document, configuration: str, authorizer: Authorizer) -> Hook:
    accepted = hook.get("admissionReviewVersions") or ()
    return Hook(
        name=hook["name"],
        configuration=configuration,
        client_config=hook.get("clientConfig") or {},
        rules=tuple(Rule.of(rule) for rule in hook.get("rules") or ()),
        namespace_selector=_selector(hook.get("namespaceSelector")),
        object_selector=_selector(hook.get("objectSelector")),
        conditions=compile_conditions(hook, authorizer),
        timeout=float(hook.get("timeoutSeconds") or 10),
        review_version=next((version for version in accepted if version in REVIEW_VERSIONS), ""),
        ignores_failure=hook.get("failurePolicy") == "Ignore",
        equivalent=hook.get("matchPolicy") == "Equivalent",
        dry_run_safe=hook.get("sideEffects") in ("None", "NoneOnDryRun"),
        again=hook.get("reinvocationPolicy") == "IfNeeded",
    )


def _selector(document: Document | None) -> LabelSelector:
    return LabelSelector.from_model(msgspec.convert(document or {}, SelectorModel))
