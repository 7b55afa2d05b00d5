"""What a cluster has put on the machine: collected while it runs, to be looked for when it is gone.

Only what is the cluster's own by its name, its directory or its bridge: others may come and go meanwhile.
"""

from __future__ import annotations

import json
import signal
import subprocess
from pathlib import Path

from e2e.cluster import PATIENCE, UserCluster
from pybernetes.cli import processes
from pybernetes.cli.layout import Layout
from pybernetes.network import cni, host, node_bridge
from pybernetes.network.names import NetworkNames, namespace_of

CACHE = Path("/var/lib/cni/results")


def traces_of(cluster: UserCluster) -> set[str]:
    """Each is a kind and a name, such as `link p8s-x`. There are many of every kind while a pod runs."""
    names = NetworkNames.of(cluster.name)
    attachments = _attachments(names.cni_network)
    return {
        *(f"process {one}" for one in _processes(str(cluster.data_dir))),
        *(f"mount {one}" for one in _mounts(str(cluster.data_dir))),
        *(f"link {one}" for one in _links(names)),
        *(
            f"table {one}"
            for one in _lines("nft", "list", "tables")
            if one.split()[-1] in (names.table, names.node_bridge)
        ),
        *(f"route {one}" for one in _routes(names)),
        *(f"cgroup {one}" for one in Path("/sys/fs/cgroup").glob(f"*/pybernetes-{cluster.name}")),
        *(f"cgroup {one}" for one in Path("/sys/fs/cgroup").glob(f"pybernetes-{cluster.name}")),
        *(f"attachment {one}" for one in attachments),
        *(f"attachment cni-loopback-{one['containerId']}-lo" for one in attachments.values()),
        *(f"namespace {Path(one.namespace).name}" for one in cni.cached_attachments(names.cni_network)),
        *(f"namespace {namespace_of(cluster.name, number).name}" for number in node_bridge.further_nodes(cluster.name)),
    }


def still_there(traces: set[str], cluster: UserCluster) -> set[str]:
    """What of the traces, or else of the cluster, is on the machine now."""
    links = {one.name for one in Path("/sys/class/net").iterdir()}
    places = {
        "link": lambda name: name in links,
        "namespace": lambda name: (Path("/run/netns") / name).exists(),
        "attachment": lambda name: (CACHE / name).exists(),
        "cgroup": lambda name: Path(name).exists(),
    }
    remembered = {one for one in traces if (kind := one.split()[0]) in places and places[kind](one.split()[1])}
    return remembered | traces_of(cluster)


def kill_everything(cluster: UserCluster) -> None:
    """The supervisor first, for it would start the others again; its parts, containerd, shims, the containers."""
    supervisor = processes.read(Layout(cluster.data_dir).pid_file("supervisor"))
    assert supervisor is not None
    supervisor.signal(signal.SIGKILL)
    assert processes.wait_gone([supervisor], PATIENCE)
    victims = processes.marked(cluster.data_dir)
    assert len(victims) >= 3
    containers = [child for one in victims for pid in _children(one.pid) if (child := processes.of_pid(pid))]
    for one in (*victims, *containers):
        one.signal(signal.SIGKILL)
    assert processes.wait_gone([*victims, *containers], PATIENCE)


def _children(pid: int) -> list[int]:
    try:
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except FileNotFoundError:
        return []


def kinds(traces: set[str]) -> set[str]:
    return {one.split()[0] for one in traces}


ALL_KINDS = {"process", "mount", "link", "table", "route", "cgroup", "attachment", "namespace"}


def _processes(data_dir: str) -> list[str]:
    """Those that name the cluster's directory in their command line or environment, containers' shims among them."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                command, environment = (entry / "cmdline").read_bytes(), (entry / "environ").read_bytes()
            except (FileNotFoundError, ProcessLookupError, PermissionError):
                continue
            if data_dir.encode() in command + environment and b"pytest" not in command.split(b"\0")[0]:
                found.append(f"{entry.name} {command.replace(bytes(1), b' ').decode(errors='replace')}")
    return found


def _mounts(data_dir: str) -> list[str]:
    return [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines() if data_dir in line]


def _links(names: NetworkNames) -> list[str]:
    devices = (names.bridge, names.dns_device, names.node_bridge)
    present = [one for one in devices if (Path("/sys/class/net") / one).exists()]
    return present + [port for one in (names.bridge, names.node_bridge) for port in host.ports_of(one)]


def _routes(names: NetworkNames) -> list[str]:
    lines = _lines("ip", "route", "show", "table", "all")
    return [line for line in lines if {names.bridge, names.dns_device, names.node_bridge} & set(line.split())]


def _attachments(network: str) -> dict[str, dict[str, str]]:
    return {file.name: json.loads(file.read_bytes()) for file in CACHE.glob(f"{network}-*")}


def _lines(*command: str) -> list[str]:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
