"""CSIDriver: what a storage driver wants of the cluster.

Follows pkg/registry/storage/csidriver, pkg/apis/storage/validation and printCSIDriver in pkg/printers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from pybernetes.api.fields import (
    FieldError,
    FieldPath,
    at,
    duplicate,
    invalid,
    is_dns_subdomain,
    not_supported,
    required,
)
from pybernetes.api.kinds import info_of
from pybernetes.api.models.storage_v1 import CSIDriver, CSIDriverSpec, TokenRequest
from pybernetes.apiserver.columns import AGE, NAME
from pybernetes.apiserver.resource import Column, Context, Document, Resource
from pybernetes.apiserver.resources.defaults import Rule, compile_defaults
from pybernetes.apiserver.validation.metadata import check_metadata, check_metadata_update
from pybernetes.apiserver.validation.simple import check_unchanged

LIFECYCLE_MODES = ("Persistent", "Ephemeral")
FS_GROUP_POLICIES = ("File", "None", "ReadWriteOnceWithFSType")
SHORTEST_PERIOD = 10
RECOMMENDATION = (
    "spec.serviceAccountTokenInSecrets is unset; if supported by this CSI driver, set to true to prevent possible"
    " logging of tokens in volume attributes"
)
SHORTEST_TOKEN, LONGEST_TOKEN = 600, 1 << 32


def default_policy(spec: Document) -> None:
    """Only where there is none: an empty text is a mistake."""
    spec.setdefault("fsGroupPolicy", "ReadWriteOnceWithFSType")


def validate(driver: CSIDriver) -> Iterator[FieldError]:
    yield from check_metadata(driver.metadata, is_dns_subdomain, namespaced=False)
    yield from _check_spec(driver.spec)


def _check_spec(spec: CSIDriverSpec) -> Iterator[FieldError]:
    path = at.spec
    for field, value in (
        ("attachedRequired", spec.attach_required),
        ("podInfoOnMount", spec.pod_info_on_mount),
        ("storageCapacity", spec.storage_capacity),
    ):
        if value is None:
            yield required(path.child(field))
    if spec.fs_group_policy is not None and spec.fs_group_policy not in FS_GROUP_POLICIES:
        yield not_supported(path.fsGroupPolicy, spec.fs_group_policy, FS_GROUP_POLICIES)
    yield from _check_tokens(spec.token_requests, path.tokenRequests)
    for mode in spec.volume_lifecycle_modes:
        if mode not in LIFECYCLE_MODES:
            yield not_supported(path.volumeLifecycleModes, mode, LIFECYCLE_MODES)
    if spec.se_linux_mount is None:
        yield required(path.seLinuxMount)
    period = spec.node_allocatable_update_period_seconds
    if period is not None and period < SHORTEST_PERIOD:
        message = f"must be greater than or equal to {SHORTEST_PERIOD} seconds"
        yield invalid(path.nodeAllocatableUpdatePeriodSeconds, period, message)
    in_secrets = spec.service_account_token_in_secrets
    if in_secrets is not None and not spec.token_requests:
        message = "serviceAccountTokenInSecrets is set but no tokenRequests are specified"
        yield invalid(path.serviceAccountTokenInSecrets, in_secrets, message)


def _check_tokens(requests: Sequence[TokenRequest], path: FieldPath) -> Iterator[FieldError]:
    audiences: set[str] = set()
    for index, request in enumerate(requests):
        each = path[index]
        if request.audience in audiences:
            yield duplicate(each.audience, request.audience)
            continue
        audiences.add(request.audience)
        seconds = request.expiration_seconds
        if seconds is not None and seconds < SHORTEST_TOKEN:
            yield invalid(each.expirationSeconds, seconds, "may not specify a duration less than 10 minutes")
        if seconds is not None and seconds > LONGEST_TOKEN:
            yield invalid(each.expirationSeconds, seconds, "may not specify a duration larger than 2^32 seconds")


def validate_update(new: CSIDriver, old: CSIDriver) -> Iterator[FieldError]:
    yield from check_metadata_update(new.metadata, old.metadata)
    yield from _check_spec(new.spec)
    yield from check_unchanged(new.spec.attach_required, old.spec.attach_required, at.spec.attachedRequired)
    modes, before = new.spec.volume_lifecycle_modes, old.spec.volume_lifecycle_modes
    yield from check_unchanged(modes, before, at.spec.volumeLifecycleModes)


def prepare_create(driver: Document, context: Context) -> None:
    spec = driver.setdefault("spec", {})
    spec.pop("preventPodSchedulingIfMissing", None)  # Its feature is off by default.


def prepare_update(new: Document, old: Document, context: Context) -> None:
    """The generation counts changes only: a new driver has none."""
    spec, before = new.setdefault("spec", {}), old.get("spec") or {}
    spec.pop("preventPodSchedulingIfMissing", None)
    if spec != before:
        new["metadata"]["generation"] = old["metadata"].get("generation", 0) + 1


def warnings(driver: Document) -> Iterator[str]:
    spec = driver["spec"]
    if spec.get("tokenRequests") and spec.get("serviceAccountTokenInSecrets") is None:
        yield RECOMMENDATION


def update_warnings(new: Document, old: Document) -> Iterator[str]:
    if new["spec"].get("tokenRequests") != old["spec"].get("tokenRequests"):
        yield from warnings(new)


def _flag(name: str, field: str) -> Column:
    return Column(name, lambda driver, now: bool(driver["spec"].get(field)), "boolean")


def _audiences(driver: Document, now: datetime) -> str:
    requests = driver["spec"].get("tokenRequests")
    return "<unset>" if not requests else ",".join(one.get("audience", "") for one in requests)


def _modes(driver: Document, now: datetime) -> str:
    return ",".join(driver["spec"].get("volumeLifecycleModes") or ()) or "<none>"


CSI_DRIVERS = Resource(
    info=info_of(CSIDriver),
    returns_deleted=True,
    defaults=compile_defaults(
        {
            "spec.attachRequired": True,
            "spec.podInfoOnMount": False,
            "spec.storageCapacity": False,
            "spec": Rule(default_policy),
            "spec.volumeLifecycleModes": ["Persistent"],
            "spec.requiresRepublish": False,
            "spec.seLinuxMount": False,
        }
    ),
    validate=validate,
    validate_update=validate_update,
    judges_updates_alone=True,
    prepare_create=prepare_create,
    prepare_update=prepare_update,
    warnings=warnings,
    update_warnings=update_warnings,
    columns=(
        NAME,
        _flag("AttachRequired", "attachRequired"),
        _flag("PodInfoOnMount", "podInfoOnMount"),
        _flag("StorageCapacity", "storageCapacity"),
        Column("TokenRequests", _audiences),
        _flag("RequiresRepublish", "requiresRepublish"),
        Column("Modes", _modes),
        AGE,
    ),
    allows_unconditional_update=False,
)

RESOURCES = (CSI_DRIVERS,)
