from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from pybernetes.apiserver.auth.certificate_requests import (
    CLIENT,
    KUBELET_CLIENT,
    KUBELET_SERVING,
    LONGEST,
    Approve,
    Fail,
    Sign,
    Step,
    Subject,
    next_step,
)
from pybernetes.apiserver.auth.contract import User

NODE = Subject("system:node:n1", ("system:nodes",), ())
USER = Subject("jane", (), ())


def request(signer: str, *conditions: str, usages: tuple[str, ...] = ("client auth",), **spec: Any) -> dict[str, Any]:
    told = [{"type": condition, "status": "True"} for condition in conditions]
    return {"spec": {"signerName": signer, "usages": list(usages), **spec}, "status": {"conditions": told}}


def step(document: dict[str, Any], subject: Subject, *granted: str) -> Step:
    def may(user: User, subresource: str) -> bool:
        return subresource in granted

    return next_step(document, lambda: subject, may)


def test_a_kubelets_certificate_is_approved_for_who_may_ask_for_it() -> None:
    waiting = request(KUBELET_CLIENT, username="system:bootstrap:abcdef")
    assert step(waiting, NODE) is None
    assert isinstance(step(waiting, NODE, "nodeclient"), Approve)
    renewal = request(KUBELET_CLIENT, username="system:node:n1")
    assert isinstance(step(renewal, NODE, "selfnodeclient"), Approve)
    assert step(request(KUBELET_CLIENT, username="system:node:n2"), NODE, "selfnodeclient") is None


def test_users_certificates_wait_for_approval_and_last_as_asked() -> None:
    assert step(request(CLIENT), USER, "nodeclient", "selfnodeclient") is None
    assert step(request(CLIENT, "Approved"), USER) == Sign(("client auth",), LONGEST)
    hour = request(CLIENT, "Approved", expirationSeconds=3600)
    assert step(hour, USER) == Sign(("client auth",), timedelta(hours=1))


@pytest.mark.parametrize(
    ("signer", "subject", "usages"),
    [
        (CLIENT, USER, ("server auth",)),
        (KUBELET_CLIENT, USER, ("client auth",)),
        (KUBELET_CLIENT, Subject("system:node:n1", ("system:nodes", "more"), ()), ("client auth",)),
        (KUBELET_CLIENT, Subject("system:node:n1", ("system:nodes",), ("n1",)), ("client auth",)),
        (KUBELET_SERVING, NODE, ("server auth",)),
        (KUBELET_SERVING, Subject("n1", ("system:nodes",), ("n1",)), ("server auth",)),
    ],
)
def test_an_approved_request_that_breaks_its_signers_rules_fails(
    signer: str, subject: Subject, usages: tuple[str, ...]
) -> None:
    assert isinstance(step(request(signer, "Approved", usages=usages), subject), Fail)


def test_what_is_done_denied_or_others_is_left_alone() -> None:
    assert step(request(CLIENT, "Approved", "Failed"), USER) is None
    assert step(request(CLIENT, "Denied"), USER) is None
    assert step(request("example.com/signer", "Approved"), USER) is None
    done = request(CLIENT, "Approved")
    done["status"]["certificate"] = "x"
    assert step(done, USER) is None
