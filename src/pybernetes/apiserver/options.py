"""What an operator may choose about an API server."""

from __future__ import annotations

from dataclasses import dataclass, field

from pybernetes.api.features import NONE, Features
from pybernetes.apiserver.admission.catalog import AdmissionOptions

MEBIBYTE = 1 << 20


@dataclass(frozen=True, slots=True)
class ComponentPorts:
    """Where controllers and scheduler say how they are, on this machine."""

    controller_manager: int = 10257
    scheduler: int = 10259


@dataclass(frozen=True, slots=True)
class ServerOptions:
    service_cidr: str = "10.96.0.0/16"
    """Where services' addresses come from: one range, or one of each family, separated by a comma."""
    node_port_range: tuple[int, int] = (30000, 32767)
    advertise_address: str = "127.0.0.1"
    port: int = 6443
    components: ComponentPorts = ComponentPorts()
    cluster_domain: str = "cluster.local"
    max_body: int = 3 * MEBIBYTE
    min_request_timeout: int = 1800
    event_ttl_seconds: int = 3600
    admission: AdmissionOptions = field(default_factory=AdmissionOptions)
    compact_seconds: int = 300
    priority_and_fairness: bool = True
    """Without it a request only counts among the reads or writes that may be in flight."""
    max_requests_in_flight: int = 400
    max_mutating_requests_in_flight: int = 200
    features: Features = NONE
    """What v1.36 leaves off and this server has on."""
    runtime_config: str = ""
    """Versions that are served beside the usual ones: `group/version=true,…`."""
    request_timeout: float = 60.0
    """Seconds that an ordinary request may take; a client may ask for less with `?timeout=`."""

    @property
    def service_cidrs(self) -> tuple[str, ...]:
        """The first one's family is that of services that do not say which they want."""
        return tuple(self.service_cidr.split(","))
