"""Stored custom resources as one version shows them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from pybernetes.apiserver.negotiation import Offer
from pybernetes.apiserver.objects import StoredObject
from pybernetes.apiserver.resource import Document, Resource
from pybernetes.apiserver.view import View
from pybernetes.apiserver.watch_events import Event, event_line

if TYPE_CHECKING:
    from pybernetes.apiserver.custom.version import CustomVersion


class CustomView(View):
    """Assumes  Where conversion has to be waited for, ``prepare`` was called with the objects before."""

    offer = Offer.CUSTOM

    def __init__(self, resource: Resource, version: CustomVersion) -> None:
        super().__init__(resource)
        self._version = version

    def whole(self, stored: StoredObject) -> bytes:
        return self.form.whole(self._version.item(stored))

    def item(self, stored: StoredObject) -> bytes:
        """In lists, too, every custom resource says its version and kind."""
        return self.whole(stored)

    def items(self, found: Iterable[StoredObject]) -> list[bytes]:
        return [self.whole(stored) for stored in found]

    def extent(self, found: Iterable[StoredObject]) -> None:
        return None

    def document(self, stored: StoredObject) -> Document:
        return self._version.document(stored)

    def list_metadata(self, metadata: Document) -> Document:
        """It says that it does not go on, too."""
        return {"continue": "", **metadata}

    def line(self, event: Event) -> bytes:
        if self._version.shows_as_stored(event.object):
            return event.line
        return event_line(event.type, self.whole(event.object))
