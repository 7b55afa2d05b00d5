"""The `/scale` of a kind: its number of replicas as an autoscaling/v1 Scale."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from pybernetes.api import errors
from pybernetes.api.fields import FieldError, FieldPath, invalid, is_dns_subdomain
from pybernetes.api.models.meta_v1 import ObjectMeta
from pybernetes.apiserver.resource import Document, ScaleSubresource
from pybernetes.apiserver.validation.metadata import check_metadata

API_VERSION = "autoscaling/v1"
_SHOWN = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")


def scale_of(declared: ScaleSubresource, document: Document) -> Document:
    metadata = document["metadata"]
    status: Document = {"replicas": _at(document, declared.current) or 0}
    selector, replicas = declared.selector(document), _at(document, declared.replicas)
    if selector:
        status["selector"] = selector
    return {
        "kind": "Scale",
        "apiVersion": API_VERSION,
        "metadata": {name: metadata[name] for name in _SHOWN if name in metadata},
        "spec": {"replicas": replicas} if replicas else {},
        "status": status,
    }


def scaled(declared: ScaleSubresource, document: Document, scale: Document) -> Document:
    """The object with the replicas of ``scale``; changes ``document``. Raises 422 for what is no number of replicas."""
    metadata = scale.get("metadata") or {}
    replicas = (scale.get("spec") or {}).get("replicas", 0)
    if not isinstance(replicas, int) or isinstance(replicas, bool):
        raise errors.bad_request("Scale.spec.replicas must be an integer")
    if not declared.judged_whole and (problems := list(_problems(metadata, replicas))):
        raise errors.invalid("autoscaling", "Scale", metadata.get("name", ""), problems)
    *parents, last = declared.replicas.split(".")
    holder: Any = document
    for name in parents:
        holder = holder.setdefault(name, {})
    holder[last] = replicas
    for name in ("resourceVersion", "uid"):
        if metadata.get(name):
            document["metadata"][name] = metadata[name]
    return document


def _problems(metadata: Document, replicas: int) -> Iterator[FieldError]:
    yield from check_metadata(msgspec.convert(metadata, ObjectMeta), is_dns_subdomain)
    if replicas < 0:
        yield invalid(FieldPath("spec").replicas, replicas, "must be greater than or equal to 0")


def _at(document: Document, path: str) -> Any:
    found: Any = document
    for name in path.split("."):
        if not isinstance(found, dict):
            return None
        found = found.get(name)
    return found
