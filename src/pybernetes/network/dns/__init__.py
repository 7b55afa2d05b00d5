"""Names of the cluster for its pods, and all other names through the host's resolvers.

zone.py      what is known: Services, EndpointSlices and namespaces, behind one narrow Protocol
answer.py    `answer(name, type, zone)`: pure
forward.py   questions that are not ours, to the host's resolvers
server.py    UDP and TCP
"""

from __future__ import annotations

from pybernetes.network.dns.answer import Answer, answer
from pybernetes.network.dns.server import DnsServer

__all__ = ["Answer", "DnsServer", "answer"]
