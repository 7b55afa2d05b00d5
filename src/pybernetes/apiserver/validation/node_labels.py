"""Labels of nodes that have been replaced, and selectors that name them.

Follows pkg/api/node/util.go.
"""

from __future__ import annotations

from collections.abc import Iterator

from pybernetes.api.fields import FieldPath
from pybernetes.apiserver.resource import Document
from pybernetes.apiserver.validation.metadata import label_value_messages

DEPRECATED_LABELS = {
    "beta.kubernetes.io/arch": 'deprecated since v1.14; use "kubernetes.io/arch" instead',
    "beta.kubernetes.io/os": 'deprecated since v1.14; use "kubernetes.io/os" instead',
    "failure-domain.beta.kubernetes.io/region": 'deprecated since v1.17; use "topology.kubernetes.io/region" instead',
    "failure-domain.beta.kubernetes.io/zone": 'deprecated since v1.17; use "topology.kubernetes.io/zone" instead',
    "beta.kubernetes.io/instance-type": 'deprecated since v1.17; use "node.kubernetes.io/instance-type" instead',
    "app.kubernetes.io/created-by": "deprecated since v1.9",
    "scheduler.alpha.kubernetes.io/preferAvoidPods": "deprecated since v1.22; use Taints and Tolerations instead",
    "node-role.kubernetes.io/master": 'use "node-role.kubernetes.io/control-plane" instead',
}


def term_warnings(term: Document, path: str, *, preferred: bool) -> Iterator[str]:
    """``preferred``: values that no label can have are allowed, and warned of."""
    for index, expression in enumerate(term.get("matchExpressions") or ()):
        each, key = f"{path}.matchExpressions[{index}]", expression.get("key", "")
        if key in DEPRECATED_LABELS:
            yield f"{each}.key: {key} is {DEPRECATED_LABELS[key]}"
        for position, value in enumerate(expression.get("values") or () if preferred else ()):
            for message in label_value_messages(value):
                yield f"{each}.values[{position}]: {value} is invalid, {message}"


def selector_warnings(selector: Document | None, path: FieldPath) -> Iterator[str]:
    """Of a label selector that picks nodes."""
    for index, expression in enumerate((selector or {}).get("matchExpressions") or ()):
        key = expression.get("key", "")
        if key in DEPRECATED_LABELS:
            yield f"{path.matchExpressions[index].key}: {key} is {DEPRECATED_LABELS[key]}"
    for label in (selector or {}).get("matchLabels") or ():
        if label in DEPRECATED_LABELS:
            yield f"{path.matchLabels.child(label)}: {DEPRECATED_LABELS[label]}"
