"""Pod addresses: the CNI configuration that containerd reads, and what a node leaves behind with it.

Guarantees  Addresses come from the node's pod CIDR, the first is the bridge's own, and no other state than
            `state_directory` and libcni's cache is kept. Host ports and masquerade are the proxy's: no iptables.
Assumes     The plugins bridge, host-local and loopback lie in one of `PLUGIN_DIRECTORIES`.
Follows     the CNI specification 1.0.0 and the pages of its bridge and host-local plugins.
"""

from __future__ import annotations

import ipaddress
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PLUGIN_DIRECTORIES = (Path("/opt/cni/bin"), Path("/usr/lib/cni"), Path("/usr/libexec/cni"))
REQUIRED_PLUGINS = ("bridge", "host-local", "loopback")
RESULT_CACHE = Path("/var/lib/cni/results")
CONFIGURATION_FILE = "10-pybernetes.conflist"


@dataclass(frozen=True, slots=True)
class PodNetwork:
    """What the addresses of one node's pods are made of."""

    network: str
    bridge: str
    pod_cidr: str
    state_directory: str
    mtu: int = 0

    @property
    def gateway(self) -> str:
        return str(ipaddress.ip_network(self.pod_cidr)[1])


def configuration(pods: PodNetwork) -> dict[str, Any]:
    bridge = {
        "type": "bridge",
        "bridge": pods.bridge,
        "isGateway": True,
        "isDefaultGateway": True,
        "forceAddress": True,
        "hairpinMode": True,
        "ipMasq": False,
        "ipam": {
            "type": "host-local",
            "dataDir": pods.state_directory,
            "ranges": [[{"subnet": pods.pod_cidr, "gateway": pods.gateway}]],
        },
    }
    if pods.mtu:
        bridge["mtu"] = pods.mtu
    return {"cniVersion": "0.4.0", "name": pods.network, "plugins": [bridge]}


def write(pods: PodNetwork, directory: Path) -> Path:
    """Writes the configuration whole or not at all; containerd watches the directory and takes it up by itself."""
    directory.mkdir(parents=True, exist_ok=True)
    Path(pods.state_directory).mkdir(parents=True, exist_ok=True)
    target = directory / CONFIGURATION_FILE
    text = json.dumps(configuration(pods), indent=2) + "\n"
    if target.exists() and target.read_text() == text:
        return target
    draft = target.with_suffix(".draft")
    draft.write_text(text)
    os.replace(draft, target)
    return target


def plugin_directory() -> Path | None:
    """The first directory that has every plugin that is needed."""
    for directory in PLUGIN_DIRECTORIES:
        if all((directory / name).exists() for name in REQUIRED_PLUGINS):
            return directory
    return None


@dataclass(frozen=True, slots=True)
class CachedAttachment:
    """One pod's attachment as libcni remembers it: the files to delete and the network namespace they name."""

    files: tuple[Path, ...]
    namespace: str


def cached_attachments(network: str, cache: Path = RESULT_CACHE) -> list[CachedAttachment]:
    found = []
    for file in sorted(cache.glob(f"{network}-*")):
        try:
            document = json.loads(file.read_bytes())
        except (OSError, ValueError):
            document = {}  # half-written when the machine died: it still belongs to this network by its name
        if document.get("networkName", network) == network:
            loopback = cache / f"cni-loopback-{document.get('containerId', '')}-lo"
            found.append(CachedAttachment((file, loopback), _namespace_of(document)))
    return found


def _namespace_of(document: dict[str, Any]) -> str:
    """The interface inside the pod says where it is."""
    interfaces = (document.get("result") or {}).get("interfaces") or ()
    return next((one["sandbox"] for one in interfaces if one.get("sandbox")), "")
