"""What a hook may ask about a request, made of the request: by whom, when, as which manager, with which options."""

from __future__ import annotations

from pybernetes.api.clock import Clock
from pybernetes.apiserver.delete_plan import DeleteOptions
from pybernetes.apiserver.http import ApiRequest
from pybernetes.apiserver.resource import Context, Document
from pybernetes.apiserver.routes import Call
from pybernetes.apiserver.tracking import manager_of


def context_of(call: Call, clock: Clock) -> Context:
    """Of a request that creates, updates or patches."""
    request = call.request
    return Context(
        call.user,
        clock.now(),
        reads_dry_run(request) if request.query else False,
        manager_of(request),
        _stated_options(request) if request.query else {},
        request.warnings,
        call.info.verb,
        request.audited,
    )


def context_of_deletion(call: Call, clock: Clock, options: DeleteOptions) -> Context:
    """Also tells the audit log of the options that the body stated."""
    request = call.request
    if request.audited is not None and request.body:
        request.audited.request_options(options.stated or {})
    return Context(
        call.user,
        clock.now(),
        options.dry_run,
        manager_of(request),
        options.stated,
        request.warnings,
        call.info.verb,
        request.audited,
    )


def _stated_options(request: ApiRequest) -> Document:
    query = request.query
    stated: Document = {}
    if query.get("dryRun"):
        stated["dryRun"] = list(query["dryRun"])
    for name in ("fieldManager", "fieldValidation"):
        if query.get(name):
            stated[name] = query[name][0]
    return stated


def reads_dry_run(request: ApiRequest) -> bool:
    """Assumes checked options."""
    return bool(request.query.get("dryRun"))
