"""Pods: defaults, rules, what may change, and how they read."""

# ruff: noqa: E501
from __future__ import annotations

from typing import Any

import pytest

from apiserver.resources.support import cells, changed, created, document, problems, update_problems
from pybernetes.api.errors import ApiError
from pybernetes.apiserver.resource import Document
from pybernetes.apiserver.resources.pod import PODS, grace_of

SUBDOMAIN = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end "
    "with an alphanumeric character (e.g. 'example.com', regex used for validation is "
    r"'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)


def pod(**spec: Any) -> Document:
    container = {"name": "web", "image": "nginx"}
    return {"metadata": {"name": "web", "namespace": "default"}, "spec": {"containers": [container], **spec}}


def with_container(**fields: Any) -> Document:
    return pod(containers=[{"name": "web", "image": "nginx", **fields}])


def test_a_minimal_pod_gets_the_defaults_of_upstream() -> None:
    stored = created(PODS, {"metadata": {"name": "web"}, "spec": {"containers": [{"name": "web", "image": "nginx"}]}})
    assert stored["spec"] == {
        "containers": [
            {
                "name": "web",
                "image": "nginx",
                "imagePullPolicy": "Always",
                "terminationMessagePath": "/dev/termination-log",
                "terminationMessagePolicy": "File",
                "resources": {},
            }
        ],
        "dnsPolicy": "ClusterFirst",
        "enableServiceLinks": True,
        "restartPolicy": "Always",
        "schedulerName": "default-scheduler",
        "securityContext": {},
        "terminationGracePeriodSeconds": 30,
    }
    assert stored["status"] == {"phase": "Pending", "qosClass": "BestEffort"}


@pytest.mark.parametrize(
    ("image", "policy"),
    [
        ("nginx", "Always"),
        ("nginx:latest", "Always"),
        ("nginx:1.27", "IfNotPresent"),
        ("registry:5000/nginx", "Always"),
        ("registry:5000/nginx:2", "IfNotPresent"),
        ("nginx@sha256:0123", "IfNotPresent"),
    ],
)
def test_the_tag_of_an_image_says_when_it_is_pulled(image: str, policy: str) -> None:
    stored = created(PODS, pod(containers=[{"name": "web", "image": image}]))
    assert stored["spec"]["containers"][0]["imagePullPolicy"] == policy


def test_a_full_pod_gets_defaults_in_every_part() -> None:
    manifest = document(
        """
        metadata: {name: full}
        spec:
          hostNetwork: true
          serviceAccountName: robot
          initContainers:
          - {name: first, image: "busybox:1"}
          containers:
          - name: web
            image: nginx:1
            ports: [{containerPort: 80}]
            env: [{name: IP, valueFrom: {fieldRef: {fieldPath: status.podIP}}}]
            resources: {limits: {cpu: "1", memory: 1Gi}, requests: {cpu: 500m}}
            livenessProbe: {httpGet: {port: 80}, timeoutSeconds: 0}
            readinessProbe: {grpc: {port: 81}, periodSeconds: 3}
            lifecycle: {preStop: {httpGet: {port: http}}}
            volumeMounts: [{name: a, mountPath: /a}]
          volumes:
          - {name: a, configMap: {name: settings}}
          - {name: b, secret: {secretName: keys, defaultMode: 256}}
          - {name: c}
          - {name: d, hostPath: {path: /tmp}}
          - name: e
            projected: {sources: [{serviceAccountToken: {path: token}}]}
          - name: f
            downwardAPI: {items: [{path: labels, fieldRef: {fieldPath: metadata.labels}}]}
        """
    )
    spec = created(PODS, manifest)["spec"]
    web = spec["containers"][0]
    assert web["ports"] == [{"containerPort": 80, "hostPort": 80, "protocol": "TCP"}]
    assert web["env"][0]["valueFrom"]["fieldRef"] == {"fieldPath": "status.podIP", "apiVersion": "v1"}
    assert web["resources"]["requests"] == {"cpu": "500m", "memory": "1Gi"}
    numbers = {"periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3, "timeoutSeconds": 1}
    assert web["livenessProbe"] == {"httpGet": {"port": 80, "path": "/", "scheme": "HTTP"}, **numbers}
    assert web["readinessProbe"] == {"grpc": {"port": 81, "service": ""}, **numbers, "periodSeconds": 3}
    assert web["lifecycle"]["preStop"]["httpGet"] == {"port": "http", "path": "/", "scheme": "HTTP"}
    assert spec["serviceAccount"] == "robot"
    assert [list(volume)[-1] for volume in spec["volumes"]] == [
        "configMap", "secret", "emptyDir", "hostPath", "projected", "downwardAPI",
    ]  # fmt: skip
    assert spec["volumes"][0]["configMap"]["defaultMode"] == 420
    assert spec["volumes"][1]["secret"]["defaultMode"] == 256
    assert spec["volumes"][3]["hostPath"] == {"path": "/tmp", "type": ""}
    assert spec["volumes"][4]["projected"]["sources"][0]["serviceAccountToken"]["expirationSeconds"] == 3600


@pytest.mark.parametrize(
    ("resources", "quality"),
    [
        ({}, "BestEffort"),
        ({"requests": {"cpu": "1"}}, "Burstable"),
        ({"limits": {"cpu": "1"}}, "Burstable"),
        ({"limits": {"cpu": "1", "memory": "1Gi"}}, "Guaranteed"),
        ({"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "1000m", "memory": "1024Mi"}}, "Guaranteed"),
        ({"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "500m"}}, "Burstable"),
    ],
)
def test_requests_and_limits_tell_the_quality_of_service(resources: Document, quality: str) -> None:
    assert created(PODS, with_container(resources=resources))["status"]["qosClass"] == quality


def test_a_name_with_a_comma_gets_the_message_of_upstream() -> None:
    manifest = pod()
    manifest["metadata"]["name"] = "podtest,"
    with pytest.raises(ApiError) as raised:
        created(PODS, manifest)
    assert raised.value.message == f'Pod "podtest," is invalid: metadata.name: Invalid value: "podtest,": {SUBDOMAIN}'


@pytest.mark.parametrize(
    ("manifest", "expected"),
    [
        (pod(containers=[{"name": "web"}]), "spec.containers[0].image: Required value"),
        (pod(containers=[]), "spec.containers: Required value"),
        (
            pod(containers=[{"name": "a", "image": "x"}, {"name": "a", "image": "y"}]),
            'spec.containers[1].name: Duplicate value: "a"',
        ),
        (
            pod(restartPolicy="Sometimes"),
            'spec.restartPolicy: Unsupported value: "Sometimes": supported values: "Always", "OnFailure", "Never"',
        ),
        (with_container(ports=[{"containerPort": 0}]), "spec.containers[0].ports[0].containerPort: Required value"),
        (
            with_container(ports=[{"containerPort": 70000}]),
            "spec.containers[0].ports[0].containerPort: Invalid value: 70000: must be between 1 and 65535, inclusive",
        ),
        (
            with_container(resources={"limits": {"cpu": "100m"}, "requests": {"cpu": "200m"}}),
            'spec.containers[0].resources.requests: Invalid value: "200m": must be less than or equal to cpu limit of 100m',
        ),
        (
            with_container(volumeMounts=[{"name": "gone", "mountPath": "/x"}]),
            'spec.containers[0].volumeMounts[0].name: Not found: "gone"',
        ),
        (
            with_container(livenessProbe={"periodSeconds": 3}),
            "spec.containers[0].livenessProbe: Required value: must specify a handler type",
        ),
        (
            with_container(env=[{"name": "A", "valueFrom": {}}]),
            'spec.containers[0].env[0].valueFrom: Invalid value: "": must specify one of: `fieldRef`, `resourceFieldRef`, '
            "`configMapKeyRef`, `secretKeyRef` or `fileKeyRef`",
        ),
        (
            with_container(env=[{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "spec.nope"}}}]),
            'spec.containers[0].env[0].valueFrom.fieldRef.fieldPath: Invalid value: "spec.nope": '
            "error converting fieldPath: field label not supported: spec.nope",
        ),
        (
            pod(volumes=[{"name": "v", "emptyDir": {}, "hostPath": {"path": "/x"}}]),
            "spec.volumes[0].hostPath: Forbidden: may not specify more than 1 volume type",
        ),
        (pod(volumes=[{"name": "v", "secret": {}}]), "spec.volumes[0].secret.secretName: Required value"),
        (
            pod(tolerations=[{"operator": "Equal", "value": "x"}]),
            'spec.tolerations[0].operator: Invalid value: "Equal": operator must be Exists when `key` is empty, '
            'which means "match all values and all keys"',
        ),
        (
            pod(initContainers=[{"name": "i", "image": "x", "livenessProbe": {"tcpSocket": {"port": 1}}}]),
            "spec.initContainers[0].livenessProbe: Forbidden: may not be set for init containers without restartPolicy=Always",
        ),
        (
            pod(ephemeralContainers=[{"name": "e", "image": "x"}]),
            "spec.ephemeralContainers: Forbidden: cannot be set on create",
        ),
        (
            pod(activeDeadlineSeconds=0),
            "spec.activeDeadlineSeconds: Invalid value: 0: must be between 1 and 2147483647, inclusive",
        ),
        (
            pod(affinity={"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [{"labelSelector": {}}]}}),
            "spec.affinity.podAffinity.requiredDuringSchedulingIgnoredDuringExecution[0].topologyKey: Required value: can not be empty",
        ),
        (
            with_container(securityContext={"privileged": True, "allowPrivilegeEscalation": False}),
            'spec.containers[0].securityContext: Invalid value: {"Capabilities":null,"Privileged":true,'
            '"SELinuxOptions":null,"WindowsOptions":null,"RunAsUser":null,"RunAsGroup":null,"RunAsNonRoot":null,'
            '"ReadOnlyRootFilesystem":null,"AllowPrivilegeEscalation":false,"ProcMount":null,"SeccompProfile":null,'
            '"AppArmorProfile":null}: '
            "cannot set `allowPrivilegeEscalation` to false and `privileged` to true",
        ),
        (pod(dnsPolicy="None"), "spec.dnsConfig: Required value: must provide `dnsConfig` when `dnsPolicy` is None"),
    ],
)
def test_a_mistake_gets_the_message_of_upstream(manifest: Document, expected: str) -> None:
    assert expected in problems(PODS, manifest)


def test_an_image_may_change_and_little_else() -> None:
    stored = created(PODS, pod())
    assert update_problems(PODS, stored, spec__containers__0__image="nginx:2") == []
    assert update_problems(PODS, stored, spec__activeDeadlineSeconds=5) == []
    assert update_problems(PODS, stored, spec__tolerations=[{"key": "a", "operator": "Exists"}]) == []
    (refused,) = update_problems(PODS, stored, spec__hostname="other")
    assert refused.startswith(
        "spec: Forbidden: pod updates may not change fields other than `spec.containers[*].image`,"
        "`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing "
        "tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)\n"
    )
    assert '"other"' in refused


def test_containers_may_not_be_added_to_a_pod() -> None:
    stored = created(PODS, pod())
    two = [*stored["spec"]["containers"], {"name": "more", "image": "x"}]
    assert update_problems(PODS, stored, spec__containers=two) == [
        "spec.containers: Forbidden: pod updates may not add or remove containers"
    ]


@pytest.mark.parametrize(
    ("node", "phase", "asked", "seconds"),
    [
        ("", "Pending", None, 0),
        ("n", "Running", None, 30),
        ("n", "Running", 5, 5),
        ("n", "Failed", None, 0),
        ("n", "Running", -1, 1),
    ],
)
def test_a_pod_that_no_node_runs_goes_at_once(node: str, phase: str, asked: int | None, seconds: int) -> None:
    assert grace_of(changed(created(PODS, pod(nodeName=node)), status__phase=phase), asked) == seconds


def running(**status: Any) -> Document:
    return {"restartCount": 0, "ready": True, "state": {"running": {}}, "name": "web", **status}


CRASHED = {
    "ready": False,
    "restartCount": 3,
    "state": {"waiting": {"reason": "CrashLoopBackOff"}},
    "lastState": {"terminated": {"finishedAt": "2030-01-01T11:59:55Z"}},
}


@pytest.mark.parametrize(
    ("statuses", "row"),
    [
        ({"phase": "Pending"}, ("0/1", "Pending", "0")),
        ({"phase": "Running", "containerStatuses": [running()]}, ("1/1", "Running", "0")),
        ({"phase": "Running", "containerStatuses": [running(**CRASHED)]}, ("0/1", "CrashLoopBackOff", "3 (5s ago)")),
        (
            {
                "phase": "Succeeded",
                "containerStatuses": [running(ready=False, state={"terminated": {"reason": "Completed"}})],
            },
            ("0/1", "Completed", "0"),
        ),
        (
            {"phase": "Failed", "containerStatuses": [running(ready=False, state={"terminated": {"exitCode": 3}})]},
            ("0/1", "ExitCode:3", "0"),
        ),
        ({"phase": "Failed", "reason": "Evicted"}, ("0/1", "Evicted", "0")),
    ],
)
def test_a_pod_reads_as_upstream_prints_it(statuses: Document, row: tuple[str, str, str]) -> None:
    shown = cells(PODS, changed(created(PODS, pod()), status=statuses))
    assert (shown["Ready"], shown["Status"], shown["Restarts"]) == row


def test_an_initializing_pod_says_how_far_it_is() -> None:
    stored = created(PODS, pod(initContainers=[{"name": "a", "image": "x"}, {"name": "b", "image": "x"}]))
    waiting = {"name": "b", "restartCount": 0, "state": {"waiting": {"reason": "PodInitializing"}}}
    first = {"name": "a", "restartCount": 0, "state": {"terminated": {"exitCode": 0}}}
    shown = cells(PODS, changed(stored, status={"phase": "Pending", "initContainerStatuses": [first, waiting]}))
    assert shown["Status"] == "Init:1/2"


def test_a_pod_being_deleted_is_terminating() -> None:
    stored = changed(created(PODS, pod()), metadata__deletionTimestamp="2030-01-01T12:00:00Z")
    assert cells(PODS, stored)["Status"] == "Terminating"
    assert cells(PODS, stored, wide=True)["Node"] == "<none>"


def test_a_pod_level_limit_makes_requests_of_what_the_containers_ask_for() -> None:
    containers = [
        {"name": "a", "image": "x", "resources": {"requests": {"cpu": "500m"}}},
        {"name": "b", "image": "x", "resources": {"requests": {"cpu": "250m"}}},
    ]
    stored = created(PODS, pod(containers=containers, resources={"limits": {"cpu": "1", "memory": "1Gi"}}))
    assert stored["spec"]["resources"]["requests"] == {"cpu": "750m", "memory": "1Gi"}


def test_on_the_hosts_network_both_ports_are_one() -> None:
    ports = [{"containerPort": 80, "hostPort": 81}]
    manifest = pod(hostNetwork=True, containers=[{"name": "a", "image": "x", "ports": ports}])
    assert problems(PODS, manifest) == [
        "spec.containers[0].ports[0].hostPort: Invalid value: 81: must match `containerPort` when `hostNetwork` is true"
    ]


def test_every_kind_of_volume_is_known_by_its_fields() -> None:
    from pybernetes.apiserver.resources.pod_defaults import VOLUME_SOURCES
    from pybernetes.apiserver.validation.volumes import _SOURCES

    assert {source.name for source in _SOURCES} == set(VOLUME_SOURCES)


def test_binding_a_pod_does_not_raise_its_generation() -> None:
    stored = created(PODS, pod())
    assert PODS.generation is not None
    assert not PODS.generation(changed(stored, spec__nodeName="n"), stored)
    assert PODS.generation(changed(stored, spec__activeDeadlineSeconds=5), stored)


def test_what_is_probably_not_meant_is_warned_of() -> None:
    assert PODS.warnings is not None
    container = {
        "name": "a",
        "image": "x",
        "env": [{"name": "A"}, {"name": "A"}],
        "resources": {"limits": {"memory": "100m"}},
    }
    manifest = pod(containers=[container], terminationGracePeriodSeconds=-1)
    manifest["metadata"]["name"] = "a.b"
    assert list(PODS.warnings(manifest)) == [
        "metadata.name: this is used in the Pod's hostname, which can result in surprising behavior; "
        "a DNS label is recommended: [must not contain dots]",
        'spec.containers[0].resources.limits[memory]: fractional byte value "100m" is invalid, must be an integer',
        'spec.containers[0].env[1]: hides previous definition of "A", which may be dropped when using apply',
        "spec.terminationGracePeriodSeconds: must be >= 0; negative values are invalid and will be treated as 1",
    ]


def test_what_is_wrong_with_one_image_is_not_said_of_another() -> None:
    for image, problem in (
        ("nginx:1", []),
        ("", ["spec.containers[0].image: Required value"]),
        ("nginx:2", []),
        (" x", ['spec.containers[0].image: Invalid value: " x": must not have leading or trailing whitespace']),
    ):
        assert problems(PODS, pod(containers=[{"name": "web", "image": image}])) == problem


def test_tolerations_are_not_taken_away() -> None:
    stored = created(PODS, pod(tolerations=[{"key": "a", "operator": "Exists"}]))
    assert update_problems(PODS, stored, spec__tolerations=[])[:1] == [
        "spec.tolerations: Forbidden: existing toleration can not be modified except its tolerationSeconds"
    ]
