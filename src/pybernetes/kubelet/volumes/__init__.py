"""Volumes: one file per type; this table says which source of a volume is mounted by which.

A source that has no row cannot be mounted here: `type_of` raises a VolumeError that names it.
"""

from __future__ import annotations

from collections.abc import Mapping

from pybernetes.api.models.core_v1 import Volume

from . import config_map, downward_api, empty_dir, host_path, image, persistent_volume_claim, projected, secret
from .volume import Mounted, VolumeContext, VolumeError, VolumeType

TYPES: Mapping[str, VolumeType] = {
    row.field: row
    for row in (
        empty_dir.TYPE,
        host_path.TYPE,
        config_map.TYPE,
        secret.TYPE,
        downward_api.TYPE,
        projected.TYPE,
        persistent_volume_claim.TYPE,
        persistent_volume_claim.EPHEMERAL,
        image.TYPE,
    )
}


def type_of(volume: Volume) -> VolumeType:
    """The row of the one source that the volume has."""
    for field in volume.__struct_fields__:
        if field != "name" and getattr(volume, field) is not None:
            if field in TYPES:
                return TYPES[field]
            raise VolumeError(f'volume "{volume.name}": volumes of type {_camel(field)} are not built')
    raise VolumeError(f'volume "{volume.name}" has no source')


def _camel(field: str) -> str:
    first, *rest = field.split("_")
    return first + "".join(part.capitalize() for part in rest)


__all__ = ["TYPES", "Mounted", "VolumeContext", "VolumeError", "VolumeType", "type_of"]
