from __future__ import annotations

from pathlib import Path

import pytest

from pybernetes.client import KubeconfigError
from pybernetes.client.kubeconfig import load

FILE = """
current-context: main
contexts:
- name: main
  context: {cluster: here, user: me}
- name: plug
  context: {cluster: here, user: plugged}
clusters:
- name: here
  cluster: {server: "http://127.0.0.1:8080"}
users:
- name: me
  user: {token: secret}
- name: plugged
  user: {exec: {command: aws}}
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "kubeconfig"
    file.write_text(FILE)
    return file


def test_the_current_context_is_taken(path: Path) -> None:
    settings = load(path)
    assert (settings.server, settings.token) == ("http://127.0.0.1:8080", "secret")


@pytest.mark.parametrize(
    ("context", "problem"), [("nowhere", "context 'nowhere' does not exist"), ("plug", "needs 'exec' credentials")]
)
def test_what_is_missing_is_named_with_the_file(path: Path, context: str, problem: str) -> None:
    with pytest.raises(KubeconfigError, match=problem) as refused:
        load(path, context=context)
    assert str(path) in str(refused.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(KubeconfigError, match="No such file"):
        load(tmp_path / "none")
