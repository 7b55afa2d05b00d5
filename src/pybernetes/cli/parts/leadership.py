"""Who acts when the same part runs in several places: the holder of upstream's Lease for it.

The identity is the machine and the data directory, so that a part which died is its own successor and need not wait
for its lease to run out.
"""

from __future__ import annotations

import hashlib
import random
import socket

from pybernetes.api.clock import SystemClock
from pybernetes.cli.layout import Layout
from pybernetes.client import Client
from pybernetes.client.leader import LeaderElector


def elector(client: Client, layout: Layout, lease: str) -> LeaderElector:
    place = hashlib.sha256(str(layout.root.resolve()).encode()).hexdigest()[:12]
    identity = f"{socket.gethostname()}_{place}"
    return LeaderElector(client, SystemClock(), random.Random(), name=lease, identity=identity)
