"""Something odd for a place in a document: mostly of the type that belongs there, so that rules are reached."""

from __future__ import annotations

import copy
from random import Random
from typing import Any

from apiserver.fuzz.filled import ODD

TEXTS = (
    "", "x", "-1", "a/b/c", "é\x00\n", "9" * 400, "x" * 300, "A_B", "..", "1Gi", "-5", "0", "%", "50%", "500%",
    "10.0.0.0/33", "::1", "*", "a=b", "a,b", "$(X)", "1e3", "2026-01-01T00:00:00Z", "-----", "{", "[", "a.b/c", ".",
)  # fmt: skip
NUMBERS = (-1, 0, 1, 2, 65535, 65536, 2**31 - 1, 2**31, -(2**31), 2**63 - 1, 2**64, 100, 101)
OF_ANOTHER_TYPE = 0.12


def odd_instead_of(value: Any, random: Random) -> Any:
    if random.random() < OF_ANOTHER_TYPE:
        return random.choice(ODD)
    match value:
        case bool():
            return not value
        case str():
            return random.choice(TEXTS)
        case int() | float():
            return random.choice(NUMBERS)
        case list():
            first = value[0] if value else None
            return random.choice([[], [*value, *copy.deepcopy(value)], [first] * 40, [None], [*value, None]])
        case dict():
            changed = [{}, {**value, "": ""}, {"x" * 300: "a"}, dict.fromkeys(value), {**value, "zzz": 1}]
            return random.choice(changed)
        case _:
            return random.choice(ODD)
