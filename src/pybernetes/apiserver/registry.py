"""The generic storage of one kind: documents in, stored objects out, every rule of the kind applied on the way.

``storage`` reads; ``creating``, ``updating`` and ``deleting`` write; ``listing`` lists and ``watching`` watches.
"""

from __future__ import annotations

from pybernetes.apiserver.creating import Creating
from pybernetes.apiserver.deleting import Deleting


class Registry(Creating, Deleting):
    """One per served kind and version; those of one kind share their cache and their place in the store."""
