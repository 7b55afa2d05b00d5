"""The signers of certificate requests, and what they approve by themselves.

Guarantees
  Of approved requests those to the cluster's signers are signed once; a request that breaks its signer's rules is
  marked Failed and says why. Kubelets' client certificates are approved by themselves for those who may ask for them.
Who may approve and sign is judged by admission (`admission/certificates.py`).

Follows pkg/controller/certificates/{approver,signer}.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from pybernetes.apiserver.auth.authorizers import NODE_PREFIX, NODES_GROUP
from pybernetes.apiserver.auth.contract import User

Document = Mapping[str, Any]

GROUP = "certificates.k8s.io"
RESOURCE = f"certificatesigningrequests.{GROUP}"
CLIENT = "kubernetes.io/kube-apiserver-client"
KUBELET_CLIENT = "kubernetes.io/kube-apiserver-client-kubelet"
KUBELET_SERVING = "kubernetes.io/kubelet-serving"
LONGEST = timedelta(days=365)

_ALLOWED_USAGES = {
    CLIENT: frozenset({"digital signature", "key encipherment", "client auth"}),
    KUBELET_CLIENT: frozenset({"digital signature", "key encipherment", "client auth"}),
    KUBELET_SERVING: frozenset({"digital signature", "key encipherment", "server auth"}),
}
_NEEDED_USAGE = {CLIENT: "client auth", KUBELET_CLIENT: "client auth", KUBELET_SERVING: "server auth"}


@dataclass(frozen=True, slots=True)
class Subject:
    """What a PKCS#10 request asks to be."""

    common_name: str
    organizations: tuple[str, ...]
    names: tuple[str, ...]
    """Alternative names that are DNS names and addresses."""
    other_names: bool = False
    """It has alternative names of other kinds."""


@dataclass(frozen=True, slots=True)
class Approve:
    message: str


@dataclass(frozen=True, slots=True)
class Sign:
    usages: tuple[str, ...]
    lifetime: timedelta


@dataclass(frozen=True, slots=True)
class Fail:
    message: str


Step = Approve | Sign | Fail | None
May = Callable[[User, str], bool]
"""(user, subresource of certificatesigningrequests) → whether the user may create it."""


def next_step(request: Document, subject: Callable[[], Subject], may: May) -> Step:
    """What is to be done about a request; None if nothing is, or nothing yet."""
    spec, status = request["spec"], request.get("status") or {}
    signer = spec.get("signerName", "")
    conditions = {one.get("type") for one in status.get("conditions") or ()}
    if signer not in _ALLOWED_USAGES or status.get("certificate") or conditions & {"Denied", "Failed"}:
        return None
    asked = subject()
    problem = signer_problem(signer, asked, tuple(spec.get("usages") or ()))
    if "Approved" in conditions:
        if problem:
            return Fail(problem)
        seconds = spec.get("expirationSeconds")
        lifetime = min(timedelta(seconds=seconds), LONGEST) if seconds else LONGEST
        return Sign(tuple(spec.get("usages") or ()), lifetime)
    if signer != KUBELET_CLIENT or problem:
        return None
    user = User(spec.get("username", ""), spec.get("uid", ""), tuple(spec.get("groups") or ()))
    if user.name == asked.common_name and may(user, "selfnodeclient"):
        return Approve("Auto approving self kubelet client certificate after SubjectAccessReview.")
    if may(user, "nodeclient"):
        return Approve("Auto approving kubelet client certificate after SubjectAccessReview.")
    return None


def signer_problem(signer: str, asked: Subject, usages: Sequence[str]) -> str:
    """Why the signer refuses; "" if it does not."""
    unwanted = sorted(set(usages) - _ALLOWED_USAGES[signer])
    if unwanted or _NEEDED_USAGE[signer] not in usages:
        return f"invalid usages for the signer {signer}: [{' '.join(usages)}]"
    if signer == CLIENT:
        return ""
    if asked.organizations != (NODES_GROUP,):
        return f"subject organization is not {NODES_GROUP}"
    if not asked.common_name.startswith(NODE_PREFIX):
        return f"subject common name does not begin with {NODE_PREFIX}"
    if signer == KUBELET_CLIENT and (asked.names or asked.other_names):
        return "subjectAltNames are not allowed"
    if signer == KUBELET_SERVING and (not asked.names or asked.other_names):
        return "DNS or IP subjectAltNames are required, and no others allowed"
    return ""
