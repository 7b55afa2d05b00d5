"""What an API server was started with, under upstream's names of flags: what its `/flagz` tells."""

from __future__ import annotations

from collections.abc import Mapping

from pybernetes.cli import auditing, encryption, identities, serving
from pybernetes.cli.flags import Flag, Kind, shown
from pybernetes.cli.layout import Settings
from pybernetes.cli.unbuilt_flags import AS_IT_IS

_OTHERS = (
    Flag("admission-control-config-file", ""),
    Flag("advertise-address", "", field="node_address"),
    Flag("disable-admission-plugins", "", Kind.NAMES),
    Flag("enable-admission-plugins", "", Kind.NAMES),
    Flag("feature-gates", "", Kind.PAIRS),
    Flag("proxy-client-cert-file", ""),
    Flag("proxy-client-key-file", ""),
    Flag("requestheader-allowed-names", "", Kind.NAMES),
    Flag("requestheader-client-ca-file", ""),
    Flag("requestheader-extra-headers-prefix", "", Kind.NAMES),
    Flag("requestheader-group-headers", "", Kind.NAMES),
    Flag("requestheader-uid-headers", "", Kind.NAMES),
    Flag("requestheader-username-headers", "", Kind.NAMES),
    Flag("runtime-config", "", Kind.PAIRS),
    Flag("secure-port", "", Kind.NUMBER, field="port"),
    Flag("service-account-issuer", "", Kind.NAMES),
    Flag("service-cluster-ip-range", "", field="service_cidr"),
)
FLAGS = (*auditing.FLAGS, *encryption.FLAGS, *identities.FLAGS, *serving.FLAGS, *_OTHERS)


def flags_of(settings: Settings) -> Mapping[str, str]:
    """Upstream's default of the mode of authorization is another one: here it is told what is done."""
    found = {flag.name: shown(flag, settings) for flag in FLAGS}
    if not settings.authorization_mode and not settings.authorization_config:
        found["authorization-mode"] = "[Node,RBAC]"
    return AS_IT_IS | found
