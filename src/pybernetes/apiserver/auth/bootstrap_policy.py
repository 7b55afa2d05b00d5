"""The roles and bindings that every cluster starts with, as tables.

Facts only: who may do what. `bootstrap_roles` turns them into objects and keeps them in the store.
Follows plugin/pkg/auth/authorizer/rbac/bootstrappolicy.
"""

from __future__ import annotations

from typing import NamedTuple

from pybernetes.apiserver.auth.policy_words import (
    APPS,
    AUTHENTICATION,
    AUTHORIZATION,
    AUTOSCALING,
    BATCH,
    CERTIFICATES,
    COORDINATION,
    CORE,
    DISCOVERY,
    EVENTS,
    EXTENSIONS,
    HEALTH_AND_VERSION,
    LEADER_ELECTION,
    NETWORKING,
    NODE,
    POLICY,
    RBAC,
    READ,
    READ_UPDATE,
    READ_WRITE,
    RESOURCE,
    REVIEW_ACCESS,
    SCHEDULING,
    STORAGE,
    WRITE,
    WRITE_EVENTS,
    Rule,
    may,
    may_get,
)

CLUSTER_ROLES: dict[str, tuple[Rule, ...]] = {
    "cluster-admin": (may("*", "*", "*"), {"verbs": ["*"], "nonResourceURLs": ["*"]}),
    "system:discovery": (may_get(f"/api /api/* /apis /apis/* /openapi /openapi/* {HEALTH_AND_VERSION}"),),
    "system:monitoring": (
        may_get("/flagz /healthz /healthz/* /livez /livez/* /metrics /metrics/slis /readyz /readyz/* /statusz"),
        may("get", CORE, "nodes/metrics"),
    ),
    "system:basic-user": (
        may("create", AUTHORIZATION, "selfsubjectaccessreviews selfsubjectrulesreviews"),
        may("create", AUTHENTICATION, "selfsubjectreviews"),
    ),
    "system:public-info-viewer": (may_get(HEALTH_AND_VERSION),),
    "system:aggregate-to-admin": (
        may("create", AUTHORIZATION, "localsubjectaccessreviews"),
        may(READ_WRITE, RBAC, "rolebindings roles"),
    ),
    "system:aggregate-to-edit": (
        may(READ, CORE, "pods/attach pods/exec pods/portforward pods/proxy secrets services/proxy"),
        may("impersonate", CORE, "serviceaccounts"),
        may(WRITE, CORE, "pods pods/attach pods/exec pods/portforward pods/proxy"),
        may("create", CORE, "pods/eviction"),
        may(
            WRITE,
            CORE,
            "configmaps persistentvolumeclaims replicationcontrollers replicationcontrollers/scale secrets"
            " serviceaccounts services services/proxy",
        ),
        may("create", CORE, "serviceaccounts/token"),
        may(WRITE, f"{CORE} {EVENTS}", "events"),
        may(
            WRITE,
            APPS,
            "daemonsets deployments deployments/rollback deployments/scale replicasets replicasets/scale statefulsets"
            " statefulsets/scale",
        ),
        may(WRITE, AUTOSCALING, "horizontalpodautoscalers"),
        may(WRITE, BATCH, "cronjobs jobs"),
        may(
            WRITE,
            EXTENSIONS,
            "daemonsets deployments deployments/rollback deployments/scale ingresses networkpolicies replicasets"
            " replicasets/scale replicationcontrollers/scale",
        ),
        may(WRITE, POLICY, "poddisruptionbudgets"),
        may(WRITE, NETWORKING, "ingresses networkpolicies"),
        may(READ_WRITE, COORDINATION, "leases"),
        may(WRITE, RESOURCE, "resourceclaims resourceclaimtemplates"),
    ),
    "system:aggregate-to-view": (
        may(
            READ,
            CORE,
            "configmaps endpoints persistentvolumeclaims persistentvolumeclaims/status pods replicationcontrollers"
            " replicationcontrollers/scale serviceaccounts services services/status",
        ),
        may(
            READ,
            CORE,
            "bindings limitranges namespaces/status pods/log pods/status replicationcontrollers/status"
            " resourcequotas resourcequotas/status",
        ),
        may(READ, CORE, "namespaces"),
        may(READ, f"{CORE} {EVENTS}", "events"),
        may(READ, DISCOVERY, "endpointslices"),
        may(
            READ,
            APPS,
            "controllerrevisions daemonsets daemonsets/status deployments deployments/scale deployments/status"
            " replicasets replicasets/scale replicasets/status statefulsets statefulsets/scale statefulsets/status",
        ),
        may(READ, AUTOSCALING, "horizontalpodautoscalers horizontalpodautoscalers/status"),
        may(READ, BATCH, "cronjobs cronjobs/status jobs jobs/status"),
        may(
            READ,
            EXTENSIONS,
            "daemonsets daemonsets/status deployments deployments/scale deployments/status ingresses ingresses/status"
            " networkpolicies replicasets replicasets/scale replicasets/status replicationcontrollers/scale",
        ),
        may(READ, POLICY, "poddisruptionbudgets poddisruptionbudgets/status"),
        may(READ, NETWORKING, "ingresses ingresses/status networkpolicies"),
        may(READ, RESOURCE, "resourceclaims resourceclaims/status resourceclaimtemplates"),
    ),
    "system:heapster": (
        may(READ, CORE, "events namespaces nodes pods"),
        may(READ, EXTENSIONS, "deployments"),
    ),
    "system:node": (
        may("create", AUTHENTICATION, "tokenreviews"),
        may("create", AUTHORIZATION, "localsubjectaccessreviews subjectaccessreviews"),
        may(READ, CORE, "services"),
        may("create get list watch", CORE, "nodes"),
        may("patch update", CORE, "nodes/status"),
        may("patch update", CORE, "nodes"),
        may("create patch update", f"{CORE} {EVENTS}", "events"),
        may(READ, CORE, "pods"),
        may("create delete", CORE, "pods"),
        may("patch update", CORE, "pods/status"),
        may("create", CORE, "pods/eviction"),
        may(READ, CORE, "configmaps secrets"),
        may("get", CORE, "persistentvolumeclaims persistentvolumes"),
        may("get", CORE, "endpoints"),
        may("create get list watch", CERTIFICATES, "certificatesigningrequests"),
        may("create delete get patch update", COORDINATION, "leases"),
        may("get", STORAGE, "volumeattachments"),
        may("create", CORE, "serviceaccounts/token"),
        may("get patch update", CORE, "persistentvolumeclaims/status"),
        may(READ, STORAGE, "csidrivers"),
        may("create delete get patch update", STORAGE, "csinodes"),
        may(READ, NODE, "runtimeclasses"),
        may("get", RESOURCE, "resourceclaims"),
        may("deletecollection", RESOURCE, "resourceslices"),
        may("get", CORE, "serviceaccounts"),
    ),
    "system:node-problem-detector": (
        may("get", CORE, "nodes"),
        may("patch", CORE, "nodes/status"),
        WRITE_EVENTS,
    ),
    "system:node-proxier": (
        may("list watch", CORE, "endpoints services"),
        may(READ, CORE, "nodes"),
        WRITE_EVENTS,
        may("list watch", NETWORKING, "servicecidrs"),
        may("list watch", DISCOVERY, "endpointslices"),
    ),
    "system:kubelet-api-admin": (
        may(READ, CORE, "nodes"),
        may("proxy", CORE, "nodes"),
        may("*", CORE, "nodes/log nodes/metrics nodes/proxy nodes/stats"),
        may("*", CORE, "nodes/configz nodes/healthz nodes/pods"),
    ),
    "system:node-bootstrapper": (may("create get list watch", CERTIFICATES, "certificatesigningrequests"),),
    "system:auth-delegator": REVIEW_ACCESS,
    "system:kube-aggregator": (may(READ, CORE, "endpoints services"),),
    "system:kube-controller-manager": (
        WRITE_EVENTS,
        LEADER_ELECTION,
        may("get update", COORDINATION, "leases", names="kube-controller-manager"),
        may("create", CORE, "secrets serviceaccounts"),
        may("delete", CORE, "secrets"),
        may("get", CORE, "configmaps namespaces secrets serviceaccounts"),
        may("update", CORE, "secrets serviceaccounts"),
        *REVIEW_ACCESS,
        may("list watch", "*", "*"),
        may("create", CORE, "serviceaccounts/token"),
    ),
    "system:kube-dns": (may("list watch", CORE, "endpoints services"),),
    "system:kube-scheduler": (
        WRITE_EVENTS,
        LEADER_ELECTION,
        may("get list update watch", COORDINATION, "leases", names="kube-scheduler"),
        may(READ_WRITE, COORDINATION, "leasecandidates"),
        may(READ, CORE, "nodes"),
        may("delete get list watch", CORE, "pods"),
        may("create", CORE, "bindings pods/binding"),
        may("patch update", CORE, "pods/status"),
        may(READ, CORE, "replicationcontrollers services"),
        may(READ, f"{APPS} {EXTENSIONS}", "replicasets"),
        may(READ, APPS, "statefulsets"),
        may(READ, POLICY, "poddisruptionbudgets"),
        may(READ, CORE, "persistentvolumeclaims persistentvolumes"),
        *REVIEW_ACCESS,
        may(READ, STORAGE, "csinodes"),
        may(READ, STORAGE, "volumeattachments"),
        may(READ, CORE, "namespaces"),
        may(READ, STORAGE, "csidrivers"),
        may(READ, STORAGE, "csistoragecapacities"),
        may(READ, RESOURCE, "deviceclasses"),
        may(READ_UPDATE, RESOURCE, "resourceclaims"),
        may(READ_UPDATE, RESOURCE, "resourceclaims/status"),
        may("update", CORE, "pods/finalizers"),
        may(READ, RESOURCE, "resourceslices"),
        may("create delete", RESOURCE, "resourceclaims"),
        may("patch update", RESOURCE, "resourceclaims/binding"),
    ),
    "system:persistent-volume-provisioner": (
        may("create delete get list watch", CORE, "persistentvolumes"),
        may("get list update watch", CORE, "persistentvolumeclaims"),
        may(READ, STORAGE, "storageclasses"),
        may("watch", CORE, "events"),
        WRITE_EVENTS,
    ),
    "system:volume-scheduler": (
        may(READ_UPDATE, CORE, "persistentvolumes"),
        may(READ, STORAGE, "storageclasses"),
        may(READ_UPDATE, CORE, "persistentvolumeclaims"),
    ),
    "system:certificates.k8s.io:certificatesigningrequests:nodeclient": (
        may("create", CERTIFICATES, "certificatesigningrequests/nodeclient"),
    ),
    "system:certificates.k8s.io:certificatesigningrequests:selfnodeclient": (
        may("create", CERTIFICATES, "certificatesigningrequests/selfnodeclient"),
    ),
    "system:certificates.k8s.io:kube-apiserver-client-approver": (
        may("approve", CERTIFICATES, "signers", names="kubernetes.io/kube-apiserver-client"),
    ),
    "system:certificates.k8s.io:kube-apiserver-client-kubelet-approver": (
        may("approve", CERTIFICATES, "signers", names="kubernetes.io/kube-apiserver-client-kubelet"),
    ),
    "system:certificates.k8s.io:kubelet-serving-approver": (
        may("approve", CERTIFICATES, "signers", names="kubernetes.io/kubelet-serving"),
    ),
    "system:certificates.k8s.io:legacy-unknown-approver": (
        may("approve", CERTIFICATES, "signers", names="kubernetes.io/legacy-unknown"),
    ),
    "system:service-account-issuer-discovery": (
        may_get(
            "/.well-known/openid-configuration /.well-known/openid-configuration/ /openid/v1/jwks /openid/v1/jwks/"
        ),
    ),
}

# Roles whose rules are those of every cluster role with a label; and the labels that the tables' roles carry.
AGGREGATED: dict[str, str] = {"admin": "aggregate-to-admin", "edit": "aggregate-to-edit", "view": "aggregate-to-view"}
AGGREGATES_TO: dict[str, str] = {
    "system:aggregate-to-admin": "aggregate-to-admin",
    "system:aggregate-to-edit": "aggregate-to-edit",
    "system:aggregate-to-view": "aggregate-to-view",
    "edit": "aggregate-to-admin",
    "view": "aggregate-to-edit",
}


class Subjects(NamedTuple):
    """Whom a binding names; service accounts are `namespace/name`."""

    groups: str = ""
    users: str = ""
    service_accounts: str = ""


EVERYONE_KNOWN = "system:authenticated"
EVERYONE = "system:authenticated system:unauthenticated"
BOOTSTRAPPERS = "system:bootstrappers:kubeadm:default-node-token"

# Binding name → (cluster role, subjects). The role of the nodes is granted by the node authorizer, not by its binding.
CLUSTER_BINDINGS: dict[str, tuple[str, Subjects]] = {
    "cluster-admin": ("cluster-admin", Subjects(groups="system:masters")),
    "system:monitoring": ("system:monitoring", Subjects(groups="system:monitoring")),
    "system:discovery": ("system:discovery", Subjects(groups=EVERYONE_KNOWN)),
    "system:basic-user": ("system:basic-user", Subjects(groups=EVERYONE_KNOWN)),
    "system:public-info-viewer": ("system:public-info-viewer", Subjects(groups=EVERYONE)),
    "system:node-proxier": ("system:node-proxier", Subjects(users="system:kube-proxy")),
    "system:kube-controller-manager": (
        "system:kube-controller-manager",
        Subjects(users="system:kube-controller-manager"),
    ),
    "system:kube-dns": ("system:kube-dns", Subjects(service_accounts="kube-system/kube-dns")),
    "system:kube-scheduler": ("system:kube-scheduler", Subjects(users="system:kube-scheduler")),
    "system:volume-scheduler": ("system:volume-scheduler", Subjects(users="system:kube-scheduler")),
    "system:node": ("system:node", Subjects()),
    "system:service-account-issuer-discovery": (
        "system:service-account-issuer-discovery",
        Subjects(groups="system:serviceaccounts"),
    ),
    "kubeadm:kubelet-bootstrap": ("system:node-bootstrapper", Subjects(groups=BOOTSTRAPPERS)),
    "kubeadm:node-autoapprove-bootstrap": (
        "system:certificates.k8s.io:certificatesigningrequests:nodeclient",
        Subjects(groups=BOOTSTRAPPERS),
    ),
    "kubeadm:node-autoapprove-certificate-rotation": (
        "system:certificates.k8s.io:certificatesigningrequests:selfnodeclient",
        Subjects(groups="system:nodes"),
    ),
}


# What the feature GenericWorkload adds to cluster roles.
WORKLOAD_RULES: dict[str, tuple[Rule, ...]] = {
    "system:aggregate-to-edit": (may(WRITE, SCHEDULING, "podgroups workloads"),),
    "system:aggregate-to-view": (may(READ, SCHEDULING, "podgroups podgroups/status workloads"),),
    "system:kube-scheduler": (
        may(READ, SCHEDULING, "podgroups"),
        may("patch update", SCHEDULING, "podgroups/status"),
    ),
}

LEADER_LOCKING = (
    may("create get list update watch", COORDINATION, "leases"),
    may("create get list update watch", COORDINATION, "leasecandidates"),
)

ROLES: dict[tuple[str, str], tuple[Rule, ...]] = {
    ("kube-system", "extension-apiserver-authentication-reader"): (
        may(READ, CORE, "configmaps", names="extension-apiserver-authentication"),
    ),
    ("kube-system", "system:controller:bootstrap-signer"): (may(READ, CORE, "secrets"),),
    ("kube-system", "system:controller:cloud-provider"): (may("create get list watch", CORE, "configmaps"),),
    ("kube-system", "system:controller:token-cleaner"): (
        may("delete get list watch", CORE, "secrets"),
        WRITE_EVENTS,
    ),
    ("kube-system", "system::leader-locking-kube-controller-manager"): LEADER_LOCKING,
    ("kube-system", "system::leader-locking-kube-scheduler"): LEADER_LOCKING,
    ("kube-public", "system:controller:bootstrap-signer"): (
        may(READ, CORE, "configmaps"),
        may("update", CORE, "configmaps", names="cluster-info"),
        WRITE_EVENTS,
    ),
}

# (namespace, binding name) → (role, subjects).
BINDINGS: dict[tuple[str, str], tuple[str, Subjects]] = {
    ("kube-system", "system::extension-apiserver-authentication-reader"): (
        "extension-apiserver-authentication-reader",
        Subjects(users="system:kube-controller-manager system:kube-scheduler"),
    ),
    ("kube-system", "system::leader-locking-kube-controller-manager"): (
        "system::leader-locking-kube-controller-manager",
        Subjects(users="system:kube-controller-manager", service_accounts="kube-system/kube-controller-manager"),
    ),
    ("kube-system", "system::leader-locking-kube-scheduler"): (
        "system::leader-locking-kube-scheduler",
        Subjects(users="system:kube-scheduler", service_accounts="kube-system/kube-scheduler"),
    ),
    ("kube-system", "system:controller:bootstrap-signer"): (
        "system:controller:bootstrap-signer",
        Subjects(service_accounts="kube-system/bootstrap-signer"),
    ),
    ("kube-system", "system:controller:cloud-provider"): (
        "system:controller:cloud-provider",
        Subjects(service_accounts="kube-system/cloud-provider"),
    ),
    ("kube-system", "system:controller:token-cleaner"): (
        "system:controller:token-cleaner",
        Subjects(service_accounts="kube-system/token-cleaner"),
    ),
    ("kube-public", "system:controller:bootstrap-signer"): (
        "system:controller:bootstrap-signer",
        Subjects(service_accounts="kube-system/bootstrap-signer"),
    ),
}
