"""DeleteOptions as they come: in the body, or in the query.

Follows k8s.io/apiserver/pkg/endpoints/handlers/delete.go.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from pybernetes.api import errors
from pybernetes.api.schema import DecodeError, Shape, shape_of
from pybernetes.apiserver.decoding import identity_problem, parse_body
from pybernetes.apiserver.delete_plan import DeleteOptions, Propagation, problems
from pybernetes.apiserver.http import ApiRequest
from pybernetes.apiserver.list_options import whole_number
from pybernetes.apiserver.resource import Document

_NO_OPTIONS = DeleteOptions()


def read_delete_options(request: ApiRequest) -> DeleteOptions:
    """What the query says counts only where there is no body."""
    if request.body:
        document = _from_body(request)
    elif request.query:
        document = _from_query(request)
    else:
        return _NO_OPTIONS
    return delete_options_of(document)


_SCHEME = "k8s.io/apimachinery/pkg/apis/meta/internalversion/scheme/register.go:27"


@cache
def _shape() -> Shape:
    return shape_of("meta.k8s.io", "v1", "DeleteOptions")


def _from_body(request: ApiRequest) -> Document:
    document = parse_body(request)
    document = {} if document is None else document
    wrong = identity_problem(document)
    if wrong:
        raise errors.bad_request(wrong)
    kind, version = document.get("kind") or "DeleteOptions", document.get("apiVersion") or "meta.k8s.io/v1"
    if kind != "DeleteOptions":
        raise errors.bad_request(f'no kind "{kind}" is registered for version "{version}" in scheme "{_SCHEME}"')
    try:
        read: Document = _shape().read(document).document
    except DecodeError as error:
        raise errors.bad_request(str(error)) from error
    return read


def _from_query(request: ApiRequest) -> Document:
    document: Document = {}
    grace = whole_number(request, "gracePeriodSeconds")
    if grace is not None:
        document["gracePeriodSeconds"] = grace
    if "propagationPolicy" in request.query:
        document["propagationPolicy"] = request.param("propagationPolicy")
    if "orphanDependents" in request.query:
        document["orphanDependents"] = request.flag("orphanDependents")
    if "dryRun" in request.query:
        document["dryRun"] = list(request.query["dryRun"])
    preconditions = {name: value for name in ("uid", "resourceVersion") if (value := request.param(name))}
    return {**document, "preconditions": preconditions} if preconditions else document


def delete_options_of(document: Document) -> DeleteOptions:
    """Of a DeleteOptions document."""
    dry_run = list(document.get("dryRun") or ())
    found = list(problems({**document, "dryRun": dry_run}))
    if found:
        raise errors.invalid("meta.k8s.io", "DeleteOptions", "", found)
    preconditions: dict[str, Any] = document.get("preconditions") or {}
    policy, grace = document.get("propagationPolicy"), document.get("gracePeriodSeconds")
    return DeleteOptions(
        grace=None if grace is None else 1 if grace < 0 else grace,
        propagation=Propagation(policy) if policy is not None else None,
        orphan_dependents=document.get("orphanDependents"),
        uid=preconditions.get("uid"),
        resource_version=preconditions.get("resourceVersion"),
        dry_run=bool(dry_run),
        stated=_stated(document, dry_run),
    )


def _stated(document: Document, dry_run: list[str]) -> Document:
    stated = {name: value for name, value in document.items() if name not in ("kind", "apiVersion")}
    return {**stated, "dryRun": dry_run} if dry_run else stated
