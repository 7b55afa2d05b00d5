"""What may change or refuse a write: one plugin a file, in the order of ``catalog.ORDER``.

What a plugin of one's own needs is here: derive from ``Plugin``, look at ``Attributes``, raise ``forbidden(…)``.
"""

from __future__ import annotations

from pybernetes.apiserver.admission.contract import Attributes, Operation, Plugin
from pybernetes.apiserver.admission.host import Host
from pybernetes.apiserver.admission.refusal import forbidden

__all__ = ["Attributes", "Host", "Operation", "Plugin", "forbidden"]
