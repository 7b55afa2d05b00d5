"""Server-side apply at the door: the configuration as it was sent, and the object it makes.

Tracking: an object is tracked from its first apply on; before that nobody is recorded, and the first apply finds
everything that was there in the hands of `before-first-apply`.

Follows k8s.io/apiserver/pkg/endpoints/handlers/patch.go (applyPatcher) and fieldmanager.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pybernetes.api import errors
from pybernetes.api.fields import FieldError, FieldPath, forbidden, required
from pybernetes.api.kinds import KindInfo
from pybernetes.api.meta import format_time
from pybernetes.api.patch.apply import Author, Conflicts, apply, track_update
from pybernetes.api.patch.field_set import FieldSet
from pybernetes.api.schema import DecodeError, Shape
from pybernetes.apiserver.decoding import FieldValidation, cannot_be_handled, check_kind, parse_yaml
from pybernetes.apiserver.http import ApiRequest
from pybernetes.apiserver.resource import Context, Document, Resource

_STATUS = FieldSet.of(("f:status",))
_SPEC = FieldSet.of(("f:spec",))


@dataclass(frozen=True, slots=True)
class Configuration:
    """What an apply wants. ``force`` takes fields from other managers."""

    document: Document
    force: bool
    warnings: Sequence[str]


def manager_of(request: ApiRequest) -> str:
    """The manager the client names, or the first word of what it calls itself."""
    return request.param("fieldManager") or request.headers.get("user-agent", "").partition("/")[0]


def check_patch_options(request: ApiRequest, *, applies: bool) -> None:
    problems: list[FieldError] = []
    if applies and not request.param("fieldManager"):
        problems.append(required(FieldPath("fieldManager"), "is required for apply patch"))
    if not applies and "force" in request.query:
        problems.append(forbidden(FieldPath("force"), "may not be specified for non-apply patch"))
    if problems:
        raise errors.invalid("meta.k8s.io", "PatchOptions", "", problems)


def read_configuration(request: ApiRequest, shape: Shape, info: KindInfo, mode: FieldValidation) -> Configuration:
    """Raises 400 for what is no configuration of the kind."""
    document = parse_yaml(request.body)
    if not isinstance(document, dict) or not document.get("kind") or not document.get("apiVersion"):
        raise errors.bad_request("a configuration to apply must state apiVersion and kind")
    check_kind(document, info)
    if (document.get("metadata") or {}).get("managedFields"):
        raise errors.bad_request("metadata.managedFields must be nil")
    try:
        reading = shape.read_partial(document)
    except DecodeError as error:
        raise errors.bad_request(cannot_be_handled(info, str(error))) from error
    unknown = [f'unknown field "{path}"' for path in reading.unknown]
    if unknown and mode is FieldValidation.STRICT:
        raise errors.bad_request(cannot_be_handled(info, f"strict decoding error: {', '.join(unknown)}"))
    warnings = unknown if mode is FieldValidation.WARN else []
    return Configuration(reading.document, request.flag("force"), warnings)


def author_of(info: KindInfo, context: Context, subresource: str) -> Author:
    return Author(context.manager, info.api_version, format_time(context.now), subresource)


def ignored_fields(resource: Resource, subresource: str) -> tuple[FieldSet, ...]:
    """What a door resets, and so nobody comes to own through it."""
    if subresource == "status":
        return (_SPEC,)
    return (_STATUS,) if resource.has_status and not subresource else ()


def applied(
    live: Document | None, configuration: Configuration, shape: Shape, author: Author, ignored: Sequence[FieldSet]
) -> Document:
    """The object as it shall be, with its managers. Raises 409 naming every field that another manager has."""
    result = apply(live, configuration.document, shape, author, force=configuration.force, ignored=ignored)
    if isinstance(result, Conflicts):
        raise errors.apply_conflict(result.message, result.causes)
    return result.document


def tracked(live: Document, new: Document, shape: Shape, author: Author, ignored: Sequence[FieldSet]) -> Document:
    """An update of an object that somebody has applied: its managers as they are now."""
    return track_update(live, new, shape, author, ignored=ignored)
