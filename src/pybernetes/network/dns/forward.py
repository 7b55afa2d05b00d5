"""Questions about names outside the cluster, to the resolvers of the host.

Guarantees  At most `limit` questions are under way at once; each ends within `timeout` for every resolver tried.
            The host's file is read again when it changes. A truncated answer is asked for again over TCP.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import dns.asyncquery
import dns.exception
import dns.message
import dns.resolver

RESOLV_CONF = Path("/etc/resolv.conf")


class ForwardFailed(Exception):
    """No resolver of the host answered."""


class Forwarder:
    def __init__(
        self,
        own_address: str,
        resolv_conf: Path = RESOLV_CONF,
        *,
        timeout: float = 2.0,
        limit: int = 500,
        port: int = 53,
    ) -> None:
        self._own_address = own_address
        self._resolv_conf = resolv_conf
        self._timeout = timeout
        self._port = port
        self._slots = asyncio.Semaphore(limit)
        self._read_at = -1.0
        self._servers: tuple[str, ...] = ()

    async def ask(self, query: dns.message.Message) -> dns.message.Message:
        async with self._slots:
            problems = []
            for server in self.servers():
                try:
                    reply, _ = await dns.asyncquery.udp_with_fallback(
                        query, server, timeout=self._timeout, port=self._port
                    )
                    return reply
                except (dns.exception.DNSException, OSError, EOFError) as error:
                    problems.append(f"{server}: {error or type(error).__name__}")
        raise ForwardFailed("; ".join(problems) or f"{self._resolv_conf} names no resolver")

    def servers(self) -> tuple[str, ...]:
        try:
            changed = self._resolv_conf.stat().st_mtime
        except OSError:
            return ()
        if changed != self._read_at:
            self._servers = tuple(one for one in _nameservers(self._resolv_conf) if one != self._own_address)
            self._read_at = changed
        return self._servers


def _nameservers(path: Path) -> list[str]:
    words = (line.split() for line in path.read_text(errors="replace").splitlines())
    return [line[1] for line in words if len(line) >= 2 and line[0] == "nameserver"]
