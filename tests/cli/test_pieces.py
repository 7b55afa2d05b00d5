"""The small decisions behind the commands."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography import x509

from pybernetes.apiserver.auth.pki import KeyPair, Pki
from pybernetes.cli import sweep
from pybernetes.cli.admission import admission_options, check_plugins
from pybernetes.cli.commands.up import last_error
from pybernetes.cli.front_proxy import check_front_proxy, proxy_client, request_headers
from pybernetes.cli.layout import Layout, Settings
from pybernetes.cli.parts.joining import key_and_request, still_valid
from pybernetes.cli.parts.nodes import FEW_NODES, node_names, pod_cidr_of
from pybernetes.cli.problems import Problem


def test_the_last_sentence_of_a_log_is_the_reason(tmp_path: Path) -> None:
    log = tmp_path / "node.log"
    lines = ("level=info", "Error: first: do this.", "Traceback", "Error: containerd is ill: look there.", "level=info")
    log.write_text("\n".join(lines))
    assert last_error(log) == "containerd is ill: look there"
    assert last_error(tmp_path / "none") == ""


def test_a_node_asks_for_a_certificate_of_its_own_name() -> None:
    _, pem = key_and_request("worker-1")
    request = x509.load_pem_x509_csr(pem)
    assert request.is_signature_valid
    assert request.subject.rfc4514_string() == "CN=system:node:worker-1,O=system:nodes"


def test_a_certificate_is_used_until_it_is_near_its_end(tmp_path: Path) -> None:
    pair = Pki(tmp_path).node("worker-1")
    assert still_valid(pair)
    assert not still_valid(KeyPair(tmp_path / "none.crt", tmp_path / "none.key"))


def test_every_node_has_a_range_of_its_own() -> None:
    ranges = [pod_cidr_of(Settings(), index) for index in range(3)]
    assert ranges == ["10.244.0.0/24", "10.244.1.0/24", "10.244.2.0/24"]


def test_a_few_hollow_nodes_have_kubelets_of_their_own_and_many_share_one_client() -> None:
    assert node_names(Settings(runtime="hollow", nodes=3)) == ["node-1", "node-2", "node-3"]
    assert node_names(Settings(runtime="hollow", nodes=FEW_NODES + 1)) == []


def test_purging_removes_the_clusters_directory_and_nothing_above_it(tmp_path: Path) -> None:
    layout = Layout(tmp_path / "mine" / "cluster")
    layout.write_settings(Settings(runtime="hollow"))
    sweep.purge_files(layout, Settings(runtime="hollow"))
    assert not layout.root.exists()
    assert (tmp_path / "mine").exists()


def test_proxies_are_trusted_as_chosen_and_what_cannot_work_is_said_before_anything_starts(tmp_path: Path) -> None:
    pki = Pki(tmp_path / "pki")
    trusted = request_headers(Settings(), pki)
    assert trusted.client_ca == tmp_path / "pki" / "front-proxy-ca.crt"
    assert trusted.allowed_names == ("front-proxy-client",)
    chosen = Settings(
        requestheader_client_ca_file=str(pki.ca_file),
        requestheader_allowed_names="",
        requestheader_username_headers="X-A, X-B",
        proxy_client_cert_file=str(pki.admin().certificate),
        proxy_client_key_file=str(pki.admin().key),
    )
    check_front_proxy(chosen)
    trusted = request_headers(chosen, pki)
    assert (trusted.client_ca, trusted.allowed_names) == (pki.ca_file, ())
    assert trusted.username_headers == ("X-A", "X-B")
    assert proxy_client(chosen, pki) == pki.admin()
    with pytest.raises(Problem, match="a certificate and its key go together"):
        check_front_proxy(Settings(proxy_client_cert_file=str(pki.admin().certificate)))
    nothing = tmp_path / "nothing"
    nothing.write_text("no certificate")
    with pytest.raises(Problem, match="holds no certificates"):
        check_front_proxy(Settings(requestheader_client_ca_file=str(nothing)))


def test_admission_plugins_are_chosen_by_name_and_nodes_are_always_restricted_unless_said_otherwise() -> None:
    chosen = admission_options(Settings(enable_admission_plugins="AlwaysPullImages,PodNodeSelector"))
    assert chosen.enable == ("NodeRestriction", "AlwaysPullImages", "PodNodeSelector")
    assert admission_options(Settings(disable_admission_plugins="NodeRestriction")).enable == ()
    with pytest.raises(Problem, match='enable-admission-plugins plugin "Nope" is unknown'):
        check_plugins(Settings(enable_admission_plugins="Nope"))
