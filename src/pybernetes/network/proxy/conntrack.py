"""Which UDP flows the kernel must forget, because their endpoint is gone or their address got its first one: a client
that asked before anybody was there would go on to be led nowhere.

Follows  pkg/proxy/conntrack (TCP needs none of this: its next packet is refused by the endpoint).
"""

from __future__ import annotations

from dataclasses import dataclass

from pybernetes.network.proxy.ruleset import Piece


@dataclass(frozen=True, slots=True, order=True)
class Stale:
    """UDP flows to `address` (any, for a node port) and `port`; where `endpoint` is named, only to it."""

    address: str
    port: int
    endpoint: str = ""

    def arguments(self) -> list[str]:
        words = ["-D", "-p", "udp", "--orig-port-dst", str(self.port)]
        if self.address:
            words += ["--orig-dst", self.address]
        if self.endpoint:
            words += ["--dst-nat", self.endpoint]
        return words


def stale_flows(before: Piece, after: Piece) -> list[Stale]:
    vanished = {Stale(flow.address, flow.port, flow.endpoint) for flow in before.flows - after.flows}
    served_before = {(flow.address, flow.port) for flow in before.flows}
    served_now = {(flow.address, flow.port) for flow in after.flows}
    newly_served = {Stale(*frontend) for frontend in served_now - served_before}
    return sorted(vanished | newly_served)
