"""nodes/proxy, pods/proxy and services/proxy: HTTP (and upgrades) to a kubelet, a pod, or an endpoint of a service.

A name may say how: `web`, `web:8080`, `https:web:8443`; services' ports go by name too. Redirects and the links of
pages that the server behind answers with are turned to lead through the proxy again (`rewriting.py`).

Guarantees  Nobody reaches the API server's own machine or its link by what an object's status claims: addresses of
pods and nodes must be `is_proxyable`, and a service's endpoint must be the address of a pod in its namespace.

Follows k8s.io/apimachinery/pkg/util/proxy and pkg/registry/core/{node,pod,service}.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass
from ipaddress import ip_address
from random import Random
from typing import Any
from urllib.parse import quote

from multidict import CIMultiDict

from pybernetes.api import errors
from pybernetes.apiserver.admission.contract import Reader
from pybernetes.apiserver.http import ApiRequest, ApiResponse
from pybernetes.apiserver.proxy import rewriting
from pybernetes.apiserver.proxy.backend import Added, Backend, Target, wants_upgrade
from pybernetes.apiserver.proxy.locate import Address, Document, kubelet_address
from pybernetes.apiserver.proxy.pods import Admit, join, upgraded
from pybernetes.apiserver.routes import Call, Routes

_SAFE = "/:@!$&'()*+,;=~"
_CORS = frozenset(f"access-control-allow-{what}" for what in ("credentials", "headers", "methods", "origin"))


@dataclass(frozen=True, slots=True)
class Named:
    """What the name in the path means."""

    scheme: str
    name: str
    port: str


def parse_name(text: str, resource: str) -> Named:
    """Raises 400 for anything but NAME, NAME:PORT and SCHEME:NAME:PORT."""
    match text.split(":"):
        case [name]:
            return Named("http", name, "")
        case [name, port]:
            return Named("http", name, port)
        case [scheme, name, port] if scheme in ("", "http", "https"):
            return Named(scheme or "http", name, port)
    raise errors.bad_request(f'invalid {resource} request "{text}"')


def pod_address(pod: Document, port: str) -> Address:
    """The pod's address, at the port asked for or else at the first that its containers declare."""
    host = (pod.get("status") or {}).get("podIP", "")
    if not host:
        raise errors.bad_request("address not allowed")
    declared = [one for container in pod["spec"].get("containers") or () for one in container.get("ports") or ()]
    if not port:
        return Address(host, declared[0]["containerPort"] if declared else 80)
    named = next((one["containerPort"] for one in declared if one.get("name") == port), None)
    if named is None and not port.isdigit():
        raise errors.bad_request(f'pod {pod["metadata"]["name"]} has no port "{port}"')
    return Address(host, named if named is not None else int(port))


def port_name_of(service: Document, number: int) -> str:
    """What the service calls the port with this number. Raises 503 for one that it does not have."""
    for one in service["spec"].get("ports") or ():
        if one["port"] == number:
            name: str = one.get("name", "")
            return name
    raise errors.service_unavailable(f'no service port {number} found for service "{service["metadata"]["name"]}"')


def endpoints_of(subsets: Sequence[Document], port_name: str, pods: Set[tuple[str, str]]) -> list[Address]:
    """Where the port is served: ready addresses that are those of `pods` (pairs of name and address)."""
    return [
        Address(address["ip"], port["port"])
        for subset in subsets
        for port in subset.get("ports") or ()
        if port.get("name", "") == port_name
        for address in subset.get("addresses") or ()
        if ((address.get("targetRef") or {}).get("name", ""), address["ip"]) in pods
    ]


def is_proxyable(host: str) -> bool:
    """False for addresses that mean this machine, its link or no host at all; names are for the resolver."""
    try:
        address = ip_address(host)
    except ValueError:
        return host != "localhost"
    address = getattr(address, "ipv4_mapped", None) or address
    return not (address.is_loopback or address.is_link_local or address.is_multicast or address.is_unspecified)


class ReverseProxy:
    def __init__(
        self,
        reader: Reader,
        kubelets: Backend,
        workloads: Backend,
        random: Random,
        may_dial: Callable[[str], bool],
        admit: Admit,
    ) -> None:
        self._reader = reader
        self._kubelets = kubelets
        self._workloads = workloads
        self._random = random
        self._may_dial = may_dial
        self._admit = admit

    def register(self, routes: Routes) -> None:
        routes.subresource("", "nodes", "proxy", self.node)
        routes.subresource("", "pods", "proxy", self.pod)
        routes.subresource("", "services", "proxy", self.service)

    async def node(self, call: Call) -> ApiResponse:
        await self._admit(call)
        named = parse_name(call.info.name, "node")
        node = self._found("nodes", "", named.name)
        address = kubelet_address(node)
        if named.port and int(named.port) != address.port:
            return await self._to_workload(call, named.scheme, Address(address.host, int(named.port)))
        return await self._relay(call, self._kubelets, "https", address)

    async def pod(self, call: Call) -> ApiResponse:
        await self._admit(call)
        named = parse_name(call.info.name, "pod")
        pod = self._found("pods", call.info.namespace, named.name)
        return await self._to_workload(call, named.scheme, pod_address(pod, named.port))

    async def service(self, call: Call) -> ApiResponse:
        await self._admit(call)
        named = parse_name(call.info.name, "service")
        namespace = call.info.namespace
        port_name = named.port
        if port_name.isdigit():
            port_name = port_name_of(self._found("services", namespace, named.name), int(port_name))
        endpoints = self._reader.get("endpoints", namespace, named.name)
        if endpoints is None:
            raise errors.not_found("services", named.name)
        subsets = endpoints.get("subsets") or ()
        addresses = endpoints_of(subsets, port_name, self._addresses_of_pods(namespace, subsets))
        if not addresses:
            asked = call.info.name if subsets else named.name
            raise errors.service_unavailable(f'no endpoints available for service "{asked}"')
        return await self._to_workload(call, named.scheme, self._random.choice(addresses))

    def _addresses_of_pods(self, namespace: str, subsets: Sequence[Document]) -> set[tuple[str, str]]:
        """(pod, address) of the pods in the namespace that the subsets name."""
        names = {
            reference["name"]
            for subset in subsets
            for address in subset.get("addresses") or ()
            if (reference := address.get("targetRef") or {}).get("namespace") == namespace
        }
        pods = [pod for name in names if (pod := self._reader.get("pods", namespace, name)) is not None]
        return {
            (pod["metadata"]["name"], one["ip"])
            for pod in pods
            for one in (pod.get("status") or {}).get("podIPs") or [{"ip": (pod.get("status") or {}).get("podIP", "")}]
        }

    async def _to_workload(self, call: Call, scheme: str, address: Address) -> ApiResponse:
        if not self._may_dial(address.host):
            raise errors.bad_request("address not allowed")
        return await self._relay(call, self._workloads, scheme, address)

    def _found(self, resource: str, namespace: str, name: str) -> dict[str, Any]:
        document = self._reader.get(resource, namespace, name)
        if document is None:
            raise errors.not_found(resource, name)
        return document

    async def _relay(self, call: Call, backend: Backend, scheme: str, address: Address) -> ApiResponse:
        request = call.request
        root, _, rest = request.path.partition("/proxy")
        prefix = f"{root}/proxy"
        query = request.uri.partition("?")[2]
        inside = quote(rewriting.joined("/", rest), safe=_SAFE)
        target = Target(scheme, address, inside + (f"?{query}" if query else ""))
        if wants_upgrade(request.headers):
            return upgraded(lambda incoming: join(request, incoming, backend, target))
        if not rest and request.method in ("GET", "HEAD"):
            return ApiResponse(301, b"", {"Location": f"{request.path}/{f'?{query}' if query else ''}"})
        host = request.headers.get("host", "")
        place = rewriting.Place(quote(prefix, safe=_SAFE), frozenset({str(address), host}))
        added = told_of_proxy(request, host, place.prefix + inside)
        answer = await backend.relay(request.method, target, request.headers, request.body, added)
        return await turned(answer, request.method, place)


def told_of_proxy(request: ApiRequest, host: str, path: str) -> Added:
    """What the server behind learns of who asks, and how."""
    peers = [one for one in (request.headers.get("x-forwarded-for", ""), request.remote) if one]
    told = {"X-Forwarded-Uri": path, "X-Forwarded-For": ", ".join(peers), "Host": host}
    return CIMultiDict({name: value for name, value in told.items() if value})


async def turned(answer: ApiResponse, method: str, place: rewriting.Place) -> ApiResponse:
    """The answer with its links leading through the proxy, and without what it allows browsers elsewhere."""
    headers = {name: value for name, value in answer.headers.items() if name.lower() not in _CORS}
    answer = ApiResponse(answer.status, answer.body, headers)
    known = CIMultiDict(headers)
    if location := known.get("Location", ""):
        headers.update({name: place.link(location) for name in headers if name.lower() == "location"})
        return answer
    if method == "HEAD" or known.get("Content-Type", "").partition(";")[0].strip() != rewriting.HTML:
        return answer
    body = answer.body if isinstance(answer.body, bytes) else b"".join([piece async for piece in answer.body])
    return ApiResponse(answer.status, rewriting.page(body, known.get("Content-Encoding", ""), place), headers)
