"""Feature gates: what v1.36 has and leaves off, as far as it is built here.

``ALPHA`` are the gates that can be turned on, and what each needs. Every feature that is on in v1.36 stays on.
Follows k8s.io/component-base/featuregate and pkg/features/kube_features.go.
"""

from __future__ import annotations

from collections.abc import Mapping

GENERIC_WORKLOAD = "GenericWorkload"
GANG_SCHEDULING = "GangScheduling"
STORAGE_CAPACITY_SCORING = "StorageCapacityScoring"

ALPHA: Mapping[str, tuple[str, ...]] = {
    GENERIC_WORKLOAD: (),
    GANG_SCHEDULING: (GENERIC_WORKLOAD,),
    STORAGE_CAPACITY_SCORING: (),
}
_TRUE = frozenset(("1", "t", "T", "true", "TRUE", "True"))
_FALSE = frozenset(("0", "f", "F", "false", "FALSE", "False"))

Features = frozenset[str]
"""The gates that are on."""
NONE: Features = frozenset()


class InvalidFeatures(ValueError):
    """A choice of features that cannot be; the message is upstream's."""


def parse(text: str) -> Features:
    """``A=true,B=false``. Raises InvalidFeatures."""
    given: dict[str, bool] = {}
    for word in filter(None, (one.strip() for one in text.split(","))):
        name, equals, value = word.partition("=")
        given[name.strip()] = _boolean(name.strip(), value.strip(), given=bool(equals))
    for name in given:
        if name not in ALPHA:
            raise InvalidFeatures(f"unrecognized feature gate: {name}")
    on = frozenset(name for name, value in given.items() if value)
    for name in sorted(on):
        missing = [one for one in ALPHA[name] if one not in on]
        if missing:
            raise InvalidFeatures(
                f"{name} is enabled, but depends on features that are disabled: [{' '.join(missing)}]"
            )
    return on


def _boolean(name: str, value: str, *, given: bool) -> bool:
    if not given:
        raise InvalidFeatures(f"missing bool value for {name}")
    if value not in _TRUE | _FALSE:
        syntax = f'strconv.ParseBool: parsing "{value}": invalid syntax'
        raise InvalidFeatures(f"invalid value of {name}={value}, err: {syntax}")
    return value in _TRUE
