"""Literals that can be seen to be wrong without evaluating: `duration("x")`, `"a".matches("(")`.

Follows github.com/google/cel-go/cel/validator.go.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from pybernetes.cel import patterns, text, tree
from pybernetes.cel.errors import CelError, CompileError, Issue

_CHECKS: dict[str, Callable[[str], Any]] = {
    "duration": text.parse_duration,
    "timestamp": text.parse_timestamp,
    "matches": patterns.compiled,
}


def check_literals(parsed: tree.Tree) -> None:
    """Raises ``CompileError``."""
    issues = [
        Issue(parsed.positions.get(argument.id, 0), f"invalid {function} argument")
        for function, argument in _literal_arguments(parsed.root)
        if not _fits(_CHECKS[function], argument.value)
    ]
    if issues:
        raise CompileError.of(parsed.text, issues)


def _literal_arguments(root: tree.Node) -> Iterator[tuple[str, tree.Literal]]:
    for node in tree.walk(root):
        if isinstance(node, tree.Call) and node.function in _CHECKS and node.args:
            argument = node.args[0]
            if isinstance(argument, tree.Literal) and isinstance(argument.value, str):
                yield node.function, argument


def _fits(check: Callable[[str], Any], value: str) -> bool:
    try:
        check(value)
    except CelError:
        return False
    return True
