"""Upstream's controllers that none of ours stands for: `--controllers` knows their names, and why they do not run.

Upstream itself runs none of the cloud's, and those of alpha and beta kinds only where a feature gate asks for them.
"""

from __future__ import annotations

from collections.abc import Mapping

_IN_THE_API_SERVER = "the API server does its work"
_NO_CLOUD = "there is no cloud provider"
_NOT_BUILT = "not built"
_NOT_SERVED = "not built: the API server does not serve {}"

NOT_RUN: Mapping[str, str] = {
    "serviceaccount-token-controller": _IN_THE_API_SERVER,
    "certificatesigningrequest-signing-controller": _IN_THE_API_SERVER,
    "certificatesigningrequest-approving-controller": _IN_THE_API_SERVER,
    "validatingadmissionpolicy-status-controller": _IN_THE_API_SERVER,
    "cloud-node-lifecycle-controller": _NO_CLOUD,
    "node-route-controller": f"{_NO_CLOUD}; nodes keep their routes themselves",
    "podcertificaterequest-cleaner-controller": _NOT_SERVED.format("PodCertificateRequests (beta)"),
    "kube-apiserver-serving-clustertrustbundle-publisher-controller": _NOT_SERVED.format("ClusterTrustBundles (beta)"),
    "storage-version-migrator-controller": _NOT_SERVED.format("StorageVersionMigrations (beta)"),
    "storageversion-garbage-collector-controller": _NOT_SERVED.format("StorageVersions (alpha)"),
    "resourcepoolstatusrequest-controller": _NOT_SERVED.format("ResourcePoolStatusRequests (alpha)"),
    "selinux-warning-controller": _NOT_BUILT,
}
"""Why, by upstream's name."""
