"""Objects that are answered and never stored: how they are read, and what reviews of access must be.

Follows pkg/apis/authorization/validation and the creation of objects in k8s.io/apiserver/pkg/endpoints/handlers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache

import msgspec

from pybernetes.api import errors
from pybernetes.api.clock import Clock
from pybernetes.api.fields import FieldError, FieldPath, at, forbidden, invalid, required
from pybernetes.api.kinds import KindInfo
from pybernetes.api.models.authorization_v1 import (
    FieldSelectorAttributes,
    LabelSelectorAttributes,
    ResourceAttributes,
    SelfSubjectAccessReviewSpec,
    SubjectAccessReviewSpec,
)
from pybernetes.api.models.meta_v1 import FieldSelectorRequirement, LabelSelectorRequirement
from pybernetes.api.patch.newcomers import Newcomers
from pybernetes.api.patch.parts import kind_of
from pybernetes.api.patch.pruning import Typed
from pybernetes.api.schema import definition, shape_of
from pybernetes.api.schema.order import in_field_order
from pybernetes.api.selectors import FieldSelector, LabelSelector, SelectorError
from pybernetes.apiserver import tracking
from pybernetes.apiserver.contexts import context_of
from pybernetes.apiserver.decoding import decode
from pybernetes.apiserver.empty_lists import as_null
from pybernetes.apiserver.owners import REPEATED, drop_repeated_owners
from pybernetes.apiserver.resource import Document
from pybernetes.apiserver.routes import Call
from pybernetes.apiserver.storage import forget_what_the_server_sets
from pybernetes.apiserver.validation.selectors import check_requirement

_KNOWN_OPERATORS = ("In", "NotIn", "Exists", "DoesNotExist")


@cache
def _newcomers(info: KindInfo) -> Newcomers:
    shape = shape_of(info.group, info.version, info.kind)
    return Newcomers(Typed(kind_of(shape.definition), shape.read({}).document), lambda fields: fields)


def read_object(
    call: Call,
    info: KindInfo,
    clock: Clock,
    *,
    subresource: str = "",
    namespaced: bool = False,
    default: Callable[[Document], None] | None = None,
) -> Document:
    """The object in the body, defaulted, with who manages its fields. Raises 400 as any creation does."""
    decoded = decode(call.request, shape_of(info.group, info.version, info.kind), info)
    call.request.warnings.extend(decoded.warnings)
    document = {"kind": info.kind, "apiVersion": info.api_version, **decoded.document}
    metadata = document.setdefault("metadata", {})
    if not subresource:
        forget_what_the_server_sets(metadata)
    namespace = call.info.namespace if namespaced else ""
    if namespaced and metadata.get("namespace", namespace) != namespace:
        message = "the namespace of the provided object does not match the namespace sent on the request"
        raise errors.bad_request(message)
    metadata.pop("namespace", None)
    if namespace and not subresource:
        metadata["namespace"] = namespace
    if default is not None:
        default(document)
        if call.request.audited is not None:
            call.request.audited.request_object(_as_decoded(document))
    context = context_of(call, clock)
    drop_repeated_owners(document, context, REPEATED)
    sent = tracking.take(document)
    if context.manager:
        author = tracking.author_of(info, context, subresource)
        tracking.record(document, _newcomers(info).managers(document, author, sent))
    return document


def _as_decoded(document: Document) -> Document:
    """As upstream's decoder leaves it: a list that nobody states is null."""
    shown: Document = as_null(document, ("spec", "audiences"))
    return shown


def access_problems(document: Document, *, about_self: bool, local: bool) -> Iterator[FieldError]:
    """What is wrong with a review of access; ``local`` ones are about one namespace."""
    model: type[SelfSubjectAccessReviewSpec] | type[SubjectAccessReviewSpec]
    model = SelfSubjectAccessReviewSpec if about_self else SubjectAccessReviewSpec
    spec: SelfSubjectAccessReviewSpec | SubjectAccessReviewSpec = msgspec.convert(document.get("spec") or {}, model)
    path, resource = at.spec, spec.resource_attributes
    other = None
    if spec.non_resource_attributes is not None:
        other = {"Path": spec.non_resource_attributes.path, "Verb": spec.non_resource_attributes.verb}
    if resource is not None and other is not None:
        message = "cannot be specified in combination with resourceAttributes"
        yield invalid(path.nonResourceAttributes, other, message)
    if resource is None and other is None:
        message = "exactly one of nonResourceAttributes or resourceAttributes must be specified"
        yield invalid(path.resourceAttributes, None, message)
    if isinstance(spec, SubjectAccessReviewSpec) and not spec.user and not spec.groups:
        yield invalid(path.user, "", "at least one of user or group must be specified")
    if resource is not None:
        yield from _check_selectors(resource, path.resourceAttributes)
    metadata = document["metadata"]
    if any(name not in ("managedFields", *(("namespace",) if local else ())) for name in metadata):
        shown = in_field_order(metadata, definition("meta_v1.ObjectMeta"))
        yield invalid(at.metadata, shown, "must be empty except for namespace" if local else "must be empty")
    if local and resource is not None and resource.namespace != metadata.get("namespace", ""):
        yield invalid(path.resourceAttributes.namespace, resource.namespace, "must match metadata.namespace")
    if local and other is not None:
        yield invalid(path.nonResourceAttributes, other, "disallowed on this kind of request")


def _check_selectors(resource: ResourceAttributes, path: FieldPath) -> Iterator[FieldError]:
    yield from _check_selector(resource.field_selector, path.fieldSelector)
    if resource.field_selector is not None:
        for index, one in enumerate(resource.field_selector.requirements):
            yield from _check_field_requirement(one, path.fieldSelector.requirements[index])
    yield from _check_selector(resource.label_selector, path.labelSelector)
    if resource.label_selector is not None:
        for index, requirement in enumerate(resource.label_selector.requirements):
            each = path.labelSelector.requirements[index]
            unknown = requirement.operator not in _KNOWN_OPERATORS
            yield from (
                error
                for error in check_requirement(requirement, each)
                if not (unknown and error.path == str(each.operator))
            )


def _check_selector(
    selector: FieldSelectorAttributes | LabelSelectorAttributes | None, path: FieldPath
) -> Iterator[FieldError]:
    if selector is None:
        return
    if selector.raw_selector and selector.requirements:
        yield invalid(path.rawSelector, selector.raw_selector, "may not specified at the same time as requirements")
    if not selector.raw_selector and not selector.requirements:
        yield required(path.requirements, f"when {path} is specified, requirements or rawSelector is required")


def _check_field_requirement(requirement: FieldSelectorRequirement, path: FieldPath) -> Iterator[FieldError]:
    if not requirement.key:
        yield required(path.key, "must be specified")
    if requirement.operator in ("In", "NotIn") and not requirement.values:
        yield required(path.values, "must be specified when `operator` is 'In' or 'NotIn'")
    elif requirement.operator in ("Exists", "DoesNotExist") and requirement.values:
        yield forbidden(path.values, "may not be specified when `operator` is 'Exists' or 'DoesNotExist'")


def evaluation_error(spec: Document) -> str:
    """What of the selectors in a review could not be understood."""
    stated = (spec.get("resourceAttributes") or {}).get
    fields, labels = stated("fieldSelector") or {}, stated("labelSelector") or {}
    problems = (
        _ignored("fieldSelector", fields, FieldSelector.parse, _has_one_value),
        _ignored("labelSelector", labels, LabelSelector.parse, _is_understood),
    )
    return "; ".join(problem for problem in problems if problem)


def _has_one_value(requirement: Document) -> bool:
    return requirement.get("operator") in ("In", "NotIn") and len(requirement.get("values") or ()) == 1


def _is_understood(requirement: Document) -> bool:
    return not [*check_requirement(msgspec.convert(requirement, LabelSelectorRequirement), at)]


def _ignored(
    name: str, selector: Document, parse: Callable[[str], object], understood: Callable[[Document], bool]
) -> str:
    requirements = selector.get("requirements") or []
    good = sum(1 for one in requirements if understood(one))
    if len(requirements) > good:
        return f"spec.resourceAttributes.{name} {'partially ' if good else ''}ignored due to parse error"
    try:
        parse(selector.get("rawSelector", ""))
    except SelectorError:
        return f"spec.resourceAttributes.{name} ignored due to parse error"
    return ""
