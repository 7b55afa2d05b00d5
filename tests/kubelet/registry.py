"""A registry to pull from."""

from __future__ import annotations

import base64
import json
import tarfile
from pathlib import Path

from aiohttp import web

REPOSITORY = "team/app"


class Registry:
    """The reading half of the distribution protocol, for one image. `private` asks for a name and a password."""

    def __init__(self, archive: Path) -> None:
        with tarfile.open(archive) as tar:
            members = [member for member in tar.getmembers() if member.isfile()]
            self._files = {member.name: tar.extractfile(member).read() for member in members}  # type: ignore[union-attr]
        self._digest = json.loads(self._files["index.json"])["manifests"][0]["digest"]
        self.private = False
        self._runner: web.AppRunner | None = None

    async def start(self) -> str:
        app = web.Application()
        app.router.add_get("/v2/", self._version)
        app.router.add_get(f"/v2/{REPOSITORY}/{{kind:manifests|blobs}}/{{reference}}", self._content)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        return f"localhost:{self._runner.addresses[0][1]}"

    async def stop(self) -> None:
        assert self._runner is not None
        await self._runner.cleanup()

    def _refuse_strangers(self, request: web.Request) -> None:
        expected = "Basic " + base64.b64encode(b"robot:secret").decode()
        if self.private and request.headers.get("Authorization") != expected:
            raise web.HTTPUnauthorized(headers={"WWW-Authenticate": 'Basic realm="registry"'})

    async def _version(self, request: web.Request) -> web.Response:
        self._refuse_strangers(request)
        return web.json_response({})

    async def _content(self, request: web.Request) -> web.Response:
        self._refuse_strangers(request)
        reference = request.match_info["reference"]
        digest = self._digest if reference == "1.0" else reference
        data = self._files.get(f"blobs/sha256/{digest.partition(':')[2]}")
        if data is None:
            raise web.HTTPNotFound
        manifest = request.match_info["kind"] == "manifests"
        kind = "application/vnd.oci.image.manifest.v1+json" if manifest else "application/octet-stream"
        return web.Response(body=data, headers={"Content-Type": kind, "Docker-Content-Digest": digest})
