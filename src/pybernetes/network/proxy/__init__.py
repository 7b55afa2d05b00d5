"""Services on this node: from Services and EndpointSlices to nftables.

services.py   which endpoints a port of a Service balances over, and under which policy
ruleset.py    the frozen ruleset: pure
render.py     a ruleset, or the difference of two, as one nft transaction: pure
proxy.py      watches, decides, applies
"""

from __future__ import annotations

from pybernetes.network.proxy.ruleset import NodeFacts, Ruleset, ruleset

__all__ = ["NodeFacts", "Ruleset", "ruleset"]
