"""Versions: `semver("1.2.3").isLessThan(semver("1.10.0"))`.

Follows k8s.io/apiserver/pkg/cel/library/semverlib.go.
"""

from __future__ import annotations

import re
from functools import total_ordering

from pybernetes.cel import types
from pybernetes.cel.errors import CelError
from pybernetes.cel.functions import Library
from pybernetes.cel.values import Opaque

LIBRARY = Library()
_S = "kubernetes.Semver"
_NUMBER = r"(0|[1-9]\d*)"
_PRERELEASE = r"(?:0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*)"
_FORM = re.compile(
    rf"{_NUMBER}\.{_NUMBER}\.{_NUMBER}(?:-({_PRERELEASE}(?:\.{_PRERELEASE})*))?(?:\+[0-9a-zA-Z-]+(?:\.[0-9a-zA-Z-]+)*)?",
    re.ASCII,
)


@total_ordering
class Semver(Opaque):
    __slots__ = ("numbers", "prerelease")
    type = types.opaque(_S)

    def __init__(self, numbers: tuple[int, int, int], prerelease: str | None) -> None:
        self.numbers = numbers
        self.prerelease = prerelease

    @property
    def _rank(self) -> tuple[object, ...]:
        if self.prerelease is None:
            return (*self.numbers, 1)
        parts = tuple((0, int(one), "") if one.isdigit() else (1, 0, one) for one in self.prerelease.split("."))
        return (*self.numbers, 0, parts)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Semver) and self._rank == other._rank

    def __lt__(self, other: Semver) -> bool:
        return self._rank < other._rank

    def __hash__(self) -> int:
        return hash(self._rank)


for _index, _name in enumerate(("major", "minor", "patch")):
    LIBRARY.method(_name, f"{_S} -> int")(lambda version, index=_index: version.numbers[index])
LIBRARY.method("isGreaterThan", f"{_S}, {_S} -> bool")(lambda one, other: one > other)
LIBRARY.method("isLessThan", f"{_S}, {_S} -> bool")(lambda one, other: one < other)
LIBRARY.method("compareTo", f"{_S}, {_S} -> int")(lambda one, other: (one > other) - (one < other))


@LIBRARY.function("semver", f"string -> {_S}", f"string, bool -> {_S}")
def to_semver(text: str, normalize: bool = False) -> Semver:
    found = _FORM.fullmatch(_normalized(text) if normalize else text)
    if found is None:
        raise CelError("No Major.Minor.Patch elements found" if text.count(".") < 2 else f"Invalid version {text!r}")
    return Semver((int(found[1]), int(found[2]), int(found[3])), found[4])


@LIBRARY.function("isSemver", "string -> bool", "string, bool -> bool")
def is_semver(text: str, normalize: bool = False) -> bool:
    try:
        to_semver(text, normalize)
    except CelError:
        return False
    return True


def _normalized(text: str) -> str:
    parts = [_without_zeros(part) for part in text.removeprefix("v").split(".", 2)]
    if len(parts) < 3 and set(parts[-1]) & {"+", "-"}:
        raise CelError("short version cannot contain PreRelease/Build meta data")
    return ".".join((*parts, "0", "0")[:3] if len(parts) < 3 else parts)


def _without_zeros(part: str) -> str:
    if len(part) <= 1:
        return part
    stripped = part.lstrip("0")
    return stripped if stripped[:1].isdigit() else "0" + stripped
