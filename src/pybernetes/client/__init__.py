"""The only way from a component to the API server: typed verbs, informers, work queues, leader election, events."""

from __future__ import annotations

from pybernetes.client.client import Client
from pybernetes.client.http import ConnectionSettings, HttpTransport
from pybernetes.client.informer import Informer, Informers
from pybernetes.client.kubeconfig import KubeconfigError
from pybernetes.client.objects import Document, ObjectList, PatchType, WatchEvent, WatchType, key_of
from pybernetes.client.resource import ResourceClient
from pybernetes.client.transport import DirectTransport, Request, Response, Stream, Transport, Unreachable
from pybernetes.client.work_queue import QueueClosed, WorkQueue

__all__ = [
    "Client",
    "ConnectionSettings",
    "DirectTransport",
    "Document",
    "HttpTransport",
    "Informer",
    "Informers",
    "KubeconfigError",
    "ObjectList",
    "PatchType",
    "QueueClosed",
    "Request",
    "ResourceClient",
    "Response",
    "Stream",
    "Transport",
    "Unreachable",
    "WatchEvent",
    "WatchType",
    "WorkQueue",
    "key_of",
]
