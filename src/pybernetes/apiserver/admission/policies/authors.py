"""Whoever writes a policy with parameters, or a binding that names some, must be allowed to read them.

Otherwise a policy's messages would tell what its author may not see. Masters are not asked.

Follows authz.go of pkg/registry/admissionregistration/{validating,mutating}admissionpolicy[binding].
"""

from __future__ import annotations

from pybernetes.api import errors
from pybernetes.api.fields import FieldPath, at
from pybernetes.api.fields import forbidden as forbidden_field
from pybernetes.apiserver.admission.contract import Attributes, Operation, Plugin
from pybernetes.apiserver.admission.host import Host
from pybernetes.apiserver.admission.policies.params import Misconfigured, Params
from pybernetes.apiserver.auth import contract as auth
from pybernetes.apiserver.resource import Document

GROUP = "admissionregistration.k8s.io"
_POLICIES = {f"{kind}admissionpolicies.{GROUP}" for kind in ("validating", "mutating")}
_POLICY_OF = {
    f"{kind}admissionpolicybindings.{GROUP}": f"{kind}admissionpolicies" for kind in ("validating", "mutating")
}
_ANYTHING = ("*", "*", "*")


class PolicyAuthors(Plugin):
    """Refuses as upstream's validation does: an object that is otherwise in order is invalid."""

    name = "AdmissionPolicyAuthors"
    operations = frozenset({Operation.CREATE, Operation.UPDATE})
    resources = frozenset({*_POLICIES, *_POLICY_OF})

    @classmethod
    def build(cls, host: Host) -> PolicyAuthors:
        return cls(host)

    def __init__(self, host: Host) -> None:
        self._authorizer = host.authorizer
        self._reader = host.reader
        self._params = Params(host)

    async def validate(self, attributes: Attributes) -> None:
        if attributes.document is None or auth.MASTERS_GROUP in attributes.user.groups:
            return
        spec = attributes.document["spec"]
        if attributes.resource.info.group_resource in _POLICIES:
            await self._check_policy(attributes, spec)
        elif spec.get("paramRef"):
            await self._check_binding(attributes, spec)

    async def _check_policy(self, attributes: Attributes, spec: Document) -> None:
        kind = spec.get("paramKind")
        if not kind or kind == ((attributes.old or {}).get("spec") or {}).get("paramKind"):
            return
        group, version, resource = self._place_of(kind)
        asked = auth.Attributes("get", group=group, version=version, resource=resource or "*", namespace="*", name="*")
        if not (await self._authorizer.authorize(attributes.user, asked)).allowed:
            raise _refused(
                attributes,
                at.spec.paramKind,
                f'user {shown(attributes.user)} must have "get" permission on all objects of the referenced paramKind '
                f"(kind={kind['kind']}, apiVersion={kind['apiVersion']})",
            )

    async def _check_binding(self, attributes: Attributes, spec: Document) -> None:
        ref, user = spec["paramRef"], attributes.user
        policies = _POLICY_OF[attributes.resource.info.group_resource]
        policy = self._reader.get(f"{policies}.{GROUP}", "", spec["policyName"])
        kind = policy["spec"].get("paramKind") if policy else None
        group, version, resource = self._place_of(kind) if kind else _ANYTHING
        verb = "get" if ref.get("name") else "list"
        asked = auth.Attributes(
            verb,
            group=group,
            version=version,
            resource=resource or "*",
            namespace=ref.get("namespace") or "",
            name=ref.get("name") or "",
        )
        if (await self._authorizer.authorize(user, asked)).allowed:
            return
        missing = ""
        if policy is None:
            missing = f"unable to get policy {spec['policyName']}"
        elif kind and not resource:
            missing = f"unable to resolve paramKind &{{{kind['apiVersion']} {kind['kind']}}}"
        if missing:
            why = (
                f'{missing} to determine minimum required permissions and user {shown(user)} does not have "{verb}" '
                "permission for all groups, versions and resources"
            )
        else:
            words = (shown(user), verb) if policies.startswith("validating") else (verb, shown(user))
            why = f'user {words[0]} does not have "{words[1]}" permission on the object referenced by paramRef'
        raise _refused(attributes, at.spec.paramRef, why)

    def _place_of(self, kind: Document) -> tuple[str, str, str]:
        """Group, version and resource of a `paramKind`; the resource is "" where nothing of the kind is served."""
        group, _, version = kind["apiVersion"].rpartition("/")
        try:
            return group, version, self._params.resource_of(kind).info.plural
        except Misconfigured:
            return group, version, ""


def _refused(attributes: Attributes, path: FieldPath, why: str) -> errors.ApiError:
    info = attributes.resource.info
    name = (attributes.document or {})["metadata"].get("name", "")
    return errors.invalid(info.group, info.kind, name, [forbidden_field(path, why)])


def shown(user: auth.User) -> str:
    """As Go prints one."""
    extra = " ".join(f"{key}:[{' '.join(values)}]" for key, values in sorted(user.extra.items()))
    return f"&{{{user.name} {user.uid} [{' '.join(user.groups)}] map[{extra}]}}"
