"""How long a request may take.

Guarantees
  An ordinary request ends after the server's limit, or after what its client asked for with `?timeout=` if that is
  shorter. Watches, streams and proxied requests end when they like.
  A request that is in time pays for one entry in a table: one timer looks after all of them.

Follows k8s.io/apiserver/pkg/endpoints/filters/request_deadline.go and pkg/server/filters/timeout.go.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from pybernetes.api import errors
from pybernetes.api.durations import InvalidDuration, parse_duration
from pybernetes.apiserver.fairness.contract import goes_on
from pybernetes.apiserver.http import ApiRequest, ApiResponse
from pybernetes.apiserver.request_info import parse

SWEEP_SECONDS = 1.0
Serve = Callable[[ApiRequest], Awaitable[ApiResponse]]
_OVERDUE = "the request took too long"


class Deadlines:
    """Assumes  The clock of the running loop."""

    def __init__(self, limit: float) -> None:
        self._limit = limit
        self._begun: dict[asyncio.Task[object], float] = {}
        self._sweep: asyncio.TimerHandle | None = None

    @property
    def under_way(self) -> int:
        return len(self._begun)

    async def serve(self, request: ApiRequest, serve: Serve) -> ApiResponse:
        """Raises 504 when the time is over, and 400 for a time that cannot be read."""
        info = parse(request)
        if info.is_resource and (info.verb == "watch" or goes_on(info)):
            return await serve(request)
        asked = request.param("timeout") if request.query else ""
        if asked:
            try:
                async with asyncio.timeout(self._shorter(asked)):
                    return await serve(request)
            except TimeoutError:
                raise _overdue() from None
        return await self._within_limit(request, serve)

    async def _within_limit(self, request: ApiRequest, serve: Serve) -> ApiResponse:
        task = asyncio.current_task()
        if task is None:
            return await serve(request)
        loop = asyncio.get_running_loop()
        self._begun[task] = loop.time()
        if self._sweep is None:
            self._sweep = loop.call_later(SWEEP_SECONDS, self._end_overdue)
        try:
            return await serve(request)
        except asyncio.CancelledError as cancelled:
            if cancelled.args == (_OVERDUE,) and not task.uncancel():
                raise _overdue() from None
            raise
        finally:
            del self._begun[task]

    def _end_overdue(self) -> None:
        loop = asyncio.get_running_loop()
        oldest = loop.time() - self._limit
        for task, begun in tuple(self._begun.items()):
            if begun > oldest:
                break
            task.cancel(_OVERDUE)
        self._sweep = loop.call_later(SWEEP_SECONDS, self._end_overdue) if self._begun else None

    def stop(self) -> None:
        if self._sweep is not None:
            self._sweep.cancel()
            self._sweep = None

    def _shorter(self, asked: str) -> float:
        try:
            seconds = parse_duration(asked)
        except InvalidDuration as error:
            raise errors.bad_request(f"invalid timeout specified in the request URL - {error}") from None
        return min(seconds, self._limit) if seconds > 0 else self._limit


def _overdue() -> errors.ApiError:
    return errors.timeout("request did not complete within the allotted timeout")
