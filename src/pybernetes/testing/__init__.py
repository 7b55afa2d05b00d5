"""The cluster as a fixture: everything in one event loop, with time that can be turned.

Names are looked up when they are used: pytest loads this package at its start, and most runs need no cluster.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pybernetes.testing.cluster import Cluster, LeakedTasks, NotSettled
    from pybernetes.testing.loop import Deadlock, VirtualLoop

__all__ = ["Cluster", "Deadlock", "LeakedTasks", "NotSettled", "VirtualLoop"]

_LOOP = frozenset(("Deadlock", "VirtualLoop"))


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{'loop' if name in _LOOP else 'cluster'}"), name)
