"""Pytest: the fixture `cluster`, and the marker `virtual_time` for tests that only want a loop whose time jumps.

Load it with `pytest_plugins = ["pybernetes.testing.pytest_plugin"]` in the topmost conftest.py.
A test that uses `cluster`, or a fixture made of it, runs in a `VirtualLoop` by itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import pytest
import pytest_asyncio

from pybernetes.testing.loop import VirtualLoop

LoopFactory = Callable[[], asyncio.AbstractEventLoop]


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "cluster(**options): what the fixture `cluster` is made of")
    config.addinivalue_line("markers", "virtual_time: runs in an event loop whose time jumps to the next timer")


def pytest_asyncio_loop_factories(config: pytest.Config, item: Any) -> Mapping[str, LoopFactory]:
    if "cluster" in item.fixturenames or item.get_closest_marker("virtual_time") is not None:
        return {"virtual": VirtualLoop}
    return {"real": asyncio.new_event_loop}


@pytest_asyncio.fixture
async def cluster(request: pytest.FixtureRequest) -> AsyncIterator[Any]:
    """A whole control plane with hollow nodes, new for each test. See `pybernetes.testing.cluster`.

    `@pytest.mark.cluster(nodes=3, controllers=("*", "-job-controller"))` chooses what it is made of.
    """
    from pybernetes.testing.cluster import Cluster

    chosen = request.node.get_closest_marker("cluster")
    async with Cluster(**(chosen.kwargs if chosen else {})) as running:
        yield running
