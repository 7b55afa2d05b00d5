"""How a server ends: in steps, so that nobody is left standing who could have gone elsewhere.

Steps
  1. `/readyz` fails; everything else is served as ever, for as long as the operator says (load balancers look away).
  2. New requests find nobody who listens; or, if the operator wants that, are told to come again (429), and the port
     closes when the requests under way are done.
  3. Watches end: at once, or spread over a time that the operator grants. What goes on longer is cut off.

There is no GOAWAY: that is HTTP/2's, and connections here are HTTP/1.1.

Follows k8s.io/apiserver/pkg/server (genericapiserver.go, filters/with_retry_after.go).
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING, Protocol

from pybernetes.apiserver.http import ApiRequest, ApiResponse, text_response

if TYPE_CHECKING:
    from pybernetes.apiserver.server import ApiServer
    from pybernetes.apiserver.watching import WatchStream

RETRY_AFTER = "5"
FEWEST_WATCHES_A_SECOND = 200
_LOOK_SECONDS = 0.05
_STILL_SERVED = ("/readyz", "/livez", "/healthz", "/metrics")


@dataclass(frozen=True, slots=True)
class Manner:
    """Seconds. ``turns_away``: new requests are told to come again while those under way are finished."""

    delay: float = 0.0
    turns_away: bool = False
    watches: float = 0.0


class Listening(Protocol):
    @property
    def under_way(self) -> int:
        """Requests that have not been answered yet; what goes on for long is not among them."""

    @property
    def watches(self) -> Sequence[WatchStream]: ...

    async def stop(self) -> None: ...


async def shut_down(server: ApiServer, edge: Listening, manner: Manner) -> None:
    server.stopping = True
    if manner.delay:
        await asyncio.sleep(manner.delay)
    server.turning_away = manner.turns_away
    if manner.turns_away:
        await _drained(edge, server.options.request_timeout)
    if manner.watches:
        await _end_watches(edge, manner.watches)
    await edge.stop()


def is_exempt(request: ApiRequest) -> bool:
    """Who may look on, and the server itself."""
    return request.path.startswith(_STILL_SERVED) or request.headers.get("user-agent", "").startswith("kube-apiserver/")


def refusal() -> ApiResponse:
    answer = text_response("The apiserver is shutting down, please try again later.\n", 429)
    answer.headers |= {"Connection": "close", "Retry-After": RETRY_AFTER}
    return answer


async def _drained(edge: Listening, longest: float) -> None:
    for _ in range(ceil(longest / _LOOK_SECONDS)):
        if not edge.under_way:
            return
        await asyncio.sleep(_LOOK_SECONDS)


async def _end_watches(edge: Listening, seconds: float) -> None:
    """One after the other, so that not all clients come to the next server at once."""
    open_ones = edge.watches
    rate = max(FEWEST_WATCHES_A_SECOND, len(open_ones) / seconds)
    for stream in open_ones:
        stream.end()
        await asyncio.sleep(1 / rate)
