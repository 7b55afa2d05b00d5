"""Who asks, what for, and the answer: the values that authorization is about."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec


@dataclass(frozen=True, slots=True)
class User:
    name: str
    uid: str = ""
    groups: tuple[str, ...] = ()
    extra: Mapping[str, tuple[str, ...]] = field(default_factory=dict, hash=False)


class Attributes(msgspec.Struct, frozen=True):
    """What is asked for. ``path`` alone counts where ``is_resource`` is false."""

    verb: str
    path: str = ""
    is_resource: bool = True
    group: str = ""
    version: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    field_selector: str = ""
    """As it was sent, of a request that selects objects."""


@dataclass(frozen=True, slots=True)
class Decision:
    allowed: bool
    reason: str = ""
    denied: bool = False
    """Whoever is asked next is not asked."""
    error: str = ""
    """Why nobody allows it, where somebody could not say."""
