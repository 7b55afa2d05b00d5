"""What is allowed in a pod but probably not meant.

Follows pkg/api/pod/warnings.go.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from pybernetes.api import quantity
from pybernetes.api.fields import is_dns_label
from pybernetes.apiserver.resource import Document

_LISTS = ("initContainers", "containers", "ephemeralContainers")


def pod_warnings(pod: Document) -> Iterator[str]:
    if messages := is_dns_label(pod["metadata"].get("name", "")):
        yield (
            "metadata.name: this is used in the Pod's hostname, which can result in surprising behavior; "
            f"a DNS label is recommended: [{', '.join(messages)}]"
        )
    yield from spec_warnings(pod.get("spec") or {}, "spec")


def template_warnings(path: str = "spec.template.spec") -> Callable[[Document], Iterable[str]]:
    names = path.split(".")

    def warnings(workload: Document) -> Iterator[str]:
        spec = workload
        for name in names:
            spec = spec.get(name) or {}
        yield from spec_warnings(spec, path)

    return warnings


def spec_warnings(spec: Document, path: str) -> Iterator[str]:
    if spec.get("terminationGracePeriodSeconds", 0) < 0:
        what = "must be >= 0; negative values are invalid and will be treated as 1"
        yield f"{path}.terminationGracePeriodSeconds: {what}"
    for index, secret in enumerate(spec.get("imagePullSecrets", ())):
        if not secret.get("name"):
            yield f'{path}.imagePullSecrets[{index}].name: invalid empty name ""'
    for field in _LISTS:
        for index, container in enumerate(spec.get(field, ())):
            yield from _container_warnings(container, f"{path}.{field}[{index}]")


def _container_warnings(container: Document, path: str) -> Iterator[str]:
    names: set[str] = set()
    for index, variable in enumerate(container.get("env", ())):
        name = variable.get("name", "")
        if name in names:
            yield f'{path}.env[{index}]: hides previous definition of "{name}", which may be dropped when using apply'
        names.add(name)
    ports: dict[tuple[object, ...], int] = {}
    for index, port in enumerate(container.get("ports", ())):
        identity = (port.get("containerPort"), port.get("protocol"), port.get("hostPort"), port.get("hostIP"))
        if identity in ports:
            yield f"{path}.ports[{index}]: duplicate port definition with {path}.ports[{ports[identity]}]"
        ports.setdefault(identity, index)
    for table in ("limits", "requests"):
        amount = ((container.get("resources") or {}).get(table) or {}).get("memory")
        if amount is not None and quantity.milli(amount) % 1000:
            yield f'{path}.resources.{table}[memory]: fractional byte value "{amount}" is invalid, must be an integer'
