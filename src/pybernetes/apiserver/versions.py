"""A built-in kind that is served in several versions or groups: objects from one of them to another.

Follows k8s.io/apimachinery/pkg/runtime (Scheme): all go through the version they are stored in.
"""

from __future__ import annotations

from pybernetes.apiserver.resource import Document, Resource


def converted(source: Resource, target: Resource, document: Document) -> Document:
    """Shares what does not change; neither resource is a custom one."""
    stored = source.stored.to_storage(document) if source.stored is not None else document
    made = target.stored.from_storage(stored) if target.stored is not None else stored
    return {**made, "apiVersion": target.info.api_version, "kind": target.info.kind}
