"""What the server's health says of each thing that is done at start."""

from __future__ import annotations

from pybernetes.apiserver.assembly import assemble
from pybernetes.apiserver.health import Health
from pybernetes.apiserver.http import ApiRequest
from pybernetes.apiserver.start_hooks import PREFIX, add_hook
from pybernetes.store.memory import MemoryStore


async def test_a_hook_is_well_when_it_is_done_and_while_what_it_began_goes_on() -> None:
    goes_on = True
    health = Health()
    hook = add_hook(health, ("crd-informer-synced",), lambda: goes_on)
    check = health.ready[f"{PREFIX}crd-informer-synced"]
    assert await check() == "not finished"
    hook.done()
    assert await check() is None
    goes_on = False
    assert await check() == "has stopped"


async def test_before_the_start_every_hook_says_that_it_is_not_finished() -> None:
    assembled = assemble(MemoryStore())

    async def ask(path: str) -> tuple[int, str]:
        answer = await assembled.server.handle(ApiRequest("GET", path))
        return answer.status, answer.content.decode()

    status, text = await ask("/readyz")
    assert status == 500
    assert "[+]ping ok\n" in text
    assert "[-]poststarthook/bootstrap-controller failed: reason withheld\n" in text
    assert "[-]poststarthook/crd-informer-synced failed: reason withheld\n" in text
    assert text.endswith("readyz check failed\n")
    assert await ask("/livez/poststarthook/bootstrap-controller") == (500, "internal server error: not finished\n")
    await assembled.start()
    assert await ask("/readyz") == (200, "ok")
    assembled.server.watch_cache._task.cancel()  # type: ignore[union-attr]
    await assembled.stop()
    status, text = await ask("/livez")
    assert status == 500
    assert "[-]poststarthook/generic-apiserver-start-informers failed" in text
    assert "[+]poststarthook/bootstrap-controller ok" in text


async def test_hooks_are_told_in_upstreams_order_and_the_end_last() -> None:
    health = Health()
    health.ready["shutdown"] = health.ready["ping"]
    add_hook(health, ("bootstrap-controller", "my-own"))
    add_hook(health, ("crd-informer-synced",))
    names = [name.removeprefix(PREFIX) for name in health.ready]
    assert names == ["ping", "log", "crd-informer-synced", "bootstrap-controller", "my-own", "shutdown"]
