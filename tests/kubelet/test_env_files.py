"""Variables that come from a file in a volume."""

from __future__ import annotations

from pathlib import Path

import pytest

from kubelet.observations import declared
from kubelet.test_volumes import Objects
from pybernetes.api.models.core_v1 import Container, EnvVar, EnvVarSource, FileKeySelector, Volume
from pybernetes.kubelet import env, env_files
from pybernetes.kubelet.env import ConfigError, EnvContext
from pybernetes.kubelet.volumes import VolumeError, subpath

TEXT = """
# what was found out
  NAME='value' # known
EMPTY= 'not this'
SEVERAL='one
two'
QUOTES='$(no) "expansion" \\n'
"""


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("NAME", "value"),
        ("EMPTY", ""),
        ("SEVERAL", "one\ntwo"),
        ("QUOTES", '$(no) "expansion" \\n'),
        ("ABSENT", ""),
    ],
)
def test_a_file_has_names_and_quoted_values(key: str, value: str) -> None:
    assert env_files.value_of(TEXT, key) == value


@pytest.mark.parametrize("line", ["NAME", "=x", "NAME ='x'", "NAME=x", "NAME='x", "NAME='x' y", "NAME="])
def test_a_file_that_is_not_so_is_refused(line: str) -> None:
    with pytest.raises(ValueError, match="line 2"):
        env_files.value_of(f"\n{line}", "OTHER")


async def variables(root: Path, **ref: object) -> dict[str, str]:
    selector = FileKeySelector(**{"volume_name": "data", "path": "dir/file.env", "key": "NAME", **ref})  # type: ignore[arg-type]
    container = Container(name="main", env=[EnvVar(name="FOUND", value_from=EnvVarSource(file_key_ref=selector))])
    context = EnvContext({}, {}, read_file=lambda volume, path: subpath.read(root / volume, path))
    return await env.environment(declared(volumes=[Volume(name="data")]), container, Objects(), context)


async def test_a_variable_is_read_from_a_file_of_a_volume(tmp_path: Path) -> None:
    file = tmp_path / "data" / "dir" / "file.env"
    file.parent.mkdir(parents=True)
    file.write_text(TEXT)
    assert await variables(tmp_path) == {"FOUND": "value"}
    assert await variables(tmp_path, key="ABSENT", optional=True) == {}
    with pytest.raises(ConfigError, match=r'environment variable key "ABSENT" not found in file "dir/file.env"'):
        await variables(tmp_path, key="ABSENT")
    with pytest.raises(ConfigError, match="couldn't parse env file"):
        await variables(tmp_path, path="none")
    with pytest.raises(ConfigError, match='cannot find the volume "other" referenced by FileKeyRef'):
        await variables(tmp_path, volume_name="other")


async def test_a_link_does_not_lead_out_of_the_volume(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "secret").write_text(TEXT)
    (tmp_path / "data" / "link").symlink_to(tmp_path / "secret")
    with pytest.raises(VolumeError):
        await variables(tmp_path, path="link")
