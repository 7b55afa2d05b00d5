"""Where a cluster keeps its files, and what it was started with.

`DIR/cluster.json` is written by `p8s up` and read by every process of the cluster, so that all agree and a restart
after a reboot needs no option repeated. Nothing but the standard library is imported here.
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

DEFAULT_NAME = "default"
DEFAULT_PORT = 6443
DEFAULT_SERVICE_CIDR = "10.96.0.0/16"
DEFAULT_POD_CIDR = "10.244.0.0/16"
RUNTIMES = ("containerd", "hollow")
PROCESSES = {"apiserver": ("apiserver",), "controllers": ("controllers", "scheduler"), "node": ("node",)}
"""Each process that `p8s up` supervises, and the parts that run in it."""

PARTS = tuple(PROCESSES)
NAME_PATTERN = re.compile(r"[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?")


class UnreadableSettings(Exception):
    """The file with a cluster's settings is there, and cannot be used."""

    def __init__(self, file: Path, why: str, *, is_broken: bool) -> None:
        super().__init__(f"{file} cannot be read ({why})")
        self.is_broken = is_broken
        """It is the content that is wrong: not the way to it, nor who asks."""


@dataclass(frozen=True, slots=True)
class Settings:
    name: str = DEFAULT_NAME
    port: int = DEFAULT_PORT
    runtime: str = "containerd"
    nodes: int = 1
    store: str = "sqlite"
    bind: str = "0.0.0.0"
    node_address: str = "127.0.0.1"
    kubelet_port: int = 10250
    controller_manager_port: int = 10257
    scheduler_port: int = 10259
    service_cidr: str = DEFAULT_SERVICE_CIDR
    pod_cidr: str = DEFAULT_POD_CIDR
    service_account_issuer: str = "https://kubernetes.default.svc.cluster.local"
    kubelet_root: str = "/var/lib/kubelet"
    pod_logs: str = "/var/log/pods"
    container_logs: str = "/var/log/containers"
    pod_links: str = ""
    log_links: str = ""
    resolv_conf: str = "/etc/resolv.conf"
    kubeconfig: str = ""
    controllers: str = "*"
    use_service_account_credentials: bool = True
    root_ca_file: str = ""
    cluster_cidr: str = ""
    node_cidr_mask_size: int = 0
    node_cidr_mask_size_ipv4: int = 0
    node_cidr_mask_size_ipv6: int = 0
    load_balancer_pool: str = ""
    node_network: str = ""
    machine_name: str = ""
    scheduler_config: str = ""
    scheduler_plugins: str = ""
    feature_gates: str = ""
    runtime_config: str = ""
    enable_admission_plugins: str = ""
    disable_admission_plugins: str = ""
    admission_control_config_file: str = ""
    admission_plugins: str = ""
    authentication_config: str = ""
    anonymous_auth: bool = True
    authentication_token_webhook_config_file: str = ""
    authentication_token_webhook_version: str = "v1beta1"
    authentication_token_webhook_cache_ttl: str = "2m0s"
    token_auth_file: str = ""
    enable_bootstrap_token_auth: bool = True
    api_audiences: str = ""
    oidc_issuer_url: str = ""
    oidc_client_id: str = ""
    oidc_ca_file: str = ""
    oidc_username_claim: str = "sub"
    oidc_username_prefix: str = ""
    oidc_groups_claim: str = ""
    oidc_groups_prefix: str = ""
    oidc_signing_algs: str = "RS256"
    oidc_required_claim: str = ""
    authorization_mode: str = ""
    authorization_config: str = ""
    authorization_policy_file: str = ""
    authorization_webhook_config_file: str = ""
    authorization_webhook_version: str = "v1beta1"
    authorization_webhook_cache_authorized_ttl: str = "5m0s"
    authorization_webhook_cache_unauthorized_ttl: str = "30s"
    encryption_provider_config: str = ""
    encryption_provider_config_automatic_reload: bool = False
    audit_policy_file: str = ""
    audit_log_path: str = ""
    audit_log_format: str = "json"
    audit_log_maxage: int = 366
    audit_log_maxbackup: int = 100
    audit_log_maxsize: int = 100
    audit_log_mode: str = "blocking"
    audit_log_batch_buffer_size: int = 10_000
    audit_log_batch_max_size: int = 1
    audit_log_batch_max_wait: str = "0s"
    audit_log_batch_throttle_enable: bool = False
    audit_log_batch_throttle_qps: float = 0
    audit_log_batch_throttle_burst: int = 0
    audit_log_truncate_enabled: bool = False
    audit_log_truncate_max_batch_size: int = 10 << 20
    audit_log_truncate_max_event_size: int = 100 << 10
    audit_webhook_config_file: str = ""
    audit_webhook_initial_backoff: str = "10s"
    audit_webhook_mode: str = "batch"
    audit_webhook_batch_buffer_size: int = 10_000
    audit_webhook_batch_max_size: int = 400
    audit_webhook_batch_max_wait: str = "30s"
    audit_webhook_batch_throttle_enable: bool = True
    audit_webhook_batch_throttle_qps: float = 10
    audit_webhook_batch_throttle_burst: int = 15
    audit_webhook_truncate_enabled: bool = False
    audit_webhook_truncate_max_batch_size: int = 10 << 20
    audit_webhook_truncate_max_event_size: int = 100 << 10
    max_requests_inflight: int = 400
    max_mutating_requests_inflight: int = 200
    enable_priority_and_fairness: bool = True
    request_timeout: str = "1m0s"
    min_request_timeout: int = 1800
    event_ttl: str = "1h0m0s"
    service_node_port_range: str = "30000-32767"
    etcd_compaction_interval: str = "5m0s"
    tls_cert_file: str = ""
    tls_private_key_file: str = ""
    shutdown_delay_duration: str = "0s"
    shutdown_send_retry_after: bool = False
    shutdown_watch_termination_grace_period: str = "0s"
    requestheader_client_ca_file: str = ""
    requestheader_allowed_names: str = "front-proxy-client"
    requestheader_username_headers: str = "X-Remote-User"
    requestheader_uid_headers: str = ""
    requestheader_group_headers: str = "X-Remote-Group"
    requestheader_extra_headers_prefix: str = "X-Remote-Extra-"
    proxy_client_cert_file: str = ""
    proxy_client_key_file: str = ""

    @property
    def first_service_cidr(self) -> str:
        """The range that the cluster's own services have their addresses from."""
        return self.service_cidr.partition(",")[0]

    @property
    def dns_address(self) -> str:
        import ipaddress

        return str(ipaddress.ip_network(self.first_service_cidr)[10])

    @property
    def pods_directory(self) -> Path:
        return Path(self.kubelet_root) / "pods"

    @property
    def cgroup_root(self) -> str:
        return f"/pybernetes-{self.name}"

    def cgroup_root_of(self, number: int) -> str:
        """Those of further nodes lie in the cluster's."""
        return self.cgroup_root if number == 1 else f"{self.cgroup_root}/node-{number}"

    @property
    def further_nodes(self) -> range:
        """The numbers of the nodes with real containers beside the first, which is the machine itself."""
        return range(2, (self.nodes if self.runtime == "containerd" else 1) + 1)

    @property
    def parts(self) -> tuple[str, ...]:
        """The processes that `p8s up` supervises: each further node is one of its own."""
        return (*PARTS, *(f"node-{number}" for number in self.further_nodes))

    def with_(self, **changes: Any) -> Settings:
        return replace(self, **changes)


@dataclass(frozen=True, slots=True)
class Layout:
    """The files of one cluster. Equal data directories are the same cluster."""

    root: Path

    @property
    def settings_file(self) -> Path:
        return self.root / "cluster.json"

    @property
    def kubeconfig(self) -> Path:
        return self.root / "kubeconfig"

    @property
    def pki(self) -> Path:
        return self.root / "pki"

    @property
    def database(self) -> Path:
        return self.root / "store" / "state.db"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def run(self) -> Path:
        return self.root / "run"

    @property
    def containerd(self) -> Path:
        return self.root / "containerd"

    @property
    def cni_configuration(self) -> Path:
        return self.root / "cni" / "net.d"

    @property
    def cni_state(self) -> Path:
        return self.root / "cni" / "state"

    @property
    def tokens(self) -> Path:
        return self.pki / "tokens.json"

    @property
    def images(self) -> Path:
        return self.root / "images"

    @property
    def volumes(self) -> Path:
        """The directories of persistent volumes that are made on the nodes of this machine."""
        return self.root / "volumes"

    @property
    def controllers_socket(self) -> Path:
        """Where the controllers say how they are."""
        return self.run / "controllers.sock"

    @property
    def nodes(self) -> Path:
        """What belongs to further nodes with real containers, by their numbers."""
        return self.root / "nodes"

    def of_node(self, number: int) -> Layout:
        """Where a node keeps what is its own, in the same order; the first keeps it with the cluster's."""
        return self if number == 1 else Layout(self.nodes / str(number))

    @property
    def scheduler_socket(self) -> Path:
        """Where the scheduler explains, whichever process it is in."""
        return self.run / "scheduler.sock"

    def log_of(self, part: str) -> Path:
        return self.logs / f"{part}.log"

    def pid_file(self, part: str) -> Path:
        return self.run / f"{part}.pid"

    def read_settings(self) -> Settings | None:
        """None: no cluster was ever started here. Raises UnreadableSettings."""
        try:
            text = self.settings_file.read_text()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise UnreadableSettings(self.settings_file, str(error.strerror), is_broken=False) from error
        try:
            return _settings_in(json.loads(text))
        except ValueError as error:
            raise UnreadableSettings(self.settings_file, str(error), is_broken=True) from error

    def write_settings(self, settings: Settings) -> None:
        self.root.mkdir(parents=True, exist_ok=True)
        draft = self.settings_file.with_suffix(".draft")
        draft.write_text(json.dumps(asdict(settings), indent=2) + "\n")
        os.replace(draft, self.settings_file)


def _settings_in(document: Any) -> Settings:
    """What a later version has added is left out. Raises ValueError."""
    if not isinstance(document, dict):
        raise ValueError("it is no JSON object")
    stated = {one.name: document[one.name] for one in fields(Settings) if one.name in document}
    for one in fields(Settings):
        kind = type(one.default)
        if not isinstance(stated.get(one.name, one.default), (int, float) if kind is float else kind):
            raise ValueError(f"{one.name} is no {kind.__name__}")
    return Settings(**stated)


def default_directory(name: str) -> Path:
    if os.geteuid() == 0:
        return Path("/var/lib/pybernetes") / name
    base = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(base) / "pybernetes" / name


def layout_of(name: str, data_dir: Path | None) -> Layout:
    return Layout((data_dir or default_directory(name)).resolve())
