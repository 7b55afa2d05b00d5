"""Owner references that are there twice: they are dropped, and the client is told.

Follows dedupOwnerReferencesAndAddWarning in k8s.io/apiserver/pkg/endpoints/handlers/rest.go.
"""

from __future__ import annotations

from pybernetes.apiserver.resource import Context, Document

_TOLD = (
    "; API server dedups owner references in 1.20+, and may reject such requests as early as 1.24; please fix your "
    "requests; duplicate UID(s) observed: "
)
REPEATED = ".metadata.ownerReferences contains duplicate entries" + _TOLD
REPEATED_AFTER = ".metadata.ownerReferences contains duplicate entries after mutating admission happens" + _TOLD


def drop_repeated_owners(document: Document, context: Context, warning: str) -> None:
    """Keeps the first of equal references."""
    references = document["metadata"].get("ownerReferences")
    if not references or len(references) == 1:
        return
    kept: list[Document] = []
    repeated: list[str] = []
    for reference in references:
        if reference in kept:
            repeated.append(reference.get("uid", ""))
        else:
            kept.append(reference)
    if repeated:
        document["metadata"]["ownerReferences"] = kept
        context.warnings.append(warning + ", ".join(dict.fromkeys(repeated)))
