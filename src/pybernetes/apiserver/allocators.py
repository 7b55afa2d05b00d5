"""Addresses and ports that are handed out from a range, each to one holder at a time.

Guarantees  What is taken is not handed out again until it is released. Nothing here waits, so two requests cannot meet.
            A pick avoids the low band of the range, which is for those who ask for a certain value, until the rest
            is full.

Follows pkg/registry/core/service/ipallocator and portallocator.
"""

from __future__ import annotations

import ipaddress
from random import Random


class RangeFull(Exception):
    """Every value of the range is taken."""

    def __init__(self) -> None:
        super().__init__("range is full")


class AlreadyAllocated(Exception):
    """Somebody else holds the value."""


class NotInRange(Exception):
    """The value is outside the range."""


class _Range:
    """The numbers from 0 to size - 1."""

    def __init__(self, size: int, band: int, random: Random) -> None:
        self.size = size
        self.band = band if band < size else 0
        self.taken: set[int] = set()
        self._random = random

    def take(self, offset: int) -> bool:
        if offset in self.taken:
            return False
        self.taken.add(offset)
        return True

    def pick(self) -> int:
        for start, end in ((self.band, self.size), (0, self.band)):
            offset = self._free(start, end)
            if offset is not None:
                self.taken.add(offset)
                return offset
        raise RangeFull

    def _free(self, start: int, end: int) -> int | None:
        """A free number, searched from a random one on."""
        if start == end:
            return None
        first = self._random.randrange(start, end)
        return next((n for span in (range(first, end), range(start, first)) for n in span if n not in self.taken), None)


def _band(size: int, low: int, high: int, step: int) -> int:
    return 0 if size < low else max(low, min(size // step, high))


class IPAllocator:
    """Addresses of a network, without its first and, for IPv4, its last one."""

    def __init__(self, cidr: str, random: Random) -> None:
        self.network = ipaddress.ip_network(cidr, strict=False)
        version4 = self.network.version == 4
        size = min(self.network.num_addresses - (2 if version4 else 1), 1 << 20 if version4 else 1 << 16)
        self._first = int(self.network.network_address) + 1
        self._range = _Range(max(size, 0), _band(size, 16, 256, 16), random)

    @property
    def family(self) -> str:
        return f"IPv{self.network.version}"

    def allocate(self, address: str) -> None:
        if not self._range.take(self._offset(address)):
            raise AlreadyAllocated("provided IP is already allocated")

    def pick(self) -> str:
        return str(type(self.network.network_address)(self._first + self._range.pick()))

    def release(self, address: str) -> None:
        try:
            self._range.taken.discard(self._offset(address))
        except NotInRange:
            return

    def _offset(self, address: str) -> int:
        ip = ipaddress.ip_address(address)
        offset = int(ip) - self._first
        if ip.version != self.network.version or not 0 <= offset < self._range.size:
            raise NotInRange(
                f"the provided IP ({address}) is not in the valid range. The range of valid IPs is {self.network}"
            )
        return offset


class PortAllocator:
    def __init__(self, low: int, high: int, random: Random) -> None:
        self.low, self.high = low, high
        size = high - low + 1
        self._range = _Range(size, _band(size, 16, 128, 32), random)

    def allocate(self, port: int) -> None:
        if not self.low <= port <= self.high:
            raise NotInRange(
                f"provided port is not in the valid range. The range of valid ports is {self.low}-{self.high}"
            )
        if not self._range.take(port - self.low):
            raise AlreadyAllocated("provided port is already allocated")

    def pick(self) -> int:
        return self.low + self._range.pick()

    def release(self, port: int) -> None:
        self._range.taken.discard(port - self.low)
