"""The versions and groups under which one kind is served, and an object in another one of them.

Follows k8s.io/apimachinery/pkg/runtime/mapper.go (EquivalentResourceRegistry): what is stored in one place is one kind.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from msgspec.structs import replace

from pybernetes.api import errors
from pybernetes.apiserver.admission.contract import Attributes, Kind
from pybernetes.apiserver.admission.host import Host
from pybernetes.apiserver.objects import StoredObject
from pybernetes.apiserver.resource import Document, Resource
from pybernetes.apiserver.versions import converted


class Equivalents:
    def __init__(self, host: Host) -> None:
        self._resources: Callable[[], Iterable[Resource]] = host.resources
        self._registry = host.registry

    def of(self, resource: Resource, subresource: str) -> Iterator[Resource]:
        """All that serve what ``resource`` serves, itself among them."""
        for one in self._resources():
            same = one.storage == resource.storage
            if same and (not subresource or one.subresource(subresource) is not None):
                yield one

    async def seen_as(self, attributes: Attributes, resource: Resource) -> Attributes:
        """The same write as one of ``resource``, in its version."""
        if resource is attributes.resource:
            return attributes
        convert = self._unconverted if attributes.of_kind is not None else self.convert
        document, old = attributes.document, attributes.old
        return replace(
            attributes,
            resource=resource,
            document=None if document is None else await convert(document, attributes.resource, resource),
            old=None if old is None else await convert(old, attributes.resource, resource),
        )

    async def _unconverted(self, document: Document, source: Resource, target: Resource) -> Document:
        """A `Scale` is the same for every version of what is scaled."""
        return document

    async def convert(self, document: Document, source: Resource, target: Resource) -> Document:
        """Raises 500 where a conversion webhook fails."""
        if source.custom is None:
            return converted(source, target, document)
        try:
            return await self._read_custom(await source.custom.write(document), target)
        except errors.ApiError as error:
            raise errors.internal_error(error.message) from error

    async def _read_custom(self, stored: Document, target: Resource) -> Document:
        info, custom = target.info, target.custom
        assert custom is not None
        prefix = self._registry(info.group, info.version, info.plural).prefix
        metadata = stored["metadata"]
        key = f"{prefix}{metadata.get('namespace', '')}/{metadata.get('name', '')}"
        found = StoredObject(custom.form, prefix, key, custom.form.to_stored(stored), 0)
        await custom.prepare([found])
        converted = custom.read(found)
        if "resourceVersion" in metadata:
            converted["metadata"]["resourceVersion"] = metadata["resourceVersion"]
        return converted


def kind_of(resource: Resource, attributes: Attributes) -> Kind:
    """What the object is, seen as one of ``resource``."""
    if attributes.of_kind is not None:
        return attributes.of_kind
    info = resource.info
    return Kind(info.group, info.version, info.kind)
