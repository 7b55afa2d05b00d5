"""A stored object shares the store's bytes, and what is made of them is the same however often it is forgotten."""

from __future__ import annotations

import orjson
import pytest

from pybernetes.api.kinds import info_of
from pybernetes.api.models.core_v1 import ConfigMap
from pybernetes.apiserver import objects
from pybernetes.apiserver.objects import Form, StoredObject
from pybernetes.store.contract import Entry

PREFIX = "/registry/configmaps/"
ORDERED = b'{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a","labels":{"app":"web"}},"data":{"k":"v"}}'
OTHERWISE = b'{"kind":"ConfigMap","data":{"k":"v"},"metadata":{"name":"a","labels":{"app":"web"}},"apiVersion":"v1"}'


def _stored(form: Form, value: bytes = ORDERED, name: str = "a") -> StoredObject:
    return StoredObject.of(form, PREFIX, Entry(f"{PREFIX}default/{name}", value, 3, 7))


def test_the_bytes_are_the_stores_own_and_the_labels_are_shared() -> None:
    form, entry = Form(info_of(ConfigMap)), Entry(PREFIX + "default/a", ORDERED, 3, 7)
    first, second = StoredObject.of(form, PREFIX, entry), _stored(form, name="b")
    assert first.value is entry.value
    assert (first.namespace, first.name, second.name) == ("default", "a", "b")
    assert first.labels is second.labels
    assert first.labels == {"app": "web"}


@pytest.mark.parametrize("value", [ORDERED, OTHERWISE])
@pytest.mark.parametrize("revision", [7, 9])
def test_every_form_tells_the_same_object_at_its_revision(value: bytes, revision: int) -> None:
    stored = _stored(Form(info_of(ConfigMap)), value)
    shown = stored if revision == 7 else stored.at(revision)
    expected = {**orjson.loads(ORDERED), "metadata": {**orjson.loads(ORDERED)["metadata"]}}
    expected["metadata"]["resourceVersion"] = str(revision)
    assert orjson.loads(shown.whole) == shown.document == shown.fresh_document() == expected
    del expected["apiVersion"], expected["kind"]
    assert orjson.loads(shown.item) == expected


@pytest.mark.parametrize("labels", [b"", b'"labels":null,', b'"labels":{},'])
def test_no_labels_are_no_labels(labels: bytes) -> None:
    value = b'{"apiVersion":"v1","kind":"ConfigMap","metadata":{%b"name":"a"}}' % labels
    assert _stored(Form(info_of(ConfigMap)), value).labels == {}


def test_only_what_was_made_last_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    form = Form(info_of(ConfigMap))
    some = [_stored(form, name=f"n{number}") for number in range(10)]
    monkeypatch.setattr(objects, "MOST_MADE_BYTES", 3 * len(some[0].item))
    items = [one.item for one in some]
    some[-1].remember_message(b"m" * 10)
    assert [one._item is not None for one in some] == [False] * 8 + [True] * 2
    assert [one.item for one in some] == items
    assert sum(len(one._item or b"") + len(one.message or b"") for one in some) <= objects.MOST_MADE_BYTES
