"""Whom a controller acts as: a service account of kube-system of its own, which may do what the controller must.

The accounts' names are upstream's, as are those of the roles that are bound to them (`system:controller:NAME`).
Follows cmd/kube-controller-manager/app with --use-service-account-credentials.
"""

from __future__ import annotations

from collections.abc import Callable

from pybernetes.api.clock import Clock
from pybernetes.client import Client
from pybernetes.client.service_account import AccountTokens, AccountTransport
from pybernetes.client.transport import Transport

NAMESPACE = "kube-system"

ClientOf = Callable[[str], Client]
"""From a controller's name to the client it acts through."""

ACCOUNTS = {
    "bootstrap-signer-controller": "bootstrap-signer",
    "certificatesigningrequest-cleaner-controller": "certificate-controller",
    "daemonset-controller": "daemon-set-controller",
    "endpoints-controller": "endpoint-controller",
    "endpointslice-mirroring-controller": "endpointslicemirroring-controller",
    "garbage-collector-controller": "generic-garbage-collector",
    "horizontal-pod-autoscaler-controller": "horizontal-pod-autoscaler",
    "legacy-serviceaccount-token-cleaner-controller": "legacy-service-account-token-cleaner",
    "node-ipam-controller": "node-controller",
    "node-lifecycle-controller": "node-controller",
    "persistentvolume-attach-detach-controller": "attachdetach-controller",
    "persistentvolume-binder-controller": "persistent-volume-binder",
    "persistentvolume-expander-controller": "expand-controller",
    "persistentvolume-protection-controller": "pv-protection-controller",
    "persistentvolumeclaim-protection-controller": "pvc-protection-controller",
    "pod-garbage-collector-controller": "pod-garbage-collector",
    "replicationcontroller-controller": "replication-controller",
    "resourceclaim-controller": "resource-claim-controller",
    "root-ca-certificate-publisher-controller": "root-ca-cert-publisher",
    "service-cidr-controller": "service-cidrs-controller",
    "service-lb-controller": "service-controller",
    "serviceaccount-controller": "service-account-controller",
    "taint-eviction-controller": "node-controller",
    "token-cleaner-controller": "token-cleaner",
}
"""By the controller's name, where the account has another."""


def account_of(controller: str) -> str:
    return ACCOUNTS.get(controller, controller)


def service_accounts(client: Client, anonymous: Transport, clock: Clock) -> ClientOf:
    """Clients over `anonymous`, with tokens that are asked for as `client`; controllers of one account share one."""
    clients: dict[str, Client] = {}

    def client_of(controller: str) -> Client:
        account = account_of(controller)
        if account not in clients:
            tokens = AccountTokens(client, clock, NAMESPACE, account)
            clients[account] = Client(AccountTransport(anonymous, tokens), detection=client.detection)
        return clients[account]

    return client_of
