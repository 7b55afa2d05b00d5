"""The kubelet's HTTPS server: logs, exec, attach, port-forward, run, pods, statistics, metrics, health.

Guarantees  Everything but /healthz needs a user that `Access` allows. An answer of 4xx or 5xx is plain text that says
            why; the API server passes it on to its client.
Assumes     Pods are known through `PodSource`; containers are found in the runtime by their labels.
Follows pkg/kubelet/server/server.go.
"""

from __future__ import annotations

import ssl
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

import structlog
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from pybernetes.api import codec
from pybernetes.api.models.core_v1 import Pod, PodList
from pybernetes.api.streams import channels
from pybernetes.api.streams.channels import Protocol as ChannelProtocol
from pybernetes.kubelet import server_access
from pybernetes.kubelet.container_lookup import Refusal, logged_container, pod_sandbox, running_container, spec_of
from pybernetes.kubelet.log_format import LogOptionError, LogOptions
from pybernetes.kubelet.logs import LogPlaces, WallClock, read_log
from pybernetes.kubelet.runtime import ContainerState, NotFound, NotSupported, Runtime, RuntimeFailure, Session
from pybernetes.kubelet.runtime.labels import POD_NAME, POD_NAMESPACE, POD_UID
from pybernetes.kubelet.server_access import Access, ClusterAdministratorsOnly
from pybernetes.kubelet.stats import Stats
from pybernetes.kubelet.stats_cadvisor import cadvisor_metrics
from pybernetes.kubelet.stats_metrics import resource_metrics, running_metrics
from pybernetes.kubelet.streaming import forwarding, remote_command, remote_command_spdy, upgrade
from pybernetes.kubelet.streaming.cri_streams import Wanted

log = structlog.get_logger(__name__)

_OPEN_PATHS = frozenset({"/healthz"})
_HOLLOW = "this node is hollow: its containers run no processes, so they have no logs and nothing to connect to"
_TEXT = {"Content-Type": "text/plain; charset=utf-8", "X-Content-Type-Options": "nosniff"}


class PodSource(Protocol):
    """The pods that are this kubelet's to run, with the status it gives them."""

    def pods(self) -> Sequence[Pod]: ...
    def pod(self, namespace: str, name: str) -> Pod | None: ...


class KubeletServer:
    """Serves until stopped. `stats` is None where nothing is measured (hollow nodes)."""

    def __init__(
        self,
        pods: PodSource,
        runtime: Runtime,
        clock: WallClock,
        *,
        places: LogPlaces | None = None,
        stats: Stats | None = None,
        access: Access | None = None,
    ) -> None:
        self._pods = pods
        self._runtime = runtime
        self._clock = clock
        self._places = places or LogPlaces()
        self._stats = stats
        self._access = access or ClusterAdministratorsOnly()
        self._runner: web.AppRunner | None = None

    def application(self) -> web.Application:
        app = web.Application(middlewares=[_refusals_as_text, self._authorize])
        get, post = app.router.add_get, app.router.add_post
        get("/healthz", self._healthz)
        get("/healthz/{check}", self._healthz)
        get("/pods", self._list_pods)
        get("/pods/", self._list_pods)
        get("/runningpods", self._running_pods)
        get("/runningpods/", self._running_pods)
        get("/stats/summary", self._summary)
        get("/metrics", self._metrics)
        get("/metrics/resource", self._resource_metrics)
        get("/metrics/cadvisor", self._cadvisor_metrics)
        get("/containerLogs/{namespace}/{pod}/{container}", self._container_logs)
        for prefix, handler in (("exec", self._exec), ("attach", self._attach)):
            for path in ("{namespace}/{pod}/{container}", "{namespace}/{pod}/{uid}/{container}"):
                app.router.add_route("*", f"/{prefix}/{path}", handler)
        for path in ("{namespace}/{pod}", "{namespace}/{pod}/{uid}"):
            app.router.add_route("*", f"/portForward/{path}", self._port_forward)
        for path in ("{namespace}/{pod}/{container}", "{namespace}/{pod}/{uid}/{container}"):
            post(f"/run/{path}", self._run)
        return app

    async def start(self, address: str, port: int, tls: ssl.SSLContext | None) -> int:
        """Listen; answer the port (of interest when 0 was asked for)."""
        # A client that goes away must end its log following and sessions.
        self._runner = web.AppRunner(self.application(), access_log=None, handler_cancellation=True, shutdown_timeout=1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, address, port, ssl_context=tls, reuse_address=True)
        await site.start()
        return int(self._runner.addresses[0][1])

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    # ---- access

    @web.middleware
    async def _authorize(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        if request.path in _OPEN_PATHS:
            return await handler(request)
        user = server_access.user_of_certificate(
            request.transport.get_extra_info("peercert") if request.transport else None
        )
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if user is None and scheme.lower() == "bearer" and token:
            user = await self._access.user_of(token.strip())
        if user is None:
            raise Refusal(401, "Unauthorized")
        verb, subresource = server_access.needed(request.method, request.path)
        if not await self._access.allows(user, verb, subresource):
            raise Refusal(
                403, f"Forbidden (user={user.name}, verb={verb}, resource=nodes, subresource(s)=[{subresource}])"
            )
        return await handler(request)

    # ---- about the node

    async def _healthz(self, request: web.Request) -> web.Response:
        return web.Response(text="ok", headers=_TEXT)

    async def _list_pods(self, request: web.Request) -> web.Response:
        return _pod_list(list(self._pods.pods()))

    async def _running_pods(self, request: web.Request) -> web.Response:
        running = {
            container.labels.get(POD_UID)
            for container in await self._runtime.list_containers()
            if container.state is ContainerState.RUNNING
        }
        return _pod_list([pod for pod in self._pods.pods() if pod.metadata.uid in running])

    async def _summary(self, request: web.Request) -> web.Response:
        only_basics = request.query.get("only_cpu_and_memory", "") == "true"
        summary = await self._measured().summary(self._pods.pods(), only_cpu_and_memory=only_basics)
        return web.Response(body=codec.encode(summary), content_type="application/json")

    async def _metrics(self, request: web.Request) -> web.Response:
        containers = await self._runtime.list_containers()
        body = generate_latest() + running_metrics(
            [container.state for container in containers], len(self._pods.pods())
        )
        return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def _resource_metrics(self, request: web.Request) -> web.Response:
        summary = await self._measured().summary(self._pods.pods(), only_cpu_and_memory=True)
        return web.Response(body=resource_metrics(summary), headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def _cadvisor_metrics(self, request: web.Request) -> web.Response:
        summary = await self._measured().summary(self._pods.pods())
        images = {
            (c.labels.get(POD_NAMESPACE, ""), c.labels.get(POD_NAME, ""), c.name): (c.id, c.image)
            for c in await self._runtime.list_containers()
            if c.state is ContainerState.RUNNING
        }
        return web.Response(body=cadvisor_metrics(summary, images), headers={"Content-Type": CONTENT_TYPE_LATEST})

    def _measured(self) -> Stats:
        if self._stats is None:
            raise Refusal(501, "this node measures nothing: its containers run no processes")
        return self._stats

    # ---- about containers

    async def _container_logs(self, request: web.Request) -> web.StreamResponse:
        self._need_processes()
        pod, name = self._pod(request), request.match_info["container"]
        try:
            options = LogOptions.from_query(request.query, self._clock.now())
        except LogOptionError as error:
            raise Refusal(400, str(error)) from error
        container = await logged_container(self._runtime, pod, name, previous=options.previous)
        path = self._places.log_of(container)

        async def running() -> bool:
            try:
                return (await self._runtime.container_status(container.id)).state is ContainerState.RUNNING
            except NotFound:
                return False

        response = web.StreamResponse(headers=_TEXT)
        if path is None or not path.exists():
            raise Refusal(404, f'the log of container "{name}" in pod "{pod.metadata.name}" is not there (any more)')
        response.enable_chunked_encoding()
        await response.prepare(request)
        try:
            async for piece in read_log(path, options, running):
                await response.write(piece)
            await response.write_eof()
        except ConnectionError:
            log.debug("the reader of a log has gone", pod=pod.metadata.name, container=name)
        return response

    async def _exec(self, request: web.Request) -> web.StreamResponse:
        self._need_processes()
        pod, name = self._pod(request), request.match_info["container"]
        spec_of(pod, name)
        container = await running_container(self._runtime, pod, name)
        wanted = _streams_of(request)
        session = await self._runtime.exec(
            container.id,
            request.query.getall("command", []),
            stdin=wanted.stdin,
            stdout=wanted.stdout,
            stderr=wanted.stderr,
            tty=wanted.tty,
        )
        return await self._converse(request, session, wanted)

    async def _attach(self, request: web.Request) -> web.StreamResponse:
        self._need_processes()
        pod, name = self._pod(request), request.match_info["container"]
        wanted = _streams_of(request)
        # Whether there is a terminal was decided when the container was made, whatever the client opens streams for.
        tty = bool(spec_of(pod, name).tty)
        container = await running_container(self._runtime, pod, name)
        session = await self._runtime.attach(
            container.id, stdin=wanted.stdin, stdout=wanted.stdout, stderr=wanted.stderr and not tty, tty=tty
        )
        return await self._converse(request, session, wanted)

    async def _converse(self, request: web.Request, session: Session, wanted: Wanted) -> web.StreamResponse:
        """Carry the session in whichever way the client speaks."""
        try:
            if upgrade.wanted(request):
                protocol = _agree(request, remote_command_spdy.PROTOCOLS)
                conversation, carrier = upgrade.take(request, protocol)
                await remote_command_spdy.serve(carrier, ChannelProtocol(protocol), session, wanted)
                return conversation
            socket = remote_command.accept()
            await socket.prepare(request)
            greeting = channels.greeting(stdout=wanted.stdout, stderr=wanted.stderr)
            await remote_command.serve(socket, session, greeting)
            return socket
        finally:
            await session.close()

    async def _port_forward(self, request: web.Request) -> web.StreamResponse:
        self._need_processes()
        sandbox = await pod_sandbox(self._runtime, self._pod(request))
        ports = [int(port) for port in request.query.getall("port", []) if port.isdigit()]
        forward = await self._runtime.port_forward(sandbox.id)
        try:
            if upgrade.wanted(request):
                protocol = _agree(request, (forwarding.PROTOCOL,))
                conversation, carrier = upgrade.take(request, protocol)
                await forwarding.serve_tunnel(carrier, forward)
                return conversation
            socket = forwarding.accept()
            await socket.prepare(request)
            await forwarding.serve(socket, forward, ports)
            return socket
        finally:
            await forward.close()

    async def _run(self, request: web.Request) -> web.Response:
        self._need_processes()
        pod, name = self._pod(request), request.match_info["container"]
        container = await running_container(self._runtime, pod, name)
        result = await self._runtime.exec_sync(container.id, request.query.get("cmd", "").split(" "))
        return web.Response(body=result.stdout + result.stderr, headers=_TEXT)

    def _need_processes(self) -> None:
        if not self._runtime.runs_processes:
            raise Refusal(501, _HOLLOW)

    def _pod(self, request: web.Request) -> Pod:
        namespace, name, uid = (request.match_info.get(key, "") for key in ("namespace", "pod", "uid"))
        pod = self._pods.pod(namespace, name)
        if pod is None or (uid and pod.metadata.uid != uid):
            raise Refusal(404, f'pod "{name}" in namespace "{namespace}" is not on this node')
        return pod


def _agree(request: web.Request, served: tuple[str, ...]) -> str:
    protocol = upgrade.choose(request, served)
    if protocol is None:
        raise Refusal(403, f"unable to negotiate protocol: server supports {list(served)}")
    return protocol


def _streams_of(request: web.Request) -> Wanted:
    """What the query asks for, in the names of the API and in those that kubelets have had always."""

    def asked(*names: str) -> bool:
        return any(request.query.get(name, "").lower() in ("1", "true") for name in names)

    tty = asked("tty")
    stdin, stdout, stderr = asked("stdin", "input"), asked("stdout", "output"), asked("stderr", "error") and not tty
    if not (stdin or stdout or stderr):
        raise Refusal(400, "you must specify at least 1 of stdin, stdout, stderr")
    return Wanted(stdin=stdin, stdout=stdout, stderr=stderr, tty=tty)


def _pod_list(pods: list[Pod]) -> web.Response:
    return web.Response(body=codec.encode(PodList(items=pods)), content_type="application/json")


@web.middleware
async def _refusals_as_text(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    try:
        return await handler(request)
    except Refusal as refusal:
        return web.Response(status=refusal.code, text=str(refusal), headers=_TEXT)
    except NotSupported as failure:
        return web.Response(status=501, text=failure.message, headers=_TEXT)
    except NotFound as failure:
        return web.Response(status=404, text=failure.message, headers=_TEXT)
    except RuntimeFailure as failure:
        return web.Response(status=500, text=str(failure), headers=_TEXT)
