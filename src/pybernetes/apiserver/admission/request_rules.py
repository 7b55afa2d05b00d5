"""Whether a rule of a webhook or policy is about a request. Pure.

Follows k8s.io/apiserver/pkg/admission/plugin/webhook/predicates/rules.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pybernetes.apiserver.admission.contract import Attributes, Operation
from pybernetes.apiserver.resource import Document

ANY = "*"
EXEMPT_GROUP = "admissionregistration.k8s.io"
EXEMPT = frozenset(
    {
        "mutatingwebhookconfigurations",
        "validatingwebhookconfigurations",
        "mutatingadmissionpolicies",
        "mutatingadmissionpolicybindings",
        "validatingadmissionpolicies",
        "validatingadmissionpolicybindings",
    }
)
"""What says who is asked is not subject to what it says."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What rules look at in a request. ``namespaced``: it happens in a namespace."""

    operation: Operation
    group: str
    version: str
    resource: str
    subresource: str
    namespaced: bool

    @classmethod
    def of(cls, attributes: Attributes) -> Asked:
        info = attributes.resource.info
        return cls(
            attributes.operation,
            info.group,
            info.version,
            info.plural,
            attributes.subresource,
            info.namespaced and bool(attributes.namespace),
        )

    @property
    def is_exempt(self) -> bool:
        return self.group == EXEMPT_GROUP and self.resource in EXEMPT


@dataclass(frozen=True, slots=True)
class Rule:
    operations: frozenset[str]
    groups: frozenset[str]
    versions: frozenset[str]
    resources: tuple[tuple[str, str], ...]
    scope: str

    @classmethod
    def of(cls, document: Document) -> Rule:
        return cls(
            frozenset(document.get("operations") or ()),
            frozenset(document.get("apiGroups") or ()),
            frozenset(document.get("apiVersions") or ()),
            tuple(text.partition("/")[::2] for text in document.get("resources") or ()),
            document.get("scope") or ANY,
        )

    def matches(self, asked: Asked) -> bool:
        return (
            (self.scope == ANY or self.scope == ("Namespaced" if asked.namespaced else "Cluster"))
            and _has(self.operations, asked.operation)
            and _has(self.groups, asked.group)
            and _has(self.versions, asked.version)
            and any(
                resource in (ANY, asked.resource) and subresource in (ANY, asked.subresource)
                for resource, subresource in self.resources
            )
        )


def any_matches(rules: Sequence[Rule], asked: Asked) -> bool:
    return any(rule.matches(asked) for rule in rules)


def _has(words: frozenset[str], asked: str) -> bool:
    return ANY in words or asked in words
