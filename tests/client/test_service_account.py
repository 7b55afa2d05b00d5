"""Acting as a service account: tokens are asked for, kept, renewed, and asked for anew when they are not known."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from pybernetes.api.meta import format_time
from pybernetes.client import Client, DirectTransport, Request, Response, Unreachable
from pybernetes.client.service_account import AccountTokens, AccountTransport

pytestmark = pytest.mark.virtual_time
START = datetime(2030, 1, 1, tzinfo=UTC)


class LoopClock:
    def now(self) -> datetime:
        return START + timedelta(seconds=self.monotonic())

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class Server:
    """Knows the tokens that it gave; makes accounts when asked to."""

    def __init__(self) -> None:
        self.accounts: set[str] = set()
        self.given: list[str] = []
        self.valid: set[str] = set()
        self.refuses = False
        self.seen: list[str] = []

    async def root(self, request: Request) -> Response:
        if self.refuses:
            return answer(
                403, {"kind": "Status", "status": "Failure", "reason": "Forbidden", "message": "no", "code": 403}
            )
        if request.path.endswith("/serviceaccounts"):
            self.accounts.add(msgspec.json.decode(request.body)["metadata"]["name"])
            return answer(201, msgspec.json.decode(request.body))
        if request.path.split("/")[-2] not in self.accounts:
            return answer(
                404, {"kind": "Status", "status": "Failure", "reason": "NotFound", "message": "no", "code": 404}
            )
        token = f"token-{len(self.given)}"
        self.given.append(token)
        self.valid.add(token)
        expires = format_time(LoopClock().now() + timedelta(hours=1))
        return answer(201, {"status": {"token": token, "expirationTimestamp": expires}})

    async def anonymous(self, request: Request) -> Response:
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        self.seen.append(token)
        if token not in self.valid:
            return answer(401, {})
        return answer(200, {"user": token})


def answer(status: int, document: object) -> Response:
    return Response(status, {}, msgspec.json.encode(document))


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def transport(server: Server) -> AccountTransport:
    tokens = AccountTokens(Client(DirectTransport(server.root)), LoopClock(), "kube-system", "job-controller")
    return AccountTransport(DirectTransport(server.anonymous), tokens)


PODS = Request("GET", "/api/v1/pods")


async def test_an_account_is_made_and_its_one_token_is_shared_by_all_calls(
    server: Server, transport: AccountTransport
) -> None:
    answers = await asyncio.gather(*(transport.send(PODS) for _ in range(5)))
    assert {each.status for each in answers} == {200}
    assert server.accounts == {"job-controller"}
    assert server.given == ["token-0"]


async def test_a_token_is_renewed_when_four_fifths_of_its_life_are_over(
    server: Server, transport: AccountTransport
) -> None:
    await transport.send(PODS)
    await asyncio.sleep(2870)
    await transport.send(PODS)
    await asyncio.sleep(20)
    await transport.send(PODS)
    assert server.seen == ["token-0", "token-0", "token-1"]


async def test_a_token_that_is_not_known_any_more_is_replaced_at_once(
    server: Server, transport: AccountTransport
) -> None:
    await transport.send(PODS)
    server.valid.clear()
    assert (await transport.send(PODS)).status == 200
    async with transport.stream(PODS) as opened:
        assert opened.status == 200
    assert server.seen == ["token-0", "token-0", "token-1", "token-1"]


async def test_without_a_token_a_call_was_not_made(server: Server, transport: AccountTransport) -> None:
    server.refuses = True
    with pytest.raises(Unreachable, match="no token for it"):
        await transport.send(PODS)
    assert server.seen == []
