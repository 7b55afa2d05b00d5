"""An operator as its author writes one with kopf; the tests run it as a process of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import kopf

GROUP = "kopf.example.com"


@kopf.on.startup()
def configure(settings: kopf.OperatorSettings, **_: Any) -> None:
    settings.posting.level = 20
    settings.watching.server_timeout = 60
    settings.persistence.finalizer = f"{GROUP}/finalizer"


@kopf.index("configmaps", labels={"indexed": "yes"})
def colors(name: str, body: Mapping[str, Any], **_: Any) -> dict[str, str]:
    return {str(body["data"]["color"]): name}


@kopf.on.create(GROUP, "v1", "things")
def made(name: str, spec: Mapping[str, Any], patch: kopf.Patch, colors: kopf.Index, **_: Any) -> dict[str, int]:
    child = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": f"{name}-child"},
        "data": {"size": str(spec["size"])},
    }
    kopf.adopt(child)
    patch.status["child"] = child["metadata"]["name"]
    patch.status["owner"] = child["metadata"]["ownerReferences"][0]["name"]
    patch.status["known"] = sorted(colors)
    return {"size": spec["size"]}


@kopf.on.update(GROUP, "v1", "things", field="spec.size")
def resized(old: int, new: int, patch: kopf.Patch, body: kopf.Body, **_: Any) -> None:
    patch.status["resized"] = f"{old} to {new}"
    kopf.info(body, reason="Resized", message=f"from {old} to {new}")


@kopf.on.resume(GROUP, "v1", "things")
def seen_again(retry: int, patch: kopf.Patch, **_: Any) -> None:
    patch.status["resumed"] = True


@kopf.timer(GROUP, "v1", "things", interval=0.5, labels={"timed": "yes"})
def ticked(status: Mapping[str, Any], patch: kopf.Patch, **_: Any) -> None:
    if status.get("ticks", 0) < 2:
        patch.status["ticks"] = status.get("ticks", 0) + 1


@kopf.daemon(GROUP, "v1", "things", labels={"guarded": "yes"})
async def guards(stopped: kopf.DaemonStopped, body: kopf.Body, **_: Any) -> None:
    kopf.info(body, reason="Guarding", message="as long as it is there")
    await stopped.wait()
    kopf.info(body, reason="Guarded", message="until it went")


@kopf.on.update(GROUP, "v1", "things", labels={"failing": "yes"})
def fails_once(retry: int, patch: kopf.Patch, **_: Any) -> None:
    if retry == 0:
        raise kopf.TemporaryError("not yet", delay=0.1)
    patch.status["retried"] = retry


@kopf.on.delete(GROUP, "v1", "things", labels={"failing": kopf.ABSENT})
def goes(name: str, namespace: str, body: kopf.Body, **_: Any) -> None:
    kopf.info(body, reason="Going", message="says goodbye")
