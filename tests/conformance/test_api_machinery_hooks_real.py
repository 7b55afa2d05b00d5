"""Webhooks that are a deployment behind a service: real containers, which the API server calls."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from conformance.live_server import configuration, definition, version
from e2e.space import Manifest, Space, container, mount, service
from pybernetes.apiserver.auth.pki import Pki, Request

pytestmark = [pytest.mark.node, pytest.mark.nightly, pytest.mark.usefixtures("talking")]

NAME = "e2e-test-webhook"
PORT = 8444
SERVE = """
$context = stream_context_create(["ssl" => ["local_cert" => "/tls/tls.pem"]]);
$listening = stream_socket_server("tls://0.0.0.0:8444", $e, $m, STREAM_SERVER_BIND | STREAM_SERVER_LISTEN, $context);
while (true) {
    if (!($client = @stream_socket_accept($listening, 60))) continue;
    $path = explode(" ", (fgets($client) ?: "") . "  ")[1];
    $length = 0;
    while (($line = fgets($client)) !== false && trim($line) !== "")
        if (stripos($line, "content-length:") === 0) $length = (int) substr($line, 15);
    $review = json_decode($length ? stream_get_contents($client, $length) : "null", true);
    if (strtok($path, "?") === "/crdconvert") {
        $made = [];
        foreach ($review["request"]["objects"] as $one) {
            $one["apiVersion"] = $review["request"]["desiredAPIVersion"];
            [$one["host"], $one["port"]] = explode(":", $one["hostPort"]);
            unset($one["hostPort"]);
            $made[] = $one;
        }
        $response = ["convertedObjects" => $made, "result" => ["status" => "Success"]];
    } else {
        $labels = $review["request"]["object"]["metadata"]["labels"] ?? [];
        $response = ["allowed" => ($labels["webhook-e2e-test"] ?? "") !== "webhook-disallow",
            "status" => ["message" => "the custom resource definition contains unwanted label"]];
    }
    $body = json_encode(["apiVersion" => $review["apiVersion"], "kind" => $review["kind"],
        "response" => ["uid" => $review["request"]["uid"]] + $response]);
    fwrite($client, "HTTP/1.1 200 OK\\r\\nContent-Type: application/json\\r\\nConnection: close\\r\\nContent-Length: "
        . strlen($body) . "\\r\\n\\r\\n" . $body);
    fclose($client);
}
"""


def deployed(space: Space, directory: Path) -> str:
    """The authority of the server's certificate, when two replicas serve."""
    pki = Pki(directory)
    pair = pki.issue("hook", Request("hook", names=(f"{NAME}.{space.name}.svc",), server=True))
    pem = pair.certificate.read_text() + pair.key.read_text()
    probe = {"tcpSocket": {"port": PORT}, "periodSeconds": 1}
    main = container("", image="php", command=["php", "-r", SERVE], readinessProbe=probe)
    main |= {"ports": [{"containerPort": PORT}], "volumeMounts": [mount("tls", "/tls")]}
    labels = {"app": NAME}
    pod = {
        "containers": [main],
        "terminationGracePeriodSeconds": 0,
        "volumes": [{"name": "tls", "secret": {"secretName": "tls"}}],
    }
    template = {"metadata": {"labels": labels}, "spec": pod}
    spec = {"replicas": 2, "selector": {"matchLabels": labels}, "template": template}
    space.apply(
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "tls"}, "stringData": {"tls.pem": pem}},
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": NAME}, "spec": spec},
        service(NAME, NAME, [{"protocol": "TCP", "port": 8443, "targetPort": PORT}]),
    )
    space.kubectl("rollout", "status", f"deployment/{NAME}", "--timeout=240s")
    space.until_endpoints(NAME, 2)
    return base64.b64encode(pki.ca_pem).decode()


def test_pods_behind_a_service_convert_and_deny(space: Space, tmp_path: Path) -> None:
    authority = deployed(space, tmp_path)
    group = f"{space.name}.example.com"

    def at(path: str) -> Manifest:
        own = {"name": NAME, "namespace": space.name, "port": 8443, "path": path}
        return {"service": own, "caBundle": authority}

    fields = {name: {"type": "string"} for name in ("host", "port", "hostPort")}
    schema = {"type": "object", "properties": fields}
    webhook = {"clientConfig": at("/crdconvert"), "conversionReviewVersions": ["v1"]}
    both = (version("v1", schema), version("v2", schema, storage=False))
    made = definition(group, "Noxu", *both, conversion={"strategy": "Webhook", "webhook": webhook})
    rule = {
        "operations": ["CREATE"],
        "apiGroups": ["apiextensions.k8s.io"],
        "apiVersions": ["*"],
        "resources": ["customresourcedefinitions"],
    }
    hook = {"name": "deny-crd.k8s.io", "clientConfig": at("/crd"), "rules": [rule], "sideEffects": "None"}
    hook |= {"admissionReviewVersions": ["v1"], "objectSelector": {"matchLabels": {"of": space.name}}}
    space.apply(made, configuration("Validating", space.name, hook))
    try:
        space.wait("--for=condition=Established", f"crd/noxus.{group}")
        one = {"apiVersion": f"{group}/v1", "kind": "Noxu", "metadata": {"name": "one"}, "hostPort": "local:8080"}
        space.apply(one)
        found = space.get(f"noxus.v2.{group}", "one")
        assert (found["apiVersion"], found["host"], found["port"]) == (f"{group}/v2", "local", "8080")
        assert "hostPort" not in found

        labels = {"of": space.name, "webhook-e2e-test": "webhook-disallow"}
        bad = definition(group, "Bad")
        bad["metadata"]["labels"] = labels
        said = refusal(space, bad)
        assert 'admission webhook "deny-crd.k8s.io" denied the request' in said
        assert "the custom resource definition contains unwanted label" in said
        assert space.kubectl("get", "crd", f"bads.{group}", "--ignore-not-found") == ""
    finally:
        space.kubectl("delete", f"crd/noxus.{group}", f"validatingwebhookconfiguration/{space.name}")


def refusal(space: Space, manifest: Manifest) -> str:
    with pytest.raises(AssertionError) as refused:
        space.kubectl("create", "-f", "-", text=json.dumps(manifest))
    return str(refused.value)
