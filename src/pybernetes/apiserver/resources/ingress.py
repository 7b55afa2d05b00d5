"""Ingress: HTTP routes from outside to services.

Follows pkg/registry/networking/ingress and printIngress in pkg/printers.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from pybernetes.api.fields import FieldError, at, invalid, is_dns_subdomain, quoted
from pybernetes.api.kinds import info_of
from pybernetes.api.models.networking_v1 import Ingress
from pybernetes.apiserver.columns import AGE, NAME, NONE
from pybernetes.apiserver.resource import Column, Document, Resource, StatusSubresource, no_warnings, spec_changed
from pybernetes.apiserver.resources.cells import at_path
from pybernetes.apiserver.validation.addresses import ip_warnings
from pybernetes.apiserver.validation.ingress import check_balanced, check_ingress_spec, leniency_for
from pybernetes.apiserver.validation.metadata import check_metadata, check_metadata_update

CLASS_ANNOTATION = "kubernetes.io/ingress.class"
_SHOWN_HOSTS = 3


def validate(ingress: Ingress) -> Iterator[FieldError]:
    yield from check_metadata(ingress.metadata, is_dns_subdomain)
    yield from check_ingress_spec(ingress.spec, at.spec)
    annotated, named = ingress.metadata.annotations.get(CLASS_ANNOTATION), ingress.spec.ingress_class_name
    if annotated is not None and named is not None and annotated != named:
        message = "must match `ingressClassName` when both are specified"
        yield invalid(at.annotations.child(CLASS_ANNOTATION), annotated, message)


def validate_update(new: Ingress, old: Ingress) -> Iterator[FieldError]:
    yield from check_metadata_update(new.metadata, old.metadata)
    yield from check_metadata(new.metadata, is_dns_subdomain)
    yield from check_ingress_spec(new.spec, at.spec, leniency_for(old.spec))


def validate_status(new: Ingress, old: Ingress) -> Iterator[FieldError]:
    yield from check_metadata_update(new.metadata, old.metadata)
    balanced, before = new.status.load_balancer.ingress, old.status.load_balancer.ingress
    yield from check_balanced(balanced, before, at.status.loadBalancer.ingress)


def warnings(ingress: Document) -> Iterator[str]:
    annotations = ingress["metadata"].get("annotations") or {}
    if CLASS_ANNOTATION in annotations and (ingress.get("spec") or {}).get("ingressClassName") is None:
        yield f"annotation {quoted(CLASS_ANNOTATION)} is deprecated, please use 'spec.ingressClassName' instead"


def status_warnings(ingress: Document) -> Iterator[str]:
    for index, one in enumerate(at_path(ingress, "status.loadBalancer.ingress", ())):
        yield from ip_warnings(one.get("ip", ""), at.status.loadBalancer.ingress[index])


def _class(ingress: Document, now: datetime) -> str:
    name: str = at_path(ingress, "spec.ingressClassName", NONE)
    return name


def _hosts(ingress: Document, now: datetime) -> str:
    rules = at_path(ingress, "spec.rules", ())
    shown: list[str] = []
    for rule in rules:
        if len(shown) == _SHOWN_HOSTS:
            return f"{','.join(shown)} + {len(rules) - _SHOWN_HOSTS} more..."
        if rule.get("host"):
            shown.append(rule["host"])
    return ",".join(shown) or "*"


def _address(ingress: Document, now: datetime) -> str:
    balanced = at_path(ingress, "status.loadBalancer.ingress", ())
    found = {one.get("ip") or one.get("hostname", "") for one in balanced}
    return ",".join(sorted(found - {""}))


def _ports(ingress: Document, now: datetime) -> str:
    return "80, 443" if at_path(ingress, "spec.tls") else "80"


INGRESSES = Resource(
    info=info_of(Ingress),
    short_names=("ing",),
    storage="ingress",
    validate=validate,
    validate_update=validate_update,
    judges_updates_alone=True,
    warnings=warnings,
    update_warnings=no_warnings,
    initial_status=lambda ingress: {"loadBalancer": {}},
    generation=spec_changed,
    columns=(
        NAME,
        Column("Class", _class),
        Column("Hosts", _hosts),
        Column("Address", _address),
        Column("Ports", _ports),
        AGE,
    ),
    subresources=(StatusSubresource(validate=validate_status, warnings=status_warnings),),
)

RESOURCES = (INGRESSES,)
