from __future__ import annotations

import json
import os
import socket
import subprocess
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from pybernetes.cli import preflight
from pybernetes.cli.commands.kubectl import needs_cluster
from pybernetes.cli.commands.up import settled
from pybernetes.cli.layout import Layout, Settings
from pybernetes.cli.main import COMMANDS, main
from pybernetes.cli.options import command_for, find
from pybernetes.cli.problems import Problem


def run(*words: str) -> click.testing.Result:
    return CliRunner().invoke(main, list(words))


def sentence(error: str) -> str:
    """Errors are one line that says what is wrong and what to do."""
    (line,) = error.strip().splitlines()
    assert line.startswith("Error: ")
    assert line.endswith(".")
    assert ": " in line.removeprefix("Error: ")
    return line


@pytest.mark.parametrize("command", sorted(COMMANDS.keys() - {"kubectl"}))
def test_every_command_explains_itself(command: str) -> None:
    result = run(command, "--help")
    assert result.exit_code == 0
    assert result.output.startswith("Usage:")


@pytest.mark.parametrize("command", ["backup", "restore", "migrate"])
def test_what_is_not_built_says_so_and_fails(command: str) -> None:
    result = run(command, "pod", "web")
    assert result.exit_code == 3
    assert f"`p8s {command}` is not built yet" in sentence(result.output)


def test_an_unknown_command_is_refused_and_the_one_that_was_meant_is_named() -> None:
    assert run("fly").exit_code == run("sttus").exit_code == 2
    assert "There is no command 'sttus'. Did you mean 'status'?" in run("sttus").output
    assert "See 'p8s --help'." in run("fly").output


def test_kubectl_explains_itself_without_a_cluster() -> None:
    for words in ((), ("--help",), ("get", "-h"), ("completion", "bash"), ("kustomize", ".")):
        assert not needs_cluster(words), words
    for words in (("get", "pods"), ("version",), ("logs", "help")):
        assert needs_cluster(words), words


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ('{"name": "defa', "Unterminated string"),
        ("[1]", "it is no JSON object"),
        ('{"port": "6443"}', "port is no int"),
        ('{"anonymous_auth": "yes"}', "anonymous_auth is no bool"),
    ],
)
@pytest.mark.parametrize("command", ["up", "status", "down"])
def test_settings_that_are_broken_are_named_with_what_is_wrong_and_left_alone(
    command: str, content: str, why: str, tmp_path: Path
) -> None:
    file = tmp_path / "cluster.json"
    file.write_text(content)
    result = run(command, "--data-dir", str(tmp_path))
    assert result.exit_code == 1
    assert f"{file} cannot be read ({why}" in sentence(result.output)
    assert "put it right, or remove it" in result.output
    assert [entry.name for entry in tmp_path.iterdir()] == ["cluster.json"]
    assert file.read_text() == content


def test_a_directory_below_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    result = run("up", "--runtime", "hollow", "--data-dir", str(tmp_path / "file" / "below"))
    assert result.exit_code == 1
    assert "(Not a directory): name another directory with --data-dir" in sentence(result.output)


@pytest.mark.parametrize("command", ["up", "status", "down", "kubectl", "token create", "server", "why pod web"])
def test_the_cluster_of_another_user_is_left_alone(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Layout(tmp_path).write_settings(Settings(runtime="hollow"))
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    result = run(*command.split(), "--data-dir", str(tmp_path))
    assert result.exit_code == 1
    assert f"the cluster in {tmp_path} is another user's" in sentence(result.output)


def test_a_cluster_is_meant_again_by_its_name_or_directory(tmp_path: Path) -> None:
    assert command_for(find("default", None), "default", "up") == "p8s up"
    assert command_for(find("second", None), "second", "up") == "p8s up --name second"
    assert command_for(find("default", tmp_path), "default", "down") == f"p8s down --data-dir {tmp_path}"


@pytest.mark.parametrize(
    "command", ["status --data-dir {}", "kubectl --data-dir {} get pods", "image ls --data-dir {}"]
)
def test_commands_that_need_a_cluster_say_how_to_start_one(command: str, tmp_path: Path) -> None:
    result = run(*command.format(tmp_path / "none").split())
    assert result.exit_code == 1
    assert f"start one with `p8s up --data-dir {tmp_path / 'none'}`" in sentence(result.output)


def test_stopping_a_cluster_that_is_not_there_is_no_error(tmp_path: Path) -> None:
    result = run("down", "--purge", "--data-dir", str(tmp_path / "none"))
    assert result.exit_code == 0


def test_etcd_is_refused_by_name(tmp_path: Path) -> None:
    result = run("up", "--runtime", "hollow", "--store", "etcd://127.0.0.1:2379", "--data-dir", str(tmp_path))
    assert result.exit_code == 1
    assert "etcd as the store is not built yet" in sentence(result.output)


def test_a_taken_port_is_named_with_how_to_find_its_owner(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        result = run("up", "--runtime", "hollow", "--port", str(port), "--data-dir", str(tmp_path))
    assert result.exit_code == 1
    assert f"port {port} is taken by another program" in sentence(result.output)


def test_real_containers_without_root_point_to_hollow_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(Problem, match="real containers need root: run `sudo p8s up`, or `p8s up --runtime hollow`"):
        preflight.check(Settings(port=1), Path("/"))


def test_missing_programs_are_named_by_their_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda program, path="": None if program == "nft" else f"/usr/bin/{program}")
    monkeypatch.setattr("pybernetes.network.cni.plugin_directory", lambda: None)
    with pytest.raises(Problem, match="nftables and containernetworking-plugins are not installed"):
        preflight.check_programs()


def machine(path: Path, *, capabilities: str = "000001ffffffffff", controllers: bool = True) -> dict[str, Path]:
    (path / "status").write_text(f"Name:\tp8s\nCapEff:\t{capabilities}\nSeccomp:\t0\n")
    (path / "cgroup").mkdir()
    if controllers:
        (path / "cgroup" / "cgroup.controllers").write_text("cpu memory\n")
    return {"process": path / "status", "cgroups": path / "cgroup"}


def nft(monkeypatch: pytest.MonkeyPatch, code: int, words: str = "") -> None:
    monkeypatch.setattr(
        "subprocess.run", lambda command, **how: subprocess.CompletedProcess(command, code, stdout="", stderr=words)
    )


def test_a_machine_that_can_run_containers_is_accepted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nft(monkeypatch, 0)
    preflight.check_kernel(**machine(tmp_path))


def test_what_a_container_around_us_keeps_back_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nft(monkeypatch, 0)
    with pytest.raises(
        Problem, match=r"\(CAP_NET_ADMIN and CAP_SYS_ADMIN not granted\): a container must be privileged"
    ):
        preflight.check_kernel(**machine(tmp_path, capabilities="00000000a80425fb"))


def test_a_kernel_without_control_groups_or_nftables_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nft(monkeypatch, 1, "Error: Could not process rule: Operation not supported\n")
    for name in ("bare", "whole"):
        (tmp_path / name).mkdir()
    with pytest.raises(Problem, match="control groups cannot be made below"):
        preflight.check_kernel(**machine(tmp_path / "bare", controllers=False))
    with pytest.raises(Problem, match=r"the kernel has no nftables \(Error: Could not process rule"):
        preflight.check_kernel(**machine(tmp_path / "whole"))


def test_a_full_disk_says_how_much_is_needed(tmp_path: Path) -> None:
    with pytest.raises(Problem, match="is full"):
        preflight.check_disk(tmp_path / "new", smallest=1 << 60)


def test_real_nodes_are_as_many_as_a_machine_bears_and_all_must_reach_the_api_server() -> None:
    preflight.check_nodes(Settings(nodes=3))
    preflight.check_nodes(Settings(runtime="hollow", nodes=1000, bind="127.0.0.1"))
    with pytest.raises(Problem, match="17 nodes with real containers are too many for one machine"):
        preflight.check_nodes(Settings(nodes=17))
    with pytest.raises(Problem, match=r"further nodes do not reach an API server on 127\.0\.0\.1"):
        preflight.check_nodes(Settings(nodes=2, bind="127.0.0.1"))


def test_options_are_remembered_and_new_ones_win() -> None:
    known = Settings(name="x", port=7000, runtime="hollow", nodes=3)
    asked = settled(known, "x", {"port": None, "nodes": 5, "runtime": None, "store": None})
    assert (asked.port, asked.nodes, asked.runtime) == (7000, 5, "hollow")


def test_settings_come_back_as_they_were_written(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    layout.write_settings(Settings(name="x", port=7000))
    assert layout.read_settings() == Settings(name="x", port=7000)


def test_settings_of_a_newer_version_are_read_as_far_as_they_are_known(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    layout.settings_file.write_text(json.dumps({"name": "x", "color": "blue"}))
    assert layout.read_settings() == Settings(name="x")


def test_a_token_for_an_administrator_is_printed_once_and_only_its_digest_is_kept(tmp_path: Path) -> None:
    result = run("token", "create", "--admin", "--data-dir", str(tmp_path))
    token = result.output.strip()
    assert result.exit_code == 0
    assert len(token) > 30
    assert token not in Layout(tmp_path).tokens.read_text()


def test_completion_scripts_exist_for_the_common_shells() -> None:
    for shell in ("bash", "zsh", "fish"):
        assert "_P8S_COMPLETE" in run("completion", shell).output
