"""What clusters on one machine must not share: the well-known directories, address ranges, the kubelet's port.

Tools and tests look for pods under /var/lib/kubelet and for logs under /var/log/pods. The first cluster on a machine
gets them and says so in a file. Another one keeps them in its data directory, and has links to them under the
well-known paths. One beside a foreign kubelet keeps to its data directory altogether.
Likewise the first has the usual ranges and port, the next ones the next that are free. All but the port is chosen once.
"""

from __future__ import annotations

import contextlib
import ipaddress
import os
import shutil
import socket
from collections.abc import Callable, Container, Sequence
from pathlib import Path

from pybernetes.cli.layout import Layout, Settings
from pybernetes.cli.problems import Problem

KUBELET_ROOT = Path("/var/lib/kubelet")
POD_LOGS = Path("/var/log/pods")
CONTAINER_LOGS = Path("/var/log/containers")
NODE_NETWORK = "10.120.0.0/24"
CLAIM = "pybernetes-cluster"
MOST_CLUSTERS = 10

Addresses = list[ipaddress.IPv4Address]


def addresses(settings: Settings, others: Sequence[Settings], taken: Addresses) -> Settings:
    """The settings of a new cluster with address ranges that neither others nor the machine's own addresses use."""
    if settings.runtime != "containerd":
        return settings
    real = [one for one in others if one.runtime == settings.runtime]
    reserved = [ipaddress.IPv4Network(cidr) for one in real for cidr in (one.pod_cidr, one.first_service_cidr)]
    for shift in range(MOST_CLUSTERS):
        pods, services = (_shifted(cidr, shift) for cidr in (settings.pod_cidr, settings.first_service_cidr))
        used = any(address in network for address in taken for network in (pods, services))
        if not used and not any(one.overlaps(network) for one in reserved for network in (pods, services)):
            ranges = ",".join((str(services), *settings.service_cidr.split(",")[1:]))
            return settings.with_(pod_cidr=str(pods), service_cidr=ranges)
    raise Problem("every address range for pods is in use on this machine", "remove clusters with `p8s down --purge`")


def node_network(settings: Settings, others: Sequence[Settings], taken: Addresses) -> Settings:
    """The settings with a range for the addresses of several nodes, where there are several; it is chosen once."""
    if settings.node_network or not settings.further_nodes:
        return settings
    reserved = [ipaddress.IPv4Network(one.node_network) for one in others if one.node_network]
    for shift in range(MOST_CLUSTERS):
        network = _shifted(NODE_NETWORK, shift)
        if not any(address in network for address in taken) and network not in reserved:
            return settings.with_(node_network=str(network))
    raise Problem("every address range for nodes is in use on this machine", "remove clusters with `p8s down --purge`")


def kubelet_port(settings: Settings, others: Sequence[Settings]) -> Settings:
    """The settings with the port that they name, or the next one that is free: clients learn it from the node."""
    reserved = {one.kubelet_port for one in others}
    return settings.with_(kubelet_port=_next_port(settings.kubelet_port, reserved, _is_free_port))


def secure_ports(
    settings: Settings, others: Sequence[Settings], is_free: Callable[[int], bool] | None = None
) -> Settings:
    """Likewise the ports on which controllers and scheduler say how they are; 0 stays 0."""
    reserved = {port for one in others for port in (one.kubelet_port, one.controller_manager_port, one.scheduler_port)}
    reserved.add(settings.kubelet_port)
    for name in ("controller_manager_port", "scheduler_port"):
        wanted = getattr(settings, name)
        if wanted:
            port = _next_port(wanted, reserved, is_free or _is_free_port)
            settings = settings.with_(**{name: port})
            reserved.add(port)
    return settings


def _next_port(wanted: int, reserved: Container[int], is_free: Callable[[int], bool]) -> int:
    return next(port for port in range(wanted, 65536) if port not in reserved and is_free(port))


def _shifted(cidr: str, shift: int) -> ipaddress.IPv4Network:
    network = ipaddress.IPv4Network(cidr)
    return ipaddress.IPv4Network((int(network.network_address) + shift * network.num_addresses, network.prefixlen))


def own_addresses() -> Addresses:
    """Those of this machine's devices."""
    import psutil

    found = (one for device in psutil.net_if_addrs().values() for one in device)
    return [ipaddress.IPv4Address(one.address) for one in found if one.family == socket.AF_INET]


def _is_free_port(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("0.0.0.0", port))
        except OSError:
            return False
    return True


def claim(layout: Layout, settings: Settings) -> Settings:
    """The settings with the directories that this cluster shall use from now on."""
    known = layout.read_settings()
    if known is not None and known.runtime == settings.runtime:
        return settings
    root = layout.root
    own = settings.with_(kubelet_root=str(root / "kubelet"), pod_logs=str(root / "pod-logs"))
    if settings.runtime != "containerd":
        return own.with_(container_logs="")
    if _is_foreign():
        return own.with_(container_logs=str(root / "container-logs"))
    well_known = settings.with_(container_logs=str(CONTAINER_LOGS))
    if not _is_free(root):
        links = {"pod_links": str(KUBELET_ROOT / "pods"), "log_links": str(POD_LOGS)}
        return well_known.with_(kubelet_root=own.kubelet_root, pod_logs=own.pod_logs, **links)
    KUBELET_ROOT.mkdir(parents=True, exist_ok=True)
    (KUBELET_ROOT / CLAIM).write_text(f"{root}\n")
    return well_known.with_(kubelet_root=str(KUBELET_ROOT), pod_logs=str(POD_LOGS))


def release(settings: Settings, root: Path) -> None:
    """Removes what the cluster kept in the well-known directories, and the links into its own."""
    if _owner() == root and settings.kubelet_root == str(KUBELET_ROOT):
        (KUBELET_ROOT / CLAIM).unlink()
        for directory in (KUBELET_ROOT, KUBELET_ROOT / "pods", POD_LOGS):
            _remove_all_but_links(directory, keep=KUBELET_ROOT / "pods")
    for directory in (KUBELET_ROOT / "pods", POD_LOGS, CONTAINER_LOGS):
        _remove_dead_links(directory, root)
    for directory in (KUBELET_ROOT / "pods", KUBELET_ROOT, POD_LOGS, CONTAINER_LOGS):
        with contextlib.suppress(OSError):
            directory.rmdir()  # only when no other cluster has anything there


def _remove_all_but_links(directory: Path, keep: Path) -> None:
    for entry in directory.iterdir() if directory.is_dir() else ():
        if entry.is_dir() and not entry.is_symlink() and entry != keep:
            shutil.rmtree(entry, ignore_errors=True)
        elif not entry.is_symlink() and entry != keep:
            entry.unlink(missing_ok=True)


def _remove_dead_links(directory: Path, root: Path) -> None:
    """Those that lead into the cluster's own directory, or nowhere."""
    for link in directory.iterdir() if directory.is_dir() else ():
        if link.is_symlink() and (not link.exists() or Path(os.readlink(link)).is_relative_to(root)):
            link.unlink(missing_ok=True)


def _is_free(root: Path) -> bool:
    owner = _owner()
    return owner is None or owner == root or not (owner / "cluster.json").exists()


def _is_foreign() -> bool:
    """Whether something that is not one of our clusters has pods there. Nobody's links are no pods."""
    if _owner() is not None or not KUBELET_ROOT.is_dir():
        return False
    pods = KUBELET_ROOT / "pods"
    others = [entry for entry in KUBELET_ROOT.iterdir() if entry != pods]
    return bool(others) or (pods.is_dir() and not all(entry.is_symlink() for entry in pods.iterdir()))


def _owner() -> Path | None:
    try:
        return Path((KUBELET_ROOT / CLAIM).read_text().strip())
    except FileNotFoundError:
        return None
