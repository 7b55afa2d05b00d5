"""Controllers: ONE FILE PER CONTROLLER. `REGISTRY` is the table of all of them, by upstream's names."""

from __future__ import annotations

from collections.abc import Mapping

from pybernetes.controllers.controller import Controller
from pybernetes.controllers.manager import ControllerManager, UnknownController, select
from pybernetes.controllers.replicaset import ReplicaSetController
from pybernetes.controllers.replicationcontroller import ReplicationControllerController

CONTROLLERS: tuple[type[Controller], ...] = (
    ReplicaSetController,
    ReplicationControllerController,
)

REGISTRY: Mapping[str, type[Controller]] = {controller.name: controller for controller in CONTROLLERS}

__all__ = ["CONTROLLERS", "REGISTRY", "Controller", "ControllerManager", "UnknownController", "select"]
