"""What is allowed in a pod but probably not meant.

Follows pkg/api/pod/warnings.go.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

import orjson

from pybernetes.api import quantity
from pybernetes.api.fields import FieldPath, is_dns_label, quoted
from pybernetes.api.recent import Recent
from pybernetes.apiserver.resource import Document
from pybernetes.apiserver.validation.addresses import ip_warnings
from pybernetes.apiserver.validation.node_labels import DEPRECATED_LABELS, term_warnings
from pybernetes.apiserver.validation.pod_annotations import APP_ARMOR, SECCOMP_CONTAINER, SECCOMP_POD
from pybernetes.apiserver.validation.port_warnings import port_warnings
from pybernetes.apiserver.validation.volume_warnings import volume_warnings

_LISTS = ("initContainers", "containers", "ephemeralContainers")
_WHOLE_BYTES = ("memory", "ephemeral-storage")
_ANNOTATIONS = {
    "scheduler.alpha.kubernetes.io/critical-pod": 'non-functional in v1.16+; use the "priorityClassName" field instead',
    "security.alpha.kubernetes.io/sysctls": 'non-functional in v1.11+; use the "sysctls" field instead',
    "security.alpha.kubernetes.io/unsafe-sysctls": 'non-functional in v1.11+; use the "sysctls" field instead',
}
_NO_SECCOMP = 'non-functional in v1.27+; use the "seccompProfile" field instead'
_NO_APP_ARMOR = 'deprecated since v1.30; use the "appArmorProfile" field instead'
_NULL_SELECTOR = "a null labelSelector results in matching no pod"
_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
_PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a pod's spec and annotations are in an object."""

    spec: str
    annotations: str
    in_template: bool


_POD = Place("spec", "metadata.annotations", in_template=False)


def pod_warnings(pod: Document) -> Iterator[str]:
    yield from name_warnings(pod, "the Pod's hostname")
    spec, annotations = pod.get("spec") or {}, pod["metadata"].get("annotations") or {}
    yield from spec_warnings(spec, annotations, _POD) if annotations else _warnings_of_bare(spec)


def _warnings_of_bare(spec: Document) -> Iterable[str]:
    """Of a pod without annotations. The pods of one template have equal specs."""
    text = orjson.dumps(spec)
    found = _found.get(text)
    if found is None:
        found = tuple(spec_warnings(spec, {}, _POD))
        _found.keep(text, found)
    return found


_found = Recent[tuple[str, ...]]()


def name_warnings(new: Document, used: str) -> Iterator[str]:
    """Of a new object (one without a resourceVersion) whose pods take their names from it."""
    metadata = new["metadata"]
    if "resourceVersion" not in metadata and (messages := is_dns_label(metadata.get("name", ""))):
        yield (
            f"metadata.name: this is used in {used}, which can result in surprising behavior; "
            f"a DNS label is recommended: [{' '.join(messages)}]"
        )


def with_name(warnings: Callable[[Document], Iterable[str]]) -> Callable[[Document], Iterable[str]]:
    """Of new workloads whose name becomes part of their pods' names."""

    def of_new(workload: Document) -> Iterator[str]:
        yield from name_warnings(workload, "Pod names and hostnames")
        yield from warnings(workload)

    return of_new


def template_warnings(path: str = "spec.template") -> Callable[[Document], Iterable[str]]:
    names = path.split(".")
    place = Place(f"{path}.spec", f"{path}.metadata.annotations", in_template=True)

    def warnings(workload: Document) -> Iterator[str]:
        template = workload
        for name in names:
            template = template.get(name) or {}
        annotations = (template.get("metadata") or {}).get("annotations") or {}
        yield from spec_warnings(template.get("spec") or {}, annotations, place)

    return warnings


def if_generation_differs(
    warnings: Callable[[Document], Iterable[str]],
) -> Callable[[Document, Document], Iterable[str]]:
    """For updates."""

    def of_update(new: Document, old: Document) -> Iterable[str]:
        same = new["metadata"].get("generation") == old["metadata"].get("generation")
        return () if same else warnings(new)

    return of_update


def spec_warnings(spec: Document, annotations: Mapping[str, str], place: Place) -> Iterator[str]:
    path = place.spec
    yield from _placement_warnings(spec, path)
    for key, message in _ANNOTATIONS.items() if annotations else ():
        if key in annotations:
            yield f"{place.annotations}[{key}]: {message}"
    if volumes := spec.get("volumes"):
        yield from volume_warnings(volumes, f"{path}.volumes")
    yield from _repeated(spec.get("hostAliases") or (), "ip", f"{path}.hostAliases")
    secrets = spec.get("imagePullSecrets") or ()
    yield from _repeated(secrets, "name", f"{path}.imagePullSecrets")
    for index, secret in enumerate(secrets):
        if not secret.get("name"):
            yield f'{path}.imagePullSecrets[{index}].name: invalid empty name ""'
    for name in _WHOLE_BYTES:
        yield from _fraction(name, (spec.get("overhead") or {}).get(name), f"{path}.overhead")
    if SECCOMP_POD in annotations and not (spec.get("securityContext") or {}).get("seccompProfile"):
        yield f"{place.annotations}[{SECCOMP_POD}]: {_NO_SECCOMP}"
    containers = [
        (one, f"{path}.{field}[{index}]") for field in _LISTS for index, one in enumerate(spec.get(field) or ())
    ]
    for container, at_container in containers:
        if annotations:
            yield from _annotation_warnings(container, spec, annotations, place)
        yield from _container_warnings(container, at_container)
    yield from port_warnings(containers)
    if spec.get("terminationGracePeriodSeconds", 0) < 0:
        what = "must be >= 0; negative values are invalid and will be treated as 1"
        yield f"{path}.terminationGracePeriodSeconds: {what}"
    if affinity := spec.get("affinity"):
        yield from _pod_affinity_warnings(affinity, f"{path}.affinity")
    for index, server in enumerate((spec.get("dnsConfig") or {}).get("nameservers") or ()):
        yield from ip_warnings(server, FieldPath(f"{path}.dnsConfig.nameservers[{index}]"))
    for index, alias in enumerate(spec.get("hostAliases") or ()):
        yield from ip_warnings(alias.get("ip", ""), FieldPath(f"{path}.hostAliases[{index}].ip"))


def _placement_warnings(spec: Document, path: str) -> Iterator[str]:
    for key in spec.get("nodeSelector") or ():
        if key in DEPRECATED_LABELS:
            yield f"{path}.nodeSelector[{key}]: {DEPRECATED_LABELS[key]}"
    node = (spec.get("affinity") or {}).get("nodeAffinity")
    if node:
        at_node = f"{path}.affinity.nodeAffinity"
        for index, term in enumerate((node.get(_REQUIRED) or {}).get("nodeSelectorTerms") or ()):
            yield from term_warnings(term, f"{at_node}.{_REQUIRED}.nodeSelectorTerms[{index}]", preferred=False)
        for index, weighted in enumerate(node.get(_PREFERRED) or ()):
            term = weighted.get("preference") or {}
            yield from term_warnings(term, f"{at_node}.{_PREFERRED}[{index}].preference", preferred=True)
    for index, constraint in enumerate(spec.get("topologySpreadConstraints") or ()):
        each, key = f"{path}.topologySpreadConstraints[{index}]", constraint.get("topologyKey", "")
        if key in DEPRECATED_LABELS:
            yield f"{each}.topologyKey: {key} is {DEPRECATED_LABELS[key]}"
        if constraint.get("labelSelector") is None:
            yield f"{each}.labelSelector: {_NULL_SELECTOR}"


def _pod_affinity_warnings(affinity: Document, path: str) -> Iterator[str]:
    for name in ("podAffinity", "podAntiAffinity"):
        terms = affinity.get(name) or {}
        for index, term in enumerate(terms.get(_REQUIRED) or ()):
            if term.get("labelSelector") is None:
                yield f"{path}.{name}.{_REQUIRED}[{index}].labelSelector: {_NULL_SELECTOR}"
        for index, weighted in enumerate(terms.get(_PREFERRED) or ()):
            if (weighted.get("podAffinityTerm") or {}).get("labelSelector") is None:
                yield f"{path}.{name}.{_PREFERRED}[{index}].podAffinityTerm.labelSelector: {_NULL_SELECTOR}"


def _repeated(items: Iterable[Document], field: str, path: str) -> Iterator[str]:
    known: set[str] = set()
    for index, item in enumerate(items):
        value = item.get(field, "")
        if value in known:
            yield f"{path}[{index}].{field}: duplicate {field} {quoted(value)}"
        known.add(value)


def _fraction(name: str, amount: str | None, path: str) -> Iterator[str]:
    if amount is not None and not quantity.is_whole(amount):
        yield f'{path}[{name}]: fractional byte value "{amount}" is invalid, must be an integer'


def _annotation_warnings(
    container: Document, spec: Document, annotations: Mapping[str, str], place: Place
) -> Iterator[str]:
    """Of annotations that a field of the container has replaced."""
    context = container.get("securityContext") or {}
    key = SECCOMP_CONTAINER + container.get("name", "")
    if key in annotations and not context.get("seccompProfile"):
        yield f"{place.annotations}[{key}]: {_NO_SECCOMP}"
    key = APP_ARMOR + container.get("name", "")
    if place.in_template and key in annotations and not context.get("appArmorProfile"):
        of_pod = (spec.get("securityContext") or {}).get("appArmorProfile")
        if of_pod is None or not _same_profile(of_pod, annotations[key]):
            yield f"{place.annotations}[{key}]: {_NO_APP_ARMOR}"


def _same_profile(profile: Document, stated: str) -> bool:
    shown = {"Unconfined": "unconfined", "RuntimeDefault": "runtime/default"}
    return shown.get(profile.get("type", ""), f"localhost/{profile.get('localhostProfile', '')}") == stated


def _container_warnings(container: Document, path: str) -> Iterator[str]:
    if resources := container.get("resources"):
        for name in _WHOLE_BYTES:
            for table in ("limits", "requests"):
                yield from _fraction(name, (resources.get(table) or {}).get(name), f"{path}.resources.{table}")
    if len(variables := container.get("env") or ()) > 1:
        yield from _variable_warnings(variables, f"{path}.env")


def _variable_warnings(variables: Iterable[Document], path: str) -> Iterator[str]:
    names: set[str] = set()
    for index, variable in enumerate(variables):
        name, value = variable.get("name", ""), variable.get("value", "")
        reference = f"$({name})"
        builds_on = variable.get("valueFrom") is None and reference in value and value != reference
        if name in names and not builds_on:
            yield f'{path}[{index}]: hides previous definition of "{name}", which may be dropped when using apply'
        names.add(name)
