"""Upstream's protobuf: bodies are read as documents, documents written as answers.

Clients written in Go speak it by default for the kinds that they know.
"""

from pybernetes.apiserver.protobuf.decode import decode_body
from pybernetes.apiserver.protobuf.messages import ProtobufError, UnfitMessage

MEDIA_TYPE = "application/vnd.kubernetes.protobuf"

__all__ = ["MEDIA_TYPE", "ProtobufError", "UnfitMessage", "decode_body"]
