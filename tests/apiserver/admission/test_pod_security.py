"""PodSecurity: what is refused, what is warned of, and what labels may say."""

from __future__ import annotations

from typing import Any

import pytest

from apiserver.serving import MERGE_PATCH, PODS, STRATEGIC_PATCH, Talk, pod, serving
from pybernetes.apiserver.admission.host import ConfigurationError
from pybernetes.apiserver.admission.pod_security.levels import LATEST, Level, Standard
from pybernetes.apiserver.admission.pod_security.registry import CHECKS, violations
from pybernetes.apiserver.admission.pod_security.settings import read_settings

NAMESPACE = "/api/v1/namespaces/default"
HARDENED = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "runAsNonRoot": True,
    "seccompProfile": {"type": "RuntimeDefault"},
}


async def ask(talk: Talk, **labels: str) -> list[str]:
    """Labels the namespace; the warnings that come back."""
    named = {f"pod-security.kubernetes.io/{key.replace('_', '-')}": value for key, value in labels.items()}
    await talk.server.watch_cache.at_least(talk.server.store.revision)
    answer = await talk.patch(NAMESPACE, {"metadata": {"labels": named}}, MERGE_PATCH)
    assert answer.status == 200, answer.message
    await talk.server.watch_cache.at_least(talk.server.store.revision)
    return list(answer.response.warnings)


def spec_with(**security: Any) -> dict[str, Any]:
    return {"containers": [{"name": "c", "image": "i", "securityContext": security}]}


async def test_a_plain_pod_is_not_restricted_enough() -> None:
    async with serving() as talk:
        await ask(talk, enforce="restricted")
        refused = await talk.post(PODS, pod("one"))
        assert refused.status == 403
        assert refused.message == (
            'pods "one" is forbidden: violates PodSecurity "restricted:latest": allowPrivilegeEscalation != false '
            '(container "main" must set securityContext.allowPrivilegeEscalation=false), unrestricted capabilities '
            '(container "main" must set securityContext.capabilities.drop=["ALL"]), runAsNonRoot != true (pod or '
            'container "main" must set securityContext.runAsNonRoot=true), seccompProfile (pod or container "main" '
            'must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost")'
        )


async def test_a_hardened_pod_is_let_in() -> None:
    async with serving() as talk:
        await ask(talk, enforce="restricted")
        body = {"metadata": {"name": "one"}, "spec": spec_with(**HARDENED)}
        assert (await talk.post(PODS, body)).status == 201


async def test_templates_are_warned_of_and_never_refused() -> None:
    async with serving() as talk:
        await ask(talk, enforce="baseline")
        template = {"metadata": {"labels": {"app": "web"}}, "spec": {**pod("x")["spec"], "hostNetwork": True}}
        body = {
            "metadata": {"name": "web"},
            "spec": {"selector": {"matchLabels": {"app": "web"}}, "template": template},
        }
        made = await talk.post("/apis/apps/v1/namespaces/default/deployments", body)
        assert made.status == 201
        assert list(made.response.warnings) == [
            'would violate PodSecurity "baseline:latest": host namespaces (hostNetwork=true)'
        ]


async def test_pods_that_are_there_are_told_when_the_policy_becomes_stricter() -> None:
    async with serving() as talk:
        for name in ("b", "a", "c"):
            await talk.post(PODS, pod(name, hostPID=True))
        assert await ask(talk, enforce="baseline", enforce_version="v1.30") == [
            'existing pods in namespace "default" violate the new PodSecurity enforce level "baseline:v1.30"',
            "a (and 2 other pods): host namespaces",
        ]
        assert await ask(talk, enforce="privileged") == []


async def test_labels_must_be_understood() -> None:
    async with serving() as talk:
        labels = {"pod-security.kubernetes.io/enforce": "strict", "pod-security.kubernetes.io/warn-version": "1.2"}
        refused = await talk.patch(NAMESPACE, {"metadata": {"labels": labels}}, MERGE_PATCH)
        assert refused.status == 422
        assert refused.message == (
            'Namespace "default" is invalid: [metadata.labels[pod-security.kubernetes.io/enforce]: Invalid value: '
            '"strict": must be one of privileged, baseline, restricted, '
            'metadata.labels[pod-security.kubernetes.io/warn-version]: Invalid value: "1.2": must be "latest" or '
            '"v1.x"]'
        )


async def test_a_pod_that_was_there_may_change_its_labels_but_not_its_image() -> None:
    async with serving() as talk:
        await talk.post(PODS, pod("one", hostIPC=True))
        await ask(talk, enforce="baseline")
        assert (await talk.patch(f"{PODS}/one", {"metadata": {"labels": {"a": "b"}}})).status == 200
        newer = {"spec": {"containers": [{"name": "main", "image": "new"}]}}
        assert (await talk.patch(f"{PODS}/one", newer, STRATEGIC_PATCH)).status == 403


@pytest.mark.parametrize(
    ("spec", "level", "version", "reasons"),
    [
        (spec_with(privileged=True), Level.BASELINE, LATEST, ["privileged"]),
        (spec_with(privileged=True), Level.PRIVILEGED, LATEST, []),
        (spec_with(procMount="Unmasked"), Level.BASELINE, 34, ["procMount"]),
        ({**spec_with(procMount="Unmasked"), "hostUsers": False}, Level.BASELINE, LATEST, []),
        (spec_with(**HARDENED, runAsUser=0), Level.RESTRICTED, 22, []),
        (spec_with(**HARDENED, runAsUser=0), Level.RESTRICTED, 23, ["runAsUser=0"]),
        ({**spec_with(), "os": {"name": "windows"}}, Level.RESTRICTED, 25, ["runAsNonRoot != true"]),
        (spec_with(capabilities={"add": ["SYS_TIME"]}), Level.BASELINE, 0, ["non-default capabilities"]),
        (spec_with(seLinuxOptions={"type": "container_engine_t"}), Level.BASELINE, 30, ["seLinuxOptions"]),
        (spec_with(seLinuxOptions={"type": "container_engine_t"}), Level.BASELINE, 31, []),
    ],
)
def test_each_version_has_its_own_rules(spec: Any, level: Level, version: int, reasons: list[str]) -> None:
    assert [found.reason for found in violations(Standard(level, version), {}, spec)] == reasons


def test_every_check_has_a_name_of_its_own_and_rising_versions() -> None:
    assert len({row.name for row in CHECKS}) == len(CHECKS)
    for row in CHECKS:
        starts = [start for start, _ in row.since]
        assert starts == sorted(set(starts))


def test_an_operators_settings_are_read_and_judged() -> None:
    head = {"apiVersion": "pod-security.admission.config.k8s.io/v1", "kind": "PodSecurityConfiguration"}
    settings = read_settings({**head, "defaults": {"enforce": "baseline"}, "exemptions": {"namespaces": ["infra"]}})
    assert str(settings.defaults.enforce) == "baseline:latest"
    assert settings.namespaces == {"infra"}
    with pytest.raises(ConfigurationError, match=r'defaults\.warn: Invalid value: "strict": must be one of privileged'):
        read_settings({**head, "defaults": {"warn": "strict"}})
    with pytest.raises(ConfigurationError, match="no kind"):
        read_settings({"kind": "Other"})
