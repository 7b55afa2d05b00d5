"""IngressClass: which controller serves an ingress.

Follows pkg/apis/networking/validation and printIngressClass in pkg/printers.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from pybernetes.api.fields import (
    FieldError,
    at,
    forbidden,
    invalid,
    is_dns_label,
    is_dns_subdomain,
    not_supported,
    required,
    too_long,
)
from pybernetes.api.kinds import info_of
from pybernetes.api.models.networking_v1 import IngressClass, IngressClassParametersReference
from pybernetes.apiserver.columns import AGE, NONE
from pybernetes.apiserver.resource import Column, Document, Resource, spec_changed
from pybernetes.apiserver.resources.cells import at_path, text_column
from pybernetes.apiserver.resources.defaults import Rule, compile_defaults
from pybernetes.apiserver.validation.ingress import check_segment
from pybernetes.apiserver.validation.metadata import check_metadata, check_metadata_update
from pybernetes.apiserver.validation.simple import check_domain_prefixed_path, check_unchanged

CONTROLLER_LENGTH = 250
DEFAULT_ANNOTATION = "ingressclass.kubernetes.io/is-default-class"
_SCOPES = ("Cluster", "Namespace")


def default_scope(parameters: Document) -> None:
    parameters.setdefault("scope", "Cluster")


def validate(ingress_class: IngressClass) -> Iterator[FieldError]:
    yield from check_metadata(ingress_class.metadata, is_dns_subdomain, namespaced=False)
    controller = ingress_class.spec.controller
    if len(controller.encode()) > CONTROLLER_LENGTH:
        yield too_long(at.spec.controller, controller, CONTROLLER_LENGTH)
    yield from check_domain_prefixed_path(controller, at.spec.controller)
    if ingress_class.spec.parameters is not None:
        yield from _check_parameters(ingress_class.spec.parameters)


def _check_parameters(parameters: IngressClassParametersReference) -> Iterator[FieldError]:
    path = at.spec.parameters
    if parameters.api_group is not None:
        messages = is_dns_subdomain(parameters.api_group)
        yield from (invalid(path.apiGroup, parameters.api_group, message) for message in messages)
    yield from check_segment(parameters.kind, path.kind)
    yield from check_segment(parameters.name, path.name)
    match parameters.scope:
        case None:
            yield required(path.scope)
        case "Namespace":
            if parameters.namespace is None:
                yield required(path.namespace, "`parameters.scope` is set to 'Namespace'")
            else:
                messages = is_dns_label(parameters.namespace)
                yield from (invalid(path.namespace, parameters.namespace, message) for message in messages)
        case "Cluster":
            if parameters.namespace is not None:
                yield forbidden(path.namespace, "`parameters.scope` is set to 'Cluster'")
        case other:
            yield not_supported(path.scope, other, _SCOPES)


def validate_update(new: IngressClass, old: IngressClass) -> Iterator[FieldError]:
    yield from check_metadata_update(new.metadata, old.metadata)
    yield from check_unchanged(new.spec.controller, old.spec.controller, at.spec.controller)
    yield from validate(new)


def _name(ingress_class: Document, now: datetime) -> str:
    metadata = ingress_class["metadata"]
    default = (metadata.get("annotations") or {}).get(DEFAULT_ANNOTATION) == "true"
    return f"{metadata.get('name', '')} (default)" if default else metadata.get("name", "")


def _parameters(ingress_class: Document, now: datetime) -> str:
    parameters = at_path(ingress_class, "spec.parameters")
    if parameters is None:
        return NONE
    group = f".{parameters['apiGroup']}" if "apiGroup" in parameters else ""
    return f"{parameters.get('kind', '')}{group}/{parameters.get('name', '')}"


INGRESS_CLASSES = Resource(
    info=info_of(IngressClass),
    defaults=compile_defaults({"spec.parameters": Rule(default_scope)}),
    validate=validate,
    validate_update=validate_update,
    judges_updates_alone=True,
    generation=spec_changed,
    columns=(
        Column("Name", _name, format="name"),
        text_column("Controller", "spec.controller"),
        Column("Parameters", _parameters),
        AGE,
    ),
)

RESOURCES = (INGRESS_CLASSES,)
