"""What a pod becomes before it is judged: labels it names are put into its selectors, and status keeps what is fixed.

Follows PrepareForCreate and PrepareForUpdate of pkg/registry/core/pod/strategy.go.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pybernetes.api.meta import format_time
from pybernetes.apiserver.resource import Context, Document
from pybernetes.apiserver.resources.pod_quality import quality_of_service
from pybernetes.apiserver.rules import keep_metadata
from pybernetes.apiserver.validation.pod_annotations import APP_ARMOR

_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
_PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"
_LOCAL = "localhost/"
_APP_ARMOR_TYPES = {"unconfined": "Unconfined", "runtime/default": "RuntimeDefault"}
_LISTS = ("initContainers", "containers", "ephemeralContainers")


def prepare_create(pod: Document, context: Context) -> None:
    spec = pod.setdefault("spec", {})
    labels = pod["metadata"].get("labels") or {}
    for term in (*_pod_affinity_terms(spec.get("affinity")), *(spec.get("topologySpreadConstraints") or ())):
        _merge_label_keys(term, labels)
    annotations = pod["metadata"].get("annotations")
    if annotations and any(key.startswith(APP_ARMOR) for key in annotations):
        _apply_app_armor(spec, annotations, context)
    for condition in pod["status"].get("conditions", ()):
        condition["lastTransitionTime"] = format_time(context.now)


def _pod_affinity_terms(affinity: Document | None) -> Iterator[Document]:
    for name in ("podAffinity", "podAntiAffinity") if affinity else ():
        terms = (affinity or {}).get(name) or {}
        yield from (weighted.get("podAffinityTerm") or {} for weighted in terms.get(_PREFERRED) or ())
        yield from terms.get(_REQUIRED) or ()


def _merge_label_keys(term: Document, labels: Mapping[str, str]) -> None:
    """Where a term names keys of the pod's labels, the selector gets their values."""
    selector = term.get("labelSelector")
    if selector is None:
        return
    for field, operator in (("matchLabelKeys", "In"), ("mismatchLabelKeys", "NotIn")):
        for key in term.get(field) or ():
            if key in labels:
                found = {"key": key, "operator": operator, "values": [labels[key]]}
                selector["matchExpressions"] = [*selector.get("matchExpressions", ()), found]


def _apply_app_armor(spec: Document, annotations: Mapping[str, str], context: Context) -> None:
    """Annotations of old become the field that replaced them."""
    if (spec.get("os") or {}).get("name") == "windows":
        return
    of_pod = (spec.get("securityContext") or {}).get("appArmorProfile")
    for container in (one for field in _LISTS for one in spec.get(field) or ()):
        stated = annotations.get(APP_ARMOR + container.get("name", ""))
        if stated is None or (container.get("securityContext") or {}).get("appArmorProfile") is not None:
            continue
        profile = app_armor_profile(stated)
        if profile is not None and profile != of_pod:
            container.setdefault("securityContext", {})["appArmorProfile"] = profile
        if profile is None or profile != of_pod:
            path = f"metadata.annotations[{APP_ARMOR}{container['name']}]"
            context.warnings.append(f'{path}: deprecated since v1.30; use the "appArmorProfile" field instead')


def app_armor_profile(stated: str) -> Document | None:
    """The field for an annotation, None where there is none."""
    if stated in _APP_ARMOR_TYPES:
        return {"type": _APP_ARMOR_TYPES[stated]}
    local = stated.removeprefix(_LOCAL)
    return {"type": "Localhost", "localhostProfile": local} if stated.startswith(_LOCAL) and local.strip() else None


def prepare_status(new: Document, old: Document, context: Context) -> None:
    for field in ("ownerReferences", "deletionTimestamp", "deletionGracePeriodSeconds"):
        if field in old["metadata"]:
            new["metadata"][field] = old["metadata"][field]
        else:
            new["metadata"].pop(field, None)
    before, after = old.get("status") or {}, new.setdefault("status", {})
    for field in ("qosClass", "observedGeneration"):
        if not after.get(field) and before.get(field):
            after[field] = before[field]
    after.pop("nodeAllocatableResourceClaimStatuses", None)
    _keep_observed_generations(after, before)
    for field in ("containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses"):
        for mount in (one for status in after.get(field, ()) for one in status.get("volumeMounts", ())):
            mount.pop("volumeStatus", None)


def align_addresses(pod: Document) -> None:
    """`podIP` is the first of `podIPs`; where they differ, the older field counts."""
    status = pod.get("status") or {}
    address, addresses = status.get("podIP"), status.get("podIPs")
    if address and (not addresses or addresses[0].get("ip") != address):
        status["podIPs"] = [{"ip": address}]
    elif addresses and not address:
        status["podIP"] = addresses[0].get("ip", "")


def _keep_observed_generations(after: Document, before: Document) -> None:
    known: dict[str, list[int]] = {}
    for condition in before.get("conditions") or ():
        known.setdefault(condition.get("type", ""), []).append(condition.get("observedGeneration", 0))
    for condition in after.get("conditions") or ():
        generations = known.get(condition.get("type", ""))
        generation = generations.pop(0) if generations else 0
        if not condition.get("observedGeneration") and generation:
            condition["observedGeneration"] = generation


def prepare_ephemeral_containers(new: Document, old: Document, context: Context) -> None:
    added = (new.get("spec") or {}).get("ephemeralContainers")
    new["spec"] = {name: value for name, value in old["spec"].items() if name != "ephemeralContainers"}
    if added:
        new["spec"]["ephemeralContainers"] = added
    new["status"] = old.get("status", {})
    keep_metadata(new, old, context)


def prepare_resize(new: Document, old: Document, context: Context) -> None:
    """Only resources change; where there are other containers than before everything stays in, to be refused."""
    after, before = new.setdefault("spec", {}), old["spec"]
    if any(len(after.get(field) or ()) != len(before.get(field) or ()) for field in ("containers", "initContainers")):
        return
    spec = {**before, "containers": _resized(after, before, "containers")}
    if before.get("initContainers"):
        spec["initContainers"] = _resized(after, before, "initContainers")
    spec.pop("resources", None)
    if "resources" in after:
        spec["resources"] = after["resources"]
    new["spec"] = spec
    new["status"] = old.get("status", {})
    keep_metadata(new, old, context)


def _resized(after: Document, before: Document, field: str) -> list[Document]:
    asked, known = after[field], before[field]
    if any(fresh.get("name") != container.get("name") for fresh, container in zip(asked, known, strict=True)):
        return list(asked)
    return [_with_resources(container, fresh) for container, fresh in zip(known, asked, strict=True)]


def _with_resources(container: Document, asked: Document) -> Document:
    kept = {name: value for name, value in container.items() if name not in ("resources", "resizePolicy")}
    return kept | {name: asked[name] for name in ("resources", "resizePolicy") if name in asked}


def initial_status(pod: Document) -> Document:
    spec = pod.get("spec") or {}
    status: Document = {"phase": "Pending", "qosClass": quality_of_service(spec)}
    if spec.get("schedulingGates"):
        status["conditions"] = [
            {
                "type": "PodScheduled",
                "status": "False",
                "reason": "SchedulingGated",
                "message": "Scheduling is blocked due to non-empty scheduling gates",
                "lastProbeTime": None,
                "lastTransitionTime": None,
            }
        ]
    return status
