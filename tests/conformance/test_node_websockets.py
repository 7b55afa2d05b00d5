"""Commands and logs of pods over websockets."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlencode

import pytest
import websocket
from kubernetes import config

from conformance.pods_client import Pods
from e2e.space import Space, container, pod, stay

pytestmark = pytest.mark.node

STDOUT, ERROR = 1, 3


@contextmanager
def dialled(space: Space, path: str, protocol: str) -> Iterator[Any]:
    """A client that offers one protocol, with an origin as golang.org/x/net/websocket has."""
    api = config.new_client_from_config(str(space.cluster.data_dir / "kubeconfig"))  # type: ignore[no-untyped-call]
    stated = api.configuration
    context = ssl.create_default_context(cafile=stated.ssl_ca_cert)
    if stated.cert_file:
        context.load_cert_chain(stated.cert_file, stated.key_file)
    connection = websocket.create_connection(
        f"{stated.host.replace('https', 'wss')}{path}",
        sslopt={"context": context},
        subprotocols=[protocol],
        origin="http://localhost",
        timeout=400,
    )
    try:
        assert connection.getsubprotocol() == protocol
        yield connection
    finally:
        connection.close()


def messages(connection: Any) -> Iterator[bytes]:
    """Until the server closes; its close frame is the last message that there is."""
    while True:
        opcode, data = connection.recv_data()
        if opcode == websocket.ABNF.OPCODE_CLOSE:
            return
        yield data


@pytest.mark.conformance("Pods, remote command execution over websocket", "Pods, logs from websockets")
def test_commands_run_and_logs_are_read_over_websockets(space: Space) -> None:
    pods = Pods(space)
    pods.create(pod("talks", container(stay("echo container is alive"), "main")))
    pods.ready("talks")
    space.until_said("talks", "container is alive\n")
    query = [("stderr", "1"), ("stdout", "1"), ("container", "main")]
    command = [("command", word) for word in ("echo", "remote execution test")]
    path = f"{pods.path('talks', 'exec')}?{urlencode(query + command)}"
    with dialled(space, path, "channel.k8s.io") as connection:
        found = [one for one in messages(connection) if len(one) > 1]
    assert all(one[0] == STDOUT for one in found)
    assert b"".join(one[1:] for one in found) == b"remote execution test\n"
    for protocol in ("v4.channel.k8s.io", "v5.channel.k8s.io"):
        with dialled(space, path, protocol) as connection:
            found = [one for one in messages(connection) if len(one) > 1]
        assert b"".join(one[1:] for one in found if one[0] == STDOUT) == b"remote execution test\n"
        (status,) = [one[1:] for one in found if one[0] == ERROR]
        assert b'"status":"Success"' in status
    path = f"{pods.path('talks', 'log')}?{urlencode({'container': 'main'})}"
    with dialled(space, path, "binary.k8s.io") as connection:
        assert b"".join(messages(connection)) == b"container is alive\n"
