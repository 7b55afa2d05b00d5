"""CertificateSigningRequest: a certificate that somebody wants, who approves it, and what a signer made of it.

Follows pkg/registry/certificates/certificates and pkg/apis/certificates/validation.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from pybernetes.api.fields import FieldError, at, duplicate, invalid, is_path_segment, not_supported, required
from pybernetes.api.kinds import info_of
from pybernetes.api.models.certificates_v1 import CertificateSigningRequest
from pybernetes.apiserver.columns import AGE, NAME, NONE, human_duration
from pybernetes.apiserver.resource import (
    Column,
    Context,
    Document,
    Resource,
    SpecialSubresource,
    StatusSubresource,
)
from pybernetes.apiserver.resources.cells import at_path, text_at, text_column
from pybernetes.apiserver.validation.metadata import check_metadata, check_metadata_update
from pybernetes.apiserver.validation.simple import check_unchanged

MINIMUM_SECONDS = 600
_DECISIONS = ("Approved", "Denied")
_CSR = ("certificates.k8s.io", "v1", "CertificateSigningRequest")
_USAGES = frozenset(
    (
        "signing", "digital signature", "content commitment", "key encipherment", "key agreement", "data encipherment",
        "cert sign", "crl sign", "encipher only", "decipher only", "any", "server auth", "client auth", "code signing",
        "email protection", "s/mime", "ipsec end system", "ipsec tunnel", "ipsec user", "timestamping", "ocsp signing",
        "microsoft sgc", "netscape sgc",
    )
)  # fmt: skip


def prepare_create(request: Document, context: Context) -> None:
    """Who asks is what the server knows of the requester, whatever the request says."""
    spec = request.setdefault("spec", {})
    for field in ("username", "uid", "groups", "extra"):
        spec.pop(field, None)
    user = context.user
    spec["username"] = user.name
    if user.uid:
        spec["uid"] = user.uid
    if user.groups:
        spec["groups"] = list(user.groups)
    if user.extra:
        spec["extra"] = {key: list(values) for key, values in user.extra.items()}


def prepare_update(new: Document, old: Document, context: Context) -> None:
    new["spec"] = old.get("spec", {})


def prepare_status(new: Document, old: Document, context: Context) -> None:
    """A signer adds the certificate, or that it failed; decisions stay."""
    fresh, known = new.setdefault("status", {}), old.get("status") or {}
    others = [one for one in fresh.get("conditions", ()) if one.get("type") not in _DECISIONS]
    decisions = [one for one in known.get("conditions", ()) if one.get("type") in _DECISIONS]
    if conditions := [*decisions, *others]:
        fresh["conditions"] = conditions
    _time_conditions(fresh, known, context)


def prepare_approval(new: Document, old: Document, context: Context) -> None:
    conditions = (new.get("status") or {}).get("conditions", [])
    new["spec"] = old.get("spec", {})
    new["status"] = {**(old.get("status") or {}), "conditions": conditions}
    _time_conditions(new["status"], old.get("status") or {}, context)


def _time_conditions(fresh: Document, known: Document, context: Context) -> None:
    before = {one.get("type"): one for one in known.get("conditions", ())}
    now = context.now.strftime("%Y-%m-%dT%H:%M:%SZ")
    for condition in fresh.get("conditions", ()):
        if not condition.get("lastUpdateTime"):
            condition["lastUpdateTime"] = now
        if not condition.get("lastTransitionTime"):
            same = before.get(condition.get("type"), {})
            unchanged = same.get("status") == condition.get("status")
            condition["lastTransitionTime"] = same.get("lastTransitionTime", now) if unchanged else now


def validate(request: CertificateSigningRequest) -> Iterator[FieldError]:
    from cryptography import x509  # Slow to load, and few servers ever see a request.

    yield from check_metadata(request.metadata, is_path_segment, namespaced=False)
    spec = request.spec
    try:
        x509.load_pem_x509_csr(spec.request)
    except ValueError as error:
        yield invalid(at.spec.request, spec.request, str(error))
    if not spec.usages:
        yield required(at.spec.usages, "usages is required")
    for index, usage in enumerate(spec.usages):
        if usage not in _USAGES:
            yield not_supported(at.spec.usages[index], usage, sorted(_USAGES))
        if usage in spec.usages[:index]:
            yield duplicate(at.spec.usages[index], usage)
    if not spec.signer_name:
        yield required(at.spec.signerName)
    elif "/" not in spec.signer_name:
        message = "must be a fully qualified domain and path of the form 'example.com/signer-name'"
        yield invalid(at.spec.signerName, spec.signer_name, message)
    if spec.expiration_seconds is not None and spec.expiration_seconds < MINIMUM_SECONDS:
        message = "may not specify a duration less than 600 seconds (10 minutes)"
        yield invalid(at.spec.expirationSeconds, spec.expiration_seconds, message)


def validate_update(new: CertificateSigningRequest, old: CertificateSigningRequest) -> Iterator[FieldError]:
    yield from check_metadata_update(new.metadata, old.metadata)
    yield from check_unchanged(new.spec, old.spec, at.spec)


def validate_conditions(new: CertificateSigningRequest, old: CertificateSigningRequest) -> Iterator[FieldError]:
    yield from check_metadata_update(new.metadata, old.metadata)
    types: set[str] = set()
    for index, condition in enumerate(new.status.conditions):
        path = at.status.conditions[index]
        if not condition.type:
            yield required(path.type)
        if condition.type in types:
            yield duplicate(path.type, condition.type)
        types.add(condition.type)
        if condition.type in (*_DECISIONS, "Failed") and condition.status != "True":
            yield not_supported(path.status, condition.status, ("True",))
    if types >= set(_DECISIONS):
        yield invalid(at.status.conditions, "Denied", "Approved and Denied conditions are mutually exclusive")
    kept = [one.type for one in old.status.conditions if one.type in (*_DECISIONS, "Failed") and one.type not in types]
    for gone in kept:
        yield invalid(at.status.conditions, gone, "updates may not remove a condition of type " + f'"{gone}"')
    if old.status.certificate and new.status.certificate != old.status.certificate:
        yield invalid(at.status.certificate, "", "field is immutable")


def _condition(request: Document, now: datetime) -> str:
    types = [one.get("type", "") for one in at_path(request, "status.conditions", ())]
    decision = next((one for one in ("Denied", "Approved") if one in types), "Pending")
    failed = ",Failed" if "Failed" in types else ""
    issued = ",Issued" if at_path(request, "status.certificate") else ""
    return decision + failed + issued


def _duration(request: Document, now: datetime) -> str:
    seconds = at_path(request, "spec.expirationSeconds")
    return NONE if seconds is None else human_duration(seconds)


CERTIFICATE_SIGNING_REQUESTS = Resource(
    info=info_of(CertificateSigningRequest),
    short_names=("csr",),
    validate=validate,
    validate_update=validate_update,
    prepare_create=prepare_create,
    prepare_update=prepare_update,
    columns=(
        NAME,
        AGE,
        text_column("SignerName", "spec.signerName", "<none>"),
        text_column("Requestor", "spec.username"),
        Column("RequestedDuration", _duration),
        Column("Condition", _condition),
    ),
    selectable={"spec.signerName": text_at("spec.signerName")},
    subresources=(
        StatusSubresource(prepare=prepare_status, validate=validate_conditions),
        SpecialSubresource("approval", ("get", "patch", "update"), _CSR, prepare_approval, validate_conditions),
    ),
)

RESOURCES = (CERTIFICATE_SIGNING_REQUESTS,)
