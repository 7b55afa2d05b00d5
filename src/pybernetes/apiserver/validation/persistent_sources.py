"""What persistent volumes can be taken from, where the rules differ from those of a pod's volumes.

Follows the validate…PersistentVolumeSource functions in pkg/apis/core/validation.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pybernetes.api.fields import FieldError, FieldPath, invalid, is_dns_label, is_dns_subdomain, required
from pybernetes.api.models.core_v1 import (
    AzureFilePersistentVolumeSource,
    CSIPersistentVolumeSource,
    GlusterfsPersistentVolumeSource,
    ISCSIPersistentVolumeSource,
    LocalVolumeSource,
    SecretReference,
)
from pybernetes.apiserver.validation import volume_sources as sources
from pybernetes.apiserver.validation.paths import check_no_backsteps
from pybernetes.apiserver.validation.volume_sources import SourceCheck

_LONGEST_INITIATOR = 64
_SECRETS = (
    ("controllerPublishSecretRef", "controller_publish_secret_ref"),
    ("controllerExpandSecretRef", "controller_expand_secret_ref"),
    ("nodePublishSecretRef", "node_publish_secret_ref"),
    ("nodeExpandSecretRef", "node_expand_secret_ref"),
)


@dataclass(frozen=True, slots=True)
class PersistentSource:
    """A kind of volume: its attribute in the model, its name in JSON, and what it is called in errors."""

    attribute: str
    name: str
    check: SourceCheck
    checked_as: str = ""
    refused_as: str = ""
    joins_others: bool = False
    """It is not refused beside another one."""


def check_iscsi(source: ISCSIPersistentVolumeSource, path: FieldPath) -> Iterator[FieldError]:
    yield from sources.check_iscsi_target(source, path, "must be valid format")


def check_iscsi_portal(source: ISCSIPersistentVolumeSource, name: str, path: FieldPath) -> Iterator[FieldError]:
    if source.initiator_name is not None and len(f"{name}:{source.target_portal}".encode()) > _LONGEST_INITIATOR:
        yield invalid(path.targetportal, source.target_portal, sources.INITIATOR_TOO_LONG)


def check_glusterfs(source: GlusterfsPersistentVolumeSource, path: FieldPath) -> Iterator[FieldError]:
    yield from sources.check_glusterfs(source, path)
    namespace = source.endpoints_namespace
    if namespace is None:
        return
    messages = (
        is_dns_label(namespace)
        if namespace
        else ("if the endpointnamespace is set, it must be a valid namespace name",)
    )
    yield from (invalid(path.endpointsNamespace, namespace, message) for message in messages)


def check_azure_file(source: AzureFilePersistentVolumeSource, path: FieldPath) -> Iterator[FieldError]:
    yield from sources.check_azure_file(source, path)
    if source.secret_namespace == "":
        yield required(path.secretNamespace)


def check_local(source: LocalVolumeSource, path: FieldPath) -> Iterator[FieldError]:
    if not source.path:
        yield required(path.path)
    else:
        yield from check_no_backsteps(source.path, path.path)


def check_csi(source: CSIPersistentVolumeSource, path: FieldPath) -> Iterator[FieldError]:
    yield from sources.check_driver_name(source.driver, path.driver)
    if not source.volume_handle:
        yield required(path.volumeHandle)
    for name, attribute in _SECRETS:
        if (reference := getattr(source, attribute)) is not None:
            yield from _check_secret(reference, path.child(name))


def _check_secret(reference: SecretReference, path: FieldPath) -> Iterator[FieldError]:
    if not reference.name:
        yield required(path.name)
    else:
        yield from (invalid(path.name, reference.name, message) for message in is_dns_subdomain(reference.name))
    if not reference.namespace:
        yield required(path.namespace)
    else:
        yield from (invalid(path.namespace, reference.namespace, m) for m in is_dns_label(reference.namespace))


# In the order in which they are looked at: the first that is given is checked, the others are refused.
SOURCES = (
    PersistentSource("host_path", "hostPath", sources.check_host_path),
    PersistentSource("gce_persistent_disk", "gcePersistentDisk", sources.check_gce_disk, "persistentDisk"),
    PersistentSource("aws_elastic_block_store", "awsElasticBlockStore", sources.check_aws_disk),
    PersistentSource("glusterfs", "glusterfs", check_glusterfs),
    PersistentSource("flocker", "flocker", sources.check_flocker),
    PersistentSource("nfs", "nfs", sources.check_nfs),
    PersistentSource("rbd", "rbd", sources.check_rbd),
    PersistentSource("quobyte", "quobyte", sources.check_quobyte),
    PersistentSource("cephfs", "cephfs", sources.check_cephfs, refused_as="cephFS"),
    PersistentSource("iscsi", "iscsi", check_iscsi),
    PersistentSource("cinder", "cinder", sources.check_persistent_cinder),
    PersistentSource("fc", "fc", sources.check_fibre_channel),
    PersistentSource("flex_volume", "flexVolume", sources.check_flex_volume, joins_others=True),
    PersistentSource("azure_file", "azureFile", check_azure_file),
    PersistentSource("vsphere_volume", "vsphereVolume", sources.check_vsphere),
    PersistentSource("photon_persistent_disk", "photonPersistentDisk", sources.check_photon),
    PersistentSource("portworx_volume", "portworxVolume", sources.check_portworx),
    PersistentSource("azure_disk", "azureDisk", sources.check_azure_disk),
    PersistentSource("scale_io", "scaleIO", sources.check_scale_io),
    PersistentSource("local", "local", check_local),
    PersistentSource("storageos", "storageos", sources.check_persistent_storageos),
    PersistentSource("csi", "csi", check_csi),
)
