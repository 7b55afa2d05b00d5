"""Own writes: a controller that decides by numbers of objects must have seen what it wrote to them itself.

Guarantees  `are_seen` is False while an informer has not come to the version that a write for the key had. What is
asked is the informer's progress, not the object, so that one that was deleted meanwhile holds up nobody.
Assumes     Versions are numbers of one sequence, as in every API server since v1.35.
Follows pkg/controller/util/consistency.
"""

from __future__ import annotations

from typing import Any

from pybernetes.api.meta import Key
from pybernetes.client import Informer

LOOK_AGAIN_SECONDS = 1.0
"""The informer's next word usually brings the key; this is for when it comes without one."""


class OwnWrites:
    """Of one kind, by the key they were made for."""

    def __init__(self, informer: Informer[Any]) -> None:
        self._informer = informer
        self._versions: dict[Key, int] = {}

    def wrote(self, key: Key, written: Any) -> None:
        version = written.metadata.resource_version
        if version.isdecimal():
            self._versions[key] = max(self._versions.get(key, 0), int(version))

    def are_seen(self, key: Key) -> bool:
        version = self._versions.get(key)
        if version is not None and self._informer.version < version:
            return False
        self._versions.pop(key, None)
        return True

    def forget(self, key: Key) -> None:
        self._versions.pop(key, None)
