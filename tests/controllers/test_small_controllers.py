"""Requests for certificates that are over, how long kubelets may remember, claims of ephemeral volumes."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from controllers.make import NOW, template
from pybernetes.api import meta
from pybernetes.api.models import certificates_v1, core_v1, meta_v1
from pybernetes.controllers.csr_cleaner import is_over
from pybernetes.controllers.node_ttl import STEPS, TTL, step_for
from pybernetes.testing.cluster import Cluster


def certificate(until: datetime) -> bytes:
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([])
    made = x509.CertificateBuilder(name, name, key.public_key(), 1, until - timedelta(days=1), until)
    return made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def request(*decided: str, hours: float, issued: bytes = b"") -> certificates_v1.CertificateSigningRequest:
    then = NOW - timedelta(hours=hours)
    conditions = [
        certificates_v1.CertificateSigningRequestCondition(type=one, status="True", last_update_time=then)
        for one in decided
    ]
    return certificates_v1.CertificateSigningRequest(
        metadata=meta_v1.ObjectMeta(name="one", creation_timestamp=then),
        status=certificates_v1.CertificateSigningRequestStatus(conditions=conditions, certificate=issued),
    )


@pytest.mark.parametrize(
    ("conditions", "hours", "over"),
    [
        ((), 23, False),
        ((), 25, True),
        (("Denied",), 0.9, False),
        (("Denied",), 1.1, True),
        (("Failed",), 1.1, True),
        (("Approved",), 23, False),
        (("Approved",), 25, True),
    ],
)
def test_requests_are_over_some_time_after_the_last_word(conditions: tuple[str, ...], hours: float, over: bool) -> None:
    assert is_over(request(*conditions, hours=hours), NOW) is over


def test_an_issued_request_is_over_after_an_hour_or_with_its_certificate() -> None:
    valid = certificate(NOW + timedelta(days=1))
    assert not is_over(request("Approved", hours=0.9, issued=valid), NOW)
    assert is_over(request("Approved", hours=1.1, issued=valid), NOW)
    assert is_over(request("Approved", hours=0.1, issued=certificate(NOW - timedelta(minutes=1))), NOW)


def test_steps_overlap_so_that_one_node_more_or_less_changes_nothing() -> None:
    assert step_for(100, 0) == 0
    assert step_for(101, 0) == 1
    assert step_for(90, 1) == 1
    assert step_for(89, 1) == 0
    assert STEPS[step_for(5000, 0)].seconds == 300


async def test_every_node_says_how_long_its_kubelet_may_remember(cluster: Cluster) -> None:
    await cluster.settle()
    [node] = (await cluster.client.list(core_v1.Node)).items
    assert node.metadata.annotations[TTL] == "0"


async def test_a_pod_gets_the_claims_of_its_ephemeral_volumes_and_they_go_with_it(cluster: Cluster) -> None:
    claim = core_v1.PersistentVolumeClaimTemplate(
        metadata=meta_v1.ObjectMeta(labels={"a": "b"}),
        spec=core_v1.PersistentVolumeClaimSpec(
            access_modes=["ReadWriteOnce"],
            resources=core_v1.VolumeResourceRequirements(requests={"storage": "1Gi"}),
        ),
    )
    spec = template().spec
    spec.volumes = [
        core_v1.Volume(name="scratch", ephemeral=core_v1.EphemeralVolumeSource(volume_claim_template=claim))
    ]
    await cluster.apply(core_v1.Pod(metadata=meta_v1.ObjectMeta(name="web", namespace="default"), spec=spec))
    await cluster.settle()
    [made] = (await cluster.client.list(core_v1.PersistentVolumeClaim, "default")).items
    assert (made.metadata.name, made.metadata.labels) == ("web-scratch", {"a": "b"})
    owner = meta.controller_of(made)
    assert owner is not None
    assert (owner.kind, owner.name) == ("Pod", "web")
    await cluster.client.delete(core_v1.Pod, "web", "default", grace_period=0)
    await cluster.settle()
    assert (await cluster.client.list(core_v1.PersistentVolumeClaim, "default")).items == []
