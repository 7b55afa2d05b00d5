"""Bearer tokens that a webhook of the operator's knows, asked by TokenReview.

Guarantees  A token that was known is not asked for again for two minutes, or as long as the operator says. A webhook
            that does not answer leaves its tokens unknown: who shows one is refused.

Follows k8s.io/apiserver/plugin/pkg/authenticator/token/webhook.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence

from pybernetes.api.clock import Clock
from pybernetes.apiserver.auth.contract import User
from pybernetes.apiserver.auth.review_webhook import ReviewFailed, ReviewWebhook
from pybernetes.apiserver.auth.service_accounts import InvalidToken

log = logging.getLogger(__name__)

DEFAULT_VERSION = "v1beta1"
REMEMBERED = 1024
REMEMBERED_SECONDS = 120.0


class WebhookTokens:
    """Implements `TokenSource`; it is asked last."""

    def __init__(
        self,
        webhook: ReviewWebhook,
        clock: Clock,
        audiences: Sequence[str] = (),
        version: str = DEFAULT_VERSION,
        seconds: float = REMEMBERED_SECONDS,
    ) -> None:
        self._webhook = webhook
        self._clock = clock
        self._audiences = list(audiences)
        self._version = f"authentication.k8s.io/{version}"
        self._seconds = seconds
        self._known: dict[bytes, tuple[User, float]] = {}

    async def find(self, token: str) -> User | None:
        """Raises `InvalidToken` where the webhook says what is wrong, or nothing at all."""
        key = hashlib.sha256(token.encode()).digest()
        known = self._known.get(key)
        if known is not None and self._clock.monotonic() < known[1]:
            return known[0]
        user = await self._asked(token)
        if user is not None and self._seconds:
            if len(self._known) >= REMEMBERED:
                self._known.clear()
            self._known[key] = (user, self._clock.monotonic() + self._seconds)
        return user

    async def _asked(self, token: str) -> User | None:
        spec = {"token": token, **({"audiences": self._audiences} if self._audiences else {})}
        try:
            status = await self._webhook.ask({"kind": "TokenReview", "apiVersion": self._version, "spec": spec})
        except ReviewFailed as error:
            log.error("the token webhook does not answer", extra={"error": str(error)})
            raise InvalidToken(str(error)) from error
        stated = status.get("audiences") or self._audiences
        if self._audiences and not set(self._audiences).intersection(stated):
            return None
        if not status.get("authenticated"):
            if status.get("error"):
                raise InvalidToken(str(status["error"]))
            return None
        told = status.get("user") or {}
        extra = {key: tuple(values) for key, values in (told.get("extra") or {}).items()}
        return User(told.get("username", ""), told.get("uid", ""), tuple(told.get("groups") or ()), extra)
