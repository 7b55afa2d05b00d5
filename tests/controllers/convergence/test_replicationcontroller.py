"""ReplicationControllers come to exactly their replicas, whatever happened to them, their pods and their controller."""

from __future__ import annotations

from controllers.convergence.histories import properties
from controllers.convergence.replicas import history_of
from pybernetes.api.models import core_v1

(
    test_a_replication_controller_converges,
    test_a_replication_controller_converges_nightly,
    test_a_replication_controller_converges_in_all_troubles,
) = properties(history_of(core_v1.ReplicationController, "replicationcontroller-controller", {"app": "x"}))
