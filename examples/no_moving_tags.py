"""An admission plugin of one's own: images are named by tags that do not move.

p8s server … --admission-plugin no_moving_tags:NoMovingTags     (this directory must be on PYTHONPATH)
"""

from pybernetes.apiserver.admission import Attributes, Operation, Plugin, forbidden


class NoMovingTags(Plugin):
    name = "NoMovingTags"
    operations = frozenset({Operation.CREATE})
    resources = frozenset({"pods"})

    async def validate(self, attributes: Attributes) -> None:
        for container in (attributes.document or {})["spec"]["containers"]:
            if ":" not in container["image"] or container["image"].endswith(":latest"):
                raise forbidden(attributes, f"container {container['name']} must name the version of its image")
