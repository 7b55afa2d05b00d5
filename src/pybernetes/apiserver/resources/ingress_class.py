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
    is_dns_subdomain,
    is_domain_prefixed_path,
    not_supported,
    required,
)
from pybernetes.api.kinds import info_of
from pybernetes.api.models.networking_v1 import IngressClass, IngressClassParametersReference
from pybernetes.apiserver.columns import AGE, NAME, NONE
from pybernetes.apiserver.resource import Column, Document, Resource, spec_changed
from pybernetes.apiserver.resources.cells import at_path, text_column
from pybernetes.apiserver.resources.defaults import compile_defaults
from pybernetes.apiserver.validation.metadata import check_metadata, check_metadata_update
from pybernetes.apiserver.validation.simple import check_unchanged

CONTROLLER_LENGTH = 250
_SCOPES = ("Cluster", "Namespace")


def validate(ingress_class: IngressClass) -> Iterator[FieldError]:
    yield from check_metadata(ingress_class.metadata, is_dns_subdomain, namespaced=False)
    controller = ingress_class.spec.controller
    if not controller:
        yield required(at.spec.controller)
    else:
        if len(controller) > CONTROLLER_LENGTH:
            message = f"must be no more than {CONTROLLER_LENGTH} characters"
            yield invalid(at.spec.controller, controller, message)
        yield from (invalid(at.spec.controller, controller, m) for m in is_domain_prefixed_path(controller))
    if ingress_class.spec.parameters is not None:
        yield from _check_parameters(ingress_class.spec.parameters)


def _check_parameters(parameters: IngressClassParametersReference) -> Iterator[FieldError]:
    path = at.spec.parameters
    for name, value in (("kind", parameters.kind), ("name", parameters.name)):
        if not value:
            yield required(path.child(name))
    if parameters.scope is None:
        yield required(path.scope)
    elif parameters.scope not in _SCOPES:
        yield not_supported(path.scope, parameters.scope, _SCOPES)
    elif parameters.scope == "Namespace" and not parameters.namespace:
        yield required(path.namespace, "`parameters.scope` is set to 'Namespace'")
    elif parameters.scope == "Cluster" and parameters.namespace is not None:
        yield forbidden(path.namespace, "`parameters.scope` is set to 'Cluster'")


def validate_update(new: IngressClass, old: IngressClass) -> Iterator[FieldError]:
    yield from check_metadata_update(new.metadata, old.metadata)
    yield from check_unchanged(new.spec.controller, old.spec.controller, at.spec.controller)


def _parameters(ingress_class: Document, now: datetime) -> str:
    parameters = at_path(ingress_class, "spec.parameters")
    if parameters is None:
        return NONE
    group = f".{parameters['apiGroup']}" if parameters.get("apiGroup") else ""
    return f"{parameters.get('kind', '')}{group}/{parameters.get('name', '')}"


INGRESS_CLASSES = Resource(
    info=info_of(IngressClass),
    defaults=compile_defaults({"spec.parameters.scope": "Cluster"}),
    validate=validate,
    validate_update=validate_update,
    generation=spec_changed,
    columns=(NAME, text_column("Controller", "spec.controller"), Column("Parameters", _parameters), AGE),
)

RESOURCES = (INGRESS_CLASSES,)
