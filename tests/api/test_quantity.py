from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pybernetes.api import quantity

numbers = st.builds(
    lambda sign, whole, fraction: f"{sign}{whole}{fraction}",
    st.sampled_from(["", "-", "+"]),
    st.integers(0, 10**9).map(str),
    st.one_of(st.just(""), st.integers(0, 999999).map(lambda n: f".{n:06}")),
)
suffixes = st.sampled_from(["", "n", "u", "m", "k", "M", "G", "Ki", "Mi", "Gi", "e3", "E-3", "e0"])
texts = st.builds(lambda number, suffix: number + suffix, numbers, suffixes)


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("0.5", "500m"),
        ("1024Mi", "1Gi"),
        ("1.5Gi", "1536Mi"),
        ("1e3", "1e3"),
        ("1E3", "1E3"),
        ("100000", "100k"),
        ("1500", "1500"),
        ("2000m", "2"),
        ("512Ki", "512Ki"),
        ("0.0000000001", "1n"),
        ("0Ki", "0"),
        ("0.5Ki", "512"),
        ("+1", "+1"),
        ("007", "007"),
        ("1.", "1."),
        ("1.500", "1.500"),
        ("1.50", "1500m"),
        ("+8Mi", "8Mi"),
        (".5", "500m"),
        ("-0.5", "-500m"),
        ("12E", "12E"),
        ("12Ei", "9223372036854775807"),
        ("9" * 30, "9" * 30),
    ],
)
def test_the_canonical_form_is_upstreams(text: str, canonical: str) -> None:
    assert quantity.canonical(text) == canonical


@pytest.mark.parametrize(
    ("text", "canonical"), [("0.0001", "1m"), ("100n", "1m"), ("-1u", "-1m"), ("1.5", "1500m"), ("1.500", "1.500")]
)
def test_amounts_of_resources_are_rounded_to_thousandths(text: str, canonical: str) -> None:
    assert quantity.canonical_milli(text) == canonical


@pytest.mark.parametrize(
    ("text", "whole"), [("1", True), ("1.5", False), ("1E", True), ("9" * 30, False), ("7Ei", False), ("8Ei", True)]
)
def test_upstream_counts_thousandths_in_64_bits(text: str, whole: bool) -> None:
    assert quantity.is_whole(text) is whole


@pytest.mark.parametrize("text", ["", ".", "x", "1 ", "1Mb", "1mi", "--1", "1..2", "1e", "Ki"])
def test_what_is_no_quantity_is_refused(text: str) -> None:
    with pytest.raises(quantity.QuantityError):
        quantity.parse(text)


@given(texts)
def test_canonical_is_its_own_fixed_point_and_keeps_the_amount(text: str) -> None:
    canonical = quantity.canonical(text)
    assert quantity.canonical(canonical) == canonical
    assert quantity.parse(canonical) == quantity.parse(text)


@given(texts, texts)
def test_sums_and_order_agree_with_exact_arithmetic(one: str, other: str) -> None:
    a, b = quantity.parse(one), quantity.parse(other)
    assert (a + b).nano == a.nano + b.nano
    assert (a - b) + b == a
    assert (a < b) == (a.nano < b.nano)


def test_units_and_thousandths_are_rounded_up() -> None:
    assert quantity.value("1.1") == 2
    assert quantity.milli("0.0001") == 1
    assert quantity.value("-1.1") == -1
    assert str(quantity.parse("1Gi") - quantity.parse("512Mi")) == "512Mi"


def test_an_amount_beyond_all_floats_is_infinite() -> None:
    assert float(quantity.parse("9" * 400)) == float("inf")
    assert float(quantity.parse("-" + "9" * 400)) == -float("inf")
