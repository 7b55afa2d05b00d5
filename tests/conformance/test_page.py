"""The page that tells what is shown tells the truth."""

from __future__ import annotations

import re

import pytest

from tools import conformance


def test_every_behaviour_a_test_claims_to_show_is_in_the_list() -> None:
    listed = {name for names in conformance.behaviours().values() for name in names}
    assert not {one.behaviour for one in conformance.shown()} - listed


def test_the_page_is_what_the_tests_say() -> None:
    assert conformance.PAGE.read_text() == conformance.page(conformance.behaviours(), list(conformance.shown()))


@pytest.mark.parametrize("page", ["README.md", "README.zh.md"])
def test_the_first_page_counts_as_the_tests_do(page: str) -> None:
    areas = conformance.behaviours()
    total = sum(len(names) for names in areas.values())
    shown = len({one.behaviour for one in conformance.shown()})
    said = next(line for line in (conformance.ROOT / page).read_text().splitlines() if str(total) in line)
    assert {str(total), str(shown)} <= set(re.findall(r"\d+", said))
