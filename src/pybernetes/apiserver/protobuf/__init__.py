"""Upstream's protobuf bodies, read as documents.

Clients written in Go send typed objects this way by default; answers go out as JSON, which they all accept.
"""

from pybernetes.apiserver.protobuf.decode import MEDIA_TYPE, ProtobufError, decode_body

__all__ = ["MEDIA_TYPE", "ProtobufError", "decode_body"]
