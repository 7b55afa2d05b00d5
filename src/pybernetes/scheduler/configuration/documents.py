"""A `KubeSchedulerConfiguration` file as Structs, with upstream's names and defaults.

Follows staging/src/k8s.io/kube-scheduler/config/v1/types.go and k8s.io/component-base/config/v1alpha1.
"""

from __future__ import annotations

from typing import Any

import msgspec


class Document(msgspec.Struct, kw_only=True, frozen=True, rename="camel"):
    pass


class Plugin(Document, frozen=True):
    name: str = ""
    weight: int | None = None


class PluginSet(Document, frozen=True):
    enabled: tuple[Plugin, ...] = ()
    disabled: tuple[Plugin, ...] = ()


_NO_PLUGINS = PluginSet()


class Plugins(Document, frozen=True):
    pre_enqueue: PluginSet = _NO_PLUGINS
    queue_sort: PluginSet = _NO_PLUGINS
    pre_filter: PluginSet = _NO_PLUGINS
    filter: PluginSet = _NO_PLUGINS
    post_filter: PluginSet = _NO_PLUGINS
    pre_score: PluginSet = _NO_PLUGINS
    score: PluginSet = _NO_PLUGINS
    reserve: PluginSet = _NO_PLUGINS
    permit: PluginSet = _NO_PLUGINS
    pre_bind: PluginSet = _NO_PLUGINS
    bind: PluginSet = _NO_PLUGINS
    post_bind: PluginSet = _NO_PLUGINS
    multi_point: PluginSet = _NO_PLUGINS
    placement_generate: PluginSet = _NO_PLUGINS
    placement_score: PluginSet = _NO_PLUGINS


class PluginConfig(Document, frozen=True):
    name: str = ""
    args: dict[str, Any] | None = None


class SchedulerProfile(Document, frozen=True):
    scheduler_name: str | None = None
    percentage_of_nodes_to_score: int | None = None
    plugins: Plugins | None = None
    plugin_config: tuple[PluginConfig, ...] = ()


class LeaderElection(Document, frozen=True):
    leader_elect: bool | None = None
    lease_duration: str = "15s"
    renew_deadline: str = "10s"
    retry_period: str = "2s"
    resource_lock: str = "leases"
    resource_name: str = "kube-scheduler"
    resource_namespace: str = "kube-system"


class ClientConnection(Document, frozen=True):
    kubeconfig: str = ""
    accept_content_types: str = ""
    content_type: str = "application/vnd.kubernetes.protobuf"
    qps: float = 50.0
    burst: int = 100


class ExtenderTLSConfig(Document, frozen=True):
    insecure: bool = False
    server_name: str = ""
    cert_file: str = ""
    key_file: str = ""
    ca_file: str = ""
    cert_data: bytes = b""
    key_data: bytes = b""
    ca_data: bytes = b""


class ExtenderManagedResource(Document, frozen=True):
    name: str = ""
    ignored_by_scheduler: bool = False


class Extender(Document, frozen=True):
    url_prefix: str = ""
    filter_verb: str = ""
    preempt_verb: str = ""
    prioritize_verb: str = ""
    weight: int = 0
    bind_verb: str = ""
    enable_https: bool = msgspec.field(default=False, name="enableHTTPS")
    tls_config: ExtenderTLSConfig | None = None
    http_timeout: str = "0s"
    node_cache_capable: bool = False
    managed_resources: tuple[ExtenderManagedResource, ...] = ()
    ignorable: bool = False


class KubeSchedulerConfiguration(Document, frozen=True):
    api_version: str = "kubescheduler.config.k8s.io/v1"
    kind: str = "KubeSchedulerConfiguration"
    parallelism: int = 16
    leader_election: LeaderElection = LeaderElection()
    client_connection: ClientConnection = ClientConnection()
    enable_profiling: bool = True
    enable_contention_profiling: bool = True
    percentage_of_nodes_to_score: int = 0
    pod_initial_backoff_seconds: int = 1
    pod_max_backoff_seconds: int = 10
    profiles: tuple[SchedulerProfile, ...] = ()
    extenders: tuple[Extender, ...] = ()
    delay_cache_until_active: bool = False
