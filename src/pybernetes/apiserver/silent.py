"""aiohttp's answers, silent about the library that sends them: what a client reads names no server."""

from __future__ import annotations

from aiohttp import web


class _Silent(web.StreamResponse):
    async def _prepare_headers(self) -> None:
        await super()._prepare_headers()
        self.headers.pop("Server", None)


class Streaming(_Silent):
    pass


class Whole(_Silent, web.Response):
    pass


class WebSocket(_Silent, web.WebSocketResponse):
    pass
