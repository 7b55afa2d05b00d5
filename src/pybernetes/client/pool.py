"""Pool: the connections to one server that calls share.

Guarantees
  At most ``most`` calls are under way; further ones wait their turn. A free connection is used before one is made, the
  one used last first. One that was idle for `KEPT_SECONDS` is closed and not used again.
  Connecting ends after `CONNECT_SECONDS`, and an exchange within a few seconds of its patience.
"""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass

from pybernetes.client.connection import Connection
from pybernetes.client.transport import Response

CONNECT_SECONDS = 10.0
KEPT_SECONDS = 30.0
"""Less than servers keep an idle connection: a create must not meet one that is just being closed."""
LOOK_SECONDS = 5.0
"""How often all connections are looked at, for those that are idle or late."""


@dataclass(frozen=True, slots=True)
class Address:
    host: str
    port: int
    tls: ssl.SSLContext | None = None
    server_name: str | None = None
    """The name in the server's certificate, where it is not the host's."""


class Pool:
    def __init__(self, address: Address, most: int) -> None:
        self._address = address
        self._loop = asyncio.get_running_loop()
        self._slots = asyncio.Semaphore(most)
        self._idle: list[Connection] = []
        self._all: set[Connection] = set()
        self._looking: asyncio.TimerHandle | None = None

    async def call(self, request: bytes, patience: float, *, may_repeat: bool, bodiless: bool) -> Response:
        """``may_repeat``: if a kept connection turns out to have ended, the request is sent over a new one.
        Raises OSError and TimeoutError.
        """
        async with self._slots:
            connection = self._kept()
            if connection is not None:
                try:
                    return await self._exchange(connection, request, patience, bodiless)
                except ConnectionError:
                    if not may_repeat or connection.has_heard:
                        raise
            connection = await self.connect()
            return await self._exchange(connection, request, patience, bodiless)

    async def connect(self) -> Connection:
        """A new connection, whose deadlines are kept as long as it is not closed with `drop`."""
        to = self._address
        async with asyncio.timeout(CONNECT_SECONDS):
            _, connection = await self._loop.create_connection(
                Connection,
                to.host,
                to.port,
                ssl=to.tls,
                server_hostname=(to.server_name or to.host) if to.tls is not None else None,
            )
        self._all.add(connection)
        if self._looking is None:
            self._looking = self._loop.call_later(LOOK_SECONDS, self._look)
        return connection

    def drop(self, connection: Connection) -> None:
        self._all.discard(connection)
        connection.close()

    def close(self) -> None:
        if self._looking is not None:
            self._looking.cancel()
            self._looking = None
        self._idle.clear()
        for connection in list(self._all):
            self.drop(connection)

    async def _exchange(self, connection: Connection, request: bytes, patience: float, bodiless: bool) -> Response:
        try:
            return await connection.exchange(request, patience, bodiless=bodiless)
        finally:
            if connection.is_free:
                self._idle.append(connection)
            else:
                self.drop(connection)

    def _kept(self) -> Connection | None:
        while self._idle:
            connection = self._idle.pop()
            if connection.is_free and connection.idle_for(self._loop.time()) < KEPT_SECONDS:
                return connection
            self.drop(connection)
        return None

    def _look(self) -> None:
        now = self._loop.time()
        stale = {one for one in self._idle if not one.is_free or one.idle_for(now) >= KEPT_SECONDS}
        if stale:
            self._idle = [one for one in self._idle if one not in stale]
        for connection in stale:
            self.drop(connection)
        for connection in self._all:
            connection.give_up_if_late(now)
        self._looking = self._loop.call_later(LOOK_SECONDS, self._look) if self._all else None
