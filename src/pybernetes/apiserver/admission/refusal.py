"""The refusals of plugins, in upstream's words.

Follows k8s.io/apiserver/pkg/admission/errors.go.
"""

from __future__ import annotations

from pybernetes.api import errors
from pybernetes.api.fields import is_path_segment, quoted
from pybernetes.apiserver.admission.contract import Attributes


def forbidden(attributes: Attributes, why: str) -> errors.ApiError:
    """403 about the object of the write, even while its name is still to be generated."""
    return errors.forbidden(attributes.resource.info.group_resource, shown_name(attributes), why)


def shown_name(attributes: Attributes) -> str:
    if attributes.name:
        return attributes.name
    if attributes.document is None:
        return "Unknown"
    metadata = attributes.document.get("metadata") or {}
    return str(metadata.get("name") or metadata.get("generateName") or "Unknown")


def unaskable(name: str) -> str:
    """Why a client asks no server for an object of that name; "" where it does."""
    if not name:
        return "resource name may not be empty"
    wrong = is_path_segment(name)
    return f"invalid resource name {quoted(name)}: [{' '.join(wrong)}]" if wrong else ""


def failed(message: str) -> errors.ApiError:
    """What upstream's plugins say in an error of no kind: 500 without a reason."""
    return errors.ApiError(500, "", message)
