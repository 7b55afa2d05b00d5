"""Every library of Kubernetes' base environment, one a file.

Follows k8s.io/apiserver/pkg/cel/environment/base.go.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module

from pybernetes.cel.functions import Functions

LIBRARIES = (
    "operators",
    "conversions",
    "standard",
    "times",
    "optional",
    "strings",
    "lists",
    "sets",
    "regex",
    "url",
    "ip",
    "cidr",
    "quantity",
    "semver",
    "formats",
    "comprehensions",
    "authorizer",
)


@cache
def base() -> Functions:
    """What every expression of Kubernetes can call."""
    return with_libraries()


@cache
def with_libraries(*more: str) -> Functions:
    """``base`` and ``more`` (`jsonpatch`)."""
    return Functions.of(import_module(f"{__name__}.{name}").LIBRARY for name in (*LIBRARIES, *more))
