"""What a CustomResourceDefinition must be.

Follows pkg/apis/apiextensions/validation/validation.go of apiextensions-apiserver. Upstream judges its internal form,
where what all versions share stands at the top (`spec.validation`): paths of such errors say so.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pybernetes.api.fields import (
    FieldError,
    FieldPath,
    at,
    invalid,
    is_dns1035_label,
    is_dns_subdomain,
    not_supported,
    required,
)
from pybernetes.apiserver.custom.approval import ANNOTATION, Approval, annotation_of, approval_of, is_protected
from pybernetes.apiserver.custom.definition import ConditionType, is_true
from pybernetes.apiserver.custom.metadata import (
    check_object_metadata,
    check_object_metadata_update,
    metadata_of,
)
from pybernetes.apiserver.resource import Document
from pybernetes.apiserver.resources.custom_conversion_rules import check_conversion
from pybernetes.apiserver.resources.custom_leniency import STRICT, Leniency, leniency_of
from pybernetes.apiserver.resources.custom_version_rules import check_versions
from pybernetes.apiserver.validation.metadata import IMMUTABLE

SCOPES = ("Cluster", "Namespaced")


def validate(new: Document) -> Iterator[FieldError]:
    spec = new["spec"]
    wanted = f"{spec['names']['plural']}.{spec['group']}"

    def name_messages(name: str) -> list[str]:
        found = list(is_dns_subdomain(name))
        return found if name == wanted else [*found, 'must be spec.names.plural+"."+spec.group']

    yield from check_object_metadata(metadata_of(new), name_messages, namespaced=False)
    yield from check_spec(spec, STRICT)
    yield from check_status(new)
    yield from check_stored_versions(new)
    yield from _check_approval(new, None)
    yield from _check_preserving(new, None)


def validate_update(new: Document, old: Document) -> Iterator[FieldError]:
    yield from check_object_metadata_update(metadata_of(new), metadata_of(old))
    spec, before = new["spec"], old["spec"]
    yield from check_spec(spec, leniency_of(new, old))
    if is_true(old, ConditionType.ESTABLISHED):
        yield from _unchanged(spec["scope"], before["scope"], at.spec.scope)
        yield from _unchanged(spec["names"]["kind"], before["names"]["kind"], at.spec.names.kind)
    yield from _unchanged(spec["group"], before["group"], at.spec.group)
    yield from _unchanged(spec["names"]["plural"], before["names"]["plural"], at.spec.names.plural)
    yield from check_status(new)
    yield from check_stored_versions(new)
    yield from _check_approval(new, old)
    yield from _check_preserving(new, old)


def validate_status_update(new: Document, old: Document) -> Iterator[FieldError]:
    yield from check_object_metadata_update(metadata_of(new), metadata_of(old))
    yield from check_status(new)


def _unchanged(new: Any, old: Any, path: FieldPath) -> Iterator[FieldError]:
    if new != old:
        yield invalid(path, new, IMMUTABLE)


def check_spec(spec: Document, leniency: Leniency) -> Iterator[FieldError]:
    group = spec["group"]
    if not group:
        yield required(at.spec.group)
    elif messages := is_dns_subdomain(group):
        yield invalid(at.spec.group, group, ",".join(messages))
    elif "." not in group:
        yield invalid(at.spec.group, group, "should be a domain with at least one dot")
    if not spec["scope"]:
        yield required(at.spec.scope)
    elif spec["scope"] not in SCOPES:
        yield not_supported(at.spec.scope, spec["scope"], SCOPES)
    yield from check_versions(spec, leniency)
    names = spec["names"]
    for name in ("plural", "singular", "kind", "listKind"):
        if not names.get(name):
            yield required(at.spec.names.child(name))
    yield from check_names(names, at.spec.names)
    conversion = spec.get("conversion")
    if conversion is not None:
        if conversion.get("strategy") != "None" and spec.get("preserveUnknownFields"):
            path = at.spec.conversion.strategy
            yield invalid(path, conversion.get("strategy", ""), "must be None if spec.preserveUnknownFields is true")
        yield from check_conversion(conversion, at.spec.conversion, leniency)


def check_names(names: Mapping[str, Any], path: FieldPath) -> Iterator[FieldError]:
    for name in ("plural", "singular"):
        yield from _label(names.get(name), path.child(name))
    for name in ("kind", "listKind"):
        stated = names.get(name)
        if stated and (messages := is_dns1035_label(stated.lower())):
            why = f"may have mixed case, but should otherwise match: {','.join(messages)}"
            yield invalid(path.child(name), stated, why)
    yield from _labels(names.get("shortNames") or (), path.shortNames)
    if names.get("kind") and names["kind"] == names.get("listKind"):
        yield invalid(path.listKind, names["listKind"], "kind and listKind may not be the same")
    yield from _labels(names.get("categories") or (), path.categories)


def _label(text: str | None, path: FieldPath) -> Iterator[FieldError]:
    if text and (messages := is_dns1035_label(text)):
        yield invalid(path, text, ",".join(messages))


def _labels(texts: Sequence[str], path: FieldPath) -> Iterator[FieldError]:
    for index, text in enumerate(texts):
        if messages := is_dns1035_label(text):
            yield invalid(path[index], text, ",".join(messages))


def check_status(crd: Document) -> Iterator[FieldError]:
    names = (crd.get("status") or {}).get("acceptedNames") or {}
    yield from check_names(names, at.status.acceptedNames)


def check_stored_versions(crd: Document) -> Iterator[FieldError]:
    path = at.status.storedVersions
    stored: Sequence[str] = (crd.get("status") or {}).get("storedVersions") or ()
    if not stored:
        yield invalid(path, None, "must have at least one stored version")
        return
    versions = crd["spec"]["versions"] or ()
    for version in versions:
        if version.get("storage") and version["name"] not in stored:
            yield invalid(path, stored, f"must have the storage version {version['name']}")
    defined = {version["name"] for version in versions}
    for index, name in enumerate(stored):
        if name not in defined:
            yield invalid(
                path[index],
                name,
                f"missing from spec.versions; {name} was previously a storage version, and must remain in "
                f"spec.versions until a storage migration ensures no data remains persisted in {name} and removes "
                f"{name} from status.storedVersions",
            )


def _check_approval(new: Document, old: Document | None) -> Iterator[FieldError]:
    """A state that does not change is not judged again."""
    if not is_protected(new["spec"]["group"]):
        return
    approval, words = approval_of(new)
    if old is not None and approval_of(old)[0] is approval:
        return
    path = at.metadata.annotations[ANNOTATION]
    if approval is Approval.INVALID:
        yield invalid(path, annotation_of(new), words)
    elif approval is Approval.MISSING:
        yield required(path, words)


def _check_preserving(new: Document, old: Document | None) -> Iterator[FieldError]:
    if old is not None and old["spec"].get("preserveUnknownFields"):
        return
    if new["spec"].get("preserveUnknownFields"):
        yield invalid(
            at.spec.preserveUnknownFields,
            True,
            "cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead",
        )
