"""Which kinds there are: for each its group, version, plural and scope, and the model that holds it.

Guarantees  Every kind that upstream's v1.36 serves as a resource is here, alpha and beta ones included (whether they
are served is the server's business). Models are imported when first asked for.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

NAMESPACED = True
CLUSTER = False


@dataclass(frozen=True, slots=True)
class KindInfo:
    """A kind and where it is served. A kind known only from discovery has no module."""

    group: str
    version: str
    kind: str
    plural: str
    namespaced: bool
    module: str = ""
    api_version: str = field(init=False, repr=False, compare=False)
    group_resource: str = field(init=False, repr=False, compare=False)
    """`pods`, `deployments.apps`."""

    def __post_init__(self) -> None:
        api_version = f"{self.group}/{self.version}" if self.group else self.version
        object.__setattr__(self, "api_version", api_version)
        object.__setattr__(self, "group_resource", f"{self.plural}.{self.group}" if self.group else self.plural)

    @property
    def group_kind(self) -> str:
        """`Pod`, `Deployment.apps`."""
        return f"{self.kind}.{self.group}" if self.group else self.kind

    @property
    def list_kind(self) -> str:
        return self.kind + "List"

    @property
    def model(self) -> type[Any]:
        model: type[Any] = getattr(self._module(), self.kind)
        return model

    @property
    def list_model(self) -> type[Any]:
        model: type[Any] = getattr(self._module(), self.list_kind)
        return model

    def _module(self) -> Any:
        if not self.module:
            raise LookupError(f"{self.group_kind} has no model: it is known only from discovery")
        return importlib.import_module(f"pybernetes.api.models.{self.module}")

    def path(self, namespace: str | None = None, name: str | None = None, subresource: str | None = None) -> str:
        """The URL path of an object, or of the collection when there is no name."""
        parts = ["/apis", self.group, self.version] if self.group else ["/api", self.version]
        if namespace and self.namespaced:
            parts += ["namespaces", namespace]
        parts += [part for part in (self.plural, name, subresource) if part]
        return "/".join(parts)


# Group, version, module; the kinds that live in namespaces; those that do not. Plurals follow from the names.
_TABLE: tuple[tuple[str, str, str, str, str], ...] = (
    ("", "v1", "core_v1",
     "Binding ConfigMap Endpoints Event LimitRange PersistentVolumeClaim Pod PodTemplate ReplicationController"
     " ResourceQuota Secret Service ServiceAccount",
     "ComponentStatus Namespace Node PersistentVolume"),
    ("admissionregistration.k8s.io", "v1", "admissionregistration_v1", "",
     "MutatingAdmissionPolicy MutatingAdmissionPolicyBinding MutatingWebhookConfiguration"
     " ValidatingAdmissionPolicy ValidatingAdmissionPolicyBinding ValidatingWebhookConfiguration"),
    ("admissionregistration.k8s.io", "v1beta1", "admissionregistration_v1beta1", "",
     "MutatingAdmissionPolicy MutatingAdmissionPolicyBinding"),
    ("admissionregistration.k8s.io", "v1alpha1", "admissionregistration_v1alpha1", "",
     "MutatingAdmissionPolicy MutatingAdmissionPolicyBinding"),
    ("apiextensions.k8s.io", "v1", "apiextensions_v1", "", "CustomResourceDefinition"),
    ("apiregistration.k8s.io", "v1", "apiregistration_v1", "", "APIService"),
    ("apps", "v1", "apps_v1", "ControllerRevision DaemonSet Deployment ReplicaSet StatefulSet", ""),
    ("authentication.k8s.io", "v1", "authentication_v1", "", "SelfSubjectReview TokenReview"),
    ("authorization.k8s.io", "v1", "authorization_v1", "LocalSubjectAccessReview",
     "SelfSubjectAccessReview SelfSubjectRulesReview SubjectAccessReview"),
    ("autoscaling", "v2", "autoscaling_v2", "HorizontalPodAutoscaler", ""),
    ("autoscaling", "v1", "autoscaling_v1", "HorizontalPodAutoscaler", ""),
    ("batch", "v1", "batch_v1", "CronJob Job", ""),
    ("certificates.k8s.io", "v1", "certificates_v1", "", "CertificateSigningRequest"),
    ("certificates.k8s.io", "v1beta1", "certificates_v1beta1", "PodCertificateRequest", "ClusterTrustBundle"),
    ("certificates.k8s.io", "v1alpha1", "certificates_v1alpha1", "", "ClusterTrustBundle"),
    ("coordination.k8s.io", "v1", "coordination_v1", "Lease", ""),
    ("coordination.k8s.io", "v1beta1", "coordination_v1beta1", "LeaseCandidate", ""),
    ("coordination.k8s.io", "v1alpha2", "coordination_v1alpha2", "LeaseCandidate", ""),
    ("discovery.k8s.io", "v1", "discovery_v1", "EndpointSlice", ""),
    ("events.k8s.io", "v1", "events_v1", "Event", ""),
    ("flowcontrol.apiserver.k8s.io", "v1", "flowcontrol_v1", "", "FlowSchema PriorityLevelConfiguration"),
    ("internal.apiserver.k8s.io", "v1alpha1", "apiserverinternal_v1alpha1", "", "StorageVersion"),
    ("networking.k8s.io", "v1", "networking_v1", "Ingress NetworkPolicy", "IPAddress IngressClass ServiceCIDR"),
    ("networking.k8s.io", "v1beta1", "networking_v1beta1", "", "IPAddress ServiceCIDR"),
    ("node.k8s.io", "v1", "node_v1", "", "RuntimeClass"),
    ("policy", "v1", "policy_v1", "PodDisruptionBudget", ""),
    ("rbac.authorization.k8s.io", "v1", "rbac_v1", "Role RoleBinding", "ClusterRole ClusterRoleBinding"),
    ("resource.k8s.io", "v1", "resource_v1", "ResourceClaim ResourceClaimTemplate", "DeviceClass ResourceSlice"),
    ("resource.k8s.io", "v1beta2", "resource_v1beta2", "ResourceClaim ResourceClaimTemplate",
     "DeviceClass DeviceTaintRule ResourceSlice"),
    ("resource.k8s.io", "v1beta1", "resource_v1beta1", "ResourceClaim ResourceClaimTemplate",
     "DeviceClass ResourceSlice"),
    ("resource.k8s.io", "v1alpha3", "resource_v1alpha3", "", "DeviceTaintRule ResourcePoolStatusRequest"),
    ("scheduling.k8s.io", "v1", "scheduling_v1", "", "PriorityClass"),
    ("scheduling.k8s.io", "v1alpha2", "scheduling_v1alpha2", "PodGroup Workload", ""),
    ("storage.k8s.io", "v1", "storage_v1", "CSIStorageCapacity",
     "CSIDriver CSINode StorageClass VolumeAttachment VolumeAttributesClass"),
    ("storage.k8s.io", "v1beta1", "storage_v1beta1", "", "VolumeAttributesClass"),
    ("storagemigration.k8s.io", "v1beta1", "storagemigration_v1beta1", "", "StorageVersionMigration"),
)  # fmt: skip

_PLURALS = {"Endpoints": "endpoints"}


def plural_of(kind: str) -> str:
    """What upstream calls the collection of a built-in kind."""
    known = _PLURALS.get(kind)
    if known:
        return known
    name = kind.lower()
    if name.endswith("y"):
        return name[:-1] + "ies"
    return name + ("es" if name.endswith("s") else "s")


def _rows() -> Iterator[KindInfo]:
    for group, version, module, namespaced, others in _TABLE:
        for kind in namespaced.split():
            yield KindInfo(group, version, kind, plural_of(kind), NAMESPACED, module)
        for kind in others.split():
            yield KindInfo(group, version, kind, plural_of(kind), CLUSTER, module)


ALL: tuple[KindInfo, ...] = tuple(_rows())

_BY_GVK = {(info.group, info.version, info.kind): info for info in ALL}
_BY_RESOURCE = {(info.group, info.version, info.plural): info for info in ALL}
_BY_CLASS = {(f"pybernetes.api.models.{info.module}", info.kind): info for info in ALL}


def info_of(model: type[Any]) -> KindInfo:
    """Raises LookupError for what is not a resource's model."""
    found = _BY_CLASS.get((model.__module__, model.__name__))
    if found is None:
        raise LookupError(f"{model.__module__}.{model.__name__} is not the model of a resource")
    return found


def by_gvk(group: str, version: str, kind: str) -> KindInfo:
    """Raises LookupError when there is no such kind."""
    found = _BY_GVK.get((group, version, kind))
    if found is None:
        raise LookupError(f'no kind "{kind}" in {group}/{version}' if group else f'no kind "{kind}" in {version}')
    return found


def by_api_version(api_version: str, kind: str) -> KindInfo:
    """As `by_gvk`, from an object's own two fields."""
    group, _, version = api_version.rpartition("/")
    return by_gvk(group, version, kind)


def by_resource(group: str, version: str, plural: str) -> KindInfo:
    """Raises LookupError when there is no such resource."""
    found = _BY_RESOURCE.get((group, version, plural))
    if found is None:
        raise LookupError(
            f"no resource {plural} in {group}/{version}" if group else f"no resource {plural} in {version}"
        )
    return found
