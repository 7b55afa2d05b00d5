"""Variables, expansion, hosts, resolvers, resources: what a container finds when it starts."""

from __future__ import annotations

from pathlib import Path

import pytest

from kubelet.observations import declared
from kubelet.test_volumes import Objects
from pybernetes.api.models import core_v1
from pybernetes.api.models.core_v1 import ConfigMap, Container, EnvFromSource, EnvVar, EnvVarSource, Secret, Service
from pybernetes.kubelet import cgroups, dns, env, expansion, hosts, resources, security
from pybernetes.kubelet.env import ConfigError, EnvContext
from pybernetes.kubelet.resources import Qos
from pybernetes.kubelet.runtime import Image, NamespaceMode

CONTEXT = EnvContext({}, {"cpu": "4", "memory": "8Gi"}, ("10.0.0.1",), ("10.1.1.1",))


@pytest.mark.parametrize(
    ("text", "expanded"),
    [
        ("$(A)", "1"),
        ("$(A)$(B)", "12"),
        ("$(MISSING)", "$(MISSING)"),
        ("$$(A)", "$(A)"),
        ("$$$(A)", "$1"),
        ("$A", "$A"),
        ("$(A", "$(A"),
        ("$", "$"),
        ("a$", "a$"),
        ("$()", "$()"),
        ("cost: $5 $(B)", "cost: $5 2"),
    ],
)
def test_references_are_expanded(text: str, expanded: str) -> None:
    assert expansion.expand(text, expansion.from_mappings({"A": "1", "B": "2"})) == expanded


async def variables(container: Container, objects: Objects, context: EnvContext = CONTEXT) -> dict[str, str]:
    return await env.environment(declared(), container, objects, context)


async def test_variables_come_from_everywhere_and_the_last_wins() -> None:
    objects = Objects()
    objects.config_maps["conf"] = ConfigMap(data={"A": "from config", "B": "also"})
    objects.secrets["cred"] = Secret(data={"KEY": b"hush"})
    container = Container(
        name="main",
        env_from=[
            EnvFromSource(config_map_ref=core_v1.ConfigMapEnvSource(name="conf")),
            EnvFromSource(prefix="S_", secret_ref=core_v1.SecretEnvSource(name="cred")),
            EnvFromSource(config_map_ref=core_v1.ConfigMapEnvSource(name="none", optional=True)),
        ],
        env=[
            EnvVar(name="A", value="own"),
            EnvVar(name="C", value="$(A) and $(B) and $(SVC)"),
            EnvVar(name="IP", value_from=field("status.podIP")),
            EnvVar(name="NODE", value_from=field("status.hostIP")),
        ],
    )
    context = EnvContext({"SVC": "10.96.0.1", "A": "lost"}, {}, ("10.0.0.1",), ("10.1.1.1",))
    assert await variables(container, objects, context) == {
        "A": "own",
        "B": "also",
        "S_KEY": "hush",
        "C": "own and also and 10.96.0.1",
        "IP": "10.1.1.1",
        "NODE": "10.0.0.1",
        "SVC": "10.96.0.1",
    }


def field(path: str) -> EnvVarSource:
    return EnvVarSource(field_ref=core_v1.ObjectFieldSelector(field_path=path))


@pytest.mark.parametrize(
    ("resource", "divisor", "value"),
    [
        ("limits.cpu", "1", "2"),
        ("limits.cpu", "1m", "1500"),
        ("requests.memory", "1Mi", "64"),
        ("requests.memory", "0", "67108864"),
        ("limits.memory", "1Gi", "8"),
    ],
)
async def test_resources_are_rounded_up_and_fall_back_to_the_node(resource: str, divisor: str, value: str) -> None:
    selector = core_v1.ResourceFieldSelector(resource=resource, divisor=divisor)
    container = Container(name="main", env=[EnvVar(name="X", value_from=EnvVarSource(resource_field_ref=selector))])
    container.resources.limits = {"cpu": "1500m"}
    container.resources.requests = {"memory": "64Mi"}
    assert await variables(container, Objects()) == {"X": value}


async def test_what_is_missing_is_said_as_upstream_says_it() -> None:
    objects = Objects()
    objects.config_maps["conf"] = ConfigMap(data={})
    key = EnvVarSource(config_map_key_ref=core_v1.ConfigMapKeySelector(name="conf", key="k"))
    with pytest.raises(ConfigError, match="couldn't find key k in ConfigMap default/conf"):
        await variables(Container(name="main", env=[EnvVar(name="X", value_from=key)]), objects)
    secret = EnvVarSource(secret_key_ref=core_v1.SecretKeySelector(name="none", key="k"))
    with pytest.raises(ConfigError, match='secret "none" not found'):
        await variables(Container(name="main", env=[EnvVar(name="X", value_from=secret)]), objects)


def service(name: str, namespace: str = "default", address: str = "10.96.0.7") -> Service:
    made = Service()
    made.metadata.name, made.metadata.namespace = name, namespace
    made.spec.cluster_ip = address
    made.spec.ports = [core_v1.ServicePort(name="http", port=80, protocol="TCP")]
    return made


def test_services_of_the_namespace_become_variables() -> None:
    known = [service("redis-master"), service("other", "elsewhere"), service("headless", address="None")]
    assert env.service_variables(known, "default", links=True) == {
        "REDIS_MASTER_SERVICE_HOST": "10.96.0.7",
        "REDIS_MASTER_SERVICE_PORT": "80",
        "REDIS_MASTER_SERVICE_PORT_HTTP": "80",
        "REDIS_MASTER_PORT": "tcp://10.96.0.7:80",
        "REDIS_MASTER_PORT_80_TCP": "tcp://10.96.0.7:80",
        "REDIS_MASTER_PORT_80_TCP_PROTO": "tcp",
        "REDIS_MASTER_PORT_80_TCP_PORT": "80",
        "REDIS_MASTER_PORT_80_TCP_ADDR": "10.96.0.7",
    }
    assert env.service_variables(known, "default", links=False) == {}


def test_the_api_server_is_a_variable_everywhere() -> None:
    found = env.service_variables([service("kubernetes", address="10.96.0.1")], "elsewhere", links=False)
    assert found["KUBERNETES_SERVICE_HOST"] == "10.96.0.1"


HOST = dns.Resolver(("192.0.2.1",), ("example.org",), ("rotate",))


def resolver(**spec: object) -> dns.Resolver:
    found, problems = dns.resolver_of(declared(**spec), HOST, ["10.96.0.10"], "cluster.local")
    assert problems == []
    return found


def test_pods_ask_the_cluster_first() -> None:
    searches = ("default.svc.cluster.local", "svc.cluster.local", "cluster.local", "example.org")
    assert resolver(dns_policy="ClusterFirst") == dns.Resolver(("10.96.0.10",), searches, ("ndots:5",))


def test_other_policies_ask_the_host_or_nobody() -> None:
    assert resolver(dns_policy="Default") == HOST
    assert resolver(dns_policy="ClusterFirst", host_network=True) == HOST
    assert resolver(dns_policy="ClusterFirstWithHostNet", host_network=True).servers == ("10.96.0.10",)
    config = core_v1.PodDNSConfig(
        nameservers=["1.1.1.1"], searches=["a.b"], options=[core_v1.PodDNSConfigOption(name="ndots", value="2")]
    )
    assert resolver(dns_policy="None", dns_config=config) == dns.Resolver(("1.1.1.1",), ("a.b",), ("ndots:2",))


def test_too_many_name_servers_are_left_out_and_told() -> None:
    config = core_v1.PodDNSConfig(nameservers=["1.1.1.1", "1.1.1.2", "1.1.1.3", "1.1.1.4"])
    found, problems = dns.resolver_of(declared(dns_policy="None", dns_config=config), HOST, [], "cluster.local")
    assert found.servers == ("1.1.1.1", "1.1.1.2", "1.1.1.3")
    assert problems[0].endswith("the applied nameserver line is: 1.1.1.1 1.1.1.2 1.1.1.3")


def test_a_resolver_file_is_read() -> None:
    text = "# c\nnameserver 1.1.1.1\nsearch a b.\noptions ndots:1 rotate\n"
    assert dns.parse(text) == dns.Resolver(("1.1.1.1",), ("a", "b"), ("ndots:1", "rotate"))


def test_the_hosts_file_knows_the_pod_and_its_aliases() -> None:
    aliases = [core_v1.HostAlias(ip="1.2.3.4", hostnames=["foo", "bar"])]
    lines = hosts.managed(("10.1.1.1",), "web-0", "web.default.svc.cluster.local", aliases).splitlines()
    assert "10.1.1.1\tweb-0.web.default.svc.cluster.local\tweb-0" in lines
    assert lines[-2:] == ["# Entries added by HostAliases.", "1.2.3.4\tfoo\tbar"]


# ---- resources


def asking(requests: dict[str, str] | None = None, limits: dict[str, str] | None = None) -> Container:
    made = Container(name="main")
    made.resources.requests, made.resources.limits = requests or {}, limits or {}
    return made


@pytest.mark.parametrize(
    ("containers", "expected"),
    [
        ([asking()], Qos.BEST_EFFORT),
        ([asking({"cpu": "1"})], Qos.BURSTABLE),
        ([asking({"cpu": "1", "memory": "1Gi"}, {"cpu": "1", "memory": "1Gi"})], Qos.GUARANTEED),
        ([asking({"cpu": "1000m", "memory": "1024Mi"}, {"cpu": "1", "memory": "1Gi"})], Qos.GUARANTEED),
        ([asking({}, {"cpu": "1", "memory": "1Gi"})], Qos.GUARANTEED),
        ([asking({"cpu": "1", "memory": "1Gi"}, {"cpu": "2", "memory": "1Gi"})], Qos.BURSTABLE),
        ([asking({}, {"cpu": "1", "memory": "1Gi"}), asking()], Qos.BURSTABLE),
    ],
)
def test_quality_of_service(containers: list[Container], expected: Qos) -> None:
    pod = declared()
    pod.spec.containers = containers
    assert resources.qos_of(pod) is expected


def test_a_pods_group_holds_the_sum_of_its_containers() -> None:
    pod = declared()
    pod.spec.containers = [
        asking({"cpu": "500m"}, {"cpu": "1", "memory": "1Mi"}),
        asking({}, {"cpu": "1", "memory": "1Mi"}),
    ]
    found = resources.of_pod(pod)
    assert (found.cpu_milli, found.cpu_quota, found.memory_limit) == (1500, 200_000, 2 << 20)
    pod.spec.containers.append(asking())
    assert resources.of_pod(pod).memory_limit is None


@pytest.mark.parametrize(("shares", "weight"), [(2, 1), (1024, 39), (262_144, 10_000)])
def test_shares_become_weights(shares: int, weight: int) -> None:
    assert cgroups.weight(shares) == weight


def test_the_path_of_a_pods_group_names_its_quality() -> None:
    assert cgroups.path_of("/", "u", Qos.GUARANTEED) == "/kubepods/podu"
    assert cgroups.path_of("/node1", "u", Qos.BURSTABLE) == "/node1/kubepods/burstable/podu"


# ---- security


def test_root_is_refused_where_it_must_not_be() -> None:
    pod = declared()
    container = pod.spec.containers[0]
    container.security_context = core_v1.SecurityContext(run_as_non_root=True)
    with pytest.raises(ConfigError, match="container has runAsNonRoot and image will run as root"):
        security.check_non_root(pod, container, Image("i", uid=0))
    with pytest.raises(ConfigError, match="non-numeric user"):
        security.check_non_root(pod, container, Image("i", username="www"))
    security.check_non_root(pod, container, Image("i", uid=33))
    container.security_context.run_as_user = 0
    with pytest.raises(ConfigError, match="runAsUser breaks non-root policy"):
        security.check_non_root(pod, container, Image("i", uid=33))


def test_the_containers_own_context_wins() -> None:
    pod = declared(
        security_context=core_v1.PodSecurityContext(run_as_user=1, run_as_group=2, fs_group=3, supplemental_groups=[4])
    )
    container = pod.spec.containers[0]
    container.security_context = core_v1.SecurityContext(run_as_user=10, allow_privilege_escalation=False)
    found = security.of_container(pod, container, None, Path("/var/lib/kubelet/seccomp"))
    assert (found.run_as_user, found.run_as_group, found.supplemental_groups) == (10, 2, (4, 3))
    assert found.no_new_privileges


def test_namespaces_are_shared_as_asked() -> None:
    assert security.namespaces_of(declared()).pid is NamespaceMode.CONTAINER
    assert security.namespaces_of(declared(share_process_namespace=True)).pid is NamespaceMode.POD
    assert security.namespaces_of(declared(host_pid=True)).pid is NamespaceMode.NODE
    assert security.namespaces_of(declared(), "c1").target == "c1"
    assert security.namespaces_of(declared(host_network=True)).network is NamespaceMode.NODE


def test_sysctls_that_are_not_safe_are_refused() -> None:
    def with_sysctl(name: str) -> core_v1.PodSecurityContext:
        return core_v1.PodSecurityContext(sysctls=[core_v1.Sysctl(name=name, value="1")])

    assert security.forbidden_sysctl(declared(security_context=with_sysctl("kernel.shm_rmid_forced")), ()) is None
    unsafe = declared(security_context=with_sysctl("kernel.msgmax"))
    assert security.forbidden_sysctl(unsafe, ()) == 'forbidden sysctl: "kernel.msgmax" not allowlisted'
    assert security.forbidden_sysctl(unsafe, ("kernel.msg*",)) is None
