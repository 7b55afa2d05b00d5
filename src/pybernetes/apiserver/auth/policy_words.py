"""The words that the tables of default roles are written in."""

from __future__ import annotations

from typing import Any

Rule = dict[str, Any]

READ = "get list watch"
WRITE = "create delete deletecollection patch update"
READ_WRITE = f"{READ} {WRITE}"
READ_UPDATE = "get list patch update watch"

CORE, APPS, BATCH, POLICY, AUTOSCALING, EXTENSIONS = "core", "apps", "batch", "policy", "autoscaling", "extensions"
AUTHENTICATION, AUTHORIZATION, RBAC = "authentication.k8s.io", "authorization.k8s.io", "rbac.authorization.k8s.io"
CERTIFICATES, COORDINATION, DISCOVERY = "certificates.k8s.io", "coordination.k8s.io", "discovery.k8s.io"
EVENTS, NETWORKING, NODE = "events.k8s.io", "networking.k8s.io", "node.k8s.io"
RESOURCE, SCHEDULING, STORAGE = "resource.k8s.io", "scheduling.k8s.io", "storage.k8s.io"
ADMISSION = "admissionregistration.k8s.io"


def may(verbs: str, groups: str, resources: str, *, names: str = "") -> Rule:
    """A rule from words separated by blanks, sorted as upstream sorts them; the core group is written `core`."""
    rule: Rule = {
        "verbs": sorted(verbs.split()),
        "apiGroups": ["" if group == CORE else group for group in groups.split()],
        "resources": sorted(resources.split()),
    }
    if names:
        rule["resourceNames"] = names.split()
    return rule


def may_get(urls: str) -> Rule:
    return {"verbs": ["get"], "nonResourceURLs": sorted(urls.split())}


WRITE_EVENTS = may("create patch update", f"{CORE} {EVENTS}", "events")
HEALTH_AND_VERSION = "/healthz /livez /readyz /version /version/"
LEADER_ELECTION = may("create", COORDINATION, "leases")
REVIEW_ACCESS = (
    may("create", AUTHENTICATION, "tokenreviews"),
    may("create", AUTHORIZATION, "subjectaccessreviews"),
)
