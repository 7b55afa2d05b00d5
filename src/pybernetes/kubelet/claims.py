"""Claims and persistent volumes, as the API server has them when a pod asks."""

from __future__ import annotations

from pybernetes.api.models.core_v1 import PersistentVolume, PersistentVolumeClaim
from pybernetes.client import Client


class ClusterClaims:
    def __init__(self, client: Client) -> None:
        self._client = client

    async def claim(self, namespace: str, name: str) -> PersistentVolumeClaim:
        return await self._client.get(PersistentVolumeClaim, name, namespace)

    async def volume(self, name: str) -> PersistentVolume:
        return await self._client.get(PersistentVolume, name)
