"""AssumedVolumes: claims and volumes as this scheduler has just decided, where the API server does not tell them yet.

An assumption counts until the API server's next word about the object, or until it is forgotten.
Follows the assume caches of pkg/scheduler/framework/plugins/volumebinding.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Generic, TypeVar

from pybernetes.api import storage
from pybernetes.api.meta import Key
from pybernetes.api.models import core_v1
from pybernetes.client import key_of
from pybernetes.scheduler.storage import StorageObjects

T = TypeVar("T")


class _Assumed(Generic[T]):
    """What is assumed of objects, beside the object that it was assumed of."""

    def __init__(self) -> None:
        self._by_key: dict[Key, tuple[T | None, T]] = {}

    def get(self, key: Key, known: T | None) -> T | None:
        found = self._by_key.get(key)
        if found is None:
            return known
        of, assumed = found
        if of is known:
            return assumed
        del self._by_key[key]
        return known

    def put(self, key: Key, known: T | None, assumed: T) -> None:
        self._by_key[key] = (known, assumed)

    def forget(self, key: Key, assumed: T) -> None:
        found = self._by_key.get(key)
        if found is not None and found[1] is assumed:
            del self._by_key[key]


class AssumedVolumes:
    def __init__(self, known: StorageObjects) -> None:
        self.known = known
        self._claims: _Assumed[core_v1.PersistentVolumeClaim] = _Assumed()
        self._volumes: _Assumed[core_v1.PersistentVolume] = _Assumed()

    def claim(self, key: Key) -> core_v1.PersistentVolumeClaim | None:
        return self._claims.get(key, self.known.claims.get(key))

    def volume(self, name: str) -> core_v1.PersistentVolume | None:
        return self._volumes.get(Key("", name), self.known.volumes.get(name))

    def candidates(self, claim: core_v1.PersistentVolumeClaim) -> Sequence[core_v1.PersistentVolume]:
        """The volumes of its class that might do for a claim on some node."""
        wanted = storage.class_of_claim(claim)
        volumes = (
            self.volume(name) for name, one in self.known.volumes.items() if storage.class_of_volume(one) == wanted
        )
        return [one for one in volumes if one is not None and storage.is_candidate(one, claim)]

    def assume_claim(self, claim: core_v1.PersistentVolumeClaim) -> None:
        key = key_of(claim)
        self._claims.put(key, self.known.claims.get(key), claim)

    def assume_volume(self, volume: core_v1.PersistentVolume) -> None:
        key = key_of(volume)
        self._volumes.put(key, self.known.volumes.get(key.name), volume)

    def forget_claim(self, claim: core_v1.PersistentVolumeClaim) -> None:
        """Takes back an assumption that still stands."""
        self._claims.forget(key_of(claim), claim)

    def forget_volume(self, volume: core_v1.PersistentVolume) -> None:
        self._volumes.forget(key_of(volume), volume)
