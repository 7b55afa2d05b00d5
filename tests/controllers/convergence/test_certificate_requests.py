"""Old certificate signing requests go, when they are old and not before."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable
from datetime import timedelta
from functools import cache

from controllers.convergence.histories import History, properties
from controllers.convergence.world import Step, World
from pybernetes.api import meta
from pybernetes.api.models.certificates_v1 import CertificateSigningRequest
from pybernetes.client.leader import Timing
from pybernetes.controllers.csr_cleaner import DECIDED, PENDING, POLLING

SLACK = timedelta(seconds=1000)
"""The longest back-off."""


@cache
def content() -> str:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "jane")])
    request = x509.CertificateSigningRequestBuilder().subject_name(subject)
    signed = request.sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())
    return b64encode(signed.public_bytes(serialization.Encoding.PEM)).decode()


async def create_request(world: World) -> None:
    """Of a signer that is nobody's: it is not signed unless the hands say so."""
    spec = {"request": content(), "signerName": "example.com/nobody", "usages": ["client auth"]}
    await world.create(CertificateSigningRequest, f"request-{world.random.randrange(8)}", spec=spec)


async def decide(world: World) -> None:
    one = world.pick(CertificateSigningRequest)
    if one is None or one.status.conditions:
        return
    kind, now = world.random.choice(("Approved", "Denied")), meta.format_time(world.clock.now())
    condition = {"type": kind, "status": "True", "reason": "Hands", "lastUpdateTime": now}
    body = {"status": {"conditions": [condition]}}
    await world.client.of(CertificateSigningRequest).patch(one.metadata.name, None, body, subresource="approval")


async def begin(world: World) -> None:
    for _ in range(5):
        await create_request(world)
    for _ in range(3):
        await decide(world)


def not_before_its_time(world: World, step: Step) -> None:
    one = step.old
    if world.slack or not isinstance(one, CertificateSigningRequest) or step.new is not None:
        return
    if _age(world, one) <= _patience(one):
        world.complain(f"{one.metadata.name} went after {_age(world, one)}")


def _patience(one: CertificateSigningRequest) -> timedelta:
    denied = any(condition.type == "Denied" for condition in one.status.conditions)
    return DECIDED if denied else PENDING


def _age(world: World, one: CertificateSigningRequest) -> timedelta:
    """Since the last that was said about it."""
    times = [condition.last_update_time for condition in one.status.conditions] or [one.metadata.creation_timestamp]
    return min(world.clock.now() - time for time in times if time is not None)


def old_ones_are_gone(world: World) -> Iterable[str]:
    for one in world.all(CertificateSigningRequest):
        if _age(world, one) > _patience(one) + POLLING + SLACK:
            yield f"{one.metadata.name} is still there after {_age(world, one)}"


async def take_the_rest_away(world: World) -> bool:
    """What is not old yet would be in the midst of the rest."""
    left = world.all(CertificateSigningRequest)
    for text in old_ones_are_gone(world):
        world.complain(text)
    world.slack += 1
    for one in left:
        await world.delete(one)
    world.slack -= 1
    return bool(left)


test_old_requests_go, test_old_requests_go_nightly, test_old_requests_go_in_all_troubles = properties(
    History(
        controllers=("certificatesigningrequest-cleaner-controller",),
        begin=begin,
        actions={create_request: 3, decide: 2},
        always=not_before_its_time,
        at_rest=old_ones_are_gone,
        drive=take_the_rest_away,
        pauses=(1.0, 600.0, 3700.0, 45000.0),
        leases=Timing(lease=2400.0, renew=1200.0, retry=800.0),
        steps=6,
    ),
    seeds=1,
    nightly=6,
)
