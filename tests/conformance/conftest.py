from __future__ import annotations

from clients.conftest import namespace, server, whole_cluster

__all__ = ("namespace", "server", "whole_cluster")
