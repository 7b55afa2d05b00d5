"""Objects that every cluster has from its first moment: namespaces, priority classes, the service of the API itself.

Guarantees  What is there is left as it is, but for the endpoints of the API, which say where this server is (a loopback
address says nothing to pods: then there are none).
Follows pkg/controlplane/controller (systemnamespaces, kubernetesservice, legacytokentracking) and
pkg/registry/scheduling/rest.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from ipaddress import ip_address, ip_network

from pybernetes.api import errors
from pybernetes.apiserver.auth.contract import SERVER_USER
from pybernetes.apiserver.objects import StoredObject
from pybernetes.apiserver.options import ServerOptions
from pybernetes.apiserver.resource import Context, Document
from pybernetes.apiserver.rules import MainRule
from pybernetes.apiserver.server import ApiServer
from pybernetes.apiserver.updating import Proposal

NAMESPACES = ("default", "kube-system", "kube-public", "kube-node-lease")
_CRITICAL = "Used for system critical pods that must "
_MUST_NOT_MOVE = _CRITICAL + "not be moved from their current node."
_MUST_RUN = _CRITICAL + "run in the cluster, but can be moved to another node if necessary."
PRIORITY_CLASSES = (
    ("system-node-critical", 2_000_001_000, _MUST_NOT_MOVE),
    ("system-cluster-critical", 2_000_000_000, _MUST_RUN),
)
SERVICE = "kubernetes"
TOKEN_TRACKING = "kube-apiserver-legacy-service-account-token-tracking"
MANAGER = "kube-apiserver"
_DEFAULT = "default"
_PORT = "https"


async def ensure(server: ApiServer) -> None:
    """Creates what is missing, as far as its kind is served."""
    for name in NAMESPACES:
        await _ensure(server, ("", "v1", "namespaces"), "", {"metadata": {"name": name}})
    for document in _priority_classes():
        await _ensure(server, ("scheduling.k8s.io", "v1", "priorityclasses"), "", document)
    await _ensure(server, ("", "v1", "configmaps"), "kube-system", _token_tracking(server.clock.now()))
    options = server.options
    await _ensure(server, ("", "v1", "services"), _DEFAULT, service(options))
    if ip_address(options.advertise_address).is_loopback:
        return
    await _ensure(server, ("", "v1", "endpoints"), _DEFAULT, endpoints(options), follow="subsets")
    slices = ("discovery.k8s.io", "v1", "endpointslices")
    await _ensure(server, slices, _DEFAULT, endpoint_slice(options), follow="endpoints")


async def _ensure(
    server: ApiServer, resource: tuple[str, str, str], namespace: str, document: Document, follow: str = ""
) -> None:
    """Creates the object; one that is there is brought in step in the field ``follow`` only."""
    endpoint = server.endpoints.get(resource)
    if endpoint is None:
        return
    registry = endpoint.registry
    context = Context(SERVER_USER, server.clock.now(), manager=MANAGER)
    name = document["metadata"]["name"]
    if await registry.find(namespace, name) is None:
        try:
            await registry.create(namespace, {**registry.identity(), **document}, context)
        except errors.ApiError as error:
            if error.reason != "AlreadyExists":
                raise
    elif follow:

        def propose(current: StoredObject) -> Proposal:
            changed = registry.fresh_document_of(current)
            changed[follow] = document[follow]
            if "ports" in document:
                changed["ports"] = document["ports"]
            return Proposal(changed)

        await registry.update(namespace, name, propose, context, MainRule(registry.resource))


def _priority_classes() -> Iterator[Document]:
    for name, value, description in PRIORITY_CLASSES:
        yield {"metadata": {"name": name}, "value": value, "description": description}


def _token_tracking(now: datetime) -> Document:
    """Since when the use of tokens in Secrets would show."""
    return {"metadata": {"name": TOKEN_TRACKING}, "data": {"since": now.strftime("%Y-%m-%d")}}


def service_address(options: ServerOptions) -> str:
    return str(ip_network(options.service_cidrs[0])[1])


def service(options: ServerOptions) -> Document:
    address = service_address(options)
    return {
        "metadata": {"name": SERVICE, "labels": {"component": "apiserver", "provider": "kubernetes"}},
        "spec": {
            "type": "ClusterIP",
            "clusterIP": address,
            "ipFamilyPolicy": "SingleStack",
            "sessionAffinity": "None",
            "ports": [{"name": _PORT, "port": 443, "protocol": "TCP", "targetPort": options.port}],
        },
    }


def endpoints(options: ServerOptions) -> Document:
    return {
        "metadata": {"name": SERVICE, "labels": {"endpointslice.kubernetes.io/skip-mirror": "true"}},
        "subsets": [
            {
                "addresses": [{"ip": options.advertise_address}],
                "ports": [{"name": _PORT, "port": options.port, "protocol": "TCP"}],
            }
        ],
    }


def endpoint_slice(options: ServerOptions) -> Document:
    return {
        "metadata": {"name": SERVICE, "labels": {"kubernetes.io/service-name": SERVICE}},
        "addressType": "IPv6" if ":" in options.advertise_address else "IPv4",
        "endpoints": [{"addresses": [options.advertise_address], "conditions": {"ready": True}}],
        "ports": [{"name": _PORT, "port": options.port, "protocol": "TCP"}],
    }
