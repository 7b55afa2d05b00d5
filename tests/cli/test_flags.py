"""Upstream's flags: what is taken, what is refused, and what an API server tells of them."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from pybernetes.cli.commands.server import server
from pybernetes.cli.flags import shown
from pybernetes.cli.flagz import FLAGS, flags_of
from pybernetes.cli.layout import Settings
from pybernetes.cli.problems import Problem
from pybernetes.cli.serving import check_serving, how_it_ends, how_it_serves
from pybernetes.cli.unbuilt_flags import AS_IT_IS, NAMES


def refusal(*arguments: str) -> str:
    outcome = CliRunner().invoke(server, ["--data-dir", "/nonexistent", *arguments])
    assert outcome.exit_code != 0
    return str(outcome.exception) if isinstance(outcome.exception, Problem) else outcome.output


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--etcd-servers", "http://x"), "--etcd-servers is a flag of kube-apiserver that is not built"),
        (("--goaway-chance=0.1",), "--goaway-chance=0.1 is not built: it is always 0"),
        (("--request-timeout=5x",), 'time: unknown unit "x" in duration "5x"'),
        (("--audit-log-mode=never",), "'never' is not one of 'batch', 'blocking', 'blocking-strict'"),
        (("--no-such-flag",), "No such option"),
    ],
)
def test_what_is_not_built_is_refused_by_name(arguments: tuple[str, ...], told: str) -> None:
    assert told in refusal(*arguments)


def test_no_flag_is_both_built_and_not() -> None:
    built = {flag.name for flag in FLAGS}
    assert not built & {*AS_IT_IS, *NAMES}
    assert len(built) == len(FLAGS)


def test_every_flag_has_a_place_in_the_settings() -> None:
    settings = Settings()
    assert all(isinstance(shown(flag, settings), str) for flag in FLAGS)


def test_flags_are_told_as_upstream_prints_them() -> None:
    found = flags_of(Settings(port=7443, oidc_signing_algs="RS256,ES256", audit_webhook_batch_throttle_qps=10))
    assert found["secure-port"] == "7443"
    assert found["oidc-signing-algs"] == "[RS256,ES256]"
    assert found["audit-webhook-batch-throttle-qps"] == "10"
    assert found["anonymous-auth"] == "true"
    assert found["authorization-mode"] == "[Node,RBAC]"
    assert found["goaway-chance"] == "0"


def test_how_an_api_server_serves_and_ends_is_read_from_the_settings() -> None:
    settings = Settings(
        request_timeout="1m30s", service_node_port_range="30000+99", shutdown_delay_duration="20s", event_ttl="2h0m0s"
    )
    found = how_it_serves(settings)
    assert (found["request_timeout"], found["node_port_range"]) == (90.0, (30000, 30099))
    assert (found["event_ttl_seconds"], found["compact_seconds"]) == (7200, 300)
    assert (how_it_ends(settings).delay, how_it_ends(settings).turns_away) == (20.0, False)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        (Settings(service_node_port_range="many"), "unable to parse port range: many"),
        (Settings(service_node_port_range="200-100"), "the port range 200-100 is not one"),
        (Settings(tls_cert_file="x"), "a certificate and its key go together"),
        (Settings(max_requests_inflight=-1), "--max-requests-inflight can not be negative value"),
        (Settings(request_timeout="-1s"), "--request-timeout can not be negative"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings: Settings, told: str) -> None:
    with pytest.raises(Problem, match=told):
        check_serving(settings)
