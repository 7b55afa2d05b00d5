"""What an update through one door (the object itself, `/status`, `/finalize` …) may change, and how it is judged.

Follows the strategies of pkg/registry: the main door keeps status, `/status` keeps everything but status and metadata.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol

from pybernetes.api.fields import FieldError
from pybernetes.api.models.meta_v1 import ObjectMeta
from pybernetes.apiserver.resource import Context, Document, Resource, SpecialSubresource, StatusSubresource
from pybernetes.apiserver.validation.metadata import check_any_update, has_odd_finalizers, is_another


class Models:
    """The two objects as models, made when first asked for."""

    def __init__(self, new: Document, old: Document, convert: Callable[[Document], Any]) -> None:
        self._documents = new, old
        self._convert = convert
        self._new: Any = None
        self._old: Any = None

    @property
    def new(self) -> Any:
        if self._new is None:
            self._new = self._convert(self._documents[0])
        return self._new

    @property
    def old(self) -> Any:
        if self._old is None:
            self._old = self._convert(self._documents[1])
        return self._old


class UpdateRule(Protocol):
    subresource: str

    def prepare(self, new: Document, old: Document, context: Context) -> None: ...

    def problems(self, models: Models) -> Iterator[FieldError]: ...

    def warnings(self, new: Document, old: Document) -> Iterable[str]: ...


class MainRule:
    subresource = ""

    def __init__(self, resource: Resource) -> None:
        self._resource = resource
        self._has_status = resource.has_status

    def prepare(self, new: Document, old: Document, context: Context) -> None:
        if self._has_status:
            keep(new, old, "status")
        if self._resource.drops is not None:
            self._resource.drops(new)
        if self._resource.prepare_update is not None:
            self._resource.prepare_update(new, old, context)

    def problems(self, models: Models) -> Iterator[FieldError]:
        yield from with_common(models, self._own_problems(models), always=self._resource.common_metadata)

    def warnings(self, new: Document, old: Document) -> Iterable[str]:
        resource = self._resource
        if resource.update_warnings is not None:
            return resource.update_warnings(new, old)
        return resource.warnings(new) if resource.warnings is not None else ()

    def _own_problems(self, models: Models) -> Iterator[FieldError]:
        if self._resource.validate is not None and not self._resource.judges_updates_alone:
            yield from self._resource.validate(models.new)
        if self._resource.validate_update is not None:
            yield from self._resource.validate_update(models.new, models.old)


_OWN_OF_STATUS = frozenset(("apiVersion", "kind", "metadata", "status"))


class StatusRule:
    subresource = "status"

    def __init__(self, declared: StatusSubresource, *, common_metadata: bool = False) -> None:
        self._declared = declared
        self._common_metadata = common_metadata

    def prepare(self, new: Document, old: Document, context: Context) -> None:
        for name in {*new, *old} - _OWN_OF_STATUS:
            keep(new, old, name)
        if self._declared.prepare is not None:
            self._declared.prepare(new, old, context)

    def problems(self, models: Models) -> Iterator[FieldError]:
        if self._declared.validate is not None:
            own = self._declared.validate(models.new, models.old)
            yield from with_common(models, own, always=self._common_metadata)

    def warnings(self, new: Document, old: Document) -> Iterable[str]:
        return self._declared.warnings(new) if self._declared.warnings is not None else ()


class SpecialRule:
    def __init__(self, declared: SpecialSubresource) -> None:
        self.subresource = declared.name
        self._declared = declared

    def prepare(self, new: Document, old: Document, context: Context) -> None:
        if self._declared.parent_update is not None:
            self._declared.parent_update(new, old, context)

    def problems(self, models: Models) -> Iterator[FieldError]:
        if self._declared.validate is not None:
            yield from with_common(models, self._declared.validate(models.new, models.old))

    def warnings(self, new: Document, old: Document) -> Iterable[str]:
        return ()


def with_common(models: Models, own: Iterable[FieldError], *, always: bool = False) -> Iterator[FieldError]:
    """What every update is asked comes first. Unless ``always``, it is looked at only where the kind itself finds fault
    with the metadata or has no eye for it, as the names that others are generated from: its rules imply the rest."""
    found = list(own)
    metadata = getattr(models.new, "metadata", None)
    if isinstance(metadata, ObjectMeta) and (
        always
        or "/" in metadata.generate_name
        or is_another(metadata, models.old.metadata)
        or has_odd_finalizers(metadata)
        or any(map(_is_about_metadata, found))
    ):
        yield from check_any_update(metadata, models.old.metadata)
    yield from found


def _is_about_metadata(error: FieldError) -> bool:
    return error.path.startswith("metadata")


def keep_metadata(new: Document, old: Document, context: Context) -> None:
    """For the doors of kinds that change nothing of the metadata by them."""
    for name in ("labels", "annotations", "finalizers", "ownerReferences"):
        keep(new["metadata"], old["metadata"], name)


def keep(new: Document, old: Document, name: str) -> None:
    """The field as it was, absent if it was absent."""
    if name in old:
        new[name] = old[name]
    else:
        new.pop(name, None)
