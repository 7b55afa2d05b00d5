"""Pod: containers that share a network and volumes and live and die on one node.

Follows pkg/registry/core/pod/strategy.go.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from pybernetes.api.fields import FieldError, at, forbidden, is_dns_subdomain
from pybernetes.api.kinds import info_of
from pybernetes.api.models.core_v1 import Pod, PodSpec
from pybernetes.api.recent import Recent
from pybernetes.apiserver.resource import (
    Document,
    Resource,
    SpecialSubresource,
    StatusSubresource,
    no_warnings,
)
from pybernetes.apiserver.resources.cells import text_at
from pybernetes.apiserver.resources.defaults import compile_defaults, in_order, under
from pybernetes.apiserver.resources.pod_defaults import POD_AFTER, POD_ONLY, POD_SPEC, drops_below
from pybernetes.apiserver.resources.pod_preparation import (
    align_addresses,
    initial_status,
    prepare_create,
    prepare_ephemeral_containers,
    prepare_resize,
    prepare_status,
)
from pybernetes.apiserver.resources.pod_printing import POD_COLUMNS
from pybernetes.apiserver.validation.addresses import ip_warnings
from pybernetes.apiserver.validation.containers import check_image_spacings
from pybernetes.apiserver.validation.metadata import check_metadata, check_metadata_update
from pybernetes.apiserver.validation.pod_annotations import (
    check_annotation_updates,
    check_pod_annotations,
    check_profiles_match,
)
from pybernetes.apiserver.validation.pod_resize import check_resize
from pybernetes.apiserver.validation.pod_spec import check_pod_spec
from pybernetes.apiserver.validation.pod_status import check_pod_status
from pybernetes.apiserver.validation.pod_update import (
    check_ephemeral_containers_update,
    check_pod_update,
    is_mirror,
)
from pybernetes.apiserver.validation.pod_warnings import pod_warnings

_POD = ("", "v1", "Pod")
_UPDATE = ("get", "patch", "update")
_CONNECT = ("create", "get")


def generation_rises(new: Document, old: Document) -> bool:
    """Being bound to a node is no change of what is asked for."""
    after, before = new.get("spec") or {}, old.get("spec") or {}
    return bool(after != before and {**after, "nodeName": ""} != {**before, "nodeName": ""})


def grace_of(pod: Document, asked: int | None) -> int:
    """A pod that no node runs goes at once."""
    spec = pod.get("spec") or {}
    seconds: int = asked if asked is not None else spec.get("terminationGracePeriodSeconds", 0)
    if not spec.get("nodeName") or (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed"):
        return 0
    return seconds if seconds >= 0 else 1


def validate(pod: Pod) -> Iterator[FieldError]:
    metadata = pod.metadata
    yield from check_metadata(metadata, is_dns_subdomain)
    if metadata.annotations:
        yield from check_pod_annotations(metadata.annotations, pod.spec, at.metadata.annotations)
    yield from _problems_of_spec(pod)
    if not metadata.resource_version:
        yield from _check_new(pod)


def _problems_of_spec(pod: Pod) -> Iterable[FieldError]:
    """The pods of one template have equal specs, which are judged once; but for claims that are named after a pod."""
    if pod.spec.volumes and any(volume.ephemeral is not None for volume in pod.spec.volumes):
        return _check_spec(pod.spec, pod.metadata.name)
    text = msgspec.json.encode(_with_one_image(pod.spec))
    if _sound.get(text):
        return ()
    found = tuple(_check_spec(pod.spec, ""))
    if not found:
        _sound.keep(text, True)
    return found


def _with_one_image(spec: PodSpec) -> PodSpec:
    """Which images the containers have is no matter, as long as they are well written."""
    if any(not one.image or one.image.strip() != one.image for one in spec.containers):
        return spec
    containers = [msgspec.structs.replace(one, image="image") for one in spec.containers]
    return msgspec.structs.replace(spec, containers=containers)


_sound = Recent[bool]()


def _check_spec(spec: PodSpec, pod_name: str) -> Iterator[FieldError]:
    yield from check_pod_spec(spec, at.spec, pod_name=pod_name)
    if not spec.service_account_name:
        yield from _check_no_tokens(spec)
    yield from check_image_spacings(spec.containers, at.spec.containers)
    yield from check_image_spacings(spec.init_containers, at.spec.initContainers)


def _check_new(pod: Pod) -> Iterator[FieldError]:
    if pod.spec.ephemeral_containers:
        yield forbidden(at.spec.ephemeralContainers, "cannot be set on create")
    if pod.spec.scheduling_gates and pod.spec.node_name:
        yield forbidden(at.spec.nodeName, "cannot be set until all schedulingGates have been cleared")
    if pod.metadata.annotations:
        yield from check_profiles_match(pod.metadata.annotations, pod.spec, at.spec)


def _check_no_tokens(spec: PodSpec) -> Iterator[FieldError]:
    for index, volume in enumerate(spec.volumes):
        for position, source in enumerate(volume.projected.sources if volume.projected else ()):
            if source.service_account_token is not None:
                path = at.spec.volumes[index].projected.sources[position].serviceAccountToken
                yield forbidden(path, "must not be specified when serviceAccountName is not set")


def validate_update(new: Pod, old: Pod) -> Iterator[FieldError]:
    yield from check_metadata_update(new.metadata, old.metadata)
    yield from validate(new)
    yield from _check_annotation_updates(new, old)
    yield from check_pod_update(new, old)


def _check_annotation_updates(new: Pod, old: Pod) -> Iterator[FieldError]:
    annotations, before = new.metadata.annotations, old.metadata.annotations
    yield from check_annotation_updates(annotations, before, new.spec, at.metadata.annotations)


def validate_status(new: Pod, old: Pod) -> Iterator[FieldError]:
    yield from check_metadata_update(new.metadata, old.metadata)
    yield from _check_annotation_updates(new, old)
    yield from check_pod_status(new, old)


def status_warnings(pod: Document) -> Iterator[str]:
    status = pod.get("status") or {}
    for field in ("podIPs", "hostIPs"):
        for index, address in enumerate(status.get(field, ())):
            yield from ip_warnings(address.get("ip", ""), at.status.child(field)[index].ip)


def validate_ephemeral_containers(new: Pod, old: Pod) -> Iterator[FieldError]:
    if is_mirror(old):
        yield forbidden("", "static pods do not support ephemeral containers")
        return
    yield from check_metadata_update(new.metadata, old.metadata)
    yield from validate(new)
    yield from check_ephemeral_containers_update(new, old)


def validate_resize(new: Pod, old: Pod) -> Iterator[FieldError]:
    if is_mirror(old):
        yield forbidden("", "static pods cannot be resized")
    elif old.spec.os is not None and old.spec.os.name == "windows":
        yield forbidden("", "windows pods cannot be resized")
    else:
        yield from check_metadata_update(new.metadata, old.metadata)
        yield from validate(new)
        yield from check_resize(new, old)


PODS = Resource(
    info=info_of(Pod),
    short_names=("po",),
    categories=("all",),
    drops=drops_below("spec"),
    defaults=in_order(
        compile_defaults(under("spec", POD_SPEC), under("spec", POD_ONLY)), compile_defaults(under("spec", POD_AFTER))
    ),
    validate=validate,
    validate_update=validate_update,
    judges_updates_alone=True,
    prepare_create=prepare_create,
    warnings=pod_warnings,
    update_warnings=no_warnings,
    initial_status=initial_status,
    generation=generation_rises,
    grace=grace_of,
    returns_deleted=True,
    columns=POD_COLUMNS,
    selectable={
        **{
            path: text_at(path)
            for path in (
                "spec.nodeName",
                "spec.restartPolicy",
                "spec.schedulerName",
                "spec.serviceAccountName",
                "status.phase",
                "status.podIP",
                "status.nominatedNodeName",
            )
        },
        "spec.hostNetwork": text_at("spec.hostNetwork", "false"),
        "status.podIPs": lambda pod: "",
    },
    dispatch=("spec.nodeName", "status.phase"),
    subresources=(
        StatusSubresource(prepare_status, align_addresses, validate_status, status_warnings),
        SpecialSubresource("attach", _CONNECT, ("", "v1", "PodAttachOptions")),
        SpecialSubresource("binding", ("create",), ("", "v1", "Binding")),
        SpecialSubresource(
            "ephemeralcontainers", _UPDATE, _POD, prepare_ephemeral_containers, validate_ephemeral_containers
        ),
        SpecialSubresource("eviction", ("create",), ("policy", "v1", "Eviction")),
        SpecialSubresource("exec", _CONNECT, ("", "v1", "PodExecOptions")),
        SpecialSubresource("log", ("get",), _POD),
        SpecialSubresource("portforward", _CONNECT, ("", "v1", "PodPortForwardOptions")),
        SpecialSubresource("proxy", ("create", "delete", "get", "patch", "update"), ("", "v1", "PodProxyOptions")),
        SpecialSubresource("resize", _UPDATE, _POD, prepare_resize, validate_resize),
    ),
)

RESOURCES = (PODS,)
