"""Writes docs/conformance.md: which tests show which behaviours of upstream's conformance list.

    python -m tools.conformance

A test says so itself: ``@pytest.mark.conformance("name", …)``, with the names of tests/conformance/behaviours.yaml.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import yaml

ROOT = Path(__file__).parent.parent
TESTS = ROOT / "tests"
BEHAVIOURS = TESTS / "conformance" / "behaviours.yaml"
PAGE = ROOT / "docs" / "conformance.md"

_HEAD = """# Conformance

Each behaviour of upstream's conformance list for v1.36, and the test that shows it here. *real* tests run containers
through containerd, *nightly* ones are left out of the ordinary run; the others need nothing but Python.
`python -m tools.conformance` writes this page from the tests, which say themselves what they show; what has no test is
not claimed.
"""


_HOW = {"pytest.mark.node": "real", "pytest.mark.nightly": "nightly"}
"""What other marks tell of a test."""


class Shown(NamedTuple):
    """``test`` is its path from the root and its name; it shows ``behaviour``, and ``how`` are values of ``_HOW``."""

    behaviour: str
    test: str
    how: tuple[str, ...]


def behaviours() -> dict[str, list[str]]:
    """Names by area."""
    listed: dict[str, list[str]] = yaml.safe_load(BEHAVIOURS.read_text())
    return listed


def shown() -> Iterator[Shown]:
    """What the tests say of themselves."""
    for path in sorted(TESTS.rglob("test_*.py")):
        source = path.read_text()
        if "mark.conformance" in source:
            yield from _shown_in(ast.parse(source), path.relative_to(ROOT))


def _shown_in(module: ast.Module, path: Path) -> Iterator[Shown]:
    of_all = " ".join(ast.unparse(node) for node in module.body if _is_mark_of_module(node))
    for node in ast.walk(module):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        marks = {ast.unparse(mark.func if isinstance(mark, ast.Call) else mark): mark for mark in node.decorator_list}
        mark = marks.get("pytest.mark.conformance")
        if isinstance(mark, ast.Call):
            how = tuple(word for stated, word in _HOW.items() if stated in marks or stated in of_all)
            for name in mark.args:
                yield Shown(ast.literal_eval(name), f"{path}::{node.name}", how)


def _is_mark_of_module(node: ast.stmt) -> bool:
    return isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "pytestmark"


def page(areas: Mapping[str, Sequence[str]], found: Sequence[Shown]) -> str:
    by_behaviour: dict[str, list[Shown]] = {}
    for one in found:
        by_behaviour.setdefault(one.behaviour, []).append(one)
    total = sum(len(names) for names in areas.values())
    lines = [_HEAD, f"{len(by_behaviour)} of {total} have a test."]
    for area, names in areas.items():
        count = sum(name in by_behaviour for name in names)
        lines += ["", f"## {area}: {count} of {len(names)}", "", "| behaviour | shown by |", "|---|---|"]
        lines += [f"| {name} | {_tests(by_behaviour.get(name, ()))} |" for name in names]
    return "\n".join(lines) + "\n"


def _tests(of: Sequence[Shown]) -> str:
    return (
        "<br>".join(
            " ".join((f"`{one.test.removeprefix('tests/')}`", *(f"*{word}*" for word in one.how))) for one in of
        )
        or "–"
    )


if __name__ == "__main__":
    PAGE.write_text(page(behaviours(), list(shown())))
    print(f"Wrote {PAGE.relative_to(ROOT)}.")
