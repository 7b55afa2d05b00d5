"""Controllers: ONE FILE PER CONTROLLER. `REGISTRY` is the table of all of them, by upstream's names."""

from __future__ import annotations

from collections.abc import Mapping

from pybernetes.controllers.controller import Controller
from pybernetes.controllers.deployment import DeploymentController
from pybernetes.controllers.garbagecollector import GarbageCollector
from pybernetes.controllers.manager import ControllerManager, UnknownController, select
from pybernetes.controllers.namespace import NamespaceController
from pybernetes.controllers.replicaset import ReplicaSetController
from pybernetes.controllers.replicationcontroller import ReplicationControllerController
from pybernetes.controllers.rootca import RootCaPublisher
from pybernetes.controllers.serviceaccount import ServiceAccountController

CONTROLLERS: tuple[type[Controller], ...] = (
    DeploymentController,
    ReplicaSetController,
    ReplicationControllerController,
    NamespaceController,
    GarbageCollector,
    ServiceAccountController,
    RootCaPublisher,
)

REGISTRY: Mapping[str, type[Controller]] = {controller.name: controller for controller in CONTROLLERS}

__all__ = ["CONTROLLERS", "REGISTRY", "Controller", "ControllerManager", "UnknownController", "select"]
