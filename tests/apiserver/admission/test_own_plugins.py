"""Plugins that are not ours: by module and class, and by entry point."""

from __future__ import annotations

from pathlib import Path

import pytest

from apiserver.serving import PODS, Talk, pod, serving
from pybernetes.apiserver.admission.catalog import AdmissionOptions, check
from pybernetes.apiserver.admission.host import ConfigurationError
from pybernetes.apiserver.options import ServerOptions

EXAMPLES = Path(__file__).parents[3] / "examples"
PLACE = "no_moving_tags:NoMovingTags"


@pytest.fixture(autouse=True)
def examples_can_be_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(EXAMPLES))


async def refuses_images_without_a_version(talk: Talk) -> None:
    refused = await talk.post(PODS, pod("one"))
    assert refused.message == 'pods "one" is forbidden: container main must name the version of its image'
    body = pod("two")
    body["spec"]["containers"][0]["image"] = "busybox:1.36"
    assert (await talk.post(PODS, body)).status == 201


async def test_a_plugin_is_named_by_its_module_and_class() -> None:
    async with serving(options=ServerOptions(admission=AdmissionOptions(added=(PLACE,)))) as talk:
        await refuses_images_without_a_version(talk)


async def test_an_installed_plugin_is_enabled_by_its_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    installed = tmp_path / "tags-1.0.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: tags\nVersion: 1.0\n")
    (installed / "entry_points.txt").write_text(f"[pybernetes.admission]\nNoMovingTags = {PLACE}\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    async with serving(options=ServerOptions(admission=AdmissionOptions(enable=("NoMovingTags",)))) as talk:
        await refuses_images_without_a_version(talk)


async def test_it_runs_before_the_plugins_that_must_come_last() -> None:
    async with serving(options=ServerOptions(admission=AdmissionOptions(added=(PLACE,)))) as talk:
        names = [plugin.name for plugin in talk.server.admission.plugins]
        assert names.index("PodResizeValidator") < names.index("NoMovingTags") < names.index("ResourceQuota")


def test_a_plugin_that_cannot_be_found_is_told_before_the_start() -> None:
    with pytest.raises(ConfigurationError, match=r'couldn\'t init admission plugin "nowhere:It": No module named'):
        check(AdmissionOptions(added=("nowhere:It",)))


async def test_a_plugin_finds_its_part_of_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "security.yaml").write_text(
        "apiVersion: pod-security.admission.config.k8s.io/v1\n"
        "kind: PodSecurityConfiguration\n"
        "defaults: {enforce: baseline}\n"
    )
    file = tmp_path / "admission.yaml"
    file.write_text(
        "apiVersion: apiserver.config.k8s.io/v1\n"
        "kind: AdmissionConfiguration\n"
        "plugins: [{name: PodSecurity, path: security.yaml}]\n"
    )
    options = AdmissionOptions(configuration_file=str(file))
    async with serving(options=ServerOptions(admission=options)) as talk:
        refused = await talk.post(PODS, pod("one", hostNetwork=True))
        assert 'violates PodSecurity "baseline:latest"' in refused.message
