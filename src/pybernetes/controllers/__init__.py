"""Controllers: ONE FILE PER CONTROLLER. `REGISTRY` is the table of all of them, by upstream's names."""

from __future__ import annotations

from collections.abc import Mapping

from pybernetes.controllers.attach_detach import AttachDetachController
from pybernetes.controllers.bootstrap_signer import BootstrapSigner
from pybernetes.controllers.cluster_role_aggregation import ClusterRoleAggregationController
from pybernetes.controllers.controller import Controller
from pybernetes.controllers.cronjob import CronJobController
from pybernetes.controllers.csr_cleaner import CsrCleaner
from pybernetes.controllers.daemonset import DaemonSetController
from pybernetes.controllers.deployment import DeploymentController
from pybernetes.controllers.device_taint_eviction import DeviceTaintEvictionController
from pybernetes.controllers.disruption import DisruptionController
from pybernetes.controllers.endpoints import EndpointsController
from pybernetes.controllers.endpointslice import EndpointSliceController
from pybernetes.controllers.endpointslice_mirroring import EndpointSliceMirroringController
from pybernetes.controllers.ephemeral_volume import EphemeralVolumeController
from pybernetes.controllers.garbagecollector import GarbageCollector
from pybernetes.controllers.horizontal_pod_autoscaler import HorizontalPodAutoscalerController
from pybernetes.controllers.job import JobController
from pybernetes.controllers.legacy_token_cleaner import LegacyTokenCleaner
from pybernetes.controllers.manager import ControllerManager, UnknownController, not_running, select
from pybernetes.controllers.namespace import NamespaceController
from pybernetes.controllers.node_ipam import NodeIpamController
from pybernetes.controllers.node_ttl import NodeTtlController
from pybernetes.controllers.nodelifecycle import NodeLifecycleController
from pybernetes.controllers.persistent_volume_binder import PersistentVolumeBinder
from pybernetes.controllers.persistent_volume_expander import PersistentVolumeExpander
from pybernetes.controllers.pod_group_protection import PodGroupProtectionController
from pybernetes.controllers.podgc import PodGarbageCollector
from pybernetes.controllers.pv_protection import PvProtectionController
from pybernetes.controllers.pvc_protection import PvcProtectionController
from pybernetes.controllers.replicaset import ReplicaSetController
from pybernetes.controllers.replicationcontroller import ReplicationControllerController
from pybernetes.controllers.resource_claim import ResourceClaimController
from pybernetes.controllers.resource_quota import ResourceQuotaController
from pybernetes.controllers.rootca import RootCaPublisher
from pybernetes.controllers.service_lb import ServiceLoadBalancerController
from pybernetes.controllers.serviceaccount import ServiceAccountController
from pybernetes.controllers.servicecidrs import ServiceCIDRController
from pybernetes.controllers.statefulset import StatefulSetController
from pybernetes.controllers.tainteviction import TaintEvictionController
from pybernetes.controllers.token_cleaner import TokenCleaner
from pybernetes.controllers.ttl_after_finished import TtlAfterFinishedController
from pybernetes.controllers.vac_protection import VacProtectionController

CONTROLLERS: tuple[type[Controller], ...] = (
    DeploymentController,
    ReplicaSetController,
    ReplicationControllerController,
    NamespaceController,
    GarbageCollector,
    ServiceAccountController,
    RootCaPublisher,
    DaemonSetController,
    StatefulSetController,
    JobController,
    CronJobController,
    TtlAfterFinishedController,
    EndpointsController,
    EndpointSliceController,
    EndpointSliceMirroringController,
    NodeLifecycleController,
    NodeIpamController,
    TaintEvictionController,
    PodGarbageCollector,
    DisruptionController,
    HorizontalPodAutoscalerController,
    ResourceQuotaController,
    PersistentVolumeBinder,
    PersistentVolumeExpander,
    AttachDetachController,
    PvcProtectionController,
    PvProtectionController,
    VacProtectionController,
    PodGroupProtectionController,
    EphemeralVolumeController,
    ResourceClaimController,
    CsrCleaner,
    NodeTtlController,
    ClusterRoleAggregationController,
    ServiceCIDRController,
    ServiceLoadBalancerController,
    DeviceTaintEvictionController,
    LegacyTokenCleaner,
    BootstrapSigner,
    TokenCleaner,
)

REGISTRY: Mapping[str, type[Controller]] = {controller.name: controller for controller in CONTROLLERS}

__all__ = ["CONTROLLERS", "REGISTRY", "Controller", "ControllerManager", "UnknownController", "not_running", "select"]
