"""Pods and services reached through the API server, in every form of their names and with every verb."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from e2e.space import Manifest, Space, container, mount, pod, service
from pybernetes.apiserver.auth.pki import Pki
from pybernetes.client import kubeconfig

pytestmark = [pytest.mark.node, pytest.mark.usefixtures("talking")]

SAYS = {1080: '<a href="/rewriteme">test</a>', 160: "foo", 162: "bar"}
SAYS_SECURELY = {443: "tls baz", 460: "tls qux"}

_PORTER = """
$says = json_decode(getenv("SAYS"), true);
$context = stream_context_create(["ssl" => ["local_cert" => "/tls/tls.pem"]]);
$listening = [];
foreach (array_reverse($says, true) as $port => $body) {
    $kind = in_array($port, json_decode(getenv("SECURE"))) ? "tls" : "tcp";
    $listening[$port] = stream_socket_server("$kind://0.0.0.0:$port", $e, $m, 12, $context);
}
while (true) {
    $ready = $listening; $w = $x = null;
    stream_select($ready, $w, $x, null);
    foreach ($ready as $one) {
        if (!($client = @stream_socket_accept($one, 1))) continue;
        stream_set_timeout($client, 30);
        [$verb, $path] = explode(" ", (fgets($client) ?: "") . "  ");
        $length = 0;
        while (($line = fgets($client)) !== false && trim($line) !== "")
            if (stripos($line, "content-length:") === 0) $length = (int) substr($line, 15);
        $sent = $length ? stream_get_contents($client, $length) : "";
        $body = $says[array_search($one, $listening, true)];
        $type = "text/html";
        if ($body === "echo") {
            $body = json_encode(["Method" => $verb, "Path" => $path, "Body" => $sent]);
            $type = "application/json";
        }
        fwrite($client, "HTTP/1.1 200 OK\\r\\nContent-Type: $type\\r\\nContent-Length: " . strlen($body)
            . "\\r\\nConnection: close\\r\\n\\r\\n" . ($verb == "HEAD" ? "" : $body));
        fclose($client);
    }
}
"""


def porter(name: str, says: dict[int, str], secure: dict[int, str] | None = None) -> Manifest:
    """Says something else at each of its ports; ``echo`` is what it was asked."""
    secure = secure or {}
    environment = {"SAYS": json.dumps({**says, **secure}), "SECURE": json.dumps(list(secure))}
    declared = [{"name": f"dest{number}", "containerPort": number} for number in (*says, *secure)]
    main = container(
        "",
        image="php",
        command=["php", "-r", _PORTER],
        env=[{"name": key, "value": value} for key, value in environment.items()],
        ports=declared,
        readinessProbe={"tcpSocket": {"port": next(iter(says))}, "periodSeconds": 1},
        volumeMounts=[mount("tls", "/tls")],
    )
    volumes = [{"name": "tls", "secret": {"secretName": "tls", "optional": True}}]
    return pod(name, main, volumes=volumes, terminationGracePeriodSeconds=0)


@pytest.fixture
def admin(space: Space) -> Iterator[httpx.Client]:
    settings = kubeconfig.load(space.cluster.data_dir / "kubeconfig")
    assert settings.tls is not None
    with httpx.Client(base_url=settings.server, verify=settings.tls, trust_env=False, timeout=300) as client:
        yield client


@pytest.mark.conformance("Proxy through apiserver to a Service")
def test_every_form_of_a_name_leads_to_its_port(space: Space, admin: httpx.Client, tmp_path: Path) -> None:
    certificate = Pki(tmp_path).kubelet_serving("porter", ["127.0.0.1"])
    pem = certificate.certificate.read_text() + certificate.key.read_text()
    space.apply(
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "tls"}, "stringData": {"tls.pem": pem}},
        service(
            "front",
            "porter",
            ports=[
                {"name": "portname1", "port": 80, "targetPort": "dest160"},
                {"name": "portname2", "port": 81, "targetPort": 162},
                {"name": "tlsportname1", "port": 443, "targetPort": "dest443"},
                {"name": "tlsportname2", "port": 444, "targetPort": 460},
            ],
        ),
    )
    space.start(porter("porter", SAYS, SAYS_SECURELY))
    pods, services = (f"/api/v1/namespaces/{space.name}/{kind}" for kind in ("pods", "services"))
    expected = {
        f"{services}/front:portname1/proxy/": "foo",
        f"{services}/http:front:portname1/proxy/": "foo",
        f"{services}/front:80/proxy/": "foo",
        f"{services}/front:portname2/proxy/": "bar",
        f"{services}/http:front:portname2/proxy/": "bar",
        f"{services}/front:81/proxy/": "bar",
        f"{services}/https:front:443/proxy/": "tls baz",
        f"{services}/https:front:444/proxy/": "tls qux",
        f"{services}/https:front:tlsportname1/proxy/": "tls baz",
        f"{services}/https:front:tlsportname2/proxy/": "tls qux",
        f"{pods}/porter:160/proxy/": "foo",
        f"{pods}/http:porter:160/proxy/": "foo",
        f"{pods}/porter:162/proxy/": "bar",
        f"{pods}/http:porter:162/proxy/": "bar",
        f"{pods}/https:porter:443/proxy/": "tls baz",
        f"{pods}/https:porter:460/proxy/": "tls qux",
    }
    for path in ("porter", "porter:1080", "http:porter:1080"):
        expected[f"{pods}/{path}/proxy/"] = f'<a href="{pods}/{path}/proxy/rewriteme">test</a>'
    space.cluster.until("the service", lambda: admin.get(f"{services}/front:80/proxy/").status_code == 200)
    for _ in range(3):
        for path, body in expected.items():
            answer = admin.get(path)
            assert (path, answer.status_code, answer.text) == (path, 200, body)


@pytest.mark.conformance("Proxy, validate Proxy responses", "Proxy, validate ProxyWithPath responses")
def test_every_verb_reaches_pods_and_services(space: Space, admin: httpx.Client) -> None:
    space.apply(service("front", "echo", ports=[{"port": 80, "targetPort": 80}]))
    space.start(porter("echo", {80: "echo"}))
    core = f"/api/v1/namespaces/{space.name}"
    space.cluster.until("the service", lambda: admin.get(f"{core}/services/front/proxy/").status_code == 200)
    for name in ("pods/echo", "services/front"):
        root = f"{core}/{name}/proxy"
        for verb in ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"):
            body = b"" if verb in ("GET", "HEAD", "DELETE", "OPTIONS") else b"{}"
            bare = admin.request(verb, f"{root}?method={verb}", content=body)
            deep = admin.request(verb, f"{root}/some/path/with/{verb}", content=body)
            asked = {"Method": verb, "Body": body.decode()}
            assert deep.status_code == 200
            if verb == "HEAD":
                assert (deep.content, bare.status_code) == (b"", 301)
                continue
            assert deep.json() == {**asked, "Path": f"/some/path/with/{verb}"}
            if verb == "GET":
                assert (bare.status_code, bare.headers["Location"]) == (301, f"{root}/?method=GET")
                assert admin.get(bare.headers["Location"]).json() == {**asked, "Path": "/?method=GET"}
            else:
                assert (bare.status_code, bare.json()) == (200, {**asked, "Path": f"/?method={verb}"})
