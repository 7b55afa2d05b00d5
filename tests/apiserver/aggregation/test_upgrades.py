"""What an upgraded connection says of its user."""

from __future__ import annotations

import aiohttp
import pytest

from apiserver.aggregation.extension import PATH, aggregating, extension
from pybernetes.apiserver.auth.contract import EveryoneIs, User
from pybernetes.apiserver.serve import Edge


@pytest.mark.parametrize(("name", "seen"), [("jörg", "jörg"), ("a\r\nX-Remote-Group: system:masters", None)])
async def test_a_users_name_is_one_header_whatever_is_in_it(name: str, seen: str | None) -> None:
    async with extension() as other, aggregating(authenticator=EveryoneIs(User(name))) as talk:
        await talk.serve(other.port)
        await talk.register()
        await talk.condition("Passed")
        edge = Edge(talk.server, port=0)
        await edge.start()
        upgrade = {"Connection": "Upgrade", "Upgrade": "SPDY/3.1"}
        address = f"http://127.0.0.1:{edge.address[1]}{PATH}/flunders"
        async with aiohttp.ClientSession() as session, session.get(address, headers=upgrade) as answer:
            assert answer.status == 503
        await edge.stop()
        told = [one.headers["X-Remote-User"] for one in other.asked if one.path == f"{PATH}/flunders"]
        assert told == ([seen] if seen else [])
