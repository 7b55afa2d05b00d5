"""APIService: who serves a group version, this server or one behind a service. `apiserver/aggregation` acts on it.

Follows pkg/apis/apiregistration (validation, v1/defaults.go) and pkg/registry/apiservice of kube-aggregator.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from pybernetes.api.fields import (
    FieldError,
    at,
    invalid,
    is_dns1035_label,
    is_dns_subdomain,
    is_path_segment,
    is_port_number,
    not_supported,
    quoted,
    required,
)
from pybernetes.api.kinds import info_of
from pybernetes.api.meta import format_time
from pybernetes.api.models.apiregistration_v1 import APIService
from pybernetes.apiserver.columns import AGE, NAME
from pybernetes.apiserver.resource import Column, Context, Document, Resource, StatusSubresource
from pybernetes.apiserver.resources.cells import at_path
from pybernetes.apiserver.resources.defaults import compile_defaults
from pybernetes.apiserver.rules import keep_metadata
from pybernetes.apiserver.validation.metadata import check_common_metadata, check_common_metadata_update

HTTPS = 443
HIGHEST_GROUP_PRIORITY = 20000
HIGHEST_VERSION_PRIORITY = 1000
AVAILABLE = "Available"
LOCAL = {
    "type": AVAILABLE,
    "status": "True",
    "reason": "Local",
    "message": "Local APIServices are always available",
}
"""The condition of what this server serves itself, but for its time."""
_STATUSES = ("True", "False", "Unknown")


def validate(service: APIService) -> Iterator[FieldError]:
    spec = service.spec
    wanted = f"{spec.version}.{spec.group}"

    def check_name(name: str) -> list[str]:
        return is_path_segment(name) or (
            [] if name == wanted else [f'must be `spec.version+"."+spec.group`: {quoted(wanted)}']
        )

    yield from check_common_metadata(service.metadata, check_name, namespaced=False)
    if spec.group:
        yield from (invalid(at.spec.group, spec.group, message) for message in is_dns_subdomain(spec.group))
    elif spec.version != "v1":
        yield required(at.spec.group, "only v1 may have an empty group and it better be legacy kube")
    yield from (invalid(at.spec.version, spec.version, message) for message in is_dns1035_label(spec.version))
    if not 0 < spec.group_priority_minimum <= HIGHEST_GROUP_PRIORITY:
        message = f"must be positive and less than {HIGHEST_GROUP_PRIORITY}"
        yield invalid(at.spec.groupPriorityMinimum, spec.group_priority_minimum, message)
    if not 0 < spec.version_priority <= HIGHEST_VERSION_PRIORITY:
        message = f"must be positive and less than {HIGHEST_VERSION_PRIORITY}"
        yield invalid(at.spec.versionPriority, spec.version_priority, message)
    yield from _check_local(service) if spec.service is None else _check_remote(service)


def _check_local(service: APIService) -> Iterator[FieldError]:
    spec = service.spec
    if spec.ca_bundle:
        yield invalid(at.spec.caBundle, f"{len(spec.ca_bundle)} bytes", "local APIServices may not have a caBundle")
    if spec.insecure_skip_tls_verify:
        message = "local APIServices may not have insecureSkipTLSVerify"
        yield invalid(at.spec.insecureSkipTLSVerify, True, message)


def _check_remote(service: APIService) -> Iterator[FieldError]:
    spec, reference, path = service.spec, service.spec.service, at.spec.service
    assert reference is not None
    if not reference.namespace:
        yield required(path.namespace)
    if not reference.name:
        yield required(path.name)
    port = reference.port or 0
    messages = is_port_number(port)
    if messages:
        yield invalid(path.port, port, f"port is not valid: {', '.join(messages)}")
    if spec.insecure_skip_tls_verify and spec.ca_bundle:
        yield invalid(at.spec.insecureSkipTLSVerify, True, "may not be true if caBundle is present")


def validate_update(new: APIService, old: APIService) -> Iterator[FieldError]:
    yield from check_common_metadata_update(new.metadata, old.metadata)
    yield from validate(new)


def validate_status(new: APIService, old: APIService) -> Iterator[FieldError]:
    yield from check_common_metadata_update(new.metadata, old.metadata)
    for index, condition in enumerate(new.status.conditions):
        if condition.status not in _STATUSES:
            yield not_supported(at.status.conditions[index].status, condition.status, _STATUSES)


def available(document: Document) -> Document | None:
    """The condition that says whether the group version can be had; None before anybody looked."""
    conditions = at_path(document, "status.conditions", ())
    return next((one for one in conditions if one.get("type") == AVAILABLE), None)


def _prepare_create(document: Document, context: Context) -> None:
    if document["spec"].get("service") is None:
        document["status"] = {"conditions": [{**LOCAL, "lastTransitionTime": format_time(context.now)}]}


def _service(document: Document, now: datetime) -> str:
    service = document["spec"].get("service")
    return "Local" if service is None else f"{service.get('namespace', '')}/{service.get('name', '')}"


def _availability(document: Document, now: datetime) -> str:
    condition = available(document)
    if condition is None:
        return "Unknown"
    status: str = condition["status"]
    reason = condition.get("reason")
    return f"{status} ({reason})" if reason and status != "True" else status


API_SERVICES = Resource(
    info=info_of(APIService),
    categories=("api-extensions",),
    storage="apiregistration.k8s.io/apiservices",
    defaults=compile_defaults({"spec.service.port": HTTPS}),
    validate=validate,
    validate_update=validate_update,
    judges_updates_alone=True,
    prepare_create=_prepare_create,
    columns=(
        NAME,
        Column("Service", _service, description="The reference to the service that hosts this API endpoint."),
        Column("Available", _availability, description="Whether this service is available."),
        AGE,
    ),
    subresources=(StatusSubresource(prepare=keep_metadata, validate=validate_status),),
    allows_unconditional_update=False,
)

RESOURCES = (API_SERVICES,)
