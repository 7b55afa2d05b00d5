"""Stored objects as one served version shows them: the same bytes, or converted ones."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cached_property
from typing import Any

from pybernetes.api import go_json
from pybernetes.api.schema import shape_of
from pybernetes.apiserver.negotiation import Offer
from pybernetes.apiserver.objects import Form, StoredObject, items_of
from pybernetes.apiserver.resource import Document, Resource
from pybernetes.apiserver.watch_events import Event, event_line


class View:
    """A kind served as it is stored."""

    offer = Offer.KIND

    def __init__(self, resource: Resource) -> None:
        self.resource = resource
        self.info = resource.info
        self.form = Form(resource.info)

    def whole(self, stored: StoredObject) -> bytes:
        return stored.whole

    def item(self, stored: StoredObject) -> bytes:
        return stored.item

    def items(self, found: Iterable[StoredObject]) -> list[bytes]:
        return items_of(found)

    def extent(self, found: Iterable[StoredObject]) -> int | None:
        """How many bytes their items have; None where that shows only when they are made."""
        return self.form.extent(found)

    def document(self, stored: StoredObject) -> Document:
        return stored.document

    def message(self, stored: StoredObject) -> bytes:
        """In protobuf; made once for those who ask soon after."""
        made = stored.message
        if made is None:
            made = self._encode(self.document(stored))
            stored.remember_message(made)
        return made

    @cached_property
    def blank(self) -> Document:
        """What an object of the kind says of itself when it says nothing."""
        identity: Document = {"kind": self.info.kind, "apiVersion": self.info.api_version, "metadata": {}}
        if self.offer is Offer.CUSTOM:
            return identity
        shape = shape_of(self.info.group, self.info.version, self.info.kind)
        identity |= _without_lists(shape.read({}).document)
        return identity

    @cached_property
    def _encode(self) -> Callable[[Document], bytes]:
        from pybernetes.apiserver.protobuf.encode import encoder_of
        from pybernetes.apiserver.protobuf.messages import message_of

        return encoder_of(message_of(self.info.group, self.info.version, self.info.kind))

    def list_metadata(self, metadata: Document) -> Document:
        """As it stands in lists of whole objects."""
        return metadata

    def line(self, event: Event) -> bytes:
        return event.line

    def frame(self, event: Event) -> bytes:
        """The event in protobuf."""
        if event.frame is None:
            event.frame = self.frame_of(event.type, event.object)
        return event.frame

    def frame_of(self, type: str, stored: StoredObject) -> bytes:
        from pybernetes.apiserver.protobuf.bodies import frame, whole

        return frame(type, whole(self.info.api_version, self.info.kind, self.message(stored)))


class ConvertedView(View):
    """A kind stored as another version or group."""

    def whole(self, stored: StoredObject) -> bytes:
        return go_json.dumps(self.document(stored))

    def item(self, stored: StoredObject) -> bytes:
        return self.form.to_item(self.document(stored))

    def items(self, found: Iterable[StoredObject]) -> list[bytes]:
        return [self.item(stored) for stored in found]

    def extent(self, found: Iterable[StoredObject]) -> None:
        return None

    def document(self, stored: StoredObject) -> Document:
        conversion = self.resource.stored
        converted = conversion.from_storage(stored.fresh_document()) if conversion else stored.document
        return {**converted, "apiVersion": self.info.api_version, "kind": self.info.kind}

    def line(self, event: Event) -> bytes:
        return event_line(event.type, self.whole(event.object))

    def message(self, stored: StoredObject) -> bytes:
        return self._encode(self.document(stored))

    def frame(self, event: Event) -> bytes:
        return self.frame_of(event.type, event.object)


def _without_lists(value: Any) -> Any:
    """Lists that were never made are null."""
    if isinstance(value, dict):
        return {name: _without_lists(member) for name, member in value.items()}
    return None if value == [] else value


def view_of(resource: Resource) -> View:
    if resource.custom is not None:
        return resource.custom.view(resource)
    return ConvertedView(resource) if resource.stored else View(resource)
