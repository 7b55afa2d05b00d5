"""All controllers, each as a service account of its own."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping

import structlog

from pybernetes.api.clock import SystemClock
from pybernetes.apiserver.auth.pki import Pki
from pybernetes.cli import controllers_health
from pybernetes.cli.cluster_network import network_options
from pybernetes.cli.controllers import chosen_controllers, wanted_controllers
from pybernetes.cli.layout import Layout, Settings
from pybernetes.cli.parts import addons, secure_port
from pybernetes.cli.parts.clients import anonymous, authority, client_as, close
from pybernetes.cli.parts.leadership import elector
from pybernetes.cli.parts.secure_port import LEADER_ELECTION, Check, Component, is_up
from pybernetes.client import Informers
from pybernetes.controllers import ControllerManager, health, not_running
from pybernetes.controllers.accounts import service_accounts

AGENT = "p8s-controllers"
LEASE = "kube-controller-manager"
CONFIGURATION = "kubecontrollermanager.config.k8s.io"
log = structlog.get_logger(__name__)


async def run(layout: Layout, settings: Settings, informers: Informers | None = None) -> None:
    """``informers``: those of the process, which somebody else runs."""
    client = client_as(Pki.controller_manager, layout, settings, AGENT)
    nobody = anonymous(layout, settings, AGENT)
    clock = SystemClock()
    for name, reason in not_running(wanted_controllers(settings)).items():
        log.warning("controller does not run", controller=name, reason=reason)
    own = settings.use_service_account_credentials
    try:
        manager = ControllerManager(
            client,
            clock,
            random.Random(),
            chosen_controllers(settings),
            informers=informers,
            elector=elector(client, layout, LEASE),
            root_ca=authority(layout, settings),
            network=network_options(settings),
            client_of=service_accounts(client, nobody, clock) if own else None,
        )
        port = settings.controller_manager_port
        async with (
            controllers_health.served(layout, manager),
            secure_port.served(component(manager, settings), client, layout, settings, port),
            asyncio.TaskGroup() as tasks,
        ):
            tasks.create_task(manager.run(), name="controllers")
            if not settings.kubeconfig:
                # What a cluster of somebody else's has besides is not ours to say.
                tasks.create_task(addons.run(layout, settings), name="addons")
    finally:
        await nobody.close()
        await close(client)


def component(manager: ControllerManager, settings: Settings) -> Component:
    """As kube-controller-manager, which has neither /livez nor /readyz."""

    def checks() -> Mapping[str, Check]:
        return dict.fromkeys((LEADER_ELECTION, *(one.name for one in manager.controllers)), is_up)

    flags = {
        "allocate-node-cidrs": "true",
        "cluster-cidr": settings.cluster_cidr or settings.pod_cidr,
        "controllers": f"[{settings.controllers}]",
        "root-ca-file": settings.root_ca_file,
        "secure-port": settings.controller_manager_port,
        "use-service-account-credentials": str(settings.use_service_account_credentials).lower(),
    }
    return Component(
        "kube-controller-manager",
        {"/healthz": checks},
        lambda: health.metrics_of(manager.controllers),
        {CONFIGURATION: configuration(settings)},
        flags,
    )


def configuration(settings: Settings) -> Mapping[str, object]:
    """What of upstream's configuration there is to choose here."""
    return {
        "kind": "KubeControllerManagerConfiguration",
        "apiVersion": "kubecontrollermanager.config.k8s.io/v1alpha1",
        "Generic": {
            "LeaderElection": {
                "leaderElect": True,
                "leaseDuration": "15s",
                "renewDeadline": "10s",
                "retryPeriod": "2s",
                "resourceLock": "leases",
                "resourceName": LEASE,
                "resourceNamespace": "kube-system",
            },
            "Controllers": wanted_controllers(settings),
        },
        "KubeCloudShared": {
            "UseServiceAccountCredentials": settings.use_service_account_credentials,
            "AllocateNodeCIDRs": True,
            "ClusterCIDR": settings.cluster_cidr or settings.pod_cidr,
        },
        "NodeIPAMController": {
            "NodeCIDRMaskSize": settings.node_cidr_mask_size,
            "NodeCIDRMaskSizeIPv4": settings.node_cidr_mask_size_ipv4,
            "NodeCIDRMaskSizeIPv6": settings.node_cidr_mask_size_ipv6,
        },
        "SAController": {"RootCAFile": settings.root_ca_file},
    }
