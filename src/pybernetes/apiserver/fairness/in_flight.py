"""The simple limit of a server without priority and fairness: so many reads and so many writes at once.

Follows k8s.io/apiserver/pkg/server/filters/maxinflight.go.
"""

from __future__ import annotations

from pybernetes.apiserver.auth.contract import MASTERS_GROUP, User
from pybernetes.apiserver.fairness.contract import READ_ONLY, UNLIMITED, Pass, TurnedAway, goes_on
from pybernetes.apiserver.http import ApiRequest
from pybernetes.apiserver.request_info import RequestInfo

RETRY_SECONDS = 1


class _Lane:
    """A pass of its own: leaving it makes room for another."""

    classified = None

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.running = 0

    def enter(self) -> bool:
        if self.limit and self.running >= self.limit:
            return False
        self.running += 1
        return True

    def leave(self) -> None:
        self.running -= 1


class InFlightGate:
    """A limit of 0 is none. Administrators are let in however full the server is."""

    def __init__(self, reading: int = 400, mutating: int = 200) -> None:
        self._reading = _Lane(reading)
        self._mutating = _Lane(mutating)

    @property
    def reading(self) -> int:
        return self._reading.running

    @property
    def mutating(self) -> int:
        return self._mutating.running

    async def enter(self, user: User, info: RequestInfo, request: ApiRequest) -> Pass:
        if info.is_resource and (info.verb == "watch" or goes_on(info)):
            return UNLIMITED
        lane = self._reading if info.verb in READ_ONLY else self._mutating
        if lane.enter():
            return lane
        if MASTERS_GROUP in user.groups:
            return UNLIMITED
        raise TurnedAway(RETRY_SECONDS)
