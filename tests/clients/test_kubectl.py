"""kubectl, unmodified: what it prints is what it prints before upstream's own server."""

from __future__ import annotations

from difflib import unified_diff
from pathlib import Path
from typing import Any

import pytest

from clients.transcript import HERE, Shell, play
from e2e.cluster import UserCluster

NIGHTLY = {"deciding", "draining", "knowing", "nodes", "showing", "working"}


def scripts(folder: str) -> list[Any]:
    names = sorted(path.stem for path in (HERE / "transcripts" / folder).glob("*.txt"))
    return [pytest.param(name, marks=[pytest.mark.nightly] if name in NIGHTLY else []) for name in names]


@pytest.mark.parametrize("name", scripts("server"))
def test_kubectl_before_an_api_server_alone(name: str, server: Path, tmp_path: Path) -> None:
    check("server", name, Shell(server, name, tmp_path))


@pytest.mark.parametrize("name", scripts("cluster"))
def test_kubectl_before_a_whole_cluster(name: str, whole_cluster: UserCluster, tmp_path: Path) -> None:
    check("cluster", name, Shell(whole_cluster.data_dir / "kubeconfig", name, tmp_path))


def check(folder: str, name: str, shell: Shell) -> None:
    shell.prepare()
    expected = (HERE / "transcripts" / folder / f"{name}.txt").read_text()
    found = play(expected, shell.answer)
    if found != expected:
        difference = unified_diff(expected.splitlines(), found.splitlines(), "expected", "found", lineterm="", n=9)
        pytest.fail("\n".join(difference), pytrace=False)
