"""How the objects of a custom kind look as bytes, which may be stored in any of its versions."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from pybernetes.api.kinds import KindInfo
from pybernetes.apiserver.objects import Form


class _Versioned(msgspec.Struct):
    apiVersion: str = ""


_read_version = msgspec.json.Decoder(_Versioned).decode


class VersionForm(Form):
    """The form of one version; it knows those of the others."""

    varies = True

    __slots__ = ("_family", "_opening", "version")

    def __init__(self, info: KindInfo, family: Mapping[str, VersionForm]) -> None:
        super().__init__(info)
        self.version = info.version
        self._family = family
        self._opening = b'{"apiVersion":"%s",' % info.api_version.encode()

    def of(self, value: bytes) -> Form:
        if value.startswith(self._opening):
            return self
        for form in self._family.values():
            if value.startswith(form._opening):
                return form
        version = _read_version(value).apiVersion.rpartition("/")[2]
        return self._family.get(version, self)


def forms_of(infos: Mapping[str, KindInfo]) -> Mapping[str, VersionForm]:
    """By version."""
    family: dict[str, VersionForm] = {}
    for version, info in infos.items():
        family[version] = VersionForm(info, family)
    return family
