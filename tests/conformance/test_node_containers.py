"""What a container runs: what its image says, unless its pod says otherwise."""

from __future__ import annotations

from pathlib import Path

import pytest

from conformance.pods_client import Pods
from e2e.space import Manifest, Space, pod
from pybernetes.kubelet import image_recipes, oci
from pybernetes.kubelet.image_references import normalise

pytestmark = pytest.mark.node

IMAGE = "localhost/entrypoint-tester:1"


def load(space: Space, directory: Path) -> None:
    """An image that says what it was started with."""
    config = oci.ImageConfig(entrypoint=("/bin/echo", "entrypoint"), command=("default", "arguments"))
    layers = (tuple(image_recipes.base_layer()),)
    recipe = image_recipes.Recipe(normalise(IMAGE), layers, config)
    space.cluster.p8s("image", "load", str(image_recipes.build(recipe, directory)))


@pytest.mark.conformance(
    "Containers, without command and arguments",
    "Containers, with arguments",
    "Containers, with command",
    "Containers, with command and arguments",
)
def test_command_and_arguments_replace_those_of_the_image(space: Space, tmp_path: Path) -> None:
    load(space, tmp_path)
    pods = Pods(space)

    def main(**more: object) -> Manifest:
        return {"name": "main", "image": IMAGE, "imagePullPolicy": "Never", **more}

    own = ["/bin/echo", "command"]
    pods.create(pod("defaults", main(), restartPolicy="Never"))
    pods.create(pod("arguments", main(args=["override", "arguments"]), restartPolicy="Never"))
    pods.create(pod("command", main(command=own), restartPolicy="Never"))
    pods.create(pod("both", main(command=own, args=["override", "arguments"]), restartPolicy="Never"))
    assert pods.said("defaults") == "entrypoint default arguments\n"
    assert pods.said("arguments") == "entrypoint override arguments\n"
    assert pods.said("command") == "command\n"
    assert pods.said("both") == "command override arguments\n"
