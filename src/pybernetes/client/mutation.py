"""Mutation detector: proves that nobody changes the objects an informer shares.

Every object is remembered with the hash of its encoding when it arrives, and looked at again when it leaves or when
asked. On in tests, off elsewhere: it encodes every object twice.
"""

from __future__ import annotations

from typing import Any

from pybernetes.api.meta import Key
from pybernetes.client.objects import encode


class SharedObjectChanged(AssertionError):
    def __init__(self, key: Key, value: object) -> None:
        super().__init__(f"{type(value).__name__} {key} was changed in place; objects of an informer are read-only")


class MutationDetection:
    """The detectors of all informers of a client."""

    def __init__(self) -> None:
        self._detectors: list[MutationDetector] = []

    def detector(self) -> MutationDetector:
        detector = MutationDetector()
        self._detectors.append(detector)
        return detector

    def check(self) -> None:
        """Raises SharedObjectChanged if someone wrote to a shared object."""
        for detector in self._detectors:
            detector.check()


class MutationDetector:
    """What one informer shares."""

    def __init__(self) -> None:
        self._seen: dict[Key, tuple[Any, int]] = {}

    def arrived(self, key: Key, value: object) -> None:
        self.left(key)
        self._seen[key] = (value, hash(encode(value)))

    def left(self, key: Key) -> None:
        known = self._seen.pop(key, None)
        if known is not None:
            _check(key, *known)

    def check(self) -> None:
        for key, (value, digest) in self._seen.items():
            _check(key, value, digest)


def _check(key: Key, value: object, digest: int) -> None:
    if hash(encode(value)) != digest:
        raise SharedObjectChanged(key, value)
