"""`--runtime-config`: which versions of the API are served beside those that are served by default.

What is alpha needs its feature, too. To turn off what is served by default is not built.
Follows k8s.io/apiserver/pkg/server/resourceconfig and pkg/controlplane/instance.go.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pybernetes.api.features import GENERIC_WORKLOAD, Features


class InvalidRuntimeConfig(ValueError):
    """What was asked for cannot be served."""


@dataclass(frozen=True, slots=True)
class Optional:
    """A version that is not served by default: the modules of its kinds by resource, and the feature they need."""

    feature: str
    modules: Mapping[str, str]


OPTIONAL: Mapping[str, Optional] = {
    "scheduling.k8s.io/v1alpha2": Optional(GENERIC_WORKLOAD, {"workloads": "workload", "podgroups": "pod_group"}),
}
_ALL, _ALPHA = "api/all", "api/alpha"
_TRUE, _FALSE = ("", "1", "t", "T", "true", "TRUE", "True"), ("0", "f", "F", "false", "FALSE", "False")


def chosen_modules(text: str, features: Features) -> tuple[str, ...]:
    """The modules of `resources/` that ``key=value,…`` adds. Raises InvalidRuntimeConfig."""
    given = dict(_entries(text))
    modules = []
    for version, optional in OPTIONAL.items():
        by_default = given.get(_ALPHA, given.get(_ALL, False))
        for resource, module in optional.modules.items():
            wanted = given.get(f"{version}/{resource}", given.get(version, by_default))
            if wanted and optional.feature in features:
                modules.append(module)
    return tuple(modules)


def _entries(text: str) -> list[tuple[str, bool]]:
    found = []
    for word in filter(None, (one.strip() for one in text.split(","))):
        key, _, value = (part.strip() for part in word.partition("="))
        if value not in _TRUE + _FALSE:
            raise InvalidRuntimeConfig(f"invalid value {key}={value}")
        wanted = value in _TRUE
        version, resource = "/".join(key.split("/")[:2]), "/".join(key.split("/")[2:])
        is_known = version in OPTIONAL and resource in ("", *OPTIONAL[version].modules)
        if key not in (_ALL, _ALPHA, "api/beta", "api/ga") and not is_known:
            raise InvalidRuntimeConfig(f"{key}: only {', '.join(OPTIONAL)} can be chosen")
        if not wanted and key in (_ALL, "api/beta", "api/ga"):
            raise InvalidRuntimeConfig(f"{key}=false: turning off what is served by default is not built")
        found.append((key, wanted))
    return found
