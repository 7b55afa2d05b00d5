"""What may change or refuse a write: one plugin a file, in the order of ``PLUGINS``.

The order is upstream's recommended one (pkg/kubeapiserver/options/plugins.go).
"""

from __future__ import annotations

from random import Random

from pybernetes.apiserver.admission.contract import Plugin, Reader
from pybernetes.apiserver.admission.default_toleration_seconds import DefaultTolerationSeconds
from pybernetes.apiserver.admission.namespace_lifecycle import NamespaceLifecycle
from pybernetes.apiserver.admission.priority import Priority
from pybernetes.apiserver.admission.service_account import ServiceAccount
from pybernetes.apiserver.admission.taint_nodes_by_condition import TaintNodesByCondition


def default_plugins(reader: Reader, random: Random) -> tuple[Plugin, ...]:
    """Every built-in plugin, in order."""
    return (
        NamespaceLifecycle(reader),
        ServiceAccount(reader, random),
        TaintNodesByCondition(),
        Priority(reader),
        DefaultTolerationSeconds(),
    )
