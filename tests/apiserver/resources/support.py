"""What a manifest becomes on its way into the store, without a server: defaults, preparation, validation."""

from __future__ import annotations

import copy
from datetime import UTC, datetime
from typing import Any

import msgspec
import yaml

from pybernetes.api import errors
from pybernetes.api.fields import is_path_segment
from pybernetes.api.schema import shape_of
from pybernetes.apiserver.auth.contract import User
from pybernetes.apiserver.resource import Context, Document, Resource
from pybernetes.apiserver.validation.metadata import check_metadata

NOW = datetime(2030, 1, 1, 12, 0, 0, tzinfo=UTC)
CONTEXT = Context(user=User(name="tester"), now=NOW)


def document(text: str) -> Document:
    loaded: Document = yaml.safe_load(text)
    return loaded


def problems(resource: Resource, manifest: Document) -> list[str]:
    """The errors of a creation, as text."""
    completed, rules = completed_by(resource, manifest), resource.rules
    assert rules.validate is not None
    found = list(rules.validate(model(rules, completed)))
    if not found and rules.common_metadata:
        found = list(check_metadata(model(rules, completed).metadata, is_path_segment))
    return [str(error) for error in found]


def completed_by(resource: Resource, manifest: Document) -> Document:
    """Defaulted and prepared as by a creation, but not validated; in the form that it is judged in."""
    info = resource.info
    new = shape_of(info.group, info.version, info.kind).read(copy.deepcopy(manifest)).document
    new.setdefault("metadata", {})
    new["metadata"].setdefault("uid", "0-1-2-3")
    if resource.info.namespaced:
        new["metadata"].setdefault("namespace", "default")
    if resource.defaults is not None:
        resource.defaults(new)
    rules = resource.rules
    if rules is not resource and resource.stored is not None:
        new = resource.stored.to_storage(new)
    if rules.has_status:
        new["status"] = rules.initial_status(new) if rules.initial_status else {}
    if rules.drops is not None:
        rules.drops(new)
    if rules.prepare_create is not None:
        rules.prepare_create(new, CONTEXT)
    return new


def created(resource: Resource, manifest: Document) -> Document:
    """As it would be stored; raises what a client would get."""
    completed = completed_by(resource, manifest)
    found = list(resource.validate(model(resource, completed))) if resource.validate else []
    if found:
        raise errors.invalid(resource.info.group, resource.info.kind, completed["metadata"].get("name", ""), found)
    return completed


def update_problems(resource: Resource, old: Document, **changes: Any) -> list[str]:
    """The errors of replacing fields; a change names its path with double underscores: `spec__replicas=2`."""
    new = changed(old, **changes)
    if resource.defaults is not None:
        resource.defaults(new)
    if resource.drops is not None:
        resource.drops(new)
    if resource.prepare_update is not None:
        resource.prepare_update(new, old, CONTEXT)
    assert resource.validate is not None
    assert resource.validate_update is not None
    after, before = model(resource, new), model(resource, old)
    general = () if resource.judges_updates_alone else resource.validate(after)
    return [str(error) for error in (*general, *resource.validate_update(after, before))]


def changed(old: Document, **changes: Any) -> Document:
    new = copy.deepcopy(old)
    new["metadata"].setdefault("resourceVersion", "7")
    for path, value in changes.items():
        *parents, last = path.split("__")
        holder = new
        for parent in parents:
            holder = holder[int(parent)] if isinstance(holder, list) else holder.setdefault(parent, {})
        if value is None:
            holder.pop(last, None)
        else:
            holder[last] = value
    return new


def model(resource: Resource, value: Document) -> Any:
    """The rules of a kind without a model judge documents."""
    return msgspec.convert(value, resource.info.model) if resource.info.module else value


def cells(resource: Resource, value: Document, *, wide: bool = False) -> dict[str, Any]:
    return {column.name: column.extract(value, NOW) for column in resource.columns if wide or column.priority == 0}
