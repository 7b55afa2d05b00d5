"""RuntimeClass: which of a node's container runtimes runs a pod.

Follows pkg/registry/node/runtimeclass and pkg/apis/node/validation.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pybernetes.api.fields import (
    FieldError,
    FieldPath,
    at,
    duplicate,
    invalid,
    is_dns_label,
    is_dns_subdomain,
    required,
)
from pybernetes.api.kinds import info_of
from pybernetes.api.models.core_v1 import Toleration
from pybernetes.api.models.node_v1 import RuntimeClass
from pybernetes.apiserver.columns import AGE, NAME
from pybernetes.apiserver.resource import Document, Resource
from pybernetes.apiserver.resources.cells import text_column
from pybernetes.apiserver.validation.internal_form import internal_form
from pybernetes.apiserver.validation.metadata import check_common_metadata, check_common_metadata_update, check_labels
from pybernetes.apiserver.validation.node_labels import DEPRECATED_LABELS
from pybernetes.apiserver.validation.resources import check_resource_list
from pybernetes.apiserver.validation.scheduling import check_tolerations
from pybernetes.apiserver.validation.simple import check_unchanged


def validate(runtime_class: RuntimeClass) -> Iterator[FieldError]:
    yield from check_common_metadata(runtime_class.metadata, is_dns_subdomain, namespaced=False)
    if not runtime_class.handler:
        yield required(at.handler)
    else:
        messages = is_dns_label(runtime_class.handler)
        yield from (invalid(at.handler, runtime_class.handler, message) for message in messages)
    if runtime_class.overhead is not None:
        yield from check_resource_list(runtime_class.overhead.pod_fixed, at.overhead.limits)
    if runtime_class.scheduling is not None:
        yield from check_labels(runtime_class.scheduling.node_selector, at.scheduling.nodeSelector)
        yield from _check_tolerations(runtime_class.scheduling.tolerations, at.scheduling.tolerations)


def _check_tolerations(tolerations: Sequence[Toleration], path: FieldPath) -> Iterator[FieldError]:
    yield from check_tolerations(tolerations, path)
    seen: set[tuple[str, ...]] = set()
    for index, one in enumerate(tolerations):
        identity = (one.key, one.operator, one.value, one.effect)
        if identity in seen:
            yield duplicate(path[index], internal_form(one))
        seen.add(identity)


def warnings(runtime_class: Document) -> Iterator[str]:
    for label in (runtime_class.get("scheduling") or {}).get("nodeSelector") or ():
        if label in DEPRECATED_LABELS:
            yield f"{at.scheduling.nodeSelector}: {DEPRECATED_LABELS[label]}"


def validate_update(new: RuntimeClass, old: RuntimeClass) -> Iterator[FieldError]:
    yield from check_common_metadata_update(new.metadata, old.metadata)
    yield from check_unchanged(new.handler, old.handler, at.handler)


RUNTIME_CLASSES = Resource(
    info=info_of(RuntimeClass),
    validate=validate,
    validate_update=validate_update,
    warnings=warnings,
    columns=(NAME, text_column("Handler", "handler"), AGE),
    allows_create_on_update=True,
    allows_unconditional_update=False,
)

RESOURCES = (RUNTIME_CLASSES,)
