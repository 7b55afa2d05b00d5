"""Which plugins there are, and which of them a server runs.

Adding a plugin is adding a file and a row of ``ORDER``. Plugins of others run before those that must come last: by the
entry points of the group `pybernetes.admission`, enabled by their names, or named as `module:Class`.

Follows pkg/kubeapiserver/options/plugins.go and k8s.io/apiserver/pkg/server/options/admission.go.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from pybernetes.apiserver.admission.configuration import read_configuration
from pybernetes.apiserver.admission.contract import Plugin
from pybernetes.apiserver.admission.host import ConfigurationError, Host

ENTRY_POINTS = "pybernetes.admission"
_PACKAGE = "pybernetes.apiserver.admission"


@dataclass(frozen=True, slots=True)
class Row:
    """A plugin: ``name`` is its class too, in ``module`` of this package; "" for one of a feature that is off in
    v1.36, which does nothing."""

    name: str
    module: str
    on: bool = False


FIRST: tuple[Row, ...] = (
    Row("AlwaysAdmit", ".always_admit"),
    Row("NamespaceAutoProvision", ".namespace_auto_provision"),
    Row("NamespaceLifecycle", ".namespace_lifecycle", on=True),
    Row("NamespaceExists", ".namespace_exists"),
    Row("LimitPodHardAntiAffinityTopology", ".limit_anti_affinity"),
    Row("LimitRanger", ".limit_ranger", on=True),
    Row("ServiceAccount", ".service_account", on=True),
    Row("NodeRestriction", ".node_restriction"),
    Row("TaintNodesByCondition", ".taint_nodes_by_condition", on=True),
    Row("AlwaysPullImages", ".always_pull_images"),
    Row("ImagePolicyWebhook", ".image_policy"),
    Row("PodSecurity", ".pod_security", on=True),
    Row("PodNodeSelector", ".pod_node_selector"),
    Row("Priority", ".priority", on=True),
    Row("DefaultTolerationSeconds", ".default_toleration_seconds", on=True),
    Row("PodTolerationRestriction", ".pod_toleration_restriction"),
    Row("EventRateLimit", ".event_rate_limit"),
    Row("ExtendedResourceToleration", ".extended_resource_toleration"),
    Row("DefaultStorageClass", ".default_storage_class", on=True),
    Row("StorageObjectInUseProtection", ".storage_protection", on=True),
    Row("PodGroupProtection", ".pod_groups", on=True),
    Row("OwnerReferencesPermissionEnforcement", ".owner_references"),
    Row("PersistentVolumeClaimResize", ".claim_resize", on=True),
    Row("RuntimeClass", ".runtime_class", on=True),
    Row("CertificateApproval", ".certificates", on=True),
    Row("CertificateSigning", ".certificates", on=True),
    Row("ClusterTrustBundleAttest", "", on=True),
    Row("CertificateSubjectRestriction", ".certificates", on=True),
    Row("DefaultIngressClass", ".default_ingress_class", on=True),
    Row("DenyServiceExternalIPs", ".deny_external_ips"),
    Row("PodTopologyLabels", ".pod_topology_labels", on=True),
    Row("PodGroupWorkloadExists", ".pod_groups", on=True),
    Row("NodeDeclaredFeatureValidator", ".node_declared_features", on=True),
    Row("JobValidation", "", on=True),
    Row("PodResizeValidator", ".pod_resize", on=True),
)
LAST: tuple[Row, ...] = (
    Row("MutatingAdmissionPolicy", ".policies.mutating", on=True),
    Row("MutatingAdmissionWebhook", ".webhooks.mutating", on=True),
    Row("ValidatingAdmissionPolicy", ".policies.validating", on=True),
    Row("ValidatingAdmissionWebhook", ".webhooks.validating", on=True),
    Row("ResourceQuota", ".resource_quota", on=True),
    Row("AlwaysDeny", ".always_deny"),
)
"""They see what all others have made of the object."""
ORDER = (*FIRST, *LAST)


@dataclass(frozen=True, slots=True)
class AdmissionOptions:
    """``enable`` and ``disable`` are names; ``added`` are plugins of others as `module:Class`."""

    enable: tuple[str, ...] = ("NodeRestriction",)
    disable: tuple[str, ...] = ()
    configuration_file: str = ""
    added: tuple[str, ...] = ()


def check(options: AdmissionOptions) -> None:
    """Raises ConfigurationError with all that is wrong about the names."""
    known = {row.name for row in ORDER}
    if not known.issuperset((*options.enable, *options.disable)):
        known |= set(_installed())
    problems = [
        f'{flag} plugin "{name}" is unknown'
        for flag, names in (
            ("enable-admission-plugins", options.enable),
            ("disable-admission-plugins", options.disable),
        )
        for name in names
        if name not in known
    ]
    both = sorted(set(options.enable) & set(options.disable))
    if both:
        problems.append(f"[{' '.join(both)}] in enable-admission-plugins and disable-admission-plugins overlapped")
    for place in options.added:
        try:
            _find(*_parts(place))
        except (ImportError, AttributeError) as error:
            problems.append(_failure(place, error))
    if problems:
        raise ConfigurationError(problems[0] if len(problems) == 1 else f"[{', '.join(problems)}]")


def plugins(host: Host, options: AdmissionOptions, more: Sequence[Plugin] = ()) -> tuple[Plugin, ...]:
    """Every plugin that ``options`` turns on, in order; ``more`` are the server's own. Raises ConfigurationError."""
    check(options)
    configurations = read_configuration(options.configuration_file)
    return (
        *_built(FIRST, host, options, configurations),
        *more,
        *_of_others(host, options, configurations),
        *_built(LAST, host, options, configurations),
    )


def _built(
    rows: Sequence[Row], host: Host, options: AdmissionOptions, configurations: Mapping[str, dict[str, Any]]
) -> Iterator[Plugin]:
    for row in rows:
        wanted = row.name in options.enable or (row.on and row.name not in options.disable)
        if wanted and row.module:
            yield _build(row.name, row.module, row.name, host, configurations)


def _of_others(host: Host, options: AdmissionOptions, configurations: Mapping[str, dict[str, Any]]) -> Iterator[Plugin]:
    others = set(options.enable) - {row.name for row in ORDER}
    for name, point in _installed().items() if others else ():
        if name in others:
            yield _build(name, point.module, point.attr, host, configurations)
    for place in options.added:
        yield _build(place, *_parts(place), host, configurations)


def _build(shown: str, module: str, attribute: str, host: Host, configurations: Mapping[str, dict[str, Any]]) -> Plugin:
    try:
        made = _find(module, attribute)
        return made.build(replace(host, configuration=configurations.get(shown, configurations.get(attribute))))
    except (ImportError, AttributeError, ConfigurationError) as error:
        raise ConfigurationError(_failure(shown, error)) from error


def _find(module: str, attribute: str) -> type[Plugin]:
    found: type[Plugin] = getattr(import_module(module, _PACKAGE), attribute)
    return found


def _parts(place: str) -> tuple[str, str]:
    module, _, attribute = place.partition(":")
    return module, attribute


def _failure(shown: str, error: Exception) -> str:
    return f'couldn\'t init admission plugin "{shown}": {error}'


def _installed() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=ENTRY_POINTS)}
