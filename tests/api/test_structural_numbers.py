"""Numbers of custom resources, as Go reads and writes them where no schema speaks of them."""

from __future__ import annotations

import pytest

from pybernetes.api.schema import DecodeError
from pybernetes.api.schema.misfits import told_of
from pybernetes.api.schema.structural import StructuralShape

KIND = ("example.com", "v1", "Widget")
FREE = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}


def test_fractions_that_are_whole_are_whole_numbers_wherever_they_stand() -> None:
    shape = StructuralShape(KIND, {**FREE, "properties": {"within": FREE}})
    read = shape.read({"a": 1.0, "b": [2.0, {"c": 3.5}], "within": {"d": 1e2, "e": -0.0}}).document
    assert str(read) == "{'a': 1, 'b': [2, {'c': 3.5}], 'within': {'d': 100, 'e': 0}}"


@pytest.mark.parametrize("name", ["free", "typed"])
def test_a_number_that_no_float_holds_is_refused_as_it_is_written(name: str) -> None:
    shape = StructuralShape(KIND, {**FREE, "properties": {"typed": {"type": "number"}}})
    with pytest.raises(DecodeError) as refused:
        shape.read({name: float("inf")})
    body = f'{{"{name}": 1e400}}'.encode()
    told = told_of(refused.value, {name: float("inf")}, shape, body)
    assert told == "json: cannot unmarshal number 1e400 into Go value of type float64"
