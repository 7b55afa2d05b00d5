"""Addresses of pods that only seem to run."""

from __future__ import annotations

import ipaddress

from pybernetes.kubelet.runtime.errors import RuntimeFailure


class PodAddresses:
    """A pod network's addresses: the first two (network, gateway) and the last are never given out."""

    def __init__(self, cidr: str) -> None:
        self._given: set[str] = set()
        self.move(cidr)

    def move(self, cidr: str) -> None:
        self._network = ipaddress.ip_network(cidr)
        self._next = 2

    def take(self) -> str:
        size = self._network.num_addresses
        for _ in range(size):
            if self._next >= size - 1:
                self._next = 2
            address = str(self._network[self._next])
            self._next += 1
            if address not in self._given:
                self._given.add(address)
                return address
        raise RuntimeFailure("RunPodSandbox", f"no address is free in {self._network}")

    def give_back(self, address: str) -> None:
        self._given.discard(address)
