"""The text of an object that a patch made: what the patch looked into is sorted, the rest in the fields' order."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from pybernetes.api.schema import shape_of
from pybernetes.apiserver import patched_text

CONFIG_MAP = shape_of("", "v1", "ConfigMap")
LIVE = {
    "data": {"b": "1", "a": "2"},
    "metadata": {"uid": "u", "labels": {"y": "1", "x": "2"}, "name": "n"},
    "apiVersion": "v1",
    "kind": "ConfigMap",
}
UNTOUCHED = '"metadata":{"name":"n","uid":"u","labels":{"x":"2","y":"1"}}'


@pytest.mark.parametrize(
    ("patch", "text"),
    [
        (
            {"data": 1},
            '{"apiVersion":"v1","data":1,"kind":"ConfigMap",' + UNTOUCHED + "}",
        ),
        (
            {"metadata": {"labels": {"a": {"d": None, "c": {}}}}},
            '{"apiVersion":"v1","data":{"a":"2","b":"1"},"kind":"ConfigMap",'
            '"metadata":{"labels":{"a":{"c":{}},"x":"2","y":"1"},"name":"n","uid":"u"}}',
        ),
    ],
)
def test_a_merge_patch_sorts_what_it_goes_through(patch: dict[str, Any], text: str) -> None:
    assert orjson.dumps(patched_text.merged(LIVE, patch, CONFIG_MAP)).decode() == text


@pytest.mark.parametrize(
    ("operation", "text"),
    [
        (
            {"op": "replace", "path": "/data/a", "value": {"z": 1, "b": 2}},
            '{"apiVersion":"v1","data":{"a":{"z":1,"b":2},"b":"1"},"kind":"ConfigMap",' + UNTOUCHED + "}",
        ),
        (
            {"op": "move", "from": "/metadata/labels", "path": "/data"},
            '{"apiVersion":"v1","data":{"x":"2","y":"1"},"kind":"ConfigMap","metadata":{"name":"n","uid":"u"}}',
        ),
    ],
)
def test_an_operation_sorts_what_leads_to_its_places_and_leaves_its_value(operation: Any, text: str) -> None:
    assert orjson.dumps(patched_text.operated(LIVE, [operation], CONFIG_MAP)).decode() == text
