"""Selectors of devices: what compiles, what it may cost, and which devices match."""

from __future__ import annotations

import pytest

from pybernetes.api.models.resource_v1 import DeviceAttribute, DeviceCapacity
from pybernetes.cel.device_selectors import COST_LIMIT, Device, SelectorError, selector
from pybernetes.cel.errors import CelError

DEVICE = Device(
    driver="dra.example.com",
    allow_multiple_allocations=True,
    attributes={
        "cores": DeviceAttribute(int_=8),
        "shared": DeviceAttribute(bool_=False),
        "other.example.com/model": DeviceAttribute(string="a100"),
        "firmware": DeviceAttribute(version="1.10.0"),
    },
    capacity={"memory": DeviceCapacity(value="40Gi")},
)


@pytest.mark.parametrize(
    ("expression", "matches"),
    [
        ('device.driver == "dra.example.com"', True),
        ("device.allowMultipleAllocations", True),
        ('device.attributes["dra.example.com"].cores == 8', True),
        ('device.attributes["dra.example.com"].shared', False),
        ('device.attributes["other.example.com"].model.startsWith("a1")', True),
        ('device.attributes["dra.example.com"].firmware.isGreaterThan(semver("1.9.0"))', True),
        ('device.capacity["dra.example.com"].memory.compareTo(quantity("80Gi")) >= 0', False),
        ('cel.bind(dra, device.attributes["dra.example.com"], dra.cores > 4 && !dra.shared)', True),
        ('has(device.attributes["nobody.example.com"].cores)', False),
        ('"nobody.example.com" in device.attributes', False),
    ],
)
def test_a_selector_judges_a_device_by_its_driver_attributes_and_capacity(expression: str, matches: bool) -> None:
    assert selector(expression).matches(DEVICE) is matches


def test_a_name_that_a_device_does_not_have_is_an_error() -> None:
    with pytest.raises(CelError, match="no such key: cores"):
        selector('device.attributes["nobody.example.com"].cores == 8').matches(DEVICE)


def test_an_answer_that_is_neither_true_nor_false_is_an_error() -> None:
    with pytest.raises(CelError, match="CEL result of type int could not be converted to bool"):
        selector('device.attributes["dra.example.com"].cores').matches(DEVICE)


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("device.driver", "must evaluate to bool or the unknown type, not string"),
        ("null", "must evaluate to bool or the unknown type, not null_type"),
        (
            "device.attributes",
            "must evaluate to bool or the unknown type, not map(string, map(string, google.protobuf.Any))",
        ),
        (
            "device.foo",
            "compilation failed: ERROR: <input>:1:7: undefined field 'foo'\n | device.foo\n | ......^",
        ),
        (
            'device.attributes["d"].l.exists(n, n == 5)',
            "compilation failed: ERROR: <input>:1:23: expression of type 'any' cannot be range of a comprehension "
            "(must be list, map, or dynamic)\n"
            ' | device.attributes["d"].l.exists(n, n == 5)\n | ......................^',
        ),
    ],
)
def test_an_expression_that_is_no_selector_is_refused_in_upstreams_words(expression: str, words: str) -> None:
    with pytest.raises(SelectorError) as refused:
        selector(expression)
    assert str(refused.value) == words


def test_what_a_selector_may_cost_follows_from_how_many_attributes_a_device_can_have() -> None:
    one = "device.attributes.all(k, k == 'x')"
    four = (
        "device.attributes.all(k, device.attributes.all(l, device.attributes.all(m, device.attributes.all(n, n == k))))"
    )
    assert selector(one).most < COST_LIMIT < selector(four).most
