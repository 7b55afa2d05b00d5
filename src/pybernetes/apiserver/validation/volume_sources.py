"""What pods and persistent volumes can take a volume from.

Follows the validate…VolumeSource functions in pkg/apis/core/validation.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from pybernetes.api.fields import (
    FieldError,
    FieldPath,
    invalid,
    is_dns_label,
    is_dns_subdomain,
    not_supported,
    range_error,
    required,
    too_long,
)
from pybernetes.api.models.core_v1 import (
    AzureDiskVolumeSource,
    CSIVolumeSource,
    FCVolumeSource,
    FlexPersistentVolumeSource,
    FlexVolumeSource,
    FlockerVolumeSource,
    GitRepoVolumeSource,
    HostPathVolumeSource,
    ISCSIPersistentVolumeSource,
    ISCSIVolumeSource,
    NFSVolumeSource,
    QuobyteVolumeSource,
    StorageOSPersistentVolumeSource,
    StorageOSVolumeSource,
)
from pybernetes.apiserver.validation.paths import check_descending, check_no_backsteps

SourceCheck = Callable[[Any, FieldPath], Iterator[FieldError]]
ONLY_ONE = "may not specify more than 1 volume type"
INITIATOR_TOO_LONG = (
    "Total length of <volume name>:<iscsi.targetPortal> must be under 64 characters "
    "if iscsi.initiatorName is specified."
)
HOST_PATH_TYPES = (
    "", "BlockDevice", "CharDevice", "Directory", "DirectoryOrCreate", "File", "FileOrCreate", "Socket",
)  # fmt: skip
_HOST_PORTS = "must be a host:port pair or multiple pairs separated by commas"
_LONGEST_TENANT = 64
_LONGEST_DRIVER = 63
_RESERVED = (".kubernetes.io", ".k8s.io")
_QUALIFIED_NAMES = {
    "iqn": re.compile(r"iqn\.\d{4}-\d{2}\.([A-Za-z0-9.-]+)(:[^,;*&$|\s]+)\Z"),
    "eui": re.compile(r"\Aeui.[A-Za-z0-9]{16}\Z"),
    "naa": re.compile(r"\Anaa.[A-Za-z0-9]{32}\Z"),
}
_MANAGED_DISK = "/subscriptions/{sub-id}/resourcegroups/{group-name}/providers/microsoft.compute/disks/{disk-id}"
_BLOB_DISK = "https://{account-name}.blob.core.windows.net/{container-name}/{disk-name}.vhd"


@dataclass(frozen=True, slots=True)
class Source:
    """A kind of volume: its attribute in the model, its name in JSON, and what it is called in its own errors."""

    attribute: str
    name: str
    check: SourceCheck
    checked_as: str = ""


def needs(**fields: str) -> SourceCheck:
    """A check of fields that may not be empty: name in JSON = attribute."""

    def check(source: Any, path: FieldPath) -> Iterator[FieldError]:
        for name, attribute in fields.items():
            if not getattr(source, attribute):
                yield required(path.child(name))

    return check


check_glusterfs = needs(endpoints="endpoints", path="path")
check_rbd = needs(monitors="monitors", image="image")
check_cephfs = needs(monitors="monitors")
check_azure_file = needs(secretName="secret_name", shareName="share_name")
check_vsphere = needs(volumePath="volume_path")
check_photon = needs(pdID="pd_id")
check_portworx = needs(volumeID="volume_id")
check_scale_io = needs(gateway="gateway", system="system", volumeName="volume_name")
_check_gce_name = needs(pdName="pd_name")
_check_volume_id = needs(volumeID="volume_id")
_check_secret_name = needs(name="name")
_check_secret_reference = needs(name="name", namespace="namespace")


def check_host_path(source: HostPathVolumeSource, path: FieldPath) -> Iterator[FieldError]:
    if not source.path:
        yield required(path.path)
        return
    yield from check_no_backsteps(source.path, path.path)
    if source.type is not None and source.type not in HOST_PATH_TYPES:
        yield not_supported(path.type, source.type, HOST_PATH_TYPES)


def check_git_repo(source: GitRepoVolumeSource, path: FieldPath) -> Iterator[FieldError]:
    if not source.repository:
        yield required(path.repository)
    yield from check_descending(source.directory, path.directory)


def check_gce_disk(source: Any, path: FieldPath) -> Iterator[FieldError]:
    yield from _check_gce_name(source, path)
    yield from _check_partition(source.partition, path.partition)


def check_aws_disk(source: Any, path: FieldPath) -> Iterator[FieldError]:
    yield from _check_volume_id(source, path)
    yield from _check_partition(source.partition, path.partition)


def _check_partition(partition: int, path: FieldPath) -> Iterator[FieldError]:
    if not 0 <= partition <= 255:
        yield invalid(path, partition, range_error(1, 255))


def check_nfs(source: NFSVolumeSource, path: FieldPath) -> Iterator[FieldError]:
    if not source.server:
        yield required(path.server)
    if not source.path:
        yield required(path.path)
    if not source.path.startswith("/"):
        yield invalid(path.path, source.path, "must be an absolute path")


def check_iscsi(source: ISCSIVolumeSource, path: FieldPath) -> Iterator[FieldError]:
    yield from check_iscsi_target(source, path, "must be valid format starting with iqn, eui, or naa")


def check_iscsi_target(
    source: ISCSIVolumeSource | ISCSIPersistentVolumeSource, path: FieldPath, unknown: str
) -> Iterator[FieldError]:
    """``unknown`` is said of names that are of none of the three forms."""
    if not source.target_portal:
        yield required(path.targetPortal)
    if not source.iqn:
        yield required(path.iqn)
    else:
        yield from _check_qualified_name(source.iqn, path.iqn, unknown)
    if not 0 <= source.lun <= 255:
        yield invalid(path.lun, source.lun, range_error(0, 255))
    if (source.chap_auth_discovery or source.chap_auth_session) and source.secret_ref is None:
        yield required(path.secretRef)
    if isinstance(source, ISCSIPersistentVolumeSource) and source.secret_ref is not None:
        yield from _check_secret_name(source.secret_ref, path.secretRef)
    if source.initiator_name is not None:
        yield from _check_qualified_name(source.initiator_name, path.initiatorname, unknown)


def _check_qualified_name(name: str, path: FieldPath, unknown: str) -> Iterator[FieldError]:
    pattern = _QUALIFIED_NAMES.get(name[:3])
    if pattern is None:
        yield invalid(path, name, unknown)
    elif not pattern.search(name):
        yield invalid(path, name, "must be valid format")


def check_flocker(source: FlockerVolumeSource, path: FieldPath) -> Iterator[FieldError]:
    if not source.dataset_name and not source.dataset_uuid:
        yield required(path, "one of datasetName and datasetUUID is required")
    if source.dataset_name and source.dataset_uuid:
        yield invalid(path, "resource", "datasetName and datasetUUID can not be specified simultaneously")
    if "/" in source.dataset_name:
        yield invalid(path.datasetName, source.dataset_name, "must not contain '/'")


def check_cinder(source: Any, path: FieldPath) -> Iterator[FieldError]:
    yield from _check_volume_id(source, path)
    if source.secret_ref is not None:
        yield from _check_secret_name(source.secret_ref, path.secretRef)


def check_persistent_cinder(source: Any, path: FieldPath) -> Iterator[FieldError]:
    yield from _check_volume_id(source, path)
    if source.secret_ref is not None:
        yield from _check_secret_reference(source.secret_ref, path.secretRef)


def check_quobyte(source: QuobyteVolumeSource, path: FieldPath) -> Iterator[FieldError]:
    if not source.registry:
        yield required(path.registry, _HOST_PORTS)
    elif len(source.tenant) > _LONGEST_TENANT:
        yield required(path.tenant, "must be a UUID and may not exceed a length of 64 characters")
    else:
        for pair in source.registry.split(","):
            host, colon, _ = pair.rpartition(":")
            if not colon or (":" in host and not (host.startswith("[") and host.endswith("]"))):
                yield invalid(path.registry, source.registry, _HOST_PORTS)
    if not source.volume:
        yield required(path.volume)


def check_fibre_channel(source: FCVolumeSource, path: FieldPath) -> Iterator[FieldError]:
    names = source.target_wwns
    if not names and not source.wwids:
        yield required(path.targetWWNs, "must specify either targetWWNs or wwids, but not both")
    if names and source.wwids:
        yield invalid(path.targetWWNs, names, "targetWWNs and wwids can not be specified simultaneously")
    if names and source.lun is None:
        yield required(path.lun, "lun is required if targetWWNs is specified")
    elif names and source.lun is not None and not 0 <= source.lun <= 255:
        yield invalid(path.lun, source.lun, range_error(0, 255))


def check_flex_volume(source: FlexVolumeSource | FlexPersistentVolumeSource, path: FieldPath) -> Iterator[FieldError]:
    if not source.driver:
        yield required(path.driver)
    for key in source.options:
        if f".{key.partition('/')[0].lower()}".endswith(_RESERVED):
            yield invalid(path.options[key], key, "kubernetes.io and k8s.io namespaces are reserved")


def check_azure_disk(source: AzureDiskVolumeSource, path: FieldPath) -> Iterator[FieldError]:
    if not source.disk_name:
        yield required(path.diskName)
    if not source.disk_uri:
        yield required(path.diskURI)
    for name, value, choices in (
        ("cachingMode", source.caching_mode, ("None", "ReadOnly", "ReadWrite")),
        ("kind", source.kind, ("Dedicated", "Managed", "Shared")),
    ):
        if value is not None and value not in choices:
            yield not_supported(path.child(name), value, choices)
    if source.kind == "Managed" and not source.disk_uri.startswith("/subscriptions/"):
        yield not_supported(path.diskURI, source.disk_uri, (_MANAGED_DISK,))
    if source.kind not in (None, "Managed") and not source.disk_uri.startswith("https://"):
        yield not_supported(path.diskURI, source.disk_uri, (_BLOB_DISK,))


def check_storageos(source: StorageOSVolumeSource, path: FieldPath) -> Iterator[FieldError]:
    yield from _check_storageos_names(source, path)
    if source.secret_ref is not None:
        yield from _check_secret_name(source.secret_ref, path.secretRef)


def check_persistent_storageos(source: StorageOSPersistentVolumeSource, path: FieldPath) -> Iterator[FieldError]:
    yield from _check_storageos_names(source, path)
    if source.secret_ref is not None:
        yield from _check_secret_reference(source.secret_ref, path.secretRef)


def _check_storageos_names(
    source: StorageOSVolumeSource | StorageOSPersistentVolumeSource, path: FieldPath
) -> Iterator[FieldError]:
    if not source.volume_name:
        yield required(path.volumeName)
    else:
        yield from (invalid(path.volumeName, source.volume_name, m) for m in is_dns_label(source.volume_name))
    if source.volume_namespace:
        messages = is_dns_label(source.volume_namespace)
        yield from (invalid(path.volumeNamespace, source.volume_namespace, message) for message in messages)


def check_driver_name(driver: str, path: FieldPath) -> Iterator[FieldError]:
    """The name of a CSI driver."""
    if not driver:
        yield required(path)
        return
    if len(driver) > _LONGEST_DRIVER:
        yield too_long(path, "", _LONGEST_DRIVER)
    yield from (invalid(path, driver, message) for message in is_dns_subdomain(driver.lower()))


def check_inline_csi(source: CSIVolumeSource, path: FieldPath) -> Iterator[FieldError]:
    yield from check_driver_name(source.driver, path.driver)
    reference = source.node_publish_secret_ref
    if reference is None:
        return
    if not reference.name:
        yield required(path.nodePublishSecretRef.name)
    else:
        yield from (invalid(path.name, reference.name, message) for message in is_dns_subdomain(reference.name))
