"""An object at a revision: its stored bytes, shared with the store, and the bytes that go out.

Stored bytes begin with apiVersion, kind and metadata in this order and leave resourceVersion out, so that the revision
is spliced in without decoding. Values in another order (written by another program) are put in order when first read.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from functools import lru_cache
from sys import intern

import msgspec
import orjson

from pybernetes.api import go_json
from pybernetes.api.kinds import KindInfo
from pybernetes.apiserver.empty_lists import as_list, as_null, steps_of
from pybernetes.apiserver.marks import NO_MARKS
from pybernetes.apiserver.resource import Document
from pybernetes.store.contract import Entry

NO_LABELS: Mapping[str, str] = {}
NOTHING_MADE: Mapping[object, bytes | None] = {}


class _LabelsOnly(msgspec.Struct):
    labels: msgspec.Raw = msgspec.Raw()


class _MetadataOnly(msgspec.Struct):
    metadata: _LabelsOnly


_read_labels = msgspec.json.Decoder(_MetadataOnly).decode


@lru_cache(maxsize=8192)
def _labels_of(raw: bytes) -> Mapping[str, str]:
    """Objects of one template share one mapping."""
    labels: dict[str, str] = orjson.loads(raw) if raw else {}
    return {intern(name): intern(value) for name, value in labels.items()} if labels else NO_LABELS


_REVISION_AT = len(b'{"metadata":{"resourceVersion":"')


MOST_DECODED = 1000
"""Objects of a kind that keep their documents."""
MOST_MADE_BYTES = 16 * 1024 * 1024
"""Of a kind's items and messages kept for the next list: all of them would be a second copy of everything stored."""


class Form:
    """How objects of one kind look as bytes."""

    __slots__ = ("_decoded", "_made", "_made_bytes", "_nulls", "_start", "api_version", "head", "kind", "opening")

    def __init__(self, info: KindInfo, nulls: Iterable[str] = ()) -> None:
        """``nulls`` are the lists that are null when empty (``empty_lists``)."""
        self._nulls = tuple(steps_of(path) for path in nulls)
        self.api_version = info.api_version
        self.kind = info.kind
        self.head = b'{"apiVersion":"%s","kind":"%s",' % (self.api_version.encode(), self.kind.encode())
        self.opening = self.head + b'"metadata":{'
        """How what is stored begins; values that begin otherwise are put in order."""
        self._start = len(self.opening)
        self._decoded: deque[StoredObject] = deque()
        self._made: deque[StoredObject] = deque()
        self._made_bytes = 0

    varies = False
    """Whether the kind is stored in several versions."""

    def of(self, value: bytes) -> Form:
        """The form of one stored value: this one unless it ``varies``."""
        return self

    def to_stored(self, document: Document) -> bytes:
        # A copy, because what orjson returns holds on to its buffer of several times the size.
        return bytes(memoryview(go_json.dumps(self._ordered(document))))

    def item(self, value: bytes, revision: int) -> bytes:
        """The object without apiVersion and kind, as it stands in a list, at its revision (0: not stored)."""
        if not revision:
            return b'{"metadata":{' + value[self._start :]
        return b'{"metadata":{"resourceVersion":"%d",%b' % (revision, value[self._start :])

    def extent(self, found: Iterable[StoredObject]) -> int:
        """Bytes that the items of stored objects have together."""
        rest = _REVISION_AT + len('",') - self._start
        return sum(len(stored.value) + len(str(stored.revision)) + rest for stored in found)

    def restamped(self, item: bytes, revision: int) -> bytes:
        """The same item at another revision."""
        rest = item[item.index(b'",', _REVISION_AT) :]
        return b'{"metadata":{"resourceVersion":"%d%b' % (revision, rest)

    def whole(self, item: bytes) -> bytes:
        return self.head + item[1:]

    def to_item(self, document: Document) -> bytes:
        """The item of a document that has its resourceVersion already."""
        return go_json.dumps({name: value for name, value in document.items() if name not in ("apiVersion", "kind")})

    def remember(self, decoded: StoredObject) -> None:
        """Lets only the objects decoded last keep their documents: all of them would take more than their bytes."""
        self._decoded.append(decoded)
        if len(self._decoded) > MOST_DECODED:
            self._decoded.popleft().forget_document()

    def remember_made(self, stored: StoredObject, size: int) -> None:
        """Lets the bytes made last be kept, up to `MOST_MADE_BYTES`."""
        self._made.append(stored)
        self._made_bytes += size
        while self._made_bytes > MOST_MADE_BYTES:
            self._made_bytes -= self._made.popleft().forget_made()

    def _ordered(self, document: Document) -> Document:
        metadata = document["metadata"]
        if "resourceVersion" in metadata:
            metadata = metadata.copy()
            del metadata["resourceVersion"]
        identity = {"apiVersion": self.api_version, "kind": self.kind, "metadata": metadata}
        ordered: Document = identity | document | identity
        for steps in self._nulls:
            ordered = as_null(ordered, steps)
        return ordered

    def read(self, whole: bytes) -> Document:
        document: Document = orjson.loads(whole)
        for steps in self._nulls:
            as_list(document, steps)
        return document


class StoredObject:
    """One object at one revision. The document and the labels are shared: read-only."""

    __slots__ = (
        "_document",
        "_item",
        "_labels",
        "form",
        "key",
        "made",
        "marks",
        "message",
        "namespace",
        "revision",
        "value",
    )

    def __init__(self, form: Form, prefix: str, key: str, value: bytes, revision: int) -> None:
        self.form = form = form.of(value) if form.varies else form
        self.key = key
        self.revision = revision
        self.namespace = intern(key[len(prefix) :].rpartition("/")[0])
        self.value = value if value.startswith(form.opening) else form.to_stored(orjson.loads(value))
        self.marks = NO_MARKS
        self.made: Mapping[object, bytes | None] = NOTHING_MADE
        """What views have made of the item, by view; None: it is shown as it is stored."""
        self.message: bytes | None = None
        """The object in protobuf, if somebody has asked for it lately."""
        self._document: Document | None = None
        self._item: bytes | None = None
        self._labels: Mapping[str, str] | None = None

    @classmethod
    def of(cls, form: Form, prefix: str, entry: Entry) -> StoredObject:
        return cls(form, prefix, entry.key, entry.value, entry.mod_revision)

    def at(self, revision: int) -> StoredObject:
        """The same state shown at a later revision: what a deletion, or leaving a selection, tells."""
        moved = StoredObject.__new__(StoredObject)
        moved.form, moved.key, moved.namespace, moved.value = self.form, self.key, self.namespace, self.value
        moved.revision = revision
        moved._document, moved._item, moved._labels, moved.marks = None, None, self._labels, self.marks
        moved.message = None
        moved.made = self.made and {
            view: item and self.form.restamped(item, revision) for view, item in self.made.items()
        }
        return moved

    @property
    def name(self) -> str:
        return self.key[self.key.rindex("/") + 1 :]

    @property
    def item(self) -> bytes:
        item = self._item
        if item is None:
            item = self._item = self.form.item(self.value, self.revision)
            self.form.remember_made(self, len(item))
        return item

    @property
    def whole(self) -> bytes:
        """At its revision; as it was sent where it is not stored (0)."""
        if not self.revision:
            return self.value
        form = self.form
        return b'%b"resourceVersion":"%d",%b' % (form.opening, self.revision, self.value[len(form.opening) :])

    @property
    def labels(self) -> Mapping[str, str]:
        if self._labels is None:
            self._labels = _labels_of(bytes(_read_labels(self.value).metadata.labels))
        return self._labels

    @property
    def document(self) -> Document:
        """With apiVersion, kind and resourceVersion."""
        if self._document is None:
            self._document = self.form.read(self.whole)
            self.form.remember(self)
        return self._document

    def having(self, document: Document) -> StoredObject:
        """This object, whose document is at hand: the caller gives it away."""
        document["metadata"]["resourceVersion"] = str(self.revision)
        self._document = document
        return self

    def forget_document(self) -> None:
        self._document = None

    def remember_message(self, message: bytes) -> None:
        self.message = message
        self.form.remember_made(self, len(message))

    def forget_made(self) -> int:
        """How many bytes that gives back."""
        size = len(self._item or b"") + len(self.message or b"")
        self._item = self.message = None
        return size

    def fresh_document(self) -> Document:
        """A document of the caller's own."""
        return self.form.read(self.whole)


def items_of(found: Iterable[StoredObject]) -> list[bytes]:
    """The item of each; nearly all are made already."""
    return [stored._item or stored.item for stored in found]
