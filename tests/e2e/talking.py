"""Pods that answer with their host's name over TCP and UDP, and pods that ask them. They need the image `php`."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from e2e.cluster import PATIENCE
from e2e.space import Manifest, Space, container, pod

HTTP, DATAGRAMS = 8080, 8081
"""Where a server listens unless it is told otherwise."""

_SERVE = """
$name = gethostname();
$streams = $datagrams = [];
foreach (explode(",", getenv("UDP")) as $port) if ($port)
    $datagrams[] = stream_socket_server("udp://0.0.0.0:$port", $e, $m, STREAM_SERVER_BIND);
foreach (array_reverse(explode(",", getenv("TCP"))) as $port) if ($port)
    $streams[] = stream_socket_server("tcp://0.0.0.0:$port");
while (true) {
    $ready = array_merge($streams, $datagrams); $w = $x = null;
    stream_select($ready, $w, $x, null);
    foreach ($ready as $one) {
        if (in_array($one, $datagrams, true)) {
            stream_socket_recvfrom($one, 1500, 0, $from);
            stream_socket_sendto($one, $name, 0, $from);
        } else if ($client = @stream_socket_accept($one, 1, $peer)) {
            stream_set_timeout($client, 30);
            $first = fgets($client);
            while (($line = fgets($client)) !== false && trim($line) !== "");
            $body = str_contains($first ?: "", "/clientip") ? $peer : $name;
            fwrite($client, "HTTP/1.1 200 OK\\r\\nContent-Type: text/plain\\r\\nConnection: close\\r\\n"
                . "Content-Length: " . strlen($body) . "\\r\\n\\r\\n" . $body);
            fclose($client);
        }
    }
}
"""
_CALL = """
function call($protocol, $host, $port) {
    $from = stream_context_create(["socket" => ["bindto" => getenv("FROM") ?: "0:0"]]);
    $c = @stream_socket_client("$protocol://$host:$port", $e, $m, 2, STREAM_CLIENT_CONNECT, $from);
    if (!$c) return "";
    stream_set_timeout($c, 2);
    @fwrite($c, $protocol == "udp" ? "hostname" : "GET /hostname HTTP/1.0\\r\\n\\r\\n");
    $reply = @fread($c, 1500);
    if ($protocol == "tcp") { while (!feof($c) && ($more = @fread($c, 1500)) != "") $reply .= $more;
        $reply = explode("\\r\\n\\r\\n", $reply . "\\r\\n\\r\\n")[1]; }
    return $reply;
}
"""
_ASK = """
[, $protocol, $host, $port, $count] = $argv;
for ($n = 0; $n < $count; $n++) echo call($protocol, $host, $port) ?: "failed", "\\n";
"""
_FIND = """
foreach (json_decode($argv[1]) as [$protocol, $host, $port, $wanted]) {
    $found = [];
    $end = time() + $argv[2];
    while (count($found) < count($wanted) && time() < $end)
        if ($reply = call($protocol, $host, $port)) $found[$reply] = true; else usleep(100000);
    ksort($found);
    if (array_keys($found) != $wanted) echo "$protocol://$host:$port: ", implode(", ", array_keys($found)), "\\n";
}
"""


def server(
    name: str, *, app: str = "", tcp: tuple[int, ...] = (HTTP,), udp: tuple[int, ...] = (DATAGRAMS,), **more: Any
) -> Manifest:
    """Ready as soon as it answers."""
    ports = [{"containerPort": port, "protocol": "TCP"} for port in tcp]
    ports += [{"containerPort": port, "protocol": "UDP"} for port in udp]
    listening = {"TCP": ",".join(map(str, tcp)), "UDP": ",".join(map(str, udp))}
    words = {
        "image": "php",
        "command": ["php", "-r", _SERVE],
        "env": [{"name": key, "value": value} for key, value in listening.items()],
        "ports": more.pop("ports", ports),
    }
    if tcp:
        words["readinessProbe"] = {"tcpSocket": {"port": tcp[0]}, "periodSeconds": 1, "timeoutSeconds": 30}
    labels = {"app": app or name}
    return pod(name, container("", **words), labels=labels, terminationGracePeriodSeconds=0, **more)


def asker(name: str = "asker", **more: Any) -> Manifest:
    main = container("", image="php", command=["php", "-r", "while (true) sleep(3600);"])
    return pod(name, main, terminationGracePeriodSeconds=0, **more)


def ask(
    space: Space, host: str, port: int, *, protocol: str = "tcp", count: int = 1, by: str = "asker", source: str = ""
) -> list[str]:
    """What each of `count` connections is answered from inside a pod: a server's name, or ``failed``."""
    words = ["exec", by, "--", "env", f"FROM={source}:0" if source else "FROM=", "php", "-r", _CALL + _ASK, "--"]
    return space.kubectl(*words, protocol, host, str(port), str(count)).split()


def misled(space: Space, by: str, wanted: Iterable[tuple[str, str, int, set[str]]]) -> str:
    """Asks each place, a protocol, a host and a port, from one pod until it has led to all servers that it should.

    Tells of those that led elsewhere, or not to all.
    """
    asked = json.dumps([(*place, sorted(names)) for *place, names in wanted])
    return space.kubectl("exec", by, "--", "php", "-r", _CALL + _FIND, "--", asked, str(PATIENCE))


def wait_until_asked(space: Space, expected: set[str], host: str, port: int, *, protocol: str = "tcp") -> None:
    """Until a dozen connections find just those servers."""
    count = 1 if len(expected) == 1 else 16
    space.cluster.until(
        f"{expected} at {host}:{port}/{protocol}",
        lambda: set(ask(space, host, port, protocol=protocol, count=count)) == expected,
    )
