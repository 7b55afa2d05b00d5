"""Which requests a policy or a binding is about.

Follows k8s.io/apiserver/pkg/admission/plugin/policy/matching.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import msgspec

from pybernetes.api import errors
from pybernetes.api.models.meta_v1 import LabelSelector as SelectorModel
from pybernetes.api.selectors import LabelSelector
from pybernetes.apiserver.admission.contract import Attributes, Reader
from pybernetes.apiserver.admission.request_rules import Asked, Rule
from pybernetes.apiserver.admission.webhooks.matching import has_labels, in_namespace
from pybernetes.apiserver.resource import Document, Resource


@dataclass(frozen=True, slots=True)
class _NamedRule:
    rule: Rule
    names: frozenset[str]
    """Of objects; empty for all."""

    def matches(self, asked: Asked, name: str) -> bool:
        return self.rule.matches(asked) and (not self.names or name in self.names)


@dataclass(frozen=True, slots=True, eq=False)
class Constraints:
    namespace_selector: LabelSelector
    object_selector: LabelSelector
    rules: tuple[_NamedRule, ...]
    excluded: tuple[_NamedRule, ...]
    equivalent: bool

    @classmethod
    def of(cls, document: Document) -> Constraints:
        return cls(
            _selector(document.get("namespaceSelector")),
            _selector(document.get("objectSelector")),
            _rules(document.get("resourceRules")),
            _rules(document.get("excludeResourceRules")),
            document.get("matchPolicy") == "Equivalent",
        )

    def match(self, attributes: Attributes, equivalents: Iterable[Resource], reader: Reader) -> Resource | None:
        """The resource as which the object is seen; None if the request is none of these.

        Raises ``ApiError`` when its namespace is not there, which only counts if all else fits.
        """
        problem: errors.ApiError | None = None
        try:
            if not in_namespace(reader, self.namespace_selector, attributes):
                return None
        except errors.ApiError as error:
            problem = error
        if not has_labels(self.object_selector, attributes):
            return None
        others = list(equivalents) if self.equivalent else []
        if self.excluded and self._first(self.excluded, attributes, others) is not None:
            return None
        found = self._first(self.rules, attributes, others) if self.rules else attributes.resource
        if found is not None and problem is not None:
            raise problem
        return found

    def _first(
        self, rules: Sequence[_NamedRule], attributes: Attributes, others: Sequence[Resource]
    ) -> Resource | None:
        asked, name = Asked.of(attributes), attributes.name
        if any(rule.matches(asked, name) for rule in rules):
            return attributes.resource
        for rule in rules:
            for other in others:
                if other is attributes.resource:
                    continue
                info = other.info
                seen = replace(asked, group=info.group, version=info.version, resource=info.plural)
                if rule.matches(seen, name):
                    return other
        return None


def _selector(document: Document | None) -> LabelSelector:
    return LabelSelector.from_model(msgspec.convert(document or {}, SelectorModel))


def _rules(documents: Iterable[Document] | None) -> tuple[_NamedRule, ...]:
    return tuple(_NamedRule(Rule.of(one), frozenset(one.get("resourceNames") or ())) for one in documents or ())
