"""The page that tells what is shown tells the truth."""

from __future__ import annotations

from tools import conformance


def test_every_behaviour_a_test_claims_to_show_is_in_the_list() -> None:
    listed = {name for names in conformance.behaviours().values() for name in names}
    assert not {one.behaviour for one in conformance.shown()} - listed


def test_the_page_is_what_the_tests_say() -> None:
    assert conformance.PAGE.read_text() == conformance.page(conformance.behaviours(), list(conformance.shown()))
