"""Groups of the Kubernetes community: definitions in them must say who approved them.

Follows GetAPIApprovalState in pkg/apihelpers of apiextensions-apiserver.
"""

from __future__ import annotations

from enum import Enum
from urllib.parse import urlsplit

from pybernetes.api.fields import quoted
from pybernetes.apiserver.custom.definition import Condition, ConditionType
from pybernetes.apiserver.resource import Document

ANNOTATION = "api-approved.kubernetes.io"
_SEE = "see https://github.com/kubernetes/enhancements/pull/1111"


class Approval(Enum):
    """What the annotation says: the status and the reason of the condition."""

    INVALID = "False", "InvalidAnnotation"
    MISSING = "False", "MissingAnnotation"
    APPROVED = "True", "ApprovedAnnotation"
    BYPASSED = "False", "UnapprovedAnnotation"


def is_protected(group: str) -> bool:
    return any(group == domain or group.endswith(f".{domain}") for domain in ("k8s.io", "kubernetes.io"))


def approval_of(definition: Document) -> tuple[Approval, str]:
    """What the annotation says, and in words."""
    stated = annotation_of(definition)
    must = f"protected groups must have approval annotation {quoted(ANNOTATION)}"
    if not stated:
        return Approval.MISSING, f"{must}, {_SEE}"
    if stated.startswith("unapproved"):
        return Approval.BYPASSED, f"not approved: {quoted(stated)}"
    if _is_url(stated):
        return Approval.APPROVED, f"approved in {stated}"
    return Approval.INVALID, f'{must} with either a URL or a reason starting with "unapproved", {_SEE}'


def annotation_of(definition: Document) -> str:
    annotations = definition["metadata"].get("annotations") or {}
    return str(annotations.get(ANNOTATION) or "")


def _is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    return bool(parts.scheme and parts.netloc)


def approval_condition(definition: Document) -> Condition | None:
    """None for groups that anybody may use."""
    if not is_protected(definition["spec"]["group"]):
        return None
    approval, words = approval_of(definition)
    return Condition(ConditionType.APPROVED, *approval.value, words)
