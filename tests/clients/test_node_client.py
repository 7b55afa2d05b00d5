"""Node's official client, unmodified: `with_node.mjs` is its user, and here stands what it must find."""

from __future__ import annotations

import json
import subprocess

import pytest

from clients.transcript import HERE

pytestmark = pytest.mark.nightly

PACKAGES = HERE.parents[1] / ".clients" / "node"


def test_nodes_client_makes_watches_informs_and_applies(kubeconfig: str, namespace: str) -> None:
    assert (PACKAGES / "node_modules").exists(), "Node's client is not installed here: run scripts/clients."
    command = ["node", str(HERE / "with_node.mjs"), str(PACKAGES), kubeconfig, namespace]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    found = {name: value for line in done.stdout.splitlines() for name, value in json.loads(line).items()}
    assert found == {
        "created": [{"a": "1"}, "string", True],
        "again": [409, 'configmaps "one" already exists'],
        "replaced": {"a": "2"},
        "late": 409,
        "merged": {"a": "2", "b": "3"},
        "removed": {"b": "3"},
        "available": 2,
        "scale": [2, "app=web"],
        "page": [1, "string"],
        "informed": [[["add", "web"]], "web"],
        "watched": [["ADDED", "1"], ["MODIFIED", "2"], ["DELETED", "2"]],
        "applied": ["me", ["node-tests"]],
        "deleted": "Success",
        "version": "36",
    }
