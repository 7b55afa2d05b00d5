"""ReplicaSets come to exactly their replicas, whatever happened to them, their pods and their controller."""

from __future__ import annotations

from controllers.convergence.histories import properties
from controllers.convergence.replicas import history_of
from pybernetes.api.models import apps_v1

test_a_replica_set_converges, test_a_replica_set_converges_nightly, test_a_replica_set_converges_in_all_troubles = (
    properties(history_of(apps_v1.ReplicaSet, "replicaset-controller", {"matchLabels": {"app": "x"}}))
)
