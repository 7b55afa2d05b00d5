"""What the options about identities lead to."""

from __future__ import annotations

from pathlib import Path

import pytest

from pybernetes.apiserver.auth.access import AccessOptions
from pybernetes.cli.identities import with_identities
from pybernetes.cli.layout import Settings
from pybernetes.cli.problems import Problem

OPTIONS = AccessOptions(b"key")
START = "apiVersion: apiserver.config.k8s.io/v1\nkind: AuthenticationConfiguration\n"


def test_without_a_choice_nothing_is_changed() -> None:
    assert with_identities(OPTIONS, Settings()) is OPTIONS


def test_nobody_may_come_without_credentials_if_that_is_chosen() -> None:
    chosen = with_identities(OPTIONS, Settings(anonymous_auth=False)).authentication
    assert chosen is not None
    assert chosen.anonymous is not None
    assert not chosen.anonymous.enabled


def test_the_file_and_the_flag_cannot_both_say_so(tmp_path: Path) -> None:
    file = tmp_path / "authentication.yaml"
    file.write_text(START + "anonymous: {enabled: true}\n")
    with pytest.raises(Problem, match="--anonymous-auth flag cannot be set when anonymous field is configured"):
        with_identities(OPTIONS, Settings(anonymous_auth=False, authentication_config=str(file)))


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    file = tmp_path / "kubeconfig"
    file.write_text("{}")
    with pytest.raises(Problem, match='context "" does not exist'):
        with_identities(OPTIONS, Settings(authorization_webhook_config_file=str(file)))
