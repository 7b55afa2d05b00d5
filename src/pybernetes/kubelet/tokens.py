"""Service account tokens for pods, asked of the API server and renewed in time.

Guarantees  A token is kept per pod, audience and life time, and replaced when 80 % of its life or 24 hours have
            passed, with some jitter so that a node's pods do not all ask at once.
Follows     pkg/kubelet/token/token_manager.go.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random

from pybernetes.api.clock import Clock
from pybernetes.api.meta import parse_time
from pybernetes.api.models.core_v1 import Pod, ServiceAccount
from pybernetes.client import Client

LONGEST_USE = timedelta(hours=24)
JITTER = timedelta(seconds=10)


@dataclass(frozen=True, slots=True)
class _Token:
    text: str
    renew_at: datetime


class ServiceAccountTokens:
    def __init__(self, client: Client, clock: Clock, random: Random) -> None:
        self._client = client
        self._clock = clock
        self._random = random
        self._kept: dict[tuple[str, str, int], _Token] = {}

    async def token(self, pod: Pod, audience: str, expiration_seconds: int) -> str:
        key = (pod.metadata.uid, audience, expiration_seconds)
        kept = self._kept.get(key)
        if kept is None or self._clock.now() >= kept.renew_at:
            kept = self._kept[key] = await self._ask(pod, audience, expiration_seconds)
        return kept.text

    async def _ask(self, pod: Pod, audience: str, expiration_seconds: int) -> _Token:
        reference = {"apiVersion": "v1", "kind": "Pod", "name": pod.metadata.name, "uid": pod.metadata.uid}
        request = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {
                "audiences": [audience] if audience else [],
                "expirationSeconds": expiration_seconds,
                "boundObjectRef": reference,
            },
        }
        account = pod.spec.service_account_name or "default"
        answer = await self._client.post(
            ServiceAccount, account, pod.metadata.namespace, subresource="token", body=request
        )
        now = self._clock.now()
        expires = parse_time(answer["status"]["expirationTimestamp"])
        use_for = min((expires - now) * 0.8, LONGEST_USE) - JITTER * self._random.random()
        return _Token(answer["status"]["token"], now + use_for)

    def forget(self, uid: str) -> None:
        for key in [key for key in self._kept if key[0] == uid]:
            del self._kept[key]
