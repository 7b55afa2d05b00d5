from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from pybernetes.store.check import violations
from pybernetes.store.memory import MemoryStore
from store.conformance import Conformance


class TestMemoryStore(Conformance):
    @pytest.fixture
    async def store(self) -> AsyncIterator[MemoryStore]:
        store = MemoryStore()
        yield store
        assert list(violations(store.state)) == []
        await store.close()
