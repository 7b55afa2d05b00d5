"""anyOf, oneOf, allOf and not.

Follows schemaPropsValidator in k8s.io/kube-openapi/pkg/validation/validate: of alternatives that all fail, the one
that met most demands says why.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pybernetes.api.fields import quoted
from pybernetes.apiserver.custom.places import Check, Found, Place, name_of, unplaced


def any_of(checks: Sequence[Check]) -> Check:
    def check(value: Any, old: Any, place: Place | None, found: list[Found]) -> int:
        best: tuple[int, list[Found]] | None = None
        for alternative in checks:
            failures: list[Found] = []
            count = alternative(value, old, place, failures)
            if not failures:
                return count
            if best is None or count > best[0]:
                best = count, failures
        found.append(unplaced(f"{quoted(name_of(place))} must validate at least one schema (anyOf)"))
        return _take(best, found)

    return check


def one_of(checks: Sequence[Check]) -> Check:
    def check(value: Any, old: Any, place: Place | None, found: list[Found]) -> int:
        best: tuple[int, list[Found]] | None = None
        met = first = 0
        for alternative in checks:
            failures: list[Found] = []
            count = alternative(value, old, place, failures)
            if not failures:
                met, best = met + 1, None
                first = first or count
            elif not met and (best is None or count > best[0]):
                best = count, failures
        if met == 1:
            return first
        how = f"Found {met} valid alternatives" if met else "Found none valid"
        found.append(unplaced(f"{quoted(name_of(place))} must validate one and only one schema (oneOf). {how}"))
        return _take(best, found)

    return check


def all_of(checks: Sequence[Check]) -> Check:
    def check(value: Any, old: Any, place: Place | None, found: list[Found]) -> int:
        count = met = 0
        for part in checks:
            before = len(found)
            count += part(value, old, place, found)
            met += len(found) == before
        if met != len(checks):
            none = "" if met else ". None validated"
            found.append(unplaced(f"{quoted(name_of(place))} must validate all the schemas (allOf){none}"))
        return count

    return check


def none_of(unwanted: Check) -> Check:
    def check(value: Any, old: Any, place: Place | None, found: list[Found]) -> int:
        failures: list[Found] = []
        unwanted(value, old, place, failures)
        if not failures:
            found.append(unplaced(f"{quoted(name_of(place))} must not validate the schema (not)"))
        return 0

    return check


def _take(best: tuple[int, list[Found]] | None, found: list[Found]) -> int:
    if best is None:
        return 0
    found += best[1]
    return best[0]
