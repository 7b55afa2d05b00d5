"""A webhook that says which images pods may use."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from aiohttp import web

from apiserver.hook_server import HookServer, hook_server
from apiserver.serving import PODS, Answer, pod, serving
from pybernetes.apiserver.admission.catalog import AdmissionOptions
from pybernetes.apiserver.admission.host import ConfigurationError
from pybernetes.apiserver.assembly import assemble
from pybernetes.apiserver.options import ServerOptions
from pybernetes.store.memory import MemoryStore


def options(directory: Path, url: str, authority: str = "", **more: Any) -> ServerOptions:
    kubeconfig = {
        "clusters": [{"name": "c", "cluster": {"server": url, "certificate-authority-data": authority}}],
        "contexts": [{"name": "x", "context": {"cluster": "c"}}],
        "current-context": "x",
    }
    (directory / "kubeconfig").write_text(yaml.safe_dump(kubeconfig))
    policy = {"kubeConfigFile": str(directory / "kubeconfig"), "retryBackoff": 1, **more}
    plugin = {"name": "ImagePolicyWebhook", "configuration": {"imagePolicy": policy}}
    document = {"apiVersion": "apiserver.config.k8s.io/v1", "kind": "AdmissionConfiguration", "plugins": [plugin]}
    (directory / "admission.yaml").write_text(yaml.safe_dump(document))
    file = str(directory / "admission.yaml")
    return ServerOptions(admission=AdmissionOptions(enable=("ImagePolicyWebhook",), configuration_file=file))


def review(**status: Any) -> dict[str, Any]:
    return {"kind": "ImageReview", "status": status}


async def create(directory: Path, hooks: HookServer, *pods: dict[str, Any], **more: Any) -> list[Answer]:
    async with serving(options=options(directory, hooks.url, hooks.authority, **more)) as talk:
        return [await talk.post(PODS, one) for one in pods]


async def test_the_webhook_is_told_images_and_what_is_said_about_them(tmp_path: Path) -> None:
    web_pod = pod("web", initContainers=[{"name": "first", "image": "setup:1"}])
    web_pod["metadata"]["annotations"] = {"mine.image-policy.k8s.io/break-glass": "yes", "other": "x"}
    async with hook_server(lambda *_: review(allowed=True)) as hooks:
        like_it = {**web_pod, "metadata": {**web_pod["metadata"], "name": "b"}}
        made, again = await create(tmp_path, hooks, web_pod, like_it)
        assert (made.status, again.status) == (201, 201)
        ((_, asked),) = hooks.asked
        assert asked == {
            "kind": "ImageReview",
            "apiVersion": "imagepolicy.k8s.io/v1alpha1",
            "spec": {
                "containers": [{"image": "busybox"}, {"image": "setup:1"}],
                "annotations": {"mine.image-policy.k8s.io/break-glass": "yes"},
                "namespace": "default",
            },
        }


@pytest.mark.parametrize(
    ("status", "message"),
    [
        ({}, "one or more images rejected by webhook backend"),
        ({"reason": "too old"}, "image policy webhook backend denied one or more images: too old"),
    ],
)
async def test_images_may_be_refused(tmp_path: Path, status: dict[str, Any], message: str) -> None:
    async with hook_server(lambda *_: review(allowed=False, **status)) as hooks:
        (refused,) = await create(tmp_path, hooks, pod("web"))
        assert (refused.status, refused.message) == (403, f'pods "web" is forbidden: {message}')


async def test_a_webhook_that_does_not_answer_refuses_unless_it_is_told_not_to(tmp_path: Path) -> None:
    async with hook_server(lambda *_: web.Response(status=404)) as hooks:
        (refused,) = await create(tmp_path, hooks, pod("web"))
        assert refused.status == 403
        (made,) = await create(tmp_path, hooks, pod("web"), defaultAllow=True)
        assert made.status == 201
        assert made.body["metadata"]["annotations"] == {"alpha.image-policy.k8s.io/failed-open": "true"}


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"allowTTL": 3600}, "valid value is between 1s and 30m0s, got 1h0m0s"),
        ({"retryBackoff": 1_000_000}, "valid value is between 1ns and 5m0s, got 16m40s"),
    ],
)
def test_times_have_bounds(tmp_path: Path, more: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        assemble(MemoryStore(), options=options(tmp_path, "https://127.0.0.1:1", **more))
