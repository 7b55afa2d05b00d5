"""What priority and fairness tells people of itself."""

from __future__ import annotations

import asyncio

from apiserver.fairness.test_fairness import until
from apiserver.serving import CONFIG_MAPS, serving
from pybernetes.apiserver.auth.contract import Attributes, Decision, EveryoneIs, User
from pybernetes.apiserver.fairness.dump import ROOT, table
from pybernetes.apiserver.fairness.gate import FairGate
from pybernetes.apiserver.http import ApiRequest
from pybernetes.apiserver.request_info import parse
from pybernetes.apiserver.routes import Call


class _Slow:
    """Decides when it may."""

    def __init__(self) -> None:
        self.may = asyncio.Event()
        self.may.set()

    async def authorize(self, user: User, attributes: Attributes) -> Decision:
        await self.may.wait()
        return Decision(True)


def test_cells_are_as_wide_as_the_widest_of_their_column() -> None:
    assert table([("Name", "Number", "Last"), ("a-long-name", "1", "x")]) == (
        "Name,        Number, Last\na-long-name, 1,      x\n"
    )


async def test_levels_queues_and_who_waits_are_listed() -> None:
    slow = _Slow()
    async with serving(
        authenticator=EveryoneIs(User("jane", groups=("system:authenticated",))), authorizer=slow
    ) as talk:
        gate = talk.server.gate
        assert isinstance(gate, FairGate)
        level = next(one for one in gate.table.levels if one.name == "global-default")
        level.limit = 1
        slow.may.clear()
        first = asyncio.create_task(talk.get(CONFIG_MAPS))
        second = asyncio.create_task(talk.get(CONFIG_MAPS))
        await until(lambda: level.waiting == 1)
        slow.may.set()
        pages = {}
        for name in ("dump_priority_levels", "dump_queues", "dump_requests"):
            handler = talk.server.routes.of_path(f"{ROOT}{name}")
            assert handler is not None
            request = ApiRequest("GET", f"{ROOT}{name}", {"includeRequestDetails": ["1"]})
            answer = await handler(Call(request, parse(request), User("admin")))
            pages[name] = answer.content.decode().splitlines()
        await asyncio.gather(first, second)
    header, *levels = pages["dump_priority_levels"]
    assert header.startswith("PriorityLevelName, ActiveQueues, IsIdle, IsQuiescing, WaitingRequests, ")
    row = next(line for line in levels if line.startswith("global-default"))
    assert [cell.strip() for cell in row.split(",")][1:6] == ["1", "false", "false", "1", "1"]
    _, *queues = pages["dump_queues"]
    waiting = [line.split(",") for line in queues if line.startswith("global-default")]
    assert sum(int(cells[2]) for cells in waiting) == 1
    _, asked = pages["dump_requests"]
    cells = [cell.strip() for cell in asked.split(",")]
    assert cells[:2] == ["global-default", "global-default"]
    assert (cells[4], cells[6]) == ("jane", "1")
    assert cells[10:13] == ["jane", "list", CONFIG_MAPS]
