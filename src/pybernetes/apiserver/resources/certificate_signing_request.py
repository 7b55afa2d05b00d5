"""CertificateSigningRequest: a certificate that somebody wants, who approves it, and what a signer made of it.

Follows pkg/registry/certificates/certificates and pkg/apis/certificates/validation.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from pybernetes.api.fields import FieldError, at, duplicate, forbidden, invalid, not_supported, required
from pybernetes.api.kinds import info_of
from pybernetes.api.models.certificates_v1 import CertificateSigningRequest, CertificateSigningRequestCondition
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
from pybernetes.apiserver.validation.certificates import (
    APPROVED,
    DENIED,
    FAILED,
    check_certificate,
    check_decisions,
    check_request,
    check_signer_name,
)
from pybernetes.apiserver.validation.metadata import check_metadata, check_metadata_update

MINIMUM_SECONDS = 600
DECISIONS = (APPROVED, DENIED)
LEGACY_SIGNER = "kubernetes.io/legacy-unknown"
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
    """A signer adds the certificate, or that it failed; decisions stay as they are where they stay at all."""
    fresh, known = new.setdefault("status", {}), old.get("status") or {}
    conditions = fresh.get("conditions") or []
    for decision in DECISIONS:
        before = [one for one in known.get("conditions") or () if one.get("type") == decision]
        places = [index for index, one in enumerate(conditions) if one.get("type") == decision]
        if len(before) == len(places):
            for place, condition in zip(places, before, strict=True):
                conditions[place] = condition
    _time_conditions(fresh, known, context)


def prepare_approval(new: Document, old: Document, context: Context) -> None:
    conditions = (new.get("status") or {}).get("conditions", [])
    new["spec"] = old.get("spec", {})
    new["status"] = {name: value for name, value in (old.get("status") or {}).items() if name != "conditions"}
    if conditions:
        new["status"]["conditions"] = conditions
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
    yield from _check(request, None)


def _check(request: CertificateSigningRequest, old: CertificateSigningRequest | None) -> Iterator[FieldError]:
    """What was wrong before may stay."""
    yield from check_metadata(request.metadata, _any_name, namespaced=False)
    spec, path = request.spec, at.spec
    yield from check_request(spec.request, path.request)
    if not spec.usages:
        yield required(path.usages)
    before = old.spec.usages if old is not None else []
    if all(usage in _USAGES for usage in before):
        for index, usage in enumerate(spec.usages):
            if usage not in _USAGES:
                yield not_supported(path.usages[index], usage, sorted(_USAGES))
    if len(set(before)) == len(before):
        for index, usage in enumerate(spec.usages):
            if usage in spec.usages[:index]:
                yield duplicate(path.usages[index], usage)
    if spec.signer_name == LEGACY_SIGNER and (old is None or old.spec.signer_name != LEGACY_SIGNER):
        yield invalid(path.signerName, LEGACY_SIGNER, "the legacy signerName is not allowed via this API version")
    else:
        yield from check_signer_name(spec.signer_name, path.signerName)
    if spec.expiration_seconds is not None and spec.expiration_seconds < MINIMUM_SECONDS:
        message = "may not specify a duration less than 600 seconds (10 minutes)"
        yield invalid(path.expirationSeconds, spec.expiration_seconds, message)
    conditions = at.status.conditions
    yield from check_decisions(request.status.conditions, old.status.conditions if old else (), conditions)
    if old is None or request.status.certificate != old.status.certificate:
        yield from check_certificate(request.status.certificate, at.status.certificate)


def _any_name(name: str) -> list[str]:
    return []


def validate_update(new: CertificateSigningRequest, old: CertificateSigningRequest) -> Iterator[FieldError]:
    yield from _check(new, old)
    yield from _check_kept(new, old)
    yield from check_metadata_update(new.metadata, old.metadata)


def validate_status(new: CertificateSigningRequest, old: CertificateSigningRequest) -> Iterator[FieldError]:
    yield from _check(new, old)
    yield from _check_kept(new, old)
    for decision in DECISIONS:
        if len(_of_type(new, decision)) > len(_of_type(old, decision)):
            yield forbidden(at.status.conditions, f'updates may not add a condition of type "{decision}"')
    if old.status.certificate and new.status.certificate != old.status.certificate:
        yield forbidden(at.status.certificate, "updates may not modify existing certificate content")
    yield from check_metadata_update(new.metadata, old.metadata)


def _check_kept(new: CertificateSigningRequest, old: CertificateSigningRequest) -> Iterator[FieldError]:
    for type_ in (*DECISIONS, FAILED):
        if len(_of_type(new, type_)) < len(_of_type(old, type_)):
            yield forbidden(at.status.conditions, f'updates may not remove a condition of type "{type_}"')


def _of_type(request: CertificateSigningRequest, type_: str) -> list[CertificateSigningRequestCondition]:
    return [condition for condition in request.status.conditions if condition.type == type_]


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
    judges_updates_alone=True,
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
        StatusSubresource(prepare=prepare_status, validate=validate_status),
        SpecialSubresource("approval", ("get", "patch", "update"), _CSR, prepare_approval, validate_update),
    ),
)

RESOURCES = (CERTIFICATE_SIGNING_REQUESTS,)
