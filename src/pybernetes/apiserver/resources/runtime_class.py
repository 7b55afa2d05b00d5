"""RuntimeClass: which of a node's container runtimes runs a pod.

Follows pkg/apis/node/validation.
"""

from __future__ import annotations

from collections.abc import Iterator

from pybernetes.api.fields import FieldError, at, invalid, is_dns_label, is_dns_subdomain
from pybernetes.api.kinds import info_of
from pybernetes.api.models.node_v1 import RuntimeClass
from pybernetes.apiserver.columns import AGE, NAME
from pybernetes.apiserver.resource import Resource
from pybernetes.apiserver.resources.cells import text_column
from pybernetes.apiserver.validation.metadata import check_labels, check_metadata, check_metadata_update
from pybernetes.apiserver.validation.resources import check_resource_list
from pybernetes.apiserver.validation.scheduling import check_tolerations
from pybernetes.apiserver.validation.simple import check_unchanged


def validate(runtime_class: RuntimeClass) -> Iterator[FieldError]:
    yield from check_metadata(runtime_class.metadata, is_dns_subdomain, namespaced=False)
    yield from (invalid(at.handler, runtime_class.handler, message) for message in is_dns_label(runtime_class.handler))
    if runtime_class.overhead is not None:
        yield from check_resource_list(runtime_class.overhead.pod_fixed, at.overhead.podFixed)
    if runtime_class.scheduling is not None:
        yield from check_labels(runtime_class.scheduling.node_selector, at.scheduling.nodeSelector)
        yield from check_tolerations(runtime_class.scheduling.tolerations, at.scheduling.tolerations)


def validate_update(new: RuntimeClass, old: RuntimeClass) -> Iterator[FieldError]:
    yield from check_metadata_update(new.metadata, old.metadata)
    yield from check_unchanged(new.handler, old.handler, at.handler)


RUNTIME_CLASSES = Resource(
    info=info_of(RuntimeClass),
    validate=validate,
    validate_update=validate_update,
    columns=(NAME, text_column("Handler", "handler"), AGE),
    allows_unconditional_update=False,
)

RESOURCES = (RUNTIME_CLASSES,)
