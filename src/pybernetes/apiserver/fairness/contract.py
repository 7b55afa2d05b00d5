"""The door that every request passes before it is authorized.

``enter`` returns when the request may run, and ``leave`` is called exactly once when it has; or it raises
``TurnedAway`` with the answer.
"""

from __future__ import annotations

from typing import Protocol

from pybernetes.apiserver.auth.contract import User
from pybernetes.apiserver.http import ApiRequest, ApiResponse, ClassifiedAs, text_response
from pybernetes.apiserver.request_info import RequestInfo

READ_ONLY = frozenset({"get", "list", "watch"})
_STREAMED = frozenset({"attach", "exec", "proxy", "log", "portforward"})


class Pass(Protocol):
    @property
    def classified(self) -> ClassifiedAs | None:
        """What the answer's headers say about the classification."""

    def leave(self) -> None: ...


class Gate(Protocol):
    async def enter(self, user: User, info: RequestInfo, request: ApiRequest) -> Pass: ...


class TurnedAway(Exception):
    def __init__(self, retry_after: int, classified: ClassifiedAs | None = None) -> None:
        super().__init__("too many requests")
        self.answer: ApiResponse = text_response("Too many requests, please try again later.\n", 429)
        self.answer.headers["Retry-After"] = str(retry_after)
        self.answer.classified = classified


class Unlimited:
    """The pass of a request that nobody counts: one that may go on for hours."""

    classified = None

    def leave(self) -> None:
        return None


UNLIMITED = Unlimited()


def goes_on(info: RequestInfo) -> bool:
    """Whether a request, other than a watch, stays open for as long as the client likes."""
    return info.subresource in _STREAMED or info.verb == "proxy"
