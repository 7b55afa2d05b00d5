"""AlwaysPullImages: every container's image is pulled anew, so that only those who may pull it can use it.

Follows plugin/pkg/admission/alwayspullimages.
"""

from __future__ import annotations

from collections.abc import Iterator

from pybernetes.api.fields import FieldError, FieldPath, at, not_supported
from pybernetes.apiserver.admission.contract import Attributes, Operation, Plugin
from pybernetes.apiserver.admission.pods import containers_of, spec_of
from pybernetes.apiserver.admission.refusal import failed, forbidden
from pybernetes.apiserver.resource import Document

ALWAYS = "Always"
_KINDS = ("initContainers", "containers", "ephemeralContainers")


class AlwaysPullImages(Plugin):
    name = "AlwaysPullImages"
    operations = frozenset({Operation.CREATE, Operation.UPDATE})
    resources = frozenset({"pods"})

    async def mutate(self, attributes: Attributes) -> None:
        if attributes.document is None or _has_no_new_image(attributes):
            return
        spec = spec_of(attributes.document)
        for container in containers_of(spec):
            container["imagePullPolicy"] = ALWAYS
        for volume in spec.get("volumes") or ():
            if volume.get("image") is not None:
                volume["image"]["pullPolicy"] = ALWAYS

    async def validate(self, attributes: Attributes) -> None:
        if attributes.document is None or _has_no_new_image(attributes):
            return
        refusals = [str(forbidden(attributes, str(problem)).message) for problem in _problems(attributes.document)]
        if len(refusals) == 1:
            raise forbidden(attributes, refusals[0].partition(" is forbidden: ")[2])
        if refusals:
            raise failed(f"[{', '.join(refusals)}]")


def _problems(pod: Document) -> Iterator[FieldError]:
    spec = spec_of(pod)
    for kind in _KINDS:
        for index, container in enumerate(spec.get(kind) or ()):
            path: FieldPath = at.spec.child(kind)[index].imagePullPolicy
            if container.get("imagePullPolicy") != ALWAYS:
                yield not_supported(path, container.get("imagePullPolicy", ""), [ALWAYS])
    for index, volume in enumerate(spec.get("volumes") or ()):
        image = volume.get("image")
        if image is not None and image.get("pullPolicy") != ALWAYS:
            yield not_supported(at.spec.volumes[index].image.pullPolicy, image.get("pullPolicy", ""), [ALWAYS])


def _has_no_new_image(attributes: Attributes) -> bool:
    if attributes.operation is not Operation.UPDATE or attributes.old is None or attributes.document is None:
        return False
    known = {container.get("image") for container in containers_of(attributes.old.get("spec") or {})}
    return known.issuperset(container.get("image") for container in containers_of(spec_of(attributes.document)))
