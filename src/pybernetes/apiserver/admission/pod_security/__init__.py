"""PodSecurity: pods keep the standard that the labels of their namespace ask for.

Guarantees  `enforce` refuses pods and warns of what was there before; `warn` warns of pods and of everything that has a
pod template. Labels that cannot be understood are refused when they are written.
Not built: `audit` writes nothing.
Follows k8s.io/pod-security-admission/admission and plugin/pkg/admission/security/podsecurity.
"""

from __future__ import annotations

from collections.abc import Mapping

from pybernetes.api import errors
from pybernetes.apiserver.admission.contract import Attributes, Operation, Plugin, Reader
from pybernetes.apiserver.admission.host import Host
from pybernetes.apiserver.admission.pod_security import existing
from pybernetes.apiserver.admission.pod_security.figures import ALLOW, AUDIT, DENY, ENFORCE, WARN, PodSecurityFigures
from pybernetes.apiserver.admission.pod_security.levels import Level, Policy, policy_of
from pybernetes.apiserver.admission.pod_security.registry import violations
from pybernetes.apiserver.admission.pod_security.settings import Settings, read_settings
from pybernetes.apiserver.admission.refusal import forbidden
from pybernetes.apiserver.resource import Document

NAMESPACES, PODS = "namespaces", "pods"
TEMPLATES: Mapping[str, tuple[str, ...]] = {
    "podtemplates": ("template",),
    "cronjobs.batch": ("spec", "jobTemplate", "spec", "template"),
    **dict.fromkeys(
        (
            "replicationcontrollers",
            "replicasets.apps",
            "deployments.apps",
            "statefulsets.apps",
            "daemonsets.apps",
            "jobs.batch",
        ),
        ("spec", "template"),
    ),
}
"""Where the pod template is, by kind."""
EXEMPT = "pod-security.kubernetes.io/exempt"
ENFORCED = "pod-security.kubernetes.io/enforce-policy"
VIOLATIONS = "pod-security.kubernetes.io/audit-violations"
_IGNORED = frozenset(("exec", "attach", "binding", "eviction", "log", "portforward", "proxy", "status"))


class PodSecurity(Plugin):
    name = "PodSecurity"
    operations = frozenset({Operation.CREATE, Operation.UPDATE})

    @classmethod
    def build(cls, host: Host) -> PodSecurity:
        return cls(host.reader, read_settings(host.configuration))

    def __init__(self, reader: Reader, settings: Settings) -> None:
        self._reader = reader
        self._settings = settings
        self.figures = PodSecurityFigures()

    def handles(self, operation: Operation, group_resource: str, subresource: str) -> bool:
        if operation not in self.operations:
            return False
        if group_resource == PODS:
            return subresource not in _IGNORED
        return not subresource and (group_resource == NAMESPACES or group_resource in TEMPLATES)

    async def validate(self, attributes: Attributes) -> None:
        if attributes.document is None:
            return
        kind = attributes.resource.info.group_resource
        if kind == NAMESPACES:
            self._judge_namespace(attributes, attributes.document)
        elif kind == PODS:
            self._judge_pod(attributes, attributes.document)
        else:
            self._judge_template(attributes, attributes.document)

    def _judge_pod(self, attributes: Attributes, pod: Document) -> None:
        policy = self._policy(attributes)
        if policy is None:
            return
        if policy.allows_all:
            if attributes.context.audited is not None:
                attributes.annotate(ENFORCED, str(policy.enforce))
            self.figures.evaluated(attributes, ALLOW, policy.enforce, ENFORCE)
            return
        if attributes.old is not None and not _changes_images(pod, attributes.old):
            return
        metadata, spec = pod.get("metadata") or {}, pod.get("spec") or {}
        if spec.get("runtimeClassName") in self._settings.runtime_classes:
            attributes.annotate(EXEMPT, "runtimeClass")
            self.figures.exempt(attributes)
            return
        attributes.annotate(ENFORCED, str(policy.enforce))
        self._tell(attributes, policy, metadata, spec)
        found = violations(policy.enforce, metadata, spec)
        self.figures.evaluated(attributes, DENY if found else ALLOW, policy.enforce, ENFORCE)
        if found:
            raise forbidden(attributes, f'violates PodSecurity "{policy.enforce}": {", ".join(map(str, found))}')
        if policy.warn != policy.enforce:
            self._warn(attributes, policy, metadata, spec)

    def _judge_template(self, attributes: Attributes, holder: Document) -> None:
        policy = self._policy(attributes)
        if policy is None:
            return
        audited = attributes.context.audited is not None and policy.audit.level is not Level.PRIVILEGED
        if policy.warn.level is Level.PRIVILEGED and not audited:
            return
        template: Document | None = holder
        for name in TEMPLATES[attributes.resource.info.group_resource]:
            template = (template or {}).get(name)
        spec = (template or {}).get("spec")
        if template is None or spec is None:
            return
        if spec.get("runtimeClassName") in self._settings.runtime_classes:
            attributes.annotate(EXEMPT, "runtimeClass")
            self.figures.exempt(attributes)
            return
        self._tell(attributes, policy, template.get("metadata") or {}, spec)
        self._warn(attributes, policy, template.get("metadata") or {}, spec)

    def _tell(self, attributes: Attributes, policy: Policy, metadata: Document, spec: Document) -> None:
        if attributes.context.audited is None:
            return
        found = violations(policy.audit, metadata, spec)
        if found:
            told = f'would violate PodSecurity "{policy.audit}": {", ".join(map(str, found))}'
            attributes.annotate(VIOLATIONS, told)
            self.figures.evaluated(attributes, DENY, policy.audit, AUDIT)

    def _warn(self, attributes: Attributes, policy: Policy, metadata: Document, spec: Document) -> None:
        found = violations(policy.warn, metadata, spec)
        if found:
            self.figures.evaluated(attributes, DENY, policy.warn, WARN)
            attributes.warn(f'would violate PodSecurity "{policy.warn}": {", ".join(map(str, found))}')

    def _policy(self, attributes: Attributes) -> Policy | None:
        """That of the namespace; None for who is exempt."""
        if attributes.namespace in self._settings.namespaces:
            attributes.annotate(EXEMPT, "namespace")
            self.figures.exempt(attributes)
            return None
        if attributes.user.name in self._settings.users:
            attributes.annotate(EXEMPT, "user")
            self.figures.exempt(attributes)
            return None
        namespace = self._reader.get(NAMESPACES, "", attributes.namespace)
        if namespace is None:
            raise errors.internal_error(f'failed to lookup namespace "{attributes.namespace}"')
        return policy_of(namespace["metadata"].get("labels") or {}, self._settings.defaults)[0]

    def _judge_namespace(self, attributes: Attributes, namespace: Document) -> None:
        labels, name = namespace["metadata"].get("labels") or {}, namespace["metadata"].get("name", "")
        policy, problems = policy_of(labels, self._settings.defaults)
        old = Policy()
        if attributes.old is not None:
            old, known = policy_of(attributes.old["metadata"].get("labels") or {}, self._settings.defaults)
            problems = () if problems == known else problems
        if problems:
            raise errors.invalid("", "Namespace", name, problems)
        if attributes.old is not None and not _is_stricter(policy, old):
            return
        if name in self._settings.namespaces:
            self._warn_exempt(attributes, name, policy, labels)
        elif attributes.old is not None:
            pods = (
                pod
                for pod in self._reader.list(PODS, name)
                if (pod.get("spec") or {}).get("runtimeClassName") not in self._settings.runtime_classes
            )
            for text in existing.warnings(name, policy.enforce, pods):
                attributes.warn(text)

    def _warn_exempt(self, attributes: Attributes, name: str, policy: Policy, labels: Mapping[str, str]) -> None:
        if policy.allows_all or policy.is_like(self._settings.defaults):
            return
        stated = [
            f"{mode}={standard}"
            for mode, standard in (("enforce", policy.enforce), ("audit", policy.audit), ("warn", policy.warn))
            if standard.level is not Level.PRIVILEGED
            and any(f"pod-security.kubernetes.io/{mode}{end}" in labels for end in ("", "-version"))
        ]
        attributes.warn(
            f'namespace "{name}" is exempt from Pod Security, and the policy ({", ".join(stated)}) will be ignored'
        )


def _is_stricter(new: Policy, old: Policy) -> bool:
    """Whether pods that are there may break the new policy."""
    if new.enforce == old.enforce or new.enforce.level is Level.PRIVILEGED:
        return False
    return new.enforce.version != old.enforce.version or new.enforce.level > old.enforce.level


def _changes_images(new: Document, old: Document) -> bool:
    """Whether an update brings what the old pod was not judged for."""
    now, before = new.get("spec") or {}, old.get("spec") or {}
    for kind in ("containers", "initContainers"):
        images = [[one.get("image") for one in spec.get(kind) or ()] for spec in (now, before)]
        if images[0] != images[1]:
            return True
    known = {one.get("name"): one.get("image") for one in before.get("ephemeralContainers") or ()}
    return any(
        one.get("name") not in known or known[one.get("name")] != one.get("image")
        for one in now.get("ephemeralContainers") or ()
    )
