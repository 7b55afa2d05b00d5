"""The volumes of a pod, and the table of what a volume can be made of.

Follows ValidateVolumes and validateVolumeSource in pkg/apis/core/validation.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import compress
from operator import attrgetter

from pybernetes.api.fields import (
    FieldError,
    FieldPath,
    duplicate,
    forbidden,
    invalid,
    is_dns_label,
    is_dns_subdomain,
    quoted,
    required,
)
from pybernetes.api.models.core_v1 import EmptyDirVolumeSource, EphemeralVolumeSource, ImageVolumeSource, Volume
from pybernetes.apiserver.validation import volume_sources as sources
from pybernetes.apiserver.validation.claims import check_claim_template
from pybernetes.apiserver.validation.projections import (
    check_config_map,
    check_downward,
    check_projected_volume,
    check_secret,
)
from pybernetes.apiserver.validation.simple import check_choice
from pybernetes.apiserver.validation.volume_sources import ONLY_ONE, Source

PULL_POLICIES = ("Always", "IfNotPresent", "Never")
_LONGEST_INITIATOR = 64


def check_volumes(
    volumes: Sequence[Volume], path: FieldPath, valid: dict[str, Volume], pod_name: str | None
) -> Iterator[FieldError]:
    """Fills ``valid`` with the volumes that containers may mount.

    ``pod_name`` is known of pods, whose claims are named after them, and None in templates, which may leave the
    reference of an image open."""
    made = {f"{pod_name}-{volume.name}" for volume in volumes if volume.ephemeral is not None} if pod_name else ()
    for index, volume in enumerate(volumes):
        each = path[index]
        errors = list(_check_volume(volume, each, pod_name))
        if volume.name in valid:
            errors.append(duplicate(each.name, volume.name))
        if errors:
            yield from errors
        else:
            valid[volume.name] = volume
        claim = volume.persistent_volume_claim
        if claim is not None and claim.claim_name in made:
            message = "must not reference a PVC that gets created for an ephemeral volume"
            yield invalid(each.persistentVolumeClaim.claimName, claim.claim_name, message)


def _check_volume(volume: Volume, path: FieldPath, pod_name: str | None) -> Iterator[FieldError]:
    yield from _check_source(volume, path, pod_name)
    if volume.ephemeral is not None and pod_name and volume.name:
        name = f"{pod_name}-{volume.name}"
        for message in is_dns_subdomain(name):
            yield invalid(path.name, volume.name, f"PVC name {quoted(name)}: {message}")
    if not volume.name:
        yield required(path.name)
        return
    for message in is_dns_label(volume.name):
        yield invalid(path.name, volume.name, message)


def _check_source(volume: Volume, path: FieldPath, pod_name: str | None) -> Iterator[FieldError]:
    given = tuple(compress(_SOURCES, _values_of(volume)))
    if not given:
        yield required(path, "must specify a volume type")
        return
    first, *others = given
    if volume.image is not None and first.attribute == "image" and pod_name is not None and not volume.image.reference:
        yield required(path.image.reference)
    yield from first.check(getattr(volume, first.attribute), path.child(first.checked_as or first.name))
    for other in others:
        yield forbidden(path.child(_REFUSED_AS.get(other.name, other.name)), ONLY_ONE)
    iscsi = volume.iscsi
    named = iscsi is not None and iscsi.initiator_name is not None
    if named and len(f"{volume.name}:{iscsi.target_portal if iscsi else ''}") > _LONGEST_INITIATOR:
        yield invalid(path.name, volume.name, sources.INITIATOR_TOO_LONG)


def _check_empty_dir(source: EmptyDirVolumeSource, path: FieldPath) -> Iterator[FieldError]:
    if source.size_limit is not None and source.size_limit.startswith("-"):
        yield forbidden(path.sizeLimit, "SizeLimit field must be a valid resource quantity")


def _check_ephemeral(source: EphemeralVolumeSource, path: FieldPath) -> Iterator[FieldError]:
    if source.volume_claim_template is None:
        yield required(path.volumeClaimTemplate)
    else:
        yield from check_claim_template(source.volume_claim_template, path.volumeClaimTemplate)


def _check_image(source: ImageVolumeSource, path: FieldPath) -> Iterator[FieldError]:
    yield from check_choice(source.pull_policy, PULL_POLICIES, path.pullPolicy)


# In the order in which they are looked at: the first that is given is checked, the others are refused.
_SOURCES = (
    Source("empty_dir", "emptyDir", _check_empty_dir),
    Source("host_path", "hostPath", sources.check_host_path),
    Source("git_repo", "gitRepo", sources.check_git_repo),
    Source("gce_persistent_disk", "gcePersistentDisk", sources.check_gce_disk, "persistentDisk"),
    Source("aws_elastic_block_store", "awsElasticBlockStore", sources.check_aws_disk),
    Source("secret", "secret", check_secret),
    Source("nfs", "nfs", sources.check_nfs),
    Source("iscsi", "iscsi", sources.check_iscsi),
    Source("glusterfs", "glusterfs", sources.check_glusterfs),
    Source("flocker", "flocker", sources.check_flocker),
    Source("persistent_volume_claim", "persistentVolumeClaim", sources.needs(claimName="claim_name")),
    Source("rbd", "rbd", sources.check_rbd),
    Source("cinder", "cinder", sources.check_cinder),
    Source("cephfs", "cephfs", sources.check_cephfs),
    Source("quobyte", "quobyte", sources.check_quobyte),
    Source("downward_api", "downwardAPI", check_downward),
    Source("fc", "fc", sources.check_fibre_channel),
    Source("flex_volume", "flexVolume", sources.check_flex_volume),
    Source("config_map", "configMap", check_config_map),
    Source("azure_file", "azureFile", sources.check_azure_file),
    Source("vsphere_volume", "vsphereVolume", sources.check_vsphere),
    Source("photon_persistent_disk", "photonPersistentDisk", sources.check_photon),
    Source("portworx_volume", "portworxVolume", sources.check_portworx),
    Source("azure_disk", "azureDisk", sources.check_azure_disk),
    Source("storageos", "storageos", sources.check_storageos),
    Source("projected", "projected", check_projected_volume),
    Source("scale_io", "scaleIO", sources.check_scale_io),
    Source("csi", "csi", sources.check_inline_csi),
    Source("ephemeral", "ephemeral", _check_ephemeral),
    Source("image", "image", _check_image),
)
_REFUSED_AS: Mapping[str, str] = {"cephfs": "cephFS", "downwardAPI": "downwarAPI"}
_values_of = attrgetter(*(source.attribute for source in _SOURCES))
