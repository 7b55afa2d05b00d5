"""What a client states beside the object it writes: fieldManager, dryRun, fieldValidation, force.

Follows CreateOptions, UpdateOptions and PatchOptions of meta.k8s.io and their validation in
k8s.io/apimachinery/pkg/apis/meta/v1/validation.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import StrEnum

from pybernetes.api import errors
from pybernetes.api.fields import FieldError, FieldPath, forbidden, invalid, not_supported, required, too_long
from pybernetes.apiserver.http import ApiRequest
from pybernetes.apiserver.tracking import LONGEST_MANAGER


class FieldValidation(StrEnum):
    IGNORE = "Ignore"
    WARN = "Warn"
    STRICT = "Strict"


_MODES = frozenset(one.value for one in FieldValidation)


def field_validation(request: ApiRequest) -> FieldValidation:
    """Assumes checked options."""
    stated = request.param("fieldValidation") if request.query else ""
    return FieldValidation(stated) if stated else FieldValidation.WARN


def check_options(request: ApiRequest) -> None:
    """For whole objects, sent to be created or to replace what is there. Raises 422."""
    if request.query:
        _reject("UpdateOptions" if request.method == "PUT" else "CreateOptions", list(_problems(request)))


def check_patch_options(request: ApiRequest, *, applies: bool) -> None:
    if not request.query and not applies:
        return
    problems: list[FieldError] = []
    if applies and not request.param("fieldManager"):
        problems.append(required(FieldPath("fieldManager"), "is required for apply patch"))
    if not applies and "force" in request.query:
        problems.append(forbidden(FieldPath("force"), "may not be specified for non-apply patch"))
    _reject("PatchOptions", [*problems, *_problems(request)])


def _reject(kind: str, problems: Sequence[FieldError]) -> None:
    if problems:
        raise errors.invalid("meta.k8s.io", kind, "", problems)


def _problems(request: ApiRequest) -> Iterator[FieldError]:
    yield from check_manager(request.param("fieldManager"))
    dry_run = list(request.query.get("dryRun", ()))
    if dry_run and set(dry_run) != {"All"}:
        yield not_supported(FieldPath("dryRun"), dry_run, ["All"])
    validation = request.param("fieldValidation")
    if validation and validation not in _MODES:
        supported = ["", FieldValidation.IGNORE.value, FieldValidation.STRICT.value, FieldValidation.WARN.value]
        yield not_supported(FieldPath("fieldValidation"), validation, supported)


def check_manager(name: str) -> Iterator[FieldError]:
    at = FieldPath("fieldManager")
    if len(name.encode()) > LONGEST_MANAGER:
        yield too_long(at, name, LONGEST_MANAGER)
    for position, letter in enumerate(name) if not name.isprintable() else ():
        if not letter.isprintable():
            yield invalid(at, name, f"invalid character U+{ord(letter):04X} (at position {position})")
