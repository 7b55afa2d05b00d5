"""Addresses and ports that are handed out from a range, each to one holder at a time.

Guarantees  What is taken is not handed out again until it is released. Nothing here waits, so two requests cannot meet.
            A pick avoids the low band of the range, which is for those who ask for a certain value, until the rest
            is full.

Follows pkg/registry/core/service/ipallocator and portallocator.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from random import Random

from pybernetes.api.figures import Counts

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class RangeFull(Exception):
    """Every value of the range is taken."""

    def __init__(self) -> None:
        super().__init__("range is full")


class AlreadyAllocated(Exception):
    """Somebody else holds the value."""


class NotInRange(Exception):
    """The value is outside the range."""


def _pick(size: int, band: int, random: Random, taken: Callable[[int], bool]) -> int:
    """A free number from 0 to size - 1: above the band if there is one, searched from a random one on."""
    for start, end in ((band, size), (0, band)):
        if start == end:
            continue
        first = random.randrange(start, end)
        for span in (range(first, end), range(start, first)):
            for number in span:
                if not taken(number):
                    return number
    raise RangeFull


def _band(size: int, low: int, high: int, step: int) -> int:
    return 0 if size < low else max(low, min(size // step, high))


class AddressRange:
    """The addresses of a network, without its first and, for IPv4, its last one. Who holds them is not its business."""

    def __init__(self, cidr: str) -> None:
        self.network = ipaddress.ip_network(cidr, strict=False)
        version4 = self.network.version == 4
        self._size = max(self.network.num_addresses - (2 if version4 else 1), 0)
        self._first = int(self.network.network_address) + 1
        band = _band(self.network.num_addresses, 16, 256, 16)
        self._band = band if band < self._size else 0

    @property
    def size(self) -> int:
        """How many addresses can be handed out."""
        return self._size

    @property
    def family(self) -> str:
        return f"IPv{self.network.version}"

    def __contains__(self, address: Address) -> bool:
        return address.version == self.network.version and 0 <= int(address) - self._first < self._size

    def pick(self, random: Random, taken: Callable[[str], bool]) -> str:
        """Raises RangeFull."""
        make, first = type(self.network.network_address), self._first
        found = _pick(self._size, self._band, random, lambda number: taken(str(make(first + number))))
        return str(make(first + found))


class PortAllocator:
    def __init__(self, low: int, high: int, random: Random) -> None:
        self.low, self.high = low, high
        self._size = high - low + 1
        band = _band(self._size, 16, 128, 32)
        self._band = band if band < self._size else 0
        self._taken: set[int] = set()
        self.allocated = Counts()
        """By whether the port was asked for (`static`) or picked (`dynamic`)."""
        self.refused = Counts()
        self._random = random

    @property
    def size(self) -> int:
        return self._size

    @property
    def taken(self) -> int:
        return len(self._taken)

    def has(self, port: int) -> bool:
        return port in self._taken

    def allocate(self, port: int) -> None:
        if not self.low <= port <= self.high:
            raise NotInRange(
                f"provided port is not in the valid range. The range of valid ports is {self.low}-{self.high}"
            )
        if port in self._taken:
            self.refused.add("static")
            raise AlreadyAllocated("provided port is already allocated")
        self._taken.add(port)
        self.allocated.add("static")

    def pick(self) -> int:
        try:
            found = _pick(self._size, self._band, self._random, lambda number: self.low + number in self._taken)
        except RangeFull:
            self.refused.add("dynamic")
            raise
        port = self.low + found
        self._taken.add(port)
        self.allocated.add("dynamic")
        return port

    def release(self, port: int) -> None:
        self._taken.discard(port)
