"""The kinds that are served: one file per kind, one row per file.

Each module named here exports ``RESOURCES: tuple[Resource, ...]``: several where one kind is served in several
versions. The order is that of discovery within a group. Modules are imported when a server is built.
"""

from __future__ import annotations

from importlib import import_module

from pybernetes.apiserver.resource import Resource

MODULES: tuple[str, ...] = (
    "config_map",
    "endpoints",
    "event",
    "limit_range",
    "namespace",
    "node",
    "persistent_volume",
    "persistent_volume_claim",
    "pod",
    "pod_template",
    "replication_controller",
    "resource_quota",
    "secret",
    "service",
    "service_account",
    "controller_revision",
    "daemon_set",
    "deployment",
    "replica_set",
    "stateful_set",
    "horizontal_pod_autoscaler",
    "cron_job",
    "job",
    "certificate_signing_request",
    "lease",
    "endpoint_slice",
    "flow_schema",
    "priority_level_configuration",
    "ingress",
    "ingress_class",
    "ip_address",
    "network_policy",
    "service_cidr",
    "runtime_class",
    "pod_disruption_budget",
    "cluster_role",
    "cluster_role_binding",
    "role",
    "role_binding",
    "device_class",
    "resource_claim",
    "resource_claim_template",
    "resource_slice",
    "mutating_admission_policy",
    "mutating_admission_policy_binding",
    "mutating_webhook_configuration",
    "validating_admission_policy",
    "validating_admission_policy_binding",
    "validating_webhook_configuration",
    "custom_resource_definition",
    "api_service",
    "priority_class",
    "storage_class",
    "csi_driver",
    "csi_node",
    "csi_storage_capacity",
    "volume_attachment",
    "volume_attributes_class",
)


def load(modules: tuple[str, ...] = MODULES) -> tuple[Resource, ...]:
    """Every declared resource, in the table's order."""
    return tuple(resource for module in modules for resource in import_module(f"{__name__}.{module}").RESOURCES)
