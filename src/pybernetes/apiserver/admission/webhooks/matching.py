"""Which webhooks are asked about a write, by what it is and where it happens.

Follows k8s.io/apiserver/pkg/admission/plugin/webhook/generic (ShouldCallHook) and predicates.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pybernetes.api import errors
from pybernetes.api.selectors import LabelSelector
from pybernetes.apiserver.admission.contract import Attributes, Operation, Reader
from pybernetes.apiserver.resource import Document

NAMESPACES = "namespaces"
_OF_THE_NAMESPACE_ITSELF = (Operation.CREATE, Operation.UPDATE)
_NO_LABELS: Mapping[str, str] = {}


def namespace_of(attributes: Attributes) -> str:
    """A namespace is in itself."""
    if attributes.resource.info.group_resource == NAMESPACES:
        return attributes.name
    return attributes.namespace


def in_namespace(reader: Reader, selector: LabelSelector, attributes: Attributes) -> bool:
    """Raises 404 for a namespace that is not there. What is in no namespace is in every selection."""
    if not selector.requirements:
        return True
    itself = attributes.resource.info.group_resource == NAMESPACES
    name = namespace_of(attributes)
    if not name and not itself:
        return True
    if itself and not attributes.subresource and attributes.operation in _OF_THE_NAMESPACE_ITSELF:
        return selector.matches(labels_of(attributes.document))
    namespace = reader.get(NAMESPACES, "", name)
    if namespace is None:
        raise errors.not_found(NAMESPACES, name)
    return selector.matches(labels_of(namespace))


def has_labels(selector: LabelSelector, attributes: Attributes) -> bool:
    """Of the object as it shall be or as it was."""
    if not selector.requirements:
        return True
    return any(
        document is not None and "metadata" in document and selector.matches(labels_of(document))
        for document in (attributes.document, attributes.old)
    )


def labels_of(document: Document | None) -> Mapping[str, str]:
    metadata: Mapping[str, Any] = (document or {}).get("metadata") or {}
    return metadata.get("labels") or _NO_LABELS
