"""The options about how the API server serves, and how it ends, with upstream's names. They are remembered in the
settings."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pybernetes.cli.flags import Flag, Kind, choose
from pybernetes.cli.layout import Settings
from pybernetes.cli.problems import Problem

if TYPE_CHECKING:
    from pybernetes.apiserver.auth.pki import KeyPair
    from pybernetes.apiserver.shutdown import Manner

F = TypeVar("F", bound=Callable[..., Any])
FLAGS = (
    Flag("bind-address", "Where the port is opened.", field="bind"),
    Flag("tls-cert-file", "The certificate that clients are shown, instead of one of the cluster's own.", Kind.FILE),
    Flag("tls-private-key-file", "The key of that certificate.", Kind.FILE),
    Flag("enable-priority-and-fairness", "Whether requests are let in by FlowSchemas.", Kind.SWITCH),
    Flag("max-requests-inflight", "Reads at once.", Kind.NUMBER),
    Flag("max-mutating-requests-inflight", "Writes at once; with reads: all levels' seats.", Kind.NUMBER),
    Flag("request-timeout", "How long an ordinary request may take.", Kind.SPAN),
    Flag("min-request-timeout", "Seconds that a watch lasts at least.", Kind.NUMBER),
    Flag("event-ttl", "How long events are kept.", Kind.SPAN),
    Flag("service-node-port-range", "The node ports of services."),
    Flag("etcd-compaction-interval", "How often the store forgets what was; 0 is never.", Kind.SPAN),
    Flag("shutdown-delay-duration", "How long /readyz fails before the server begins to end.", Kind.SPAN),
    Flag(
        "shutdown-send-retry-after",
        "Whether new requests then get 429 until the others are done.",
        Kind.SWITCH,
    ),
    Flag("shutdown-watch-termination-grace-period", "Over what time watches are ended then.", Kind.SPAN),
)


def choose_serving(function: F) -> F:
    """--request-timeout and its like."""
    return choose(FLAGS)(function)


def check_serving(settings: Settings) -> None:
    """Before anything is started. Raises Problem."""
    node_ports(settings)
    if bool(settings.tls_cert_file) != bool(settings.tls_private_key_file):
        raise Problem("a certificate and its key go together", "give --tls-cert-file and --tls-private-key-file")
    for flag in FLAGS:
        value = getattr(settings, flag.of)
        if flag.kind is Kind.NUMBER and value < 0:
            raise Problem(f"--{flag.name} can not be negative value", "give a number from 0 on")
        if flag.kind is Kind.SPAN and value.startswith("-"):
            raise Problem(f"--{flag.name} can not be negative", "give a duration like 30s")


def node_ports(settings: Settings) -> tuple[int, int]:
    """As `30000-32767` or `30000+2767`. Raises Problem."""
    text = settings.service_node_port_range
    first, plus, more = text.partition("+")
    low, _, high = text.partition("-")
    try:
        found = (int(first), int(first) + int(more)) if plus else (int(low), int(high))
    except ValueError:
        raise Problem(f"unable to parse port range: {text}", "give a range like 30000-32767") from None
    if not 0 < found[0] <= found[1] <= 65535:
        raise Problem(f"the port range {text} is not one", "give a range like 30000-32767")
    return found


def how_it_serves(settings: Settings) -> dict[str, Any]:
    """Of `ServerOptions`. Raises Problem."""
    from pybernetes.api.durations import parse_duration

    return {
        "node_port_range": node_ports(settings),
        "priority_and_fairness": settings.enable_priority_and_fairness,
        "max_requests_in_flight": settings.max_requests_inflight,
        "max_mutating_requests_in_flight": settings.max_mutating_requests_inflight,
        "request_timeout": parse_duration(settings.request_timeout),
        "min_request_timeout": settings.min_request_timeout,
        "event_ttl_seconds": int(parse_duration(settings.event_ttl)),
        "compact_seconds": int(parse_duration(settings.etcd_compaction_interval)),
    }


def certificate(settings: Settings, own: KeyPair) -> KeyPair:
    """What clients are shown."""
    from pybernetes.apiserver.auth.pki import KeyPair

    if not settings.tls_cert_file:
        return own
    return KeyPair(Path(settings.tls_cert_file), Path(settings.tls_private_key_file))


def how_it_ends(settings: Settings) -> Manner:
    from pybernetes.api.durations import parse_duration
    from pybernetes.apiserver.shutdown import Manner

    return Manner(
        parse_duration(settings.shutdown_delay_duration),
        settings.shutdown_send_retry_after,
        parse_duration(settings.shutdown_watch_termination_grace_period),
    )
