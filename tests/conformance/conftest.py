from __future__ import annotations

from clients.conftest import server

__all__ = ("server",)
